//! `levada schema diff`: what changed, and who breaks.

use super::{
    Remote,
    pretty::{pretty, sentence},
    source::About,
};
use crate::output::Output;
use anyhow::Context as _;
use levada_schema::{Compatibility, CompatibilityPolicy, Parsed, Reference};
use levada_schema_client::{Content, RegistryClient, Versions};
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use std::path::PathBuf;

/// Lines around a change.
const CONTEXT: usize = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The subject
    subject: String,
    /// The earlier version; the one before the later one where left out, or the latest with --file
    old: Option<i32>,
    /// The later version; the latest where left out
    #[arg(conflicts_with = "file")]
    new: Option<i32>,
    /// Compare with the schema in this file, instead of a later version; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    remote: Remote,
}

/// One of the two.
struct Side {
    name: String,
    content: Content,
    parsed: Parsed,
}

/// What there is to say; field order is output order.
#[derive(Serialize)]
struct Review {
    subject: String,
    old: String,
    new: String,
    changed: bool,
    /// Lines that begin with `+`, `-` or a space, with some around each change.
    lines: Vec<String>,
    references_added: Vec<Reference>,
    references_removed: Vec<Reference>,
    /// What breaks readers with the new schema, where they meet what was written with the old one.
    new_reads_old: Vec<String>,
    /// What breaks readers with the old schema, where they meet what is written with the new one.
    old_reads_new: Vec<String>,
    compatibility: Compatibility,
    /// Whether the subject's level lets the new one follow the old one.
    allowed: bool,
}

impl Diff {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (registry, mut output) = self.remote.open()?;
        let (old, new) = self.sides(&registry)?;
        let config = registry.config(Some(&self.subject))?;
        let review = review(self.subject.clone(), &old, &new, &config)?;
        match output.format() {
            crate::output::Format::Json => output.json(&review)?,
            crate::output::Format::Table => show(&review, &mut output)?,
        }
        Ok(output.flush()?)
    }

    fn sides(&self, registry: &RegistryClient) -> anyhow::Result<(Side, Side)> {
        if let Some(file) = &self.file {
            let old = self.old.map_or_else(|| "latest".to_owned(), |version| version.to_string());
            let old = self.version(registry, &old)?;
            // Where none come with a schema, registering keeps the metadata and rules that are there.
            let (metadata, rule_set) = (old.content.metadata.clone(), old.content.rule_set.clone());
            let content = Content { metadata, rule_set, ..self.about.read(file)? };
            let new = self.side(registry, format!("`{}`", file.display()), content)?;
            return Ok((old, new));
        }
        let all = registry.versions(&self.subject, Versions { deleted: self.new.is_some() })?;
        let new = self.new.or_else(|| all.last().copied()).context("the subject has no version")?;
        let old = self.old.or_else(|| all.iter().rev().find(|version| **version < new).copied());
        let old = old.with_context(|| format!("version {new} is the first: there is nothing to compare it with"))?;
        Ok((self.version(registry, &old.to_string())?, self.version(registry, &new.to_string())?))
    }

    fn version(&self, registry: &RegistryClient, version: &str) -> anyhow::Result<Side> {
        let found = registry.version(&self.subject, version, Versions { deleted: true })?;
        self.side(registry, format!("version {}", found.version), found.content)
    }

    /// With the text as a registry keeps it.
    fn side(&self, registry: &RegistryClient, name: String, content: Content) -> anyhow::Result<Side> {
        let parsed = registry.understand(&name, &content)?;
        let schema = parsed.text(self.about.normalize);
        Ok(Side { name, content: Content { schema, ..content }, parsed })
    }
}

impl Side {
    /// All that is compared, line by line.
    fn shown(&self) -> anyhow::Result<String> {
        let mut text = pretty(&self.content.schema);
        for (name, value) in [("metadata", &self.content.metadata), ("rules", &self.content.rule_set)] {
            if let Some(value) = value {
                text.push_str(&format!("\n{name} {}", serde_json::to_string_pretty(value)?));
            }
        }
        Ok(text)
    }
}

