//! Data contracts: metadata and rules beside a schema. They are kept and given back as they came; rules run in clients.
//!
//! Unknown members are kept, too (`other`): whoever reads another's `_schemas` topic drops nothing. A request that has
//! any is refused, so that nobody believes in a rule that no one knows.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Where a schema carries the version under which it was asked for.
pub const CONFLUENT_VERSION: &str = "confluent:version";

/// Free properties of a schema, and tags of its parts by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Tags by path.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// Properties by name.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Names of properties that are not to be shown.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeSet::is_empty")]
    pub sensitive: BTreeSet<String>,
    /// Members that are not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The rules of a schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleSet {
    /// From one version to another.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub migration_rules: Vec<Rule>,
    /// On what is written or read.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub domain_rules: Vec<Rule>,
    /// On the encoded bytes.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub encoding_rules: Vec<Rule>,
    /// From when on they hold, as the client has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_at: Option<String>,
    /// Members that are not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its name, one of its kind in the set.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// Whether it changes or judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RuleKind>,
    /// When it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RuleMode>,
    /// Who can run it: `CEL`, `ENCRYPT`, …
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub rule_type: Option<String>,
    /// Which tags it is about.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Its parameters.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// What it says, in the language of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// What to do then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<String>,
    /// What to do otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    /// Kept, and not run.
    #[serde(default)]
    pub disabled: bool,
    /// Members that are not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Whether a rule changes or judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleKind {
    /// It changes.
    Transform,
    /// It judges.
    Condition,
}

/// When a rule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleMode {
    /// To a later version.
    Upgrade,
    /// To an earlier version.
    Downgrade,
    /// To either.
    Updown,
    /// When written.
    Write,
    /// When read.
    Read,
    /// Both.
    Writeread,
}

impl RuleMode {
    const fn is_migration(self) -> bool {
        matches!(self, Self::Upgrade | Self::Downgrade | Self::Updown)
    }
}

/// `null` is as good as nothing.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Why metadata or rules are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// A member that is not known.
    #[error("`{0}` is not known: clients would ignore it")]
    Unknown(String),
    /// A rule without a name, a mode or a type.
    #[error("rule `{rule}` has no {what}")]
    Missing {
        /// Which.
        rule: String,
        /// What it lacks.
        what: &'static str,
    },
    /// Two rules of one name.
    #[error("two rules have the name `{0}`")]
    Duplicate(String),
    /// A rule that nobody can run.
    #[error("rule `{rule}` cannot be run: {reason}")]
    Invalid {
        /// Which.
        rule: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A rule in the wrong list.
    #[error("rule `{rule}` of mode {mode:?} does not belong among the {list} rules")]
    Misplaced {
        /// Which.
        rule: String,
        /// Its mode.
        mode: RuleMode,
        /// Where it is.
        list: &'static str,
    },
}

fn refuse_unknown(other: &Map<String, Value>) -> Result<(), ContractError> {
    other.keys().next().map_or(Ok(()), |key| Err(ContractError::Unknown(key.clone())))
}

impl Metadata {
    /// Refuses what would not be understood.
    ///
    /// # Errors
    /// [`ContractError::Unknown`].
    pub fn check(&self) -> Result<(), ContractError> {
        refuse_unknown(&self.other)
    }

    /// What comes of it where `over` says something else or more.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        let mut merged = self.clone();
        merged.tags.extend(over.tags.clone());
        merged.properties.extend(over.properties.clone());
        merged.sensitive.extend(over.sensitive.iter().cloned());
        merged.other.extend(over.other.clone());
        merged
    }

    /// The version that it names.
    #[must_use]
    pub fn confluent_version(&self) -> Option<&str> {
        self.properties.get(CONFLUENT_VERSION).map(String::as_str)
    }

    /// Feeds what a hash of the schema covers.
    pub(crate) fn feed(&self, feed: &mut dyn FnMut(&[u8])) {
        for (path, tags) in &self.tags {
            feed(path.as_bytes());
            tags.iter().for_each(|tag| feed(tag.as_bytes()));
        }
        for (name, value) in &self.properties {
            feed(name.as_bytes());
            feed(value.as_bytes());
        }
        self.sensitive.iter().for_each(|name| feed(name.as_bytes()));
    }
}

/// `over` in the place of `under`, or merged where both are there.
#[must_use]
pub(crate) fn merge<T: Clone>(under: Option<&T>, over: Option<&T>, merged: impl Fn(&T, &T) -> T) -> Option<T> {
    match (under, over) {
        (Some(under), Some(over)) => Some(merged(under, over)),
        (one, other) => other.or(one).cloned(),
    }
}

