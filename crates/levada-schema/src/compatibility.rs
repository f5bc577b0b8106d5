//! Whether a schema may follow those that are there.

use crate::{
    error::Error,
    format::{Earlier, Held, Parsed, against},
    record::Version,
    registry::{Deleted, Registry, VersionId},
    schema::Schema,
    settings::Config,
    subject::Subject,
    validate,
};
use std::sync::Arc;

/// Which earlier versions a schema is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// One of them.
    Version(VersionId),
    /// Those that the subject's setting names.
    Subject,
}

/// Whether a schema may follow, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Empty where it may.
    pub messages: Vec<String>,
}

impl Checked {
    /// Whether it may.
    #[must_use]
    pub const fn is_compatible(&self) -> bool {
        self.messages.is_empty()
    }
}

impl Registry {
    /// Holds a schema against earlier versions of `subject`, as its setting has it.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`]; [`Error::VersionNotFound`] or [`Error::SubjectNotFound`] of the version that is named.
    pub fn check(
        &self,
        subject: &Subject,
        schema: &Schema,
        against: Against,
        normalize: bool,
    ) -> Result<Checked, Error> {
        let earlier: Vec<Arc<Version>> = match against {
            Against::Subject => self.versions(subject, Deleted::No).cloned().collect(),
            Against::Version(version) => match self.get(subject, version, Deleted::No) {
                Some(found) => vec![Arc::clone(found)],
                None if self.has_subjects(subject, Deleted::No) => {
                    let number = match version {
                        VersionId::Number(number) => number,
                        VersionId::Latest => -1,
                    };
                    return Err(Error::VersionNotFound(number));
                }
                // With nothing there, everything may come.
                None if version == VersionId::Latest => Vec::new(),
                None => return Err(Error::SubjectNotFound(subject.clone())),
            },
        };
        let config = self.config_in_scope(Some(subject));
        let normalize = normalize || config.normalize == Some(true);
        // Registering fills in metadata and rules that the request leaves out: those count here, too.
        let previous = self.get(subject, VersionId::Latest, Deleted::No).map(|version| &version.schema);
        let schema = self.with_contract(&config, schema, previous);
        let (schema, parsed) = self.canonical(subject.context(), &schema, normalize, held_as_new(&config))?;
        if config.validate_fields == Some(true) {
            validate::field_names(&parsed)?;
        }
        Ok(Checked { messages: self.against(&config, subject, (&schema, &parsed), &earlier)? })
    }

    /// What keeps a schema from following `earlier`, oldest first, in words.
    pub(crate) fn against(
        &self,
        config: &Config,
        subject: &Subject,
        (schema, parsed): (&Schema, &Parsed),
        earlier: &[Arc<Version>],
    ) -> Result<Vec<String>, Error> {
        let level = config.compatibility();
        let validates_fields = config.validate_fields == Some(true);
        let mut found = Vec::new();
        if validates_fields {
            let previous = earlier.last().map(|version| &version.schema);
            found.extend(validate::reserved_fields(schema, parsed, previous));
        }
        let group = config.compatibility_group.as_deref();
        let of_group = |schema: &Schema| {
            let properties = schema.metadata.as_ref().map(|metadata| &metadata.properties);
            group.and_then(|group| properties?.get(group)).cloned()
        };
        let mut compared = earlier.iter().rev().filter(|version| of_group(&version.schema) == of_group(schema));
        let count = if level.is_transitive() { usize::MAX } else { 1 };
        for version in compared.by_ref().take(count) {
            if !level.is_backward() && !level.is_forward() {
                break;
            }
            // What was taken once and is not understood any more stands in nobody's way.
            let Ok(understood) = self.parse(subject.context(), &version.schema) else { continue };
            let earlier = Earlier { version: version.version, schema: &version.schema, parsed: understood };
            let policy = config.compatibility_policy.unwrap_or_default();
            let incompatible = against(level, policy, parsed, &earlier);
            if !incompatible.is_empty() {
                found.extend(incompatible);
                break;
            }
        }
        if !found.is_empty() {
            found.push(format!("{{validateFields: '{validates_fields}', compatibility: '{}'}}", level.name()));
        }
        Ok(found)
    }
}

/// What new schemas are held to.
pub(crate) fn held_as_new(config: &Config) -> Held {
    if config.validate_new_schemas == Some(true) { Held::AsNew } else { Held::AsKept }
}
