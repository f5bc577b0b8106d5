//! How a registry, a context or a subject behaves: what counts as compatible, and who may write.

use crate::contract::{Metadata, RuleSet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which earlier schemas a new one must get along with, and in which direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Compatibility {
    /// None.
    None,
    /// It reads what the latest wrote.
    #[default]
    Backward,
    /// It reads what any earlier one wrote.
    BackwardTransitive,
    /// The latest reads what it writes.
    Forward,
    /// All earlier ones read what it writes.
    ForwardTransitive,
    /// Both, of the latest.
    Full,
    /// Both, of all.
    FullTransitive,
}

impl Compatibility {
    /// By its name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(Value::String(name.to_ascii_uppercase())).ok()
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// Whether a new schema reads what earlier ones wrote.
    #[must_use]
    pub const fn is_backward(self) -> bool {
        matches!(self, Self::Backward | Self::BackwardTransitive | Self::Full | Self::FullTransitive)
    }

    /// Whether earlier schemas read what a new one writes.
    #[must_use]
    pub const fn is_forward(self) -> bool {
        matches!(self, Self::Forward | Self::ForwardTransitive | Self::Full | Self::FullTransitive)
    }

    /// Whether it is about all earlier ones.
    #[must_use]
    pub const fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }
}

/// How strictly JSON Schemas are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CompatibilityPolicy {
    /// Nothing that a schema accepts may be refused by the other.
    #[default]
    Strict,
    /// Properties may come and go in open and closed models.
    Lenient,
}

/// Settings of the registry, a context or a subject. What is `None` is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The subject that is meant where this one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Whether an alias holds for keys of encryption, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_for_deks: Option<bool>,
    /// Whether schemas are normalised without being asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// Whether names of fields and reserved fields are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_fields: Option<bool>,
    /// Whether new schemas are held to all that their format asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_new_schemas: Option<bool>,
    /// Whether rules are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_rules: Option<bool>,
    /// What must get along with what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility_level: Option<Compatibility>,
    /// How strictly, for JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility_policy: Option<CompatibilityPolicy>,
    /// The property of the metadata within whose equal values schemas are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility_group: Option<String>,
    /// What metadata begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_metadata: Option<Metadata>,
    /// What metadata end with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_metadata: Option<Metadata>,
    /// What rules begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_rule_set: Option<RuleSet>,
    /// What rules end with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_rule_set: Option<RuleSet>,
    /// Members that are not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Config {
    /// What must get along with what.
    #[must_use]
    pub fn compatibility(&self) -> Compatibility {
        self.compatibility_level.unwrap_or_default()
    }

    /// Whether metadata or rules come from here.
    #[must_use]
    pub const fn has_contract(&self) -> bool {
        self.default_metadata.is_some()
            || self.override_metadata.is_some()
            || self.default_rule_set.is_some()
            || self.override_rule_set.is_some()
    }
}

/// Who may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Anyone; ids are given here.
    #[default]
    Readwrite,
    /// No one.
    Readonly,
    /// No one, whatever subjects have.
    ReadonlyOverride,
    /// Who brings ids along: a copy of another registry.
    Import,
    /// As `Import`, for what is forwarded.
    Forward,
}

impl Mode {
    /// By its name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(Value::String(name.to_ascii_uppercase())).ok()
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Readwrite => "READWRITE",
            Self::Readonly => "READONLY",
            Self::ReadonlyOverride => "READONLY_OVERRIDE",
            Self::Import => "IMPORT",
            Self::Forward => "FORWARD",
        }
    }

    /// Whether nobody writes.
    #[must_use]
    pub const fn is_read_only(self) -> bool {
        matches!(self, Self::Readonly | Self::ReadonlyOverride)
    }

    /// Whether ids come with the schemas.
    #[must_use]
    pub const fn takes_ids(self) -> bool {
        matches!(self, Self::Import | Self::Forward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_modes_have_their_names() {
        use Compatibility as C;
        let levels =
            [C::None, C::Backward, C::BackwardTransitive, C::Forward, C::ForwardTransitive, C::Full, C::FullTransitive];
        for level in levels {
            assert_eq!(Compatibility::named(&level.name().to_ascii_lowercase()), Some(level));
        }
        assert_eq!(Compatibility::named("SIDEWARD"), None);
        for mode in [Mode::Readwrite, Mode::Readonly, Mode::ReadonlyOverride, Mode::Import, Mode::Forward] {
            assert_eq!(Mode::named(mode.name()), Some(mode));
        }
    }
}
