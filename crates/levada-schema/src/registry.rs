//! The registry's state: what the records of the topic, one after the other, come to.
//!
//! Its maps share their parts with earlier states: a copy costs nothing, and readers keep the state that was durable
//! when they came while the next one is made.

use crate::{
    association::Associations,
    contract::{Metadata, RuleSet, merge},
    error::Error,
    record::{Record, Version},
    schema::Guid,
    settings::{Config, Mode},
    subject::{Context, Subject, SubjectFilter},
};
use imbl::{OrdMap, OrdSet};
use std::{collections::BTreeMap, sync::Arc};

/// Which versions count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deleted {
    /// Those that are not deleted.
    #[default]
    No,
    /// All.
    Too,
    /// Those that are deleted softly.
    Only,
}

impl Deleted {
    pub(crate) const fn admits(self, is_deleted: bool) -> bool {
        match self {
            Self::No => !is_deleted,
            Self::Too => true,
            Self::Only => is_deleted,
        }
    }
}

/// A version, or the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionId {
    /// The latest that is not deleted.
    Latest,
    /// This one.
    Number(i32),
}

impl VersionId {
    /// Reads `latest`, `-1` or a number from 1 on.
    ///
    /// # Errors
    /// [`Error::InvalidVersion`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.parse::<i32>() {
            _ if text == "latest" => Ok(Self::Latest),
            Ok(-1) => Ok(Self::Latest),
            Ok(number) if number > 0 => Ok(Self::Number(number)),
            _ => Err(Error::InvalidVersion(text.to_owned())),
        }
    }
}

type Versions = OrdMap<i32, Arc<Version>>;

/// What one context has.
#[derive(Clone, Debug, Default)]
struct Ids {
    /// The largest id that was ever given.
    id_max: i32,
    /// Where a schema is registered.
    places: OrdMap<i32, OrdSet<(Subject, i32)>>,
    by_guid: OrdMap<Guid, i32>,
    /// Ids of the schemas that refer to a version.
    referenced_by: OrdMap<(Subject, i32), OrdSet<i32>>,
}

/// All that is registered, and the settings.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    subjects: OrdMap<Subject, Versions>,
    contexts: OrdSet<Context>,
    ids: OrdMap<Context, Ids>,
    configs: OrdMap<Option<Subject>, Arc<Config>>,
    modes: OrdMap<Option<Subject>, Mode>,
    pub(crate) associations: Associations,
}

