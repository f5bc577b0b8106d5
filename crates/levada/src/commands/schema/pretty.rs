//! Schemas and what is said about them, as people like to read them.

/// A schema's text over several lines where it is JSON; else as it is. Order and numbers stay as they were written.
pub(super) fn pretty(text: &str) -> String {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return text.trim_end().to_owned();
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' => {
                out.push(char);
                copy_string(&mut chars, &mut out);
            }
            '{' | '[' => {
                out.push(char);
                skip_space(&mut chars);
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(char);
            }
            ',' => {
                out.push(char);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn copy_string(chars: &mut Chars<'_>, out: &mut String) {
    while let Some(char) = chars.next() {
        out.push(char);
        match char {
            '"' => return,
            '\\' => out.extend(chars.next()),
            _ => {}
        }
    }
}

fn skip_space(chars: &mut Chars<'_>) {
    while chars.next_if(|next| next.is_whitespace()).is_some() {}
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// What a message about an incompatibility says, without the labels that machines find its parts by.
pub(super) fn sentence(message: &str) -> String {
    let part = |name: &str, end: &str| {
        let (_, rest) = message.split_once(&format!("{name}:"))?;
        let rest = rest.trim_start().trim_start_matches(['\'', '"']);
        rest.split_once(end).map(|(part, _)| part.trim_end_matches(['\'', '"']).to_owned())
    };
    let kind = part("errorType", ",");
    let description = part("description", ", additionalInfo").or_else(|| part("description", "}"));
    match (kind, description) {
        (Some(kind), Some(description)) => format!("{description} ({})", kind.to_lowercase().replace('_', " ")),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_gets_lines_and_nothing_else_changes() {
        let text = r#"{"b":[1.50,{}, []],"a":"x{\",}"}"#;
        let expected = "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\": \"x{\\\",}\"\n}";
        assert_eq!(pretty(text), expected);
        assert_eq!(pretty(expected), expected);
        assert_eq!(pretty("\"string\""), "\"string\"");
        assert_eq!(pretty("syntax = \"proto3\";\n\n"), "syntax = \"proto3\";");
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        let message = "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'mail' at path \
                       '/fields/1' in the new schema has no default value and is missing in the old schema', \
                       additionalInfo:'mail'}";
        assert_eq!(
            sentence(message),
            "The field 'mail' at path '/fields/1' in the new schema has no default value and is missing in the old \
             schema (reader field missing default value)"
        );
        assert_eq!(sentence("{oldSchemaVersion: 1}"), "{oldSchemaVersion: 1}");
    }
}
