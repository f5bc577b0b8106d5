//! `levada schema config` and `mode`.

use super::Remote;
use crate::{
    commands::pair,
    output::{Output, Table},
};
use serde_json::{Map, Value};

#[derive(Debug, clap::Args)]
pub(crate) struct Config {
    /// The subject; the whole registry where left out
    subject: Option<String>,
    /// A setting to change: `compatibility=FULL`, `normalize=true`, …; values may be JSON; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// A setting to take back; repeatable
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// Take all of them back
    #[arg(long, conflicts_with_all = ["set", "unset"])]
    reset: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Config {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (registry, mut output) = self.remote.open()?;
        let whose = self.subject.as_deref();
        if self.reset {
            registry.delete_config(whose)?;
        } else if !(self.set.is_empty() && self.unset.is_empty()) {
            let set = self.set.iter().map(|(name, value)| (name.clone(), read(value)));
            let unset = self.unset.iter().map(|name| (name.clone(), Value::Null));
            registry.set_config(whose, &Value::Object(set.chain(unset).collect()))?;
        }
        show(&mut output, &registry.config(whose)?)
    }
}

/// `true`, `false`, objects and lists are JSON; all else is text.
fn read(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Mode {
    /// The subject; the whole registry where left out
    subject: Option<String>,
    /// The mode to set: READWRITE, READONLY, IMPORT, …
    #[arg(long, value_name = "MODE")]
    set: Option<String>,
    /// Set IMPORT also where there are schemas already
    #[arg(long, requires = "set")]
    force: bool,
    /// Take it back
    #[arg(long, conflicts_with = "set")]
    reset: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Mode {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (registry, mut output) = self.remote.open()?;
        let whose = self.subject.as_deref();
        if self.reset {
            registry.delete_mode(whose)?;
        } else if let Some(mode) = &self.set {
            registry.set_mode(whose, mode, self.force)?;
        }
        show(&mut output, &registry.mode(whose)?)
    }
}

fn show(output: &mut Output, settings: &Value) -> anyhow::Result<()> {
    output.result(settings, |settings| {
        let mut table = Table::new(["SETTING", "VALUE"]);
        for (name, value) in settings.as_object().unwrap_or(&Map::new()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            table.row([name.clone(), value]);
        }
        table
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_text_unless_they_are_plainly_not() {
        assert_eq!(read("FULL"), json!("FULL"));
        assert_eq!(read("true"), json!(true));
        assert_eq!(read("12"), json!("12"));
        assert_eq!(read(r#"{"properties":{"owner":"shop"}}"#), json!({ "properties": { "owner": "shop" } }));
    }
}
