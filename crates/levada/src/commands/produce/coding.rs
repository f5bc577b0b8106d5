//! Records that are encoded by the schemas of a registry.

use crate::{
    commands::schema::{Language, RegistryArgs},
    lines::Coded,
};
use anyhow::Context as _;
use bytes::Bytes;
use levada_schema_client::{Encoder, RegistryClient};
use std::time::Duration;

/// How keys and values are encoded.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Coding {
    /// Values are JSON, to be encoded by the latest schema of their subject
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    value_format: Option<Language>,
    /// The subject of the values' schema; TOPIC-value where left out
    #[arg(long, value_name = "SUBJECT", requires = "value_format")]
    schema_subject: Option<String>,
    /// Encode values by the schema of this id instead
    #[arg(long, value_name = "N", requires = "value_format", conflicts_with = "schema_subject")]
    schema_id: Option<i32>,
    /// Which message of the schema values are, by its full name; the first where left out
    #[arg(long, value_name = "NAME", requires = "value_format")]
    message: Option<String>,
    /// Keys are JSON, to be encoded by the latest schema of their subject
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    key_format: Option<Language>,
    /// The subject of the keys' schema; TOPIC-key where left out
    #[arg(long, value_name = "SUBJECT", requires = "key_format")]
    key_schema_subject: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Coding {
    /// Asks the registry for what is needed.
    pub(super) fn coders(&self, topic: &str, timeout: Duration) -> anyhow::Result<Coders> {
        if self.value_format.is_none() && self.key_format.is_none() {
            return Ok(Coders::default());
        }
        let registry: RegistryClient = self.registry.client(timeout)?;
        let latest = |subject: &Option<String>, part: &str, language: Language, message| {
            let subject = subject.clone().unwrap_or_else(|| format!("{topic}-{part}"));
            Encoder::latest(&registry, &subject, language.into(), message)
        };
        let value = match (self.value_format, self.schema_id) {
            (None, _) => None,
            (Some(language), Some(id)) => Some(Encoder::by_id(&registry, id, language.into(), self.message.clone())?),
            (Some(language), None) => Some(latest(&self.schema_subject, "value", language, self.message.clone())?),
        };
        let key =
            self.key_format.map(|language| latest(&self.key_schema_subject, "key", language, None)).transpose()?;
        Ok(Coders { key, value })
    }
}

/// What encodes keys and values, where something does.
#[derive(Default)]
pub(super) struct Coders {
    key: Option<Encoder>,
    value: Option<Encoder>,
}

impl Coders {
    /// Which parts are JSON on their line.
    pub(super) const fn coded(&self) -> Coded {
        Coded { key: self.key.is_some(), value: self.value.is_some() }
    }

    /// The key and the value as they are sent.
    pub(super) fn encode(
        &self,
        key: Option<Bytes>,
        value: Option<Bytes>,
    ) -> anyhow::Result<(Option<Bytes>, Option<Bytes>)> {
        let encode = |encoder: &Option<Encoder>, part: Option<Bytes>, name| match (encoder, part) {
            (Some(encoder), Some(part)) => {
                let json = std::str::from_utf8(&part).context(name)?;
                anyhow::Ok(Some(Bytes::from(encoder.encode(json).context(name)?)))
            }
            (_, part) => Ok(part),
        };
        Ok((encode(&self.key, key, "key")?, encode(&self.value, value, "value")?))
    }
}
