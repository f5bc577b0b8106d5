//! [`Pattern`]: a regular expression that cannot run away. What needs no backtracking is matched in linear time, and
//! what does stops after [`BACKTRACKS_MAX`].

use fancy_regex::{Regex, RegexBuilder};

/// Bytes of an expression.
const PATTERN_BYTES_MAX: usize = 4_096;
/// Bytes of a compiled expression.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Steps back that one match may take.
const BACKTRACKS_MAX: usize = 20_000;

/// A regular expression of ECMA 262's language, found anywhere in a text.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// As it stands in the schema.
    pub(crate) text: String,
    regex: Regex,
}

impl Pattern {
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("it has {} bytes; at most {PATTERN_BYTES_MAX} are compiled", text.len()));
        }
        // What the translation does not know, look-around say, the engine reads as it stands.
        let translated = jsonschema_regex::to_rust_regex(text).map_or_else(|()| text.to_owned(), Into::into);
        let mut builder = RegexBuilder::new(&translated);
        builder.backtrack_limit(BACKTRACKS_MAX).delegate_size_limit(COMPILED_BYTES_MAX);
        let regex = builder.build().map_err(|error| error.to_string().lines().last().unwrap_or("").to_owned())?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether it is found in `text`; none where the match was given up.
    pub(crate) fn is_match(&self, text: &str) -> Option<bool> {
        self.regex.is_match(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_anywhere() {
        let pattern = Pattern::compile("b+").unwrap();
        assert_eq!(pattern.is_match("abc"), Some(true));
        assert_eq!(pattern.is_match("ac"), Some(false));
        assert_eq!(Pattern::compile("^(?!x)\\d+$").unwrap().is_match("12"), Some(true));
    }

    #[test]
    fn a_hostile_pattern_costs_an_error() {
        assert!(Pattern::compile("(((a{1000}){1000}){1000}){1000}").is_err());
        assert!(Pattern::compile(&"(".repeat(4_000)).is_err());
        assert!(Pattern::compile("[").is_err());
        let backtracking = Pattern::compile("^((a|b)*(a|c)*)*\\2d$").unwrap();
        assert_eq!(backtracking.is_match("aaaad"), Some(true));
        assert_eq!(backtracking.is_match(&format!("{}!", "a".repeat(5_000))), None);
    }
}