fn review(subject: String, old: &Side, new: &Side, config: &Value) -> anyhow::Result<Review> {
    let setting = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let compatibility = Compatibility::named(&setting("compatibilityLevel")).unwrap_or_default();
    let policy = match setting("compatibilityPolicy").as_str() {
        "LENIENT" => CompatibilityPolicy::Lenient,
        _ => CompatibilityPolicy::Strict,
    };
    let judged = |reader: &Side, writer: &Side| {
        let names = |side: &Side| if std::ptr::eq(side, new) { "new" } else { "old" };
        let found = Parsed::incompatibilities((&reader.parsed, names(reader)), (&writer.parsed, names(writer)), policy);
        found.iter().map(|message| sentence(message)).collect::<Vec<_>>()
    };
    let (new_reads_old, old_reads_new) = (judged(new, old), judged(old, new));
    let breaks = (compatibility.is_backward() && !new_reads_old.is_empty())
        || (compatibility.is_forward() && !old_reads_new.is_empty());
    let only = |these: &[Reference], those: &[Reference]| {
        these.iter().filter(|it| !those.contains(it)).cloned().collect::<Vec<_>>()
    };
    Ok(Review {
        subject,
        old: old.name.clone(),
        new: new.name.clone(),
        changed: old.content != new.content,
        lines: lines(&old.shown()?, &new.shown()?),
        references_added: only(&new.content.references, &old.content.references),
        references_removed: only(&old.content.references, &new.content.references),
        new_reads_old,
        old_reads_new,
        compatibility,
        allowed: !breaks,
    })
}

/// What changed, with lines around it; groups are set apart by an empty line.
fn lines(old: &str, new: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(old, new);
    let mut lines = Vec::new();
    for (number, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if number > 0 {
            lines.push(String::new());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign} {}", change.value().trim_end_matches('\n')));
        }
    }
    lines
}

fn show(review: &Review, output: &mut Output) -> std::io::Result<()> {
    let Review { subject, old, new, .. } = review;
    output.line(format_args!("`{subject}`: {old} → {new}"))?;
    if !review.changed {
        return output.line("  nothing changed");
    }
    output.line("")?;
    for line in &review.lines {
        output.line(format_args!("  {line}").to_string().trim_end())?;
    }
    for (sign, references) in [('-', &review.references_removed), ('+', &review.references_added)] {
        for Reference { name, subject, version } in references {
            output.line(format_args!("  {sign} reference {name}: `{subject}` version {version}"))?;
        }
    }
    output.line("\nWho breaks")?;
    let mut side = |reader: &str, writer: &str, found: &[String]| {
        let verdict = if found.is_empty() { "fine" } else { "break" };
        output.line(format_args!("  readers with {reader}, of records written with {writer}: {verdict}"))?;
        found.iter().try_for_each(|reason| output.line(format_args!("    · {reason}")))
    };
    side(new, old, &review.new_reads_old)?;
    side(old, new, &review.old_reads_new)?;
    let (level, verdict) = (review.compatibility.name(), if review.allowed { "allows" } else { "refuses" });
    output.line(format_args!("\nThe subject's compatibility is {level}: it {verdict} this."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_with_lines_around_them() {
        let old: String = (0..20).map(|number| format!("line {number}\n")).collect();
        let new = old.replace("line 2\n", "line two\n").replace("line 19\n", "");
        let lines = lines(&old, &new);
        assert_eq!(lines.iter().filter(|line| line.starts_with('-')).count(), 2);
        assert_eq!(lines.iter().filter(|line| line.starts_with('+')).count(), 1);
        assert_eq!(lines.iter().filter(|line| line.is_empty()).count(), 1, "{lines:#?}");
        assert_eq!(lines.first().map(String::as_str), Some("  line 0"));
        assert!(super::lines("same", "same").is_empty());
    }
}
