//! Records that are decoded by the schemas of a registry.

use crate::{
    commands::schema::{Language, RegistryArgs},
    lines::Part,
    output::note,
};
use anyhow::Context as _;
use levada_client::ConsumedRecord;
use levada_model::schema_id::{KEY_HEADER, VALUE_HEADER};
use levada_schema_client::Decoder;
use std::time::Duration;

/// How keys and values are decoded.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Decoding {
    /// Show values as the JSON that the schemas they name make of them
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    value_format: Option<Language>,
    /// Show keys so
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    key_format: Option<Language>,
    /// Tell of records that cannot be decoded, and go on
    #[arg(long)]
    skip_undecodable: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Decoding {
    /// What decodes; the registry is asked when a record names a schema that is not known yet.
    pub(super) fn decoders(&self, timeout: Duration) -> anyhow::Result<Decoders> {
        let decoder = |language: Option<Language>| match language {
            None => anyhow::Ok(None),
            Some(language) => Ok(Some(Decoder::new(self.registry.client(timeout)?, language.into()))),
        };
        Ok(Decoders { key: decoder(self.key_format)?, value: decoder(self.value_format)? })
    }

    /// What becomes of a record that cannot be decoded.
    pub(super) fn pass_over(&self, error: anyhow::Error, place: &str) -> anyhow::Result<()> {
        if !self.skip_undecodable {
            let hint = "`--skip-undecodable` goes on behind it";
            return Err(error.context(format!("cannot decode {place} ({hint})")));
        }
        note(format_args!("skipped {place}: {error:#}"));
        Ok(())
    }
}

/// What decodes keys and values, where something does.
pub(super) struct Decoders {
    key: Option<Decoder>,
    value: Option<Decoder>,
}

impl Decoders {
    /// A record's key and value as JSON, where they are decoded.
    pub(super) fn decode(&mut self, record: &ConsumedRecord) -> anyhow::Result<Decoded> {
        let header = |name: &str| {
            let last = record.headers.iter().rev().find(|header| &*header.key == name);
            last.map(|header| header.value.as_deref().unwrap_or_default())
        };
        let decode = |decoder: &mut Option<Decoder>, part: Option<&[u8]>, name: &str, of: &'static str| {
            let Some((decoder, part)) = decoder.as_mut().zip(part) else { return anyhow::Ok(None) };
            let json = decoder.decode(header(name), part).context(of)?;
            // A record is a line; between the tokens of JSON a space is as good.
            Ok(Some(json.replace(['\n', '\r'], " ")))
        };
        Ok(Decoded {
            key: decode(&mut self.key, record.key.as_deref(), KEY_HEADER, "key")?,
            value: decode(&mut self.value, record.value.as_deref(), VALUE_HEADER, "value")?,
        })
    }
}

/// The parts of a record that were decoded.
pub(super) struct Decoded {
    key: Option<String>,
    value: Option<String>,
}

impl Decoded {
    /// Key and value as they are shown.
    pub(super) fn parts<'a>(&'a self, record: &'a ConsumedRecord) -> (Part<'a>, Part<'a>) {
        let key = self.key.as_deref().map_or(Part::Bytes(record.key.as_ref()), Part::Json);
        let value = self.value.as_deref().map_or(Part::Bytes(record.value.as_ref()), Part::Json);
        (key, value)
    }
}
