//! What `serve` is told: `levada.toml`, then `LEVADA_…` variables, then flags; the later wins.
//!
//! The keys are listed in [`mod@keys`]; what they mean is decided by the crates that obey them. A key that
//! nobody knows is refused with the nearest name.

mod keys;
mod suggest;

pub(crate) use keys::{Key, Kind, is_broker_key, keys};

use crate::units::{self, UnitError};
use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Built in.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// A value that fits its key's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Not set.
    Absent,
    /// A text, a path or an address.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A number, bytes, or milliseconds.
    Number(i64),
    /// A time span.
    Duration(Duration),
}

/// Why the settings do not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The configuration file could not be read.
    #[error("cannot read the configuration file `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The configuration file is not TOML.
    #[error("`{}` is not valid TOML: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What the parser said, with the place.
        reason: String,
    },
    /// A key that nobody knows.
    #[error("unknown key `{key}` in {from}{}", suggest::hint(*nearest))]
    Unknown {
        /// The key.
        key: String,
        /// Where it stood.
        from: Source,
        /// The nearest known key.
        nearest: Option<&'static str>,
    },
    /// A value of the wrong kind.
    #[error("`{key}` in {from}: {reason}")]
    Invalid {
        /// The key.
        key: String,
        /// Where it stood.
        from: Source,
        /// What is wrong and what to write.
        reason: String,
    },
}

/// Every key with its value and where that came from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, (Value, Source)>,
}

impl Settings {
    /// The built-in values.
    pub(crate) fn defaults() -> Self {
        let value = |key: &Key| {
            if key.default.is_empty() { Value::Absent } else { parse(key, key.default).expect("defaults are valid") }
        };
        Self { values: keys().iter().map(|key| (key.name, (value(key), Source::Default))).collect() }
    }

    /// Reads a configuration file over what is there.
    ///
    /// # Errors
    /// [`SettingsError`] names the file and the key.
    pub(crate) fn read_file(&mut self, path: &Path) -> Result<(), SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        self.read_toml(&text, path)
    }

    fn read_toml(&mut self, text: &str, path: &Path) -> Result<(), SettingsError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| SettingsError::Toml {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let mut flat = Vec::new();
        flatten("", table, &mut flat);
        for (key, value) in flat {
            let from = Source::File(path.to_owned());
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Float(number) => number.to_string(),
                other => {
                    let reason = format!("a {} is not taken here", other.type_str());
                    return Err(SettingsError::Invalid { key, from, reason });
                }
            };
            self.set(&key, &text, from)?;
        }
        Ok(())
    }

    /// Takes the variables that start with `LEVADA_`, [`keys::OTHER_VARIABLES`] left out.
    ///
    /// # Errors
    /// [`SettingsError`] names the variable.
    pub(crate) fn read_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), SettingsError> {
        let mut ours: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with("LEVADA_")).collect();
        ours.sort();
        for (variable, value) in ours {
            if keys::OTHER_VARIABLES.contains(&variable.as_str()) {
                continue;
            }
            let from = Source::Environment(variable.clone());
            match keys().iter().find(|key| key.variable() == variable) {
                Some(key) => self.set(key.name, &value, from)?,
                None => {
                    let lower = variable.trim_start_matches("LEVADA_").to_ascii_lowercase();
                    let nearest = suggest::nearest(&lower, keys().iter().map(|key| key.name));
                    return Err(SettingsError::Unknown {
                        key: variable,
                        from: Source::Environment("the environment".into()),
                        nearest,
                    });
                }
            }
        }
        Ok(())
    }

    /// Sets one key.
    ///
    /// # Errors
    /// [`SettingsError::Unknown`] with a suggestion, [`SettingsError::Invalid`].
    pub(crate) fn set(&mut self, name: &str, text: &str, from: Source) -> Result<(), SettingsError> {
        if let Some((_, key, unit_ms)) = keys::LARGER_UNITS.iter().find(|(larger, ..)| *larger == name) {
            // Below 0 is no limit, in any unit.
            let ms = text
                .parse::<i64>()
                .ok()
                .and_then(|count| if count < 0 { Some(-1) } else { count.checked_mul(*unit_ms) });
            let invalid = |from| SettingsError::Invalid {
                key: name.to_owned(),
                from,
                reason: format!("`{text}` is not a whole number; `{key}` takes `7d` and the like"),
            };
            return match ms {
                Some(ms) => self.set(key, &ms.to_string(), from),
                None => Err(invalid(from)),
            };
        }
        let Some(key) = keys().iter().find(|key| key.name == name) else {
            let nearest = suggest::nearest(name, keys().iter().map(|key| key.name));
            return Err(SettingsError::Unknown { key: name.to_owned(), from, nearest });
        };
        let value = parse(key, text).map_err(|reason| SettingsError::Invalid {
            key: name.to_owned(),
            from: from.clone(),
            reason,
        })?;
        self.values.insert(key.name, (value, from));
        Ok(())
    }

    /// The value of `name`, which is one of [`keys()`].
    pub(crate) fn get(&self, name: &str) -> &Value {
        &self.values.get(name).expect("callers name listed keys").0
    }

    /// A text, if it is set.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a yes-or-no key says yes.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Value::Flag(true))
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> i64 {
        match self.get(name) {
            Value::Number(number) => *number,
            _ => 0,
        }
    }

    /// A count or a size.
    pub(crate) fn size(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(0)
    }

    /// A time span.
    pub(crate) fn duration(&self, name: &str) -> Duration {
        match self.get(name) {
            Value::Duration(duration) => *duration,
            Value::Number(millis) => Duration::from_millis(u64::try_from(*millis).unwrap_or(0)),
            _ => Duration::ZERO,
        }
    }

    /// What was set of the broker's own settings, by Kafka's names.
    pub(crate) fn broker(&self) -> Vec<(&'static str, String)> {
        let set = keys().iter().filter(|key| is_broker_key(key)).filter_map(|key| {
            let (value, source) = self.values.get(key.name)?;
            let text = match value {
                Value::Text(text) => text.clone(),
                Value::Flag(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Duration(duration) => duration.as_millis().to_string(),
                Value::Absent => return None,
            };
            (*source != Source::Default).then_some((key.name, text))
        });
        set.collect()
    }

    /// The settings as a configuration file that says where each value came from.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for key in keys() {
            let (value, source) = self.values.get(key.name).expect("every key has a value");
            let name = if key.name.contains('.') { format!("\"{}\"", key.name) } else { key.name.to_owned() };
            let line = match value {
                Value::Absent => format!("# {name} is not set"),
                Value::Text(text) => format!("{name} = {}", toml::Value::String(text.clone())),
                Value::Flag(flag) => format!("{name} = {flag}"),
                Value::Number(number) => format!("{name} = {number}"),
                Value::Duration(duration) => format!("{name} = \"{}\"", units::show_duration(*duration)),
            };
            writeln!(text, "{line}  # {source}").expect("a String takes what is written");
        }
        text
    }
}

