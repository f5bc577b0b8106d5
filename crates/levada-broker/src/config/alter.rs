//! Changing settings: all at once, or one by one (KIP-339).

use crate::config::{ConfigError, Rule, Scope, Setting, broker::BROKER, find, group::GROUP, topic::TOPIC};
use levada_model::Str;
use std::collections::BTreeMap;

/// What to do to one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOp {
    /// Give it this value.
    Set,
    /// Back to its default.
    Delete,
    /// Add these to the list.
    Append,
    /// Take these from the list.
    Subtract,
}

/// A change of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterConfigs {
    /// These, and nothing else, are set from now on; one without a value has its default.
    Replace(Vec<(Str, Option<Str>)>),
    /// One by one.
    Incremental(Vec<(Str, ConfigOp, Option<Str>)>),
}

/// Whose settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// A topic's.
    Topic,
    /// The broker's that can change while it runs.
    Broker,
    /// A group's.
    Group,
}

impl Table {
    fn find(self, name: &str) -> Result<&'static Setting, ConfigError> {
        let setting = match self {
            Self::Topic => find(TOPIC, name)?,
            Self::Broker => find(BROKER, name)?,
            Self::Group => find(GROUP, name)?,
        };
        if setting.scope == Scope::Static { Err(ConfigError::ReadOnly { name: setting.name }) } else { Ok(setting) }
    }
}

/// The settings that result from `change`.
///
/// `default` tells what a list is before it was first set.
///
/// # Errors
/// [`ConfigError`] names the first setting that is unknown or illegal.
pub fn apply(
    table: Table,
    current: &BTreeMap<String, String>,
    change: &AlterConfigs,
    default: impl Fn(&'static Setting) -> String,
) -> Result<BTreeMap<String, String>, ConfigError> {
    match change {
        AlterConfigs::Replace(settings) => {
            let mut next = BTreeMap::new();
            for (name, value) in settings {
                let setting = table.find(name)?;
                if let Some(value) = value {
                    put(&mut next, setting, value)?;
                }
            }
            Ok(next)
        }
        AlterConfigs::Incremental(steps) => {
            let mut next = current.clone();
            for (name, operation, value) in steps {
                let setting = match table.find(name) {
                    // What does not exist is not set.
                    Err(ConfigError::Unknown { .. }) if *operation == ConfigOp::Delete => continue,
                    found => found?,
                };
                step(&mut next, setting, *operation, value.as_deref(), &default)?;
            }
            Ok(next)
        }
    }
}

fn put(next: &mut BTreeMap<String, String>, setting: &'static Setting, value: &str) -> Result<(), ConfigError> {
    setting.check(value)?;
    if setting.is_kept() {
        next.insert(setting.name.to_owned(), value.to_owned());
    }
    Ok(())
}

fn step(
    next: &mut BTreeMap<String, String>,
    setting: &'static Setting,
    operation: ConfigOp,
    value: Option<&str>,
    default: &impl Fn(&'static Setting) -> String,
) -> Result<(), ConfigError> {
    if operation == ConfigOp::Delete {
        next.remove(setting.name);
        return Ok(());
    }
    let value = value.ok_or_else(|| ConfigError::NoValue { name: setting.name.to_owned() })?;
    if operation == ConfigOp::Set {
        return put(next, setting, value);
    }
    if !matches!(setting.rule, Rule::SomeOf(_)) {
        return Err(ConfigError::NotAList { name: setting.name });
    }
    let present = next.get(setting.name).cloned().unwrap_or_else(|| default(setting));
    let mut words: Vec<&str> = present.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    for word in value.split(',').map(str::trim) {
        words.retain(|present| *present != word);
        if operation == ConfigOp::Append {
            words.push(word);
        }
    }
    put(next, setting, &words.join(","))
}
