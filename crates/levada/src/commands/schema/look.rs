//! `levada schema get`, `list` and `delete`.

use super::{Remote, pretty::pretty};
use crate::output::{Format, Table};
use levada_schema_client::Versions;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The subject
    #[arg(required_unless_present_any = ["id", "guid"])]
    subject: Option<String>,
    /// The version
    #[arg(value_name = "VERSION", default_value = "latest")]
    number: String,
    /// The schema of this id, as records name it
    #[arg(long, value_name = "N", conflicts_with_all = ["subject", "guid"])]
    id: Option<i32>,
    /// The schema of this GUID
    #[arg(long, value_name = "GUID", conflicts_with = "subject")]
    guid: Option<String>,
    /// Show it also if it is deleted, and not for good
    #[arg(long)]
    deleted: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Get {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (registry, mut output) = self.remote.open()?;
        let (text, shown) = match (&self.subject, self.id, &self.guid) {
            (_, Some(id), _) => {
                let found = registry.by_id(id)?;
                (found.schema.clone(), json!(found))
            }
            (_, _, Some(guid)) => {
                let found = registry.by_guid(guid)?;
                (found.schema.clone(), json!(found))
            }
            (subject, None, None) => {
                let subject = subject.as_deref().unwrap_or_default();
                let found = registry.version(subject, &self.number, Versions { deleted: self.deleted })?;
                (found.content.schema.clone(), json!(found))
            }
        };
        match self.remote.output {
            Format::Json => output.json(&shown)?,
            Format::Table => output.line(pretty(&text))?,
        }
        Ok(output.flush()?)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only subjects that begin so
    #[arg(default_value = "")]
    prefix: String,
    /// All versions, not the latest alone
    #[arg(long)]
    versions: bool,
    /// Those that are deleted, and not for good, too
    #[arg(long)]
    deleted: bool,
    #[command(flatten)]
    remote: Remote,
}

impl List {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (registry, mut output) = self.remote.open()?;
        let found = registry.schemas(&self.prefix, !self.versions, Versions { deleted: self.deleted })?;
        output.result(&found, |found| {
            let mut table = Table::new(["SUBJECT", "VERSION", "ID", "TYPE", ""]);
            for one in found {
                let deleted = if one.deleted { "deleted" } else { "" };
                let (subject, language) = (one.subject.clone(), one.content.schema_type.name().to_owned());
                table.row([subject, one.version.to_string(), one.id.to_string(), language, deleted.to_owned()]);
            }
            table
        })?;
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// The subject
    subject: String,
    /// Only this version
    #[arg(value_name = "VERSION")]
    number: Option<String>,
    /// For good: what is deleted already goes, and records of its ids cannot be read any more
    #[arg(long)]
    permanent: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Delete {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (registry, mut output) = self.remote.open()?;
        let deleted = registry.delete(&self.subject, self.number.as_deref(), self.permanent)?;
        let done = json!({ "subject": self.subject, "deleted": deleted, "permanent": self.permanent });
        let numbers: Vec<String> = deleted.iter().map(ToString::to_string).collect();
        let (word, numbers) = (if deleted.len() == 1 { "version" } else { "versions" }, numbers.join(", "));
        let how = if self.permanent { " for good" } else { "" };
        Ok(output.done(&done, format_args!("deleted {word} {numbers} of `{}`{how}", self.subject))?)
    }
}