fn flatten(prefix: &str, table: toml::Table, flat: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, flat),
            other => flat.push((path, other)),
        }
    }
}

/// The value that `text` means for `key`, or what is wrong with it.
fn parse(key: &Key, text: &str) -> Result<Value, String> {
    let told = |error: UnitError| error.to_string();
    match key.kind {
        Kind::Text if text.is_empty() => Err("it is empty".to_owned()),
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Flag => text.parse().map(Value::Flag).map_err(|_| format!("`{text}` is neither `true` nor `false`")),
        Kind::AddressOrOff if text == "off" => Ok(Value::Text(text.to_owned())),
        Kind::Address | Kind::AddressOrOff => address(text).map(|()| Value::Text(text.to_owned())),
        Kind::Number => text.parse().map(Value::Number).map_err(|_| format!("`{text}` is not a whole number")),
        Kind::Size => match text.parse() {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => whole(units::parse_size(text).map_err(told)?, text),
        },
        Kind::Milliseconds => match text.parse() {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => {
                let duration = units::parse_duration(text).map_err(told)?;
                whole(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), text)
            }
        },
        Kind::Duration => units::parse_duration(text).map(Value::Duration).map_err(told),
    }
}

fn whole(number: u64, text: &str) -> Result<Value, String> {
    i64::try_from(number).map(Value::Number).map_err(|_| format!("`{text}` is too large"))
}

/// Whether `text` is `HOST:PORT` or `[IPv6]:PORT`.
fn address(text: &str) -> Result<(), String> {
    let valid = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok() && (!host.contains(':') || host.starts_with('['))
    });
    if valid { Ok(()) } else { Err(format!("`{text}` is not an address; write HOST:PORT, say `127.0.0.1:9092`")) }
}

#[cfg(test)]
mod tests;