impl Registry {
    /// Takes note of the next record.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Schema { subject, version } => self.put(subject, (**version).clone()),
            Record::SchemaGone { subject, version } => self.remove(subject, *version),
            Record::DeleteSubject { subject, version } => self.delete_up_to(subject, *version),
            Record::ClearSubject { subject } => self.clear(subject),
            Record::Config { subject, config: Some(config) } => {
                self.configs.insert(subject.clone(), Arc::new((**config).clone()));
            }
            Record::Config { subject, config: None } => {
                self.configs.remove(subject);
            }
            Record::Mode { subject, mode: Some(mode) } => {
                self.modes.insert(subject.clone(), *mode);
            }
            Record::Mode { subject, mode: None } => {
                self.modes.remove(subject);
            }
            Record::Context { context, present: true } => {
                self.contexts.insert(context.clone());
            }
            Record::Context { context, present: false } => {
                self.contexts.remove(context);
            }
            Record::Association { association } => self.associations.put(association),
            Record::AssociationGone { key } => self.associations.remove(key),
            Record::Noop { id_max } => {
                for (context, &id) in id_max {
                    let ids = self.ids.entry(context.clone()).or_default();
                    ids.id_max = ids.id_max.max(id);
                }
            }
        }
    }

    fn put(&mut self, subject: &Subject, mut version: Version) {
        if self.version(subject, version.version).is_some() {
            self.unlink(subject, version.version);
        }
        let context = subject.context();
        if !context.is_default() {
            self.contexts.insert(context.clone());
        }
        let guid = version.schema.guid();
        if let Some(known) = self.by_guid(context, guid).and_then(|id| self.any_of(context, id)) {
            // A text is kept once, however many subjects have it.
            version.schema.text = Arc::clone(&known.1.schema.text);
        }
        let ids = self.ids.entry(context.clone()).or_default();
        ids.id_max = ids.id_max.max(version.id);
        ids.places.entry(version.id).or_default().insert((subject.clone(), version.version));
        ids.by_guid.insert(guid, version.id);
        if !version.deleted {
            for reference in &version.schema.references {
                let to = (Subject::parse_in(context, &reference.subject), reference.version);
                ids.referenced_by.entry(to).or_default().insert(version.id);
            }
        }
        self.subjects.entry(subject.clone()).or_default().insert(version.version, Arc::new(version));
    }

    /// Takes a version out of all but its subject.
    fn unlink(&mut self, subject: &Subject, number: i32) {
        let Some(version) = self.version(subject, number).cloned() else { return };
        let Some(ids) = self.ids.get_mut(subject.context()) else { return };
        let place = (subject.clone(), number);
        let mut is_last = false;
        if let Some(places) = ids.places.get_mut(&version.id) {
            places.remove(&place);
            is_last = places.is_empty();
        }
        if is_last {
            ids.places.remove(&version.id);
            let guid = version.schema.guid();
            if ids.by_guid.get(&guid) == Some(&version.id) {
                ids.by_guid.remove(&guid);
            }
        }
        self.unrefer(subject.context(), &version);
    }

    /// Its references hold nothing any more, unless the same schema is alive elsewhere.
    fn unrefer(&mut self, context: &Context, version: &Version) {
        let alive = self.places(context, version.id).any(|(subject, number)| {
            self.version(subject, number).is_some_and(|other| !other.deleted && !std::ptr::eq(&**other, version))
        });
        let Some(ids) = self.ids.get_mut(context).filter(|_| !alive) else { return };
        for reference in &version.schema.references {
            let to = (Subject::parse_in(context, &reference.subject), reference.version);
            let is_empty = ids.referenced_by.get_mut(&to).is_some_and(|by| {
                by.remove(&version.id);
                by.is_empty()
            });
            if is_empty {
                ids.referenced_by.remove(&to);
            }
        }
    }

    fn remove(&mut self, subject: &Subject, number: i32) {
        self.unlink(subject, number);
        let is_empty = self.subjects.get_mut(subject).is_some_and(|versions| {
            versions.remove(&number);
            versions.is_empty()
        });
        if is_empty {
            self.subjects.remove(subject);
        }
    }

    fn delete_up_to(&mut self, subject: &Subject, number: i32) {
        let alive: Vec<Arc<Version>> = self.versions(subject, Deleted::No).cloned().collect();
        for version in alive.into_iter().filter(|version| version.version <= number) {
            let deleted = Version { deleted: true, ..(*version).clone() };
            if let Some(versions) = self.subjects.get_mut(subject) {
                versions.insert(deleted.version, Arc::new(deleted));
            }
            self.unrefer(subject.context(), &version);
        }
    }

    fn clear(&mut self, subject: &Subject) {
        let is_meant = |other: &Subject| match subject.is_context() {
            true => other.context() == subject.context(),
            false => other == subject,
        };
        let gone: Vec<(Subject, i32)> = self
            .all(Deleted::Only)
            .filter(|(other, _)| is_meant(other))
            .map(|(other, version)| (other.clone(), version.version))
            .collect();
        for (subject, number) in gone {
            self.remove(&subject, number);
        }
    }

    fn version(&self, subject: &Subject, number: i32) -> Option<&Arc<Version>> {
        self.subjects.get(subject)?.get(&number)
    }

    /// A version of a subject.
    #[must_use]
    pub fn get(&self, subject: &Subject, version: VersionId, deleted: Deleted) -> Option<&Arc<Version>> {
        match version {
            VersionId::Latest => self.versions(subject, Deleted::No).next_back(),
            VersionId::Number(number) => {
                self.version(subject, number).filter(|version| deleted.admits(version.deleted))
            }
        }
    }

    /// As [`Self::get`]; a subject without a context is looked for in all contexts. Also says where it was found.
    #[must_use]
    pub fn get_anywhere(
        &self,
        subject: &Subject,
        version: VersionId,
        deleted: Deleted,
    ) -> Option<(Subject, &Arc<Version>)> {
        let here = self.get(subject, version, deleted).map(|found| (subject.clone(), found));
        if here.is_some() || !subject.context().is_default() {
            return here;
        }
        self.contexts.iter().find_map(|context| {
            let there = subject.moved_to(context);
            self.get(&there, version, deleted).map(|found| (there, found))
        })
    }

    /// The versions of a subject, earliest first.
    pub fn versions(&self, subject: &Subject, deleted: Deleted) -> impl DoubleEndedIterator<Item = &Arc<Version>> {
        let versions = self.subjects.get(subject).into_iter().flat_map(|versions| versions.values());
        versions.filter(move |version| deleted.admits(version.deleted))
    }

    /// All versions of all subjects, by subject and version.
    pub fn all(&self, deleted: Deleted) -> impl Iterator<Item = (&Subject, &Arc<Version>)> {
        self.subjects
            .iter()
            .flat_map(|(subject, versions)| versions.values().map(move |version| (subject, version)))
            .filter(move |(_, version)| deleted.admits(version.deleted))
    }

    /// Subjects that have such versions; those that are deleted as a whole where only these are asked for.
    #[must_use]
    pub fn subjects(&self, filter: &SubjectFilter, deleted: Deleted) -> Vec<Subject> {
        let counts = |versions: &Versions| match deleted {
            Deleted::No => versions.values().any(|version| !version.deleted),
            Deleted::Too => true,
            Deleted::Only => versions.values().all(|version| version.deleted),
        };
        let admitted = self.subjects.iter().filter(|(subject, versions)| filter.admits(subject) && counts(versions));
        admitted.map(|(subject, _)| subject.clone()).collect()
    }

    /// Whether a subject, or a context, has such versions.
    #[must_use]
    pub fn has_subjects(&self, subject: &Subject, deleted: Deleted) -> bool {
        if !subject.is_context() {
            return self.versions(subject, deleted).next().is_some();
        }
        self.all(deleted).any(|(other, _)| other.context() == subject.context())
    }

    /// The contexts, the default one first.
    #[must_use]
    pub fn contexts(&self) -> Vec<Context> {
        let mut contexts = vec![Context::default_context()];
        contexts.extend(self.contexts.iter().filter(|context| !context.is_default()).cloned());
        contexts
    }

    /// Where the schema of an id is registered in a context.
    pub fn places(&self, context: &Context, id: i32) -> impl Iterator<Item = (&Subject, i32)> {
        let places = self.ids.get(context).and_then(|ids| ids.places.get(&id));
        places.into_iter().flatten().map(|(subject, number)| (subject, *number))
    }

    fn any_of(&self, context: &Context, id: i32) -> Option<(&Subject, &Arc<Version>)> {
        self.places(context, id).find_map(|(subject, number)| Some((subject, self.version(subject, number)?)))
    }

    /// The schema of an id. `subject` may name a context only; where it names a subject, the id is looked for under it
    /// in all contexts, then in its context.
    #[must_use]
    pub fn by_id(&self, id: i32, subject: &Subject) -> Option<(&Subject, &Arc<Version>)> {
        let named = |wanted: &Subject| {
            let mut places = self.places(wanted.context(), id);
            let (found, number) = places.find(|(found, _)| *found == wanted)?;
            Some((found, self.version(found, number)?))
        };
        if subject.is_context() {
            return self.any_of(subject.context(), id);
        }
        if let Some(found) = named(subject) {
            return Some(found);
        }
        if !subject.context().is_default() {
            return None;
        }
        let there = self.contexts.iter().find_map(|context| {
            let wanted = subject.moved_to(context);
            let (found, number) = self.places(context, id).find(|(found, _)| **found == wanted)?;
            Some((found, self.version(found, number)?))
        });
        there.or_else(|| self.any_of(subject.context(), id))
    }

    /// The id of a content in a context.
    #[must_use]
    pub fn by_guid(&self, context: &Context, guid: Guid) -> Option<i32> {
        self.ids.get(context)?.by_guid.get(&guid).copied()
    }

    /// The ids of a content, by context.
    #[must_use]
    pub fn ids_of_guid(&self, guid: Guid) -> Vec<(Context, i32)> {
        let id = |context: Context| self.by_guid(&context, guid).map(|id| (context, id));
        self.contexts().into_iter().filter_map(id).collect()
    }

    /// The largest id that was given in a context.
    #[must_use]
    pub fn id_max(&self, context: &Context) -> i32 {
        self.ids.get(context).map_or(0, |ids| ids.id_max)
    }

    /// The largest ids of all contexts.
    #[must_use]
    pub fn ids_max(&self) -> BTreeMap<Context, i32> {
        self.ids.iter().map(|(context, ids)| (context.clone(), ids.id_max)).collect()
    }

    /// Ids of the schemas that refer to a version.
    #[must_use]
    pub fn referenced_by(&self, subject: &Subject, version: i32) -> Vec<i32> {
        let ids = self.ids.get(subject.context());
        let by = ids.and_then(|ids| ids.referenced_by.get(&(subject.clone(), version)));
        by.into_iter().flatten().copied().collect()
    }

    /// The settings that a subject, a context or the registry has itself.
    #[must_use]
    pub fn config(&self, subject: Option<&Subject>) -> Option<&Arc<Config>> {
        self.configs.get(&subject.cloned())
    }

    /// Who may write, as a subject, a context or the registry says itself.
    #[must_use]
    pub fn mode(&self, subject: Option<&Subject>) -> Option<Mode> {
        self.modes.get(&subject.cloned()).copied()
    }

    /// Subjects and contexts that have a mode of their own.
    pub(crate) fn subjects_with_modes(&self) -> impl Iterator<Item = &Subject> {
        self.modes.keys().filter_map(Option::as_ref)
    }

    /// Whose settings hold for a subject, the nearest first.
    fn scopes(subject: Option<&Subject>) -> Vec<Option<Subject>> {
        let mut scopes = Vec::new();
        if let Some(subject) = subject {
            scopes.push(Some(subject.clone()));
            if !subject.context().is_default() {
                scopes.push(Some(Subject::of_context(subject.context().clone())));
            } else {
                scopes.push(None);
            }
        } else {
            scopes.push(None);
        }
        scopes.push(Some(Subject::of_context(Context::global())));
        scopes
    }

    /// The settings that hold for a subject: its own, then those of its context, then those of all.
    #[must_use]
    pub fn config_in_scope(&self, subject: Option<&Subject>) -> Config {
        let mut found = Config::default();
        for config in Self::scopes(subject).iter().filter_map(|scope| self.configs.get(scope)) {
            found = found.over(config);
        }
        found
    }

    /// Who may write to a subject.
    #[must_use]
    pub fn mode_in_scope(&self, subject: Option<&Subject>) -> Mode {
        if self.mode(None) == Some(Mode::ReadonlyOverride) {
            return Mode::ReadonlyOverride;
        }
        Self::scopes(subject).iter().find_map(|scope| self.modes.get(scope).copied()).unwrap_or_default()
    }

    /// The subject that is meant where `subject` is named.
    #[must_use]
    pub fn resolve_alias(&self, subject: &Subject) -> Subject {
        let alias = self.config(Some(subject)).and_then(|config| config.alias.as_deref());
        alias
            .filter(|alias| !alias.is_empty())
            .map_or_else(|| subject.clone(), |alias| Subject::parse_in(subject.context(), alias))
    }

    /// The subject whose keys are meant where `subject` is named: an alias holds for them only where it says so.
    #[must_use]
    pub fn resolve_alias_for_deks(&self, subject: &Subject) -> Subject {
        let says_so = self.config(Some(subject)).is_some_and(|config| config.alias_for_deks == Some(true));
        if says_so { self.resolve_alias(subject) } else { subject.clone() }
    }

    /// Subjects that name `subject` as what they mean.
    #[must_use]
    pub fn aliases_of(&self, subject: &Subject) -> Vec<Subject> {
        let named = self.configs.keys().filter_map(Option::as_ref);
        named.filter(|other| *other != subject && self.resolve_alias(other) == *subject).cloned().collect()
    }
}

