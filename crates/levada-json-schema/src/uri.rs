//! Just enough of RFC 3986: a reference against a base. Names of references need not be URIs, and need not parse.

/// A reference in two: what it leads to, and the fragment therein.
pub(crate) fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// Resolves a reference without a fragment against a base.
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    if has_scheme(reference) {
        return reference.to_owned();
    }
    let (authority, path) = split_authority(base);
    if reference.starts_with('/') {
        return format!("{authority}{}", without_dots(reference));
    }
    let root = if authority.is_empty() { "" } else { "/" };
    let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or(root);
    format!("{authority}{}", without_dots(&format!("{folder}{reference}")))
}

fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A base in two: scheme and host, and the path.
fn split_authority(base: &str) -> (&str, &str) {
    let Some(scheme) = base.find("://") else { return ("", base) };
    let start = scheme + 3;
    let end = base.get(start..).and_then(|rest| rest.find('/')).map_or(base.len(), |slash| start + slash);
    base.split_at(end)
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." if kept.last().is_some_and(|last| !last.is_empty()) => drop(kept.pop()),
            ".." => {}
            _ => kept.push(segment),
        }
    }
    kept.join("/")
}

/// Undoes `%41` and the like; what is no escape stays.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('%') {
        let (before, after) = rest.split_at(position);
        bytes.extend_from_slice(before.as_bytes());
        let code = after.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        rest = after.get(if code.is_some() { 3 } else { 1 }..).unwrap_or("");
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_against_their_base() {
        assert_eq!(resolve("http://a/b/c.json", "d.json"), "http://a/b/d.json");
        assert_eq!(resolve("http://a/b/c.json", "/d.json"), "http://a/d.json");
        assert_eq!(resolve("http://a/b/c.json", "../d.json"), "http://a/d.json");
        assert_eq!(resolve("http://a/b/c.json", "https://x/y"), "https://x/y");
        assert_eq!(resolve("http://a/b/c.json", ""), "http://a/b/c.json");
        assert_eq!(resolve("", "./d e.json"), "d e.json");
        assert_eq!(resolve("folder/a.json", "b.json"), "folder/b.json");
        assert_eq!(resolve("http://a", "b"), "http://a/b");
    }

    #[test]
    fn percent_escapes_are_undone_where_they_are_some() {
        assert_eq!(percent_decoded("a%20b%2Fc%"), "a b/c%");
        assert_eq!(percent_decoded("%ff"), "%ff");
    }
}
