//! Registering a schema under a subject.

use crate::{
    compatibility::held_as_new,
    contract::{CONFLUENT_VERSION, Metadata},
    error::Error,
    format::{Held, Parsed},
    record::{Record, Version},
    registry::{Deleted, Registry, VersionId},
    schema::Schema,
    settings::{Config, Mode},
    subject::Subject,
    tags::SchemaTags,
    validate,
};
use std::sync::Arc;

/// What is to be registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// The schema; with an empty text it is the previous one, under other metadata and rules.
    pub schema: Schema,
    /// The version that it must become, 0: the next one, whichever that is; −1: the next one, and its metadata name it.
    pub version: i32,
    /// Its id, where the mode lets ids come along.
    pub id: Option<i32>,
    /// Whether its text is normalised.
    pub normalize: bool,
    /// Tags that parts of it get; with these or those below it is a new version, whose metadata name it.
    pub tags_to_add: Vec<SchemaTags>,
    /// Tags that parts of it lose.
    pub tags_to_remove: Vec<SchemaTags>,
    /// Whether its parts get the tags that they have in the previous version.
    pub propagates_tags: bool,
}

/// A schema is registered once the records are durable; where there are none, it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// What to write.
    pub records: Vec<Record>,
    /// Version, id and content.
    pub version: Arc<Version>,
    /// The schema is not word for word what was sent: defaults, overrides or the previous one took part.
    pub is_completed: bool,
}

impl Registry {
    /// Registers a schema.
    ///
    /// # Errors
    /// [`Error::InvalidSubject`], [`Error::NotPermitted`], [`Error::InvalidSchema`], [`Error::Incompatible`],
    /// [`Error::InvalidContract`], [`Error::TooLarge`].
    pub fn register(&self, subject: &Subject, request: &Register) -> Result<Registered, Error> {
        if !subject.is_valid() {
            return Err(Error::InvalidSubject(subject.qualified()));
        }
        let mode = self.may_register(subject, request.id.is_some())?;
        check_contract(&request.schema)?;
        let config = self.config_in_scope(Some(subject));
        let alive: Vec<Arc<Version>> = self.versions(subject, Deleted::No).cloned().collect();
        let next = self.versions(subject, Deleted::Too).next_back().map_or(1, |last| last.version.saturating_add(1));
        let has_tags = !request.tags_to_add.is_empty() || !request.tags_to_remove.is_empty();
        let wanted = if has_tags && request.version == 0 { -1 } else { request.version };
        let (schema, is_completed) = match mode {
            Mode::Import => (self.with_tags(subject.context(), request.schema.clone(), request, None)?, has_tags),
            _ => self.completed(&config, (subject, request, wanted), alive.last(), next)?,
        };
        // What comes from another registry stays as it is there.
        let is_import = mode.takes_ids();
        let normalize = mode != Mode::Import && (request.normalize || config.normalize == Some(true));
        let held = if request.id.is_none() && !is_import { held_as_new(&config) } else { Held::AsKept };
        let (schema, parsed) = self.canonical(subject.context(), &schema, normalize, held)?;
        if !is_import {
            validated(&config, &schema, &parsed)?;
        }
        let wants_id = |version: &Version| request.id.is_none_or(|id| id == version.id);
        let known = (wanted == 0).then(|| self.find(subject, &schema, Deleted::No)).flatten();
        if let Some(known) = known.filter(|version| wants_id(version)) {
            return Ok(Registered { records: Vec::new(), version: Arc::clone(known), is_completed });
        }
        if mode != Mode::Import {
            self.must_follow(&config, subject, (&schema, &parsed), &alive)?;
        }
        let number = match wanted {
            wanted if wanted <= 0 => next,
            wanted if wanted == next || mode == Mode::Import => wanted,
            wanted => {
                let message = format!("version {wanted} is not one more than the previous version, {}", next - 1);
                return Err(Error::InvalidSchema(message));
            }
        };
        let id = self.id_for(subject, &schema, request.id)?;
        let version = Version { version: number, id, schema, deleted: false };
        Ok(Registered { records: self.records_of(subject, &version), version: Arc::new(version), is_completed })
    }

    /// The mode of a subject to which a schema may come, with an id or without.
    fn may_register(&self, subject: &Subject, has_id: bool) -> Result<Mode, Error> {
        let mode = self.mode_in_scope(Some(subject));
        let context = subject.context();
        let state = match (mode.is_read_only(), has_id, mode.takes_ids()) {
            (true, ..) => "in read-only mode",
            (false, true, false) => "not in import mode",
            (false, false, true) => "not in read-write mode",
            _ => return Ok(mode),
        };
        Err(Error::NotPermitted(format!("Subject {subject} in context {context} is {state}")))
    }