impl Config {
    /// These settings, and those of `under` where these say nothing. What one is alone is not handed down.
    #[must_use]
    fn over(&self, under: &Self) -> Self {
        let or = |one: &Option<bool>, other: &Option<bool>| one.or(*other);
        Self {
            alias: self.alias.clone(),
            alias_for_deks: self.alias_for_deks,
            normalize: or(&self.normalize, &under.normalize),
            validate_fields: or(&self.validate_fields, &under.validate_fields),
            validate_new_schemas: or(&self.validate_new_schemas, &under.validate_new_schemas),
            validate_rules: or(&self.validate_rules, &under.validate_rules),
            compatibility_level: self.compatibility_level.or(under.compatibility_level),
            compatibility_policy: self.compatibility_policy.or(under.compatibility_policy),
            compatibility_group: self.compatibility_group.clone().or_else(|| under.compatibility_group.clone()),
            default_metadata: self.default_metadata.clone().or_else(|| under.default_metadata.clone()),
            override_metadata: self.override_metadata.clone().or_else(|| under.override_metadata.clone()),
            default_rule_set: self.default_rule_set.clone().or_else(|| under.default_rule_set.clone()),
            override_rule_set: self.override_rule_set.clone().or_else(|| under.override_rule_set.clone()),
            other: self.other.clone(),
        }
    }

    /// Metadata as they are once defaults and overrides are in.
    #[must_use]
    pub fn metadata_of(&self, given: Option<&Metadata>) -> Option<Metadata> {
        let with_defaults = merge(self.default_metadata.as_ref(), given, Metadata::merged);
        merge(with_defaults.as_ref(), self.override_metadata.as_ref(), Metadata::merged)
    }

    /// Rules as they are once defaults and overrides are in.
    #[must_use]
    pub fn rule_set_of(&self, given: Option<&RuleSet>) -> Option<RuleSet> {
        let with_defaults = merge(self.default_rule_set.as_ref(), given, RuleSet::merged);
        merge(with_defaults.as_ref(), self.override_rule_set.as_ref(), RuleSet::merged)
    }
}
