//! What a group has to know of topics, and what regular expressions match of them.

use levada_model::{PartitionIndex, Str, TopicId};
use regex::bytes::{Regex, RegexBuilder};
use std::collections::BTreeSet;

/// The longest regular expression, in bytes.
const PATTERN_SIZE_MAX: usize = 4096;
/// The most memory that a compiled one may take, in bytes.
const COMPILED_SIZE_MAX: usize = 1 << 20;
/// How deep one may nest.
const NESTING_MAX: u32 = 100;

/// A topic as an assignor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicShape {
    /// Its identity.
    pub id: TopicId,
    /// How many partitions.
    pub partitions: PartitionIndex,
}

/// The topics at one moment.
pub trait Topics {
    /// Another number means that a topic may have come, grown or gone.
    fn version(&self) -> u64;

    /// The topic called `name`.
    fn find(&self, name: &str) -> Option<TopicShape>;

    /// What the topic with this id is called.
    fn name_of(&self, id: TopicId) -> Option<Str>;

    /// Calls `with` for the name of every topic that whoever asks may see.
    fn for_each_visible(&self, with: &mut dyn FnMut(&Str));
}

/// A regular expression over names.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles `text`, in the syntax of RE2: linear in time, without look-around and back-references.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > PATTERN_SIZE_MAX {
            return Err(format!("it has more than {PATTERN_SIZE_MAX} bytes"));
        }
        let whole = format!(r"\A(?:{})\z", without_quotes(text));
        let compiled = RegexBuilder::new(&whole)
            .unicode(false)
            .size_limit(COMPILED_SIZE_MAX)
            .dfa_size_limit(COMPILED_SIZE_MAX)
            .nest_limit(NESTING_MAX)
            .build();
        let pattern = compiled.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            other => other.to_string().lines().last().unwrap_or("it is malformed").to_owned(),
        })?;
        // What closes our own bracket and opens another is not one expression.
        RegexBuilder::new(&without_quotes(text))
            .unicode(false)
            .size_limit(COMPILED_SIZE_MAX)
            .nest_limit(NESTING_MAX)
            .build()
            .map(|_| pattern)
            .map_err(|_| "it is malformed".to_owned())
    }

    /// Whether the whole of `name` matches.
    #[must_use]
    pub fn is_match(&self, name: &str) -> bool {
        self.0.is_match(name.as_bytes())
    }

    /// The visible topics whose whole name matches.
    #[must_use]
    pub fn matches(&self, topics: &dyn Topics) -> BTreeSet<Str> {
        let mut names = BTreeSet::new();
        topics.for_each_visible(&mut |name| {
            if self.is_match(name) {
                names.insert(name.clone());
            }
        });
        names
    }
}

/// The expression with what stands between `\Q` and `\E` escaped letter by letter, which RE2 knows and the engine
/// here does not.
fn without_quotes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find_quote(rest) {
        plain.push_str(&rest[..at]);
        let quoted = &rest[at + 2..];
        let (literal, after) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
        plain.push_str(&regex::escape(literal));
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Where the next `\Q` stands that is not itself escaped.
fn find_quote(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            let (_, escaped) = bytes.next()?;
            if escaped == b'Q' {
                return Some(at);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(Vec<Str>);

    impl Topics for Names {
        fn version(&self) -> u64 {
            1
        }

        fn find(&self, _: &str) -> Option<TopicShape> {
            None
        }

        fn name_of(&self, _: TopicId) -> Option<Str> {
            None
        }

        fn for_each_visible(&self, with: &mut dyn FnMut(&Str)) {
            self.0.iter().for_each(with);
        }
    }

    fn matched(pattern: &str, names: &[&str]) -> Vec<String> {
        let names = Names(names.iter().map(|&name| name.into()).collect());
        Pattern::new(pattern).unwrap().matches(&names).into_iter().map(String::from).collect()
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        assert_eq!(matched("foo", &["foo", "foobar", "barfoo"]), ["foo"]);
        assert_eq!(matched("foo.*|bar", &["foo", "foobar", "bar", "barfoo"]), ["bar", "foo", "foobar"]);
        assert_eq!(matched(r"(?i)FOO\d", &["foo1", "foox"]), ["foo1"]);
        assert_eq!(matched(r"\Qa.b\E.*", &["a.b", "axb", "a.bc"]), ["a.b", "a.bc"]);
        assert_eq!(matched(r"\\Q", &["Q"]), [""; 0], "a backslash and a letter, no quotation");
        assert_eq!(matched("", &["foo"]), [""; 0]);
    }

    #[test]
    fn what_is_malformed_or_too_large_is_refused() {
        for bad in ["(", "[", "a**{", r"(?=x)", r"\1", "a)|(b", "((a{999}){999}){999}", &"(".repeat(200)] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
        assert!(Pattern::new(&"a".repeat(PATTERN_SIZE_MAX + 1)).is_err());
        assert!(Pattern::new(&format!("{}a{}", "(".repeat(150), ")".repeat(150))).is_err());
    }
}
