//! `levada schema register` and `check`.

use super::{Remote, pretty::sentence, source::Source};
use crate::output::Format;
use levada_schema_client::Registered;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    /// The subject; values of topic `t` have `t-value`, its keys `t-key`
    subject: String,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    remote: Remote,
}

impl Register {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (registry, mut output) = self.remote.open()?;
        let (schema, normalize) = (self.source.read()?, self.source.about.normalize);
        let before = registry.look_up(&self.subject, &schema, normalize).ok();
        let id = registry.register(&self.subject, &schema, normalize)?;
        let Registered { subject, version, .. } = registry.look_up(&self.subject, &schema, normalize)?;
        let is_new = before.is_none_or(|before| before.version != version);
        let done = json!({ "subject": subject, "version": version, "id": id, "new": is_new });
        let what = if is_new { "registered" } else { "is there already as" };
        let sentence = match is_new {
            true => format!("{what} version {version} of `{subject}`, id {id}"),
            false => format!("it {what} version {version} of `{subject}`, id {id}"),
        };
        Ok(output.done(&done, sentence)?)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The subject whose versions it is compared with, as the subject's level asks
    subject: String,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    remote: Remote,
}

impl Check {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (registry, mut output) = self.remote.open()?;
        let schema = self.source.read()?;
        let checked = registry.check(&self.subject, &schema, self.source.about.normalize)?;
        match self.remote.output {
            Format::Json => output.json(&checked)?,
            Format::Table if checked.is_compatible => output.line(format_args!("`{}` would take it", self.subject))?,
            Format::Table => {
                for line in checked.messages.iter().filter_map(|message| shown(message)) {
                    output.line(line)?;
                }
            }
        }
        output.flush()?;
        anyhow::ensure!(checked.is_compatible, "`{}` would refuse it: it is not compatible", self.subject);
        Ok(())
    }
}

/// A message for people: what they know already is left out.
fn shown(message: &str) -> Option<String> {
    let said = |what: &str| message.strip_prefix('{').is_some_and(|rest| rest.starts_with(what));
    if let Some(version) = message.strip_prefix("{oldSchemaVersion: ") {
        return Some(format!("  compared with version {}", version.trim_end_matches('}')));
    }
    (!said("oldSchema:") && !said("validateFields:")).then(|| format!("· {}", sentence(message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_messages_only_what_is_new_is_shown() {
        assert_eq!(shown("{oldSchemaVersion: 3}").as_deref(), Some("  compared with version 3"));
        assert_eq!(shown("{oldSchema: '{}'}"), None);
        assert_eq!(shown("{validateFields: 'false', compatibility: 'BACKWARD'}"), None);
        assert_eq!(shown("something else").as_deref(), Some("· something else"));
    }
}