    /// The schema with what it has from the previous one, from defaults and overrides.
    fn completed(
        &self,
        config: &Config,
        (subject, request, wanted): (&Subject, &Register, i32),
        previous: Option<&Arc<Version>>,
        next: i32,
    ) -> Result<(Schema, bool), Error> {
        let previous = previous.map(|version| &version.schema);
        let mut given = request.schema.clone();
        if given.text.trim().is_empty() {
            let Some(previous) = previous else {
                return Err(Error::InvalidSchema("it is empty, and there is no previous one".to_owned()));
            };
            given.text = Arc::clone(&previous.text);
            given.schema_type = previous.schema_type;
            given.references = previous.references.clone();
        }
        let given = self.with_tags(subject.context(), given, request, previous)?;
        let mut schema = self.with_contract(config, &given, previous);
        let names_version = schema.metadata.as_ref().is_some_and(|metadata| metadata.confluent_version().is_some());
        if wanted != 0 || names_version {
            let metadata = schema.metadata.get_or_insert_with(Metadata::default);
            metadata.properties.insert(CONFLUENT_VERSION.to_owned(), next.to_string());
        }
        let is_completed = schema != request.schema;
        Ok((schema, is_completed))
    }

    /// The schema with metadata and rules: its own or the previous one's, between defaults and overrides.
    pub(crate) fn with_contract(&self, config: &Config, given: &Schema, previous: Option<&Schema>) -> Schema {
        let metadata = given.metadata.as_ref().or_else(|| previous?.metadata.as_ref());
        let rule_set = given.rule_set.as_ref().or_else(|| previous?.rule_set.as_ref());
        let (metadata, rule_set) = (config.metadata_of(metadata), config.rule_set_of(rule_set));
        Schema { metadata, rule_set, ..given.clone() }
    }

    fn must_follow(
        &self,
        config: &Config,
        subject: &Subject,
        schema: (&Schema, &Parsed),
        alive: &[Arc<Version>],
    ) -> Result<(), Error> {
        let details = self.against(config, subject, schema, alive)?;
        if details.is_empty() { Ok(()) } else { Err(Error::Incompatible { subject: subject.clone(), details }) }
    }

    /// The id that a content has in its context, the one that came along, or the next.
    fn id_for(&self, subject: &Subject, schema: &Schema, wanted: Option<i32>) -> Result<i32, Error> {
        let context = subject.context();
        let known = self.by_guid(context, schema.guid());
        let Some(wanted) = wanted else {
            let next = self.id_max(context).checked_add(1);
            return known.or(next).ok_or_else(|| Error::NotPermitted(format!("no ids are left in context {context}")));
        };
        let there = self.by_id(wanted, &Subject::of_context(context.clone()));
        if there.is_some_and(|(_, version)| version.schema != *schema) {
            let message = format!("Overwrite new schema with id {wanted} in context {context} is not permitted.");
            return Err(Error::NotPermitted(message));
        }
        Ok(wanted)
    }

    fn records_of(&self, subject: &Subject, version: &Version) -> Vec<Record> {
        let mut records = Vec::new();
        let context = subject.context();
        if !context.is_default() && !self.contexts().contains(context) {
            records.push(Record::Context { context: context.clone(), present: true });
        }
        // The same schema, deleted softly under an earlier version, is gone for good.
        let replaced = self.versions(subject, Deleted::Only);
        let replaced = replaced.filter(|old| old.id == version.id && old.version < version.version);
        records.extend(replaced.map(|old| Record::SchemaGone { subject: subject.clone(), version: old.version }));
        records.push(Record::Schema { subject: subject.clone(), version: Box::new(version.clone()) });
        records
    }

    /// The latest version of a subject that has all these properties.
    #[must_use]
    pub fn latest_with(
        &self,
        subject: &Subject,
        wanted: &[(String, String)],
        deleted: Deleted,
    ) -> Option<&Arc<Version>> {
        self.versions(subject, deleted).rev().find(|version| {
            let properties = version.schema.metadata.as_ref().map(|metadata| &metadata.properties);
            wanted.iter().all(|(name, value)| properties.and_then(|them| them.get(name)) == Some(value))
        })
    }

    /// The number of a version that a request names.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`], [`Error::VersionNotFound`].
    pub fn must_get(
        &self,
        subject: &Subject,
        version: VersionId,
        deleted: Deleted,
    ) -> Result<(Subject, Arc<Version>), Error> {
        if let Some((found, version)) = self.get_anywhere(subject, version, deleted) {
            return Ok((found, Arc::clone(version)));
        }
        match version {
            _ if !self.has_subjects(subject, deleted) => Err(Error::SubjectNotFound(subject.clone())),
            VersionId::Latest => Err(Error::VersionNotFound(-1)),
            VersionId::Number(number) => Err(Error::VersionNotFound(number)),
        }
    }
}

/// What settings ask of a schema that is registered.
fn validated(config: &Config, schema: &Schema, parsed: &Parsed) -> Result<(), Error> {
    if config.validate_fields == Some(true) {
        validate::field_names(parsed)?;
    }
    match &schema.rule_set {
        Some(rules) if config.validate_rules == Some(true) => Ok(rules.validate()?),
        _ => Ok(()),
    }
}

/// Metadata and rules must be understood.
fn check_contract(schema: &Schema) -> Result<(), Error> {
    if let Some(metadata) = &schema.metadata {
        metadata.check()?;
    }
    if let Some(rule_set) = &schema.rule_set {
        rule_set.check()?;
    }
    Ok(())
}
