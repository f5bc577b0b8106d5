//! Where the two may differ, and why: the rules of `exceptions.txt`, each about fields, none about whole messages.
//!
//! ```text
//! KIND PATH [vFIRST-LAST] [kafka=VALUE] [levada=VALUE] : reason
//! ```
//! `differs`: anything may stand on either side. `worded`: texts for people; Levada has one wherever Kafka has, and may
//! have one where Kafka is silent. `own`: an identity that each side makes itself; both have one.
//! `missing` and `extra`: an element that only Kafka, or only Levada, has. `unordered KEY,…`: the order of the array's
//! elements means nothing; they are told apart by these fields, `*` being the element itself. In a path `[]` stands
//! for any element and `*` for any text.

use std::cell::Cell;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Where the rules are.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/diff/exceptions.txt");

/// What a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Differs,
    Worded,
    Own,
    Missing,
    Extra,
    Unordered(Vec<String>),
}

#[derive(Debug)]
struct Rule {
    kind: Kind,
    path: String,
    versions: Option<(i16, i16)>,
    kafka: Option<String>,
    levada: Option<String>,
    line: usize,
    used: Cell<bool>,
}

/// The rules.
#[derive(Debug)]
pub(super) struct Exceptions {
    rules: Vec<Rule>,
}

impl Exceptions {
    /// Reads the committed rules.
    pub(super) fn load() -> Result<Self> {
        Self::parse(&std::fs::read_to_string(FILE)?)
    }

    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().enumerate();
        let rules = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let rules = rules.map(|(index, line)| rule(line, index + 1).with_context(|| format!("`{line}`")));
        Ok(Self { rules: rules.collect::<Result<_>>()? })
    }

    /// The fields by which the elements of the array at `path` are told apart, where their order means nothing.
    pub(super) fn keys(&self, path: &str, version: i16) -> Option<&[String]> {
        let mut found = self.rules.iter().filter(|rule| rule.is_about(path, version));
        found.find_map(|rule| match &rule.kind {
            Kind::Unordered(keys) => {
                rule.used.set(true);
                Some(keys.as_slice())
            }
            _ => None,
        })
    }

    /// Whether the two sides may differ so.
    pub(super) fn allow(&self, path: &str, version: i16, kafka: Option<&Value>, levada: Option<&Value>) -> bool {
        let allows = |rule: &&Rule| {
            rule.is_about(path, version)
                && rule.kafka.as_ref().is_none_or(|text| Some(text) == kafka.map(plain).as_ref())
                && rule.levada.as_ref().is_none_or(|text| Some(text) == levada.map(plain).as_ref())
                && match rule.kind {
                    Kind::Differs => kafka.is_some() && levada.is_some(),
                    Kind::Worded => is_worded(kafka, levada),
                    Kind::Own => is_identity(kafka) && is_identity(levada),
                    Kind::Missing => levada.is_none(),
                    Kind::Extra => kafka.is_none(),
                    Kind::Unordered(_) => false,
                }
        };
        let found = self.rules.iter().find(allows);
        found.inspect(|rule| rule.used.set(true)).is_some()
    }

    /// The lines of rules that nothing needed.
    pub(super) fn stale(&self) -> Vec<usize> {
        self.rules.iter().filter(|rule| !rule.used.get()).map(|rule| rule.line).collect()
    }
}

impl Rule {
    fn is_about(&self, path: &str, version: i16) -> bool {
        let in_range = self.versions.is_none_or(|(first, last)| (first..=last).contains(&version));
        in_range && matches(self.path.as_bytes(), path.as_bytes())
    }
}

fn rule(text: &str, line: usize) -> Result<Rule> {
    let (head, reason) = text.split_once(" : ").context("a rule has its reason after ` : `")?;
    ensure!(!reason.trim().is_empty(), "the reason is missing");
    let mut words = head.split_whitespace();
    let kind = match words.next().context("an empty rule")? {
        "differs" => Kind::Differs,
        "worded" => Kind::Worded,
        "own" => Kind::Own,
        "missing" => Kind::Missing,
        "extra" => Kind::Extra,
        "unordered" => {
            let keys = words.next().context("the keys are missing")?;
            Kind::Unordered(keys.split(',').map(str::to_owned).collect())
        }
        other => bail!("no kind of rule is `{other}`"),
    };
    let path = words.next().context("the path is missing")?.to_owned();
    ensure!(path.contains('.'), "a rule is about a field, not about a whole message");
    let mut rule = Rule { kind, path, versions: None, kafka: None, levada: None, line, used: Cell::new(false) };
    for word in words {
        if let Some(value) = word.strip_prefix("kafka=") {
            rule.kafka = Some(value.to_owned());
        } else if let Some(value) = word.strip_prefix("levada=") {
            rule.levada = Some(value.to_owned());
        } else if let Some((first, last)) = word.strip_prefix('v').and_then(|range| range.split_once('-')) {
            rule.versions = Some((first.parse()?, last.parse()?));
        } else {
            bail!("`{word}` is not understood");
        }
    }
    Ok(rule)
}

fn is_worded(kafka: Option<&Value>, levada: Option<&Value>) -> bool {
    let (Some(kafka), Some(levada)) = (kafka, levada) else { return false };
    levada.as_str().is_some_and(|text| !text.is_empty()) || (kafka == "" && levada.is_null())
}

/// Whether it is a text that is not empty, nor all zeros.
fn is_identity(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| text.bytes().any(|byte| byte != b'0'))
}

/// A value as rules spell it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether `text` is of the shape of `pattern`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            (0..=text.len()).any(|skipped| matches(rest, text.get(skipped..).unwrap_or_default()))
        }
        ([b'[', b']', rest @ ..], [b'[', inner @ ..]) => {
            let ends = inner.iter().enumerate().filter(|(_, byte)| **byte == b']').map(|(index, _)| index);
            ends.into_iter().any(|end| matches(rest, inner.get(end + 1..).unwrap_or_default()))
        }
        ([first, rest @ ..], [other, others @ ..]) => first == other && matches(rest, others),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_stand_for_elements_and_texts() {
        assert!(matches(b"A.b[].c", b"A.b[7].c"));
        assert!(matches(b"A.b[x*].c", b"A.b[x.y].c"));
        assert!(!matches(b"A.b[].c", b"A.b[7].d"));
        assert!(!matches(b"A.b", b"A.b[7]"));
    }

    #[test]
    fn a_rule_that_nothing_needed_is_stale() {
        let rules = Exceptions::parse("# why\ndiffers A.b v2-3 kafka=1 : ids\nworded A.c : words\n").unwrap();
        assert!(!rules.allow("A.b", 1, Some(&json!(1)), Some(&json!(2))));
        assert!(!rules.allow("A.b", 2, Some(&json!(3)), Some(&json!(2))));
        assert!(rules.allow("A.b", 2, Some(&json!(1)), Some(&json!(2))));
        assert!(!rules.allow("A.c", 2, Some(&json!("x")), Some(&json!(null))));
        assert_eq!(rules.stale(), [3]);
        assert!(Exceptions::parse("differs A : everything\n").is_err());
        assert!(Exceptions::parse("differs A.b\n").is_err());
    }

    #[test]
    fn the_committed_rules_can_be_read() {
        Exceptions::load().unwrap();
    }
}
