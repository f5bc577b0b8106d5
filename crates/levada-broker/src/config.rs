//! Settings under Kafka's names: what exists, what values are legal, what is in force and why.
//!
//! A setting is obeyed or refused by name. [`topic`], [`broker`] and [`group`] hold the tables; [`alter`] changes
//! settings, [`describe`] shows them.

pub mod alter;
pub mod broker;
pub mod describe;
pub mod group;
pub mod topic;

pub use alter::{AlterConfigs, ConfigOp};
pub use broker::BrokerConfig;
pub use describe::{ConfigSource, DescribedConfig, Synonym};
pub use topic::{TopicConfig, TopicDefaults, WRITER, resolve};

/// The type of a setting, as clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// A number with a point.
    Double,
    /// Texts with commas between them.
    List,
}

/// Which values a setting may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `true` or `false`.
    Boolean,
    /// An integer of 32 bits, at least this.
    Int(i64),
    /// An integer of 64 bits, at least this.
    Long(i64),
    /// A number from 0 to 1.
    Ratio,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Some of these words, with commas between them.
    SomeOf(&'static [&'static str]),
    /// Nothing but the default: the setting has no effect here, and is refused rather than kept in vain.
    OnlyDefault(ConfigKind),
}

impl Rule {
    /// The type that clients are told.
    #[must_use]
    pub const fn kind(self) -> ConfigKind {
        match self {
            Self::Boolean => ConfigKind::Boolean,
            Self::Int(_) => ConfigKind::Int,
            Self::Long(_) => ConfigKind::Long,
            Self::Ratio => ConfigKind::Double,
            Self::OneOf(_) => ConfigKind::String,
            Self::SomeOf(_) => ConfigKind::List,
            Self::OnlyDefault(kind) => kind,
        }
    }
}

/// Why a setting is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No setting has this name.
    #[error("unknown setting `{name}`{}", suggestion(.nearest))]
    Unknown {
        /// The name.
        name: String,
        /// A name that is nearly this.
        nearest: Option<&'static str>,
    },
    /// The value is not legal.
    #[error("`{name}` cannot be `{value}`: {reason}")]
    Invalid {
        /// The setting.
        name: &'static str,
        /// The value.
        value: String,
        /// The rule it breaks.
        reason: String,
    },
    /// The setting would have no effect.
    #[error("`{name}` has no effect here and can only be `{default}`")]
    NoEffect {
        /// The setting.
        name: &'static str,
        /// The one value that is taken.
        default: &'static str,
    },
    /// The setting is fixed while the broker runs.
    #[error("`{name}` is fixed while the broker runs: set it in the configuration file and start again")]
    ReadOnly {
        /// The setting.
        name: &'static str,
    },
    /// Two settings contradict each other. The words are Kafka's.
    #[error("conflict topic config setting {smaller} ({smaller_value}) > {larger} ({larger_value})")]
    Conflict {
        /// The setting that must not be larger.
        smaller: &'static str,
        /// Its value.
        smaller_value: i64,
        /// The setting that must not be smaller.
        larger: &'static str,
        /// Its value.
        larger_value: i64,
    },
    /// A group's setting is beyond what the broker, or another of its settings, allows. The words are Kafka's.
    #[error("{name} must be {relation} {bound}")]
    Bound {
        /// The setting.
        name: &'static str,
        /// How they must be to each other.
        relation: &'static str,
        /// The setting that bounds it.
        bound: &'static str,
    },
    /// A value is missing.
    #[error("`{name}` needs a value")]
    NoValue {
        /// The setting.
        name: String,
    },
    /// Only lists can be added to and taken from.
    #[error("`{name}` is no list")]
    NotAList {
        /// The setting.
        name: &'static str,
    },
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

/// One setting of a table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Kafka's name.
    pub name: &'static str,
    /// Which values it may have.
    pub rule: Rule,
    /// The value where none is set; empty is no value.
    pub default: &'static str,
    /// For a topic's and a group's: the broker setting that gives the default. For a broker's: whether it can change
    /// at run time.
    pub scope: Scope,
    /// What it does.
    pub doc: &'static str,
}

/// Where a setting's value may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A topic's alone.
    Topic,
    /// A topic's, with this broker setting as default.
    TopicWithDefault(&'static str),
    /// A group's, with this broker setting as default, if there is one.
    Group(Option<&'static str>),
    /// The broker's, from its configuration file.
    Static,
    /// The broker's, changeable at run time.
    Dynamic,
}

impl Setting {
    /// Whether `value` is legal.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`], [`ConfigError::NoEffect`].
    pub fn check(&self, value: &str) -> Result<(), ConfigError> {
        let invalid = |reason: String| ConfigError::Invalid { name: self.name, value: value.to_owned(), reason };
        match self.rule {
            Rule::Boolean => match value {
                "true" | "false" => Ok(()),
                _ => Err(invalid("it is `true` or `false`".to_owned())),
            },
            Rule::Int(min) => check_number(value, min, i64::from(i32::MAX)).map_err(invalid),
            Rule::Long(min) => check_number(value, min, i64::MAX).map_err(invalid),
            Rule::Ratio => match value.trim().parse::<f64>() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
                _ => Err(invalid("it is a number from 0 to 1".to_owned())),
            },
            Rule::OneOf(words) => {
                if words.contains(&value) {
                    Ok(())
                } else {
                    Err(invalid(format!("it is one of {}", words.join(", "))))
                }
            }
            Rule::SomeOf(words) => {
                // Without any, everything is kept (KIP-1161).
                let all_known = value.is_empty() || value.split(',').all(|word| words.contains(&word.trim()));
                if all_known { Ok(()) } else { Err(invalid(format!("it is a list of {}", words.join(", ")))) }
            }
            Rule::OnlyDefault(_) if value == self.default => Ok(()),
            Rule::OnlyDefault(_) => Err(ConfigError::NoEffect { name: self.name, default: self.default }),
        }
    }

    /// Whether a value is kept at all; a setting without effect has only its default.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        !matches!(self.rule, Rule::OnlyDefault(_))
    }
}

fn check_number(value: &str, min: i64, max: i64) -> Result<(), String> {
    match value.trim().parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(()),
        Ok(_) => Err(format!("it is at least {min} and at most {max}")),
        Err(_) => Err("it is a whole number".to_owned()),
    }
}

/// The setting called `name`.
///
/// # Errors
/// [`ConfigError::Unknown`], with a suggestion where one is near.
pub fn find(table: &'static [Setting], name: &str) -> Result<&'static Setting, ConfigError> {
    let found = table.iter().find(|setting| setting.name == name);
    found.ok_or_else(|| ConfigError::Unknown { name: bounded(name), nearest: nearest(table, name) })
}

/// Names come from strangers: errors repeat no more than this of them.
fn bounded(name: &str) -> String {
    name.chars().take(100).collect()
}

fn nearest(table: &'static [Setting], name: &str) -> Option<&'static str> {
    levada_model::nearest(name, table.iter().map(|setting| setting.name))
}

#[cfg(test)]
mod tests;
