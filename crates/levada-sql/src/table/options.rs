//! What stands in a table's `WITH`, by Flink's names.

use super::{Changelog, Connector, Origin, TableError};
use crate::{
    datagen::DataGen,
    format::{Format, JsonOptions},
};
use datafusion::arrow::datatypes::Field;
use std::{collections::BTreeMap, sync::Arc};

const CONNECTORS: &str = "`kafka`, `upsert-kafka`, `datagen` and `blackhole`";

pub(super) struct Options {
    pub(super) connector: Connector,
    pub(super) changelog: Changelog,
    pub(super) key_format: Option<Format>,
    pub(super) key_fields: Vec<String>,
    pub(super) value_format: Format,
}

impl Options {
    pub(super) fn read(
        name: &str,
        options: &BTreeMap<String, String>,
        primary_key: &[usize],
        fields: &[Field],
        origins: &[Origin],
    ) -> Result<Self, TableError> {
        let changelog = match options.get("connector").map(String::as_str) {
            None | Some("kafka") => Changelog::Append,
            Some("upsert-kafka") => Changelog::Upsert,
            Some("datagen") => {
                no_metadata(fields, origins, "datagen")?;
                let stored = fields.iter().zip(origins).map(|(field, origin)| (field, *origin != Origin::Computed));
                let datagen = DataGen::read(options, stored)?;
                return Ok(Self::without_topic(Connector::DataGen(Arc::new(datagen))));
            }
            Some("blackhole") => {
                no_metadata(fields, origins, "blackhole")?;
                return match options.keys().find(|key| *key != "connector") {
                    None => Ok(Self::without_topic(Connector::Blackhole)),
                    Some(key) => Err(TableError::Option(format!("there is no option `{key}` for `blackhole`"))),
                };
            }
            Some(other) => {
                return Err(TableError::Option(format!("there is no connector `{other}`, but {CONNECTORS}")));
            }
        };
        if changelog == Changelog::Upsert && primary_key.is_empty() {
            return Err(TableError::Option("`upsert-kafka` needs a PRIMARY KEY … NOT ENFORCED".to_owned()));
        }
        let value_name = options.get("value.format").or_else(|| options.get("format")).map_or("json", String::as_str);
        let value_prefix = if options.contains_key("value.format") { "value." } else { "" };
        let value_format = Format::from_options(value_name, value_prefix, options)?;
        let default_key = (changelog == Changelog::Upsert).then_some("json");
        let key_name = options.get("key.format").map(String::as_str).or(default_key);
        let key_format = key_name.map(|name| Format::from_options(name, "key.", options)).transpose()?;
        let key_fields: Vec<String> = options
            .get("key.fields")
            .map(|fields| fields.split(';').map(|field| field.trim().to_owned()).collect())
            .unwrap_or_default();
        let connector = Connector::Topic(options.get("topic").map_or(name, String::as_str).to_owned());
        let known = |key: &str| {
            let of_format = |prefix: &str, format: &str| key.starts_with(&format!("{prefix}{format}."));
            matches!(key, "connector" | "topic" | "format" | "value.format" | "key.format" | "key.fields")
                || of_format(value_prefix, value_name)
                || key_name.is_some_and(|name| of_format("key.", name))
                || (key == "scan.startup.mode" && options.get(key).is_some_and(|mode| mode == "earliest-offset"))
        };
        match options.keys().find(|key| !known(key)) {
            None => Ok(Self { connector, changelog, key_format, key_fields, value_format }),
            Some(key) if key == "properties.bootstrap.servers" => {
                let message = "`properties.bootstrap.servers` is not supported: tables are topics of this broker";
                Err(TableError::Option(message.to_owned()))
            }
            Some(key) if key == "scan.startup.mode" => {
                Err(TableError::Option("`scan.startup.mode` can be `earliest-offset`".to_owned()))
            }
            Some(key) => Err(TableError::Option(format!("there is no option `{key}`"))),
        }
    }
}

impl Options {
    /// What is not read and not written has no format that counts.
    fn without_topic(connector: Connector) -> Self {
        let value_format = Format::Json(JsonOptions::default());
        Self { connector, changelog: Changelog::Append, key_format: None, key_fields: Vec::new(), value_format }
    }
}

/// Rows that are no records have no metadata.
fn no_metadata(fields: &[Field], origins: &[Origin], connector: &str) -> Result<(), TableError> {
    let is_metadata = |origin: &Origin| matches!(origin, Origin::Timestamp | Origin::Partition | Origin::Offset);
    match fields.iter().zip(origins).find(|(_, origin)| is_metadata(origin)) {
        None => Ok(()),
        Some((field, _)) => {
            let message = format!("`{connector}` has no metadata, and `{}` is to come from it", field.name());
            Err(TableError::Declaration(message))
        }
    }
}
