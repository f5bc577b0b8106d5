//! [`Pattern`]: a regular expression that cannot run away. What needs no backtracking is matched in linear time, and
//! what does stops after [`BACKTRACKS_MAX`].

use fancy_regex::{Error, Regex, RegexBuilder};

/// Bytes of an expression.
const PATTERN_BYTES_MAX: usize = 4_096;
/// Bytes of a compiled expression, as most are.
const COMPILED_BYTES: usize = 256 << 10;
/// Bytes of a compiled expression, as a few may be: `\p{L}{1,50}` say.
const LARGE_BYTES_MAX: usize = 10 << 20;
/// Steps back that one match may take.
const BACKTRACKS_MAX: usize = 20_000;

/// A regular expression of ECMA 262's language, found anywhere in a text.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// As it stands in the schema.
    pub(crate) text: String,
    regex: Regex,
}

/// Why an expression cannot be used.
pub(crate) enum PatternError {
    /// It is large, and no more large ones may be.
    Large,
    /// It is wrong.
    Wrong(String),
}

impl Pattern {
    /// Compiles an expression. `large` is how many large ones may be compiled yet.
    pub(crate) fn compile(text: &str, large: &mut usize) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES_MAX {
            let reason = format!("it has {} bytes; at most {PATTERN_BYTES_MAX} are compiled", text.len());
            return Err(PatternError::Wrong(reason));
        }
        // What the translation does not know, look-around say, the engine reads as it stands.
        let translated = jsonschema_regex::to_rust_regex(text).map_or_else(|()| text.to_owned(), Into::into);
        let regex = match build(&translated, COMPILED_BYTES) {
            Err(Error::CompileError(_)) if *large == 0 => return Err(PatternError::Large),
            Err(Error::CompileError(_)) => {
                *large -= 1;
                build(&translated, LARGE_BYTES_MAX)
            }
            result => result,
        };
        let reason = |error: Error| error.to_string().lines().last().unwrap_or("").to_owned();
        let regex = regex.map_err(|error| PatternError::Wrong(reason(error)))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether it is found in `text`; none where the match was given up.
    pub(crate) fn is_match(&self, text: &str) -> Option<bool> {
        self.regex.is_match(text).ok()
    }
}

fn build(text: &str, bytes_max: usize) -> Result<Regex, Error> {
    let mut builder = RegexBuilder::new(text);
    builder.backtrack_limit(BACKTRACKS_MAX).delegate_size_limit(bytes_max);
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Option<Pattern> {
        Pattern::compile(text, &mut 1).ok()
    }

    #[test]
    fn a_pattern_is_found_anywhere() {
        let pattern = compile("b+").unwrap();
        assert_eq!(pattern.is_match("abc"), Some(true));
        assert_eq!(pattern.is_match("ac"), Some(false));
        assert_eq!(compile("^(?!x)\\d+$").unwrap().is_match("12"), Some(true));
        assert_eq!(compile("^\\p{L}{1,50}$").unwrap().is_match("größe"), Some(true));
    }

    #[test]
    fn a_hostile_pattern_costs_an_error() {
        assert!(compile("(((a{1000}){1000}){1000}){1000}").is_none());
        assert!(compile(&"(".repeat(4_000)).is_none());
        assert!(compile("[").is_none());
        let backtracking = compile("^((a|b)*(a|c)*)*\\2d$").unwrap();
        assert_eq!(backtracking.is_match("aaaad"), Some(true));
        assert_eq!(backtracking.is_match(&format!("{}!", "a".repeat(5_000))), None);
    }

    #[test]
    fn only_so_many_patterns_are_large() {
        let mut large = 1;
        assert!(Pattern::compile("^\\p{L}{1,50}$", &mut large).is_ok());
        assert!(Pattern::compile("^a$", &mut large).is_ok());
        assert!(matches!(Pattern::compile("^\\p{L}{1,51}$", &mut large), Err(PatternError::Large)));
    }
}
