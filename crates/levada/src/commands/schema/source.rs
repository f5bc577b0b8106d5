//! A schema that is read from a file.

use anyhow::Context as _;
use levada_schema::{Reference, SchemaType};
use levada_schema_client::Content;
use std::{io::Read as _, path::Path};

/// So much is read of stdin; no schema is longer.
const SIZE_MAX: u64 = 16 << 20;

/// The language of a schema, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Apache Avro
    Avro,
    /// JSON Schema
    JsonSchema,
    /// Protocol Buffers
    Protobuf,
}

impl From<Language> for SchemaType {
    fn from(language: Language) -> Self {
        match language {
            Language::Avro => Self::Avro,
            Language::JsonSchema => Self::Json,
            Language::Protobuf => Self::Protobuf,
        }
    }
}

/// Where a schema comes from.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Source {
    /// The file with the schema; `-` reads stdin
    file: std::path::PathBuf,
    #[command(flatten)]
    pub(super) about: About,
}

/// What is to be known of a schema beyond its text.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct About {
    /// Its language; told from the end of the file's name where left out: .avsc, .json, .proto
    #[arg(long = "type", value_enum, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// Another schema that it refers to, by the name it has there; repeatable
    #[arg(long = "reference", value_name = "NAME=SUBJECT:VERSION", value_parser = reference)]
    references: Vec<Reference>,
    /// Compare and keep it with all that has no meaning taken out
    #[arg(long)]
    pub(super) normalize: bool,
}

impl Source {
    pub(super) fn read(&self) -> anyhow::Result<Content> {
        self.about.read(&self.file)
    }
}

impl About {
    /// The schema in a file.
    pub(super) fn read(&self, file: &Path) -> anyhow::Result<Content> {
        let name = file.display();
        let language = self.language.or_else(|| by_name(file)).with_context(|| {
            format!("`{name}` does not end in .avsc, .json or .proto: say `--type avro`, `json-schema` or `protobuf`")
        })?;
        let read = if file.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().lock().take(SIZE_MAX).read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(file)
        };
        let schema = read.with_context(|| format!("cannot read `{name}`"))?;
        let references = self.references.clone();
        Ok(Content { schema, schema_type: language.into(), references, ..Content::default() })
    }
}

fn by_name(file: &Path) -> Option<Language> {
    match file.extension()?.to_str()? {
        "avsc" => Some(Language::Avro),
        "json" => Some(Language::JsonSchema),
        "proto" => Some(Language::Protobuf),
        _ => None,
    }
}

fn reference(text: &str) -> Result<Reference, String> {
    let parts = text.split_once('=').and_then(|(name, rest)| {
        let (subject, version) = rest.rsplit_once(':')?;
        Some(Reference { name: name.to_owned(), subject: subject.to_owned(), version: version.parse().ok()? })
    });
    parts.filter(|it| !it.name.is_empty() && !it.subject.is_empty()).ok_or("write NAME=SUBJECT:VERSION".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_version_of_a_subject() {
        let read = reference("shop/money.proto=:.ctx:money:12").unwrap();
        assert_eq!((read.name.as_str(), read.subject.as_str(), read.version), ("shop/money.proto", ":.ctx:money", 12));
        for text in ["money", "money=money", "=money:1", "money=:1", "money=money:latest"] {
            assert!(reference(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_end_of_a_files_name_tells_its_language() {
        assert_eq!(by_name("a/b.avsc".as_ref()), Some(Language::Avro));
        assert_eq!(by_name("b.json".as_ref()), Some(Language::JsonSchema));
        assert_eq!(by_name("b.proto".as_ref()), Some(Language::Protobuf));
        assert_eq!(by_name("-".as_ref()), None);
    }
}