impl RuleSet {
    /// Refuses what would not be understood.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn check(&self) -> Result<(), ContractError> {
        refuse_unknown(&self.other)?;
        let mut names = BTreeSet::new();
        let lists =
            [("migration", &self.migration_rules), ("domain", &self.domain_rules), ("encoding", &self.encoding_rules)];
        for (list, rules) in lists {
            for rule in rules {
                rule.check(list)?;
                if !names.insert(rule.name.as_str()) {
                    return Err(ContractError::Duplicate(rule.name.clone()));
                }
            }
        }
        Ok(())
    }

    /// What comes of it where `over` has rules of the same names, or more.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        let merge = |under: &[Rule], over: &[Rule]| -> Vec<Rule> {
            let kept = under.iter().filter(|rule| over.iter().all(|other| other.name != rule.name));
            kept.chain(over).cloned().collect()
        };
        let mut other = self.other.clone();
        other.extend(over.other.clone());
        Self {
            migration_rules: merge(&self.migration_rules, &over.migration_rules),
            domain_rules: merge(&self.domain_rules, &over.domain_rules),
            encoding_rules: merge(&self.encoding_rules, &over.encoding_rules),
            enable_at: over.enable_at.clone().or_else(|| self.enable_at.clone()),
            other,
        }
    }

    /// The rules but those of these names.
    #[must_use]
    pub(crate) fn without(mut self, names: &[String]) -> Self {
        for rules in [&mut self.migration_rules, &mut self.domain_rules, &mut self.encoding_rules] {
            rules.retain(|rule| !names.contains(&rule.name));
        }
        self
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.migration_rules.iter().chain(&self.domain_rules).chain(&self.encoding_rules)
    }

    /// Whether there is a rule of this type.
    #[must_use]
    pub fn has_type(&self, wanted: &str) -> bool {
        self.rules().any(|rule| rule.rule_type.as_deref() == Some(wanted))
    }

    /// Feeds what a hash of the schema covers.
    pub(crate) fn feed(&self, feed: &mut dyn FnMut(&[u8])) {
        self.rules().for_each(|rule| rule.feed(feed));
    }
}

impl Rule {
    fn check(&self, list: &'static str) -> Result<(), ContractError> {
        refuse_unknown(&self.other)?;
        let missing = |what| ContractError::Missing { rule: self.name.clone(), what };
        if self.name.is_empty() {
            return Err(missing("name"));
        }
        if self.rule_type.as_deref().is_none_or(str::is_empty) {
            return Err(missing("type"));
        }
        let mode = self.mode.ok_or_else(|| missing("mode"))?;
        if mode.is_migration() != (list == "migration") {
            return Err(ContractError::Misplaced { rule: self.name.clone(), mode, list });
        }
        Ok(())
    }

    fn feed(&self, feed: &mut dyn FnMut(&[u8])) {
        let mut text = |text: Option<&str>| text.into_iter().for_each(|text| feed(text.as_bytes()));
        text(Some(&self.name));
        text(self.doc.as_deref());
        text(Some(match self.kind {
            // What is not said is a transformation.
            Some(RuleKind::Transform) | None => "TRANSFORM",
            Some(RuleKind::Condition) => "CONDITION",
        }));
        text(self.mode.map(|mode| match mode {
            RuleMode::Upgrade => "UPGRADE",
            RuleMode::Downgrade => "DOWNGRADE",
            RuleMode::Updown => "UPDOWN",
            RuleMode::Write => "WRITE",
            RuleMode::Read => "READ",
            RuleMode::Writeread => "WRITEREAD",
        }));
        text(self.rule_type.as_deref());
        self.tags.iter().for_each(|tag| text(Some(tag)));
        for (name, value) in &self.params {
            text(Some(name));
            text(Some(value));
        }
        text(self.expr.as_deref());
        text(self.on_success.as_deref());
        text(self.on_failure.as_deref());
        if self.disabled {
            feed(&[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(value: Value) -> RuleSet {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rules_come_back_as_they_were_given() {
        let given = json!({
            "migrationRules": [{ "name": "up", "kind": "TRANSFORM", "mode": "UPGRADE", "type": "JSONATA", "expr": "$",
                "disabled": false }],
            "domainRules": [{ "name": "pii", "doc": "d", "kind": "TRANSFORM", "mode": "WRITEREAD", "type": "ENCRYPT",
                "tags": ["PII"], "params": { "encrypt.kek.name": "k" }, "onFailure": "ERROR,NONE", "disabled": true }],
        });
        let set = rules(given.clone());
        set.check().unwrap();
        assert_eq!(serde_json::to_value(&set).unwrap(), given);
        assert!(set.has_type("ENCRYPT") && !set.has_type("CEL"));
    }

    #[test]
    fn what_nobody_would_understand_is_refused_and_yet_kept_where_another_wrote_it() {
        let set = rules(json!({ "domainRules": [{ "name": "a", "mode": "WRITE", "type": "CEL", "if": "x" }] }));
        assert_eq!(set.check(), Err(ContractError::Unknown("if".to_owned())));
        assert_eq!(serde_json::to_value(&set).unwrap()["domainRules"][0]["if"], "x");
        let twice = json!({ "domainRules": [{ "name": "a", "mode": "WRITE", "type": "CEL" },
            { "name": "a", "mode": "READ", "type": "CEL" }] });
        assert_eq!(rules(twice).check(), Err(ContractError::Duplicate("a".to_owned())));
        let misplaced = json!({ "domainRules": [{ "name": "a", "mode": "UPGRADE", "type": "CEL" }] });
        assert!(matches!(rules(misplaced).check(), Err(ContractError::Misplaced { list: "domain", .. })));
        let bare = json!({ "domainRules": [{ "name": "a", "mode": "WRITE" }] });
        assert!(matches!(rules(bare).check(), Err(ContractError::Missing { what: "type", .. })));
    }

    #[test]
    fn overrides_win_and_defaults_give_way() {
        let one: Metadata = serde_json::from_value(json!({ "properties": { "a": "1", "b": "1" } })).unwrap();
        let two: Metadata = serde_json::from_value(json!({ "properties": { "b": "2" }, "sensitive": ["b"] })).unwrap();
        let merged = merge(Some(&one), Some(&two), Metadata::merged).unwrap();
        assert_eq!(merged.properties, BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]));
        let under = rules(json!({ "domainRules": [{ "name": "a", "mode": "WRITE", "type": "CEL" }] }));
        let over = rules(json!({ "domainRules": [{ "name": "a", "mode": "READ", "type": "CEL" }] }));
        assert_eq!(under.merged(&over).domain_rules, over.domain_rules);
    }
}
