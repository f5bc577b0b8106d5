//! Associating subjects with resources, and parting them.

use crate::{
    association::{Association, AssociationFilter, AssociationKey, Lifecycle, TOPIC},
    error::Error,
    record::{Record, Version},
    register::Register,
    registry::{Deleted, Registry, VersionId},
    settings::Mode,
    subject::{Context, Subject},
};
use std::sync::Arc;

/// A name has at most so many characters.
const NAME_CHARS_MAX: usize = 256;
/// What of a resource can have schemas.
const TYPES: [&str; 2] = ["key", "value"];

/// Whether what is there already may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Nothing but the same may be there.
    Create,
    /// It is changed.
    Upsert,
}

/// Subjects for a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Associate {
    /// What the resource is called.
    pub resource_name: String,
    /// Within what: the context of the subject that is meant where none is named.
    pub resource_namespace: String,
    /// What identifies it; may be empty where nothing is changed.
    pub resource_id: String,
    /// What it is; none: a topic, which is all it can be.
    pub resource_type: Option<String>,
    /// One for its keys, one for its values.
    pub associations: Vec<AssociateOne>,
    /// Whether it is only judged, and nothing changed.
    pub is_dry_run: bool,
}

/// A subject for a resource's keys or values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssociateOne {
    /// Which; none: the one that is named after the resource.
    pub subject: Option<String>,
    /// `key` or `value`; none: `value`.
    pub association_type: Option<String>,
    /// How it depends on the resource.
    pub lifecycle: Option<Lifecycle>,
    /// Whether it stays as it is.
    pub frozen: Option<bool>,
    /// A schema that is registered with it.
    pub schema: Option<Register>,
}

/// What there is once the records are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Associated {
    /// What to write.
    pub records: Vec<Record>,
    /// The associations that were asked for, with the schemas that came with them; none where nothing is changed.
    pub associations: Vec<(Arc<Association>, Option<Arc<Version>>)>,
}

/// Which associations of a resource end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dissociate {
    /// Whose.
    pub resource_id: String,
    /// Which.
    pub filter: AssociationFilter,
    /// Whether frozen ones end, too, and subjects go with the resource that they belong to.
    pub cascade: bool,
    /// Whether it is only judged, and nothing changed.
    pub is_dry_run: bool,
}

/// One that was found to be well-formed.
struct Asked<'a> {
    subject: Subject,
    association_type: &'a str,
    lifecycle: Option<Lifecycle>,
    frozen: Option<bool>,
    schema: Option<&'a Register>,
}

fn invalid<T>(property: &'static str, reason: impl Into<String>) -> Result<T, Error> {
    Err(Error::InvalidAssociation { property, reason: reason.into() })
}

/// A name of letters, digits, `_` and `-`; topics may have dots, too.
fn check_name(property: &'static str, name: &str, dots: &str) -> Result<(), Error> {
    if name.is_empty() {
        return invalid(property, "it cannot be empty");
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return invalid(property, format!("it has more than {NAME_CHARS_MAX} characters"));
    }
    let is_legal = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || dots.contains(c);
    match name.chars().find(|c| !is_legal(*c)) {
        Some(c) => invalid(property, format!("it has the character `{}`", c.escape_default())),
        None => Ok(()),
    }
}

impl Associate {
    /// Refuses what is not well-formed, whatever is there.
    fn check(&self, write: Write) -> Result<(), Error> {
        check_name("resourceName", &self.resource_name, ".")?;
        check_name("resourceNamespace", &self.resource_namespace, "")?;
        if self.resource_type.as_deref().is_some_and(|named| !named.is_empty() && named != TOPIC) {
            return invalid("resourceType", format!("it must be `{TOPIC}`"));
        }
        if self.associations.is_empty() {
            return invalid("associations", "there is none");
        }
        let mut frozen = None;
        for (index, one) in self.associations.iter().enumerate() {
            one.check(write)?;
            let is_default = one.subject.as_ref().is_none_or(|named| *named == self.default_subject(one.of_type()));
            if one.frozen_for(write) == Some(true) && !is_default {
                let subject = self.default_subject(one.of_type());
                return invalid("subject", format!("a frozen association has the subject `{subject}`"));
            }
            if let Some(this) = one.frozen_for(write) {
                if frozen.is_some_and(|other| other != this) {
                    return invalid("frozen", "all associations of a resource are frozen, or none is");
                }
                frozen = Some(this);
            }
            let others = self.associations.iter().take(index);
            if others.into_iter().any(|other| other.of_type() == one.of_type()) {
                return invalid("associationType", format!("`{}` is there twice", one.of_type()));
            }
        }
        Ok(())
    }

    fn default_subject(&self, association_type: &str) -> String {
        format!(":.{}:{}-{association_type}", self.resource_namespace, self.resource_name)
    }

    /// The subjects that it is about, as `context` and aliases have them.
    #[must_use]
    pub fn subjects(&self, registry: &Registry, context: &Context) -> Vec<Subject> {
        let named = |one: &AssociateOne| one.subject.clone().unwrap_or_else(|| self.default_subject(one.of_type()));
        let resolved = |one| registry.resolve_alias(&Subject::parse_in(context, &named(one)));
        self.associations.iter().map(resolved).collect()
    }
}

impl AssociateOne {
    fn of_type(&self) -> &str {
        self.association_type.as_deref().filter(|named| !named.is_empty()).unwrap_or("value")
    }

    /// A schema that comes with a new association belongs to it, and freezes it.
    fn frozen_for(&self, write: Write) -> Option<bool> {
        if write == Write::Create && self.schema.is_some() { Some(true) } else { self.frozen }
    }

    fn check(&self, write: Write) -> Result<(), Error> {
        if !TYPES.contains(&self.of_type()) {
            return invalid("associationType", "it must be `key` or `value`");
        }
        let is_weak = self.lifecycle == Some(Lifecycle::Weak);
        if is_weak && self.schema.is_some() {
            return invalid("lifecycle", "it cannot be WEAK where a schema is given");
        }
        if is_weak && self.frozen == Some(true) {
            return invalid("frozen", "a WEAK association cannot be frozen");
        }
        if write == Write::Create {
            match (&self.schema, self.frozen) {
                (Some(_), Some(false)) => return invalid("frozen", "it cannot be false where a schema is given"),
                (None, Some(true)) => return invalid("schema", "a frozen association is created with a schema"),
                _ => {}
            }
            if self.subject.is_none() && self.frozen_for(write) != Some(true) {
                return invalid("subject", "it must be named where the association is not frozen");
            }
        }
        Ok(())
    }

    /// How the subject depends on the resource where there is no such association yet.
    fn lifecycle_when_new(&self) -> Lifecycle {
        let default = if self.schema.is_some() { Lifecycle::Strong } else { Lifecycle::Weak };
        self.lifecycle.unwrap_or(default)
    }
}

impl Registry {
    /// The associations of a subject.
    #[must_use]
    pub fn associations_of_subject(&self, subject: &Subject, filter: &AssociationFilter) -> Vec<Arc<Association>> {
        self.associations.of_subject(subject, filter).into_iter().cloned().collect()
    }

    /// The associations of a resource.
    #[must_use]
    pub fn associations_of_resource(&self, id: &str, filter: &AssociationFilter) -> Vec<Arc<Association>> {
        self.associations.of_resource(id, filter).into_iter().cloned().collect()
    }

    /// The associations of resources of a name; `-` is any namespace.
    #[must_use]
    pub fn associations_of_name(
        &self,
        namespace: &str,
        name: &str,
        filter: &AssociationFilter,
    ) -> Vec<Arc<Association>> {
        self.associations.of_name(namespace, name, filter).into_iter().cloned().collect()
    }

    /// Associates subjects with a resource, and registers the schemas that come with them.
    ///
    /// # Errors
    /// [`Error::InvalidAssociation`], [`Error::ResourceAssociated`], [`Error::SubjectAssociated`],
    /// [`Error::SubjectOwned`], [`Error::NoActiveVersion`], [`Error::AssociationFrozen`], [`Error::NotPermitted`];
    /// those of [`Registry::register`].
    pub fn associate(&self, context: &Context, request: &Associate, write: Write) -> Result<Associated, Error> {
        request.check(write)?;
        if request.resource_id.is_empty() && !request.is_dry_run {
            return invalid("resourceId", "it cannot be empty");
        }
        let subjects = request.subjects(self, context);
        for subject in &subjects {
            if !subject.is_valid() {
                return invalid("subject", format!("`{}` is not a subject", subject.qualified().escape_default()));
            }
            self.may_associate(subject)?;
        }
        // Each sees what those before it come to.
        let mut after = self.clone();
        let mut associated = Associated { records: Vec::new(), associations: Vec::new() };
        for (one, subject) in request.associations.iter().zip(subjects) {
            let asked = Asked {
                subject,
                association_type: one.of_type(),
                lifecycle: if write == Write::Create { Some(one.lifecycle_when_new()) } else { one.lifecycle },
                frozen: one.frozen_for(write).or((write == Write::Create).then_some(false)),
                schema: one.schema.as_ref(),
            };
            let Associated { records, associations } = after.associate_one(request, &asked, write)?;
            records.iter().for_each(|record| after.apply(record));
            associated.records.extend(records);
            associated.associations.extend(associations);
        }
        if request.is_dry_run {
            return Ok(Associated { records: Vec::new(), associations: Vec::new() });
        }
        Ok(associated)
    }

    fn may_associate(&self, subject: &Subject) -> Result<(), Error> {
        if !self.mode_in_scope(Some(subject)).is_read_only() {
            return Ok(());
        }
        let context = subject.context();
        Err(Error::NotPermitted(format!("Subject {subject} in context {context} is in read-only mode")))
    }

    fn associate_one(&self, request: &Associate, asked: &Asked<'_>, write: Write) -> Result<Associated, Error> {
        let filter = AssociationFilter {
            association_types: vec![asked.association_type.to_owned()],
            ..AssociationFilter::default()
        };
        let known = self.associations_of_resource(&request.resource_id, &filter).into_iter().next();
        let is_same = match &known {
            Some(known) => self.is_same(known, asked, write)?,
            None => {
                self.may_freeze(asked)?;
                false
            }
        };
        let default = if asked.schema.is_some() { Lifecycle::Strong } else { Lifecycle::Weak };
        let lifecycle = asked.lifecycle.or(known.as_ref().map(|known| known.lifecycle)).unwrap_or(default);
        self.may_share(request, asked, lifecycle)?;
        let mut records = Vec::new();
        let mut version = None;
        let takes_schemas = self.mode_in_scope(Some(&asked.subject)) != Mode::Import;
        if let Some(schema) = asked.schema.filter(|_| takes_schemas) {
            let registered = self.register(&asked.subject, schema)?;
            records.extend(registered.records);
            version = Some(registered.version);
        }
        let association = match known {
            Some(known) if is_same => return Ok(Associated { records, associations: vec![(known, version)] }),
            Some(known) => Association { lifecycle, ..(*known).clone() },
            None => {
                let key = AssociationKey {
                    resource_name: request.resource_name.clone(),
                    resource_namespace: request.resource_namespace.clone(),
                    resource_type: TOPIC.to_owned(),
                    association_type: asked.association_type.to_owned(),
                    subject: asked.subject.clone(),
                };
                let guid = Association::guid_of(&request.resource_id, &key);
                let (resource_id, frozen) = (request.resource_id.clone(), asked.frozen == Some(true));
                Association { key, guid, resource_id, lifecycle, frozen }
            }
        };
        records.push(Record::Association { association: Box::new(association.clone()) });
        Ok(Associated { records, associations: vec![(Arc::new(association), version)] })
    }

    /// Whether an association is as it is asked for; where it is not, it must be one that may be changed.
    fn is_same(&self, known: &Association, asked: &Asked<'_>, write: Write) -> Result<bool, Error> {
        let exists = || Error::ResourceAssociated {
            association_type: known.key.association_type.clone(),
            resource: known.key.resource_name.clone(),
        };
        let is_same = known.key.subject == asked.subject
            && asked.lifecycle.is_none_or(|wanted| wanted == known.lifecycle)
            && asked.frozen.is_none_or(|wanted| wanted == known.frozen);
        if is_same {
            if let Some(register) = asked.schema.filter(|_| write == Write::Create) {
                let found = self.lookup(&asked.subject, &register.schema, register.normalize, Deleted::No)?;
                found.ok_or_else(exists)?;
            }
            return Ok(true);
        }
        if write == Write::Create {
            return Err(exists());
        }
        if known.key.subject != asked.subject {
            return invalid("subject", "the subject of an association cannot be changed");
        }
        if asked.frozen.is_some_and(|wanted| wanted != known.frozen) {
            return invalid("frozen", "it cannot be changed");
        }
        if known.frozen {
            let association_type = known.key.association_type.clone();
            return Err(Error::AssociationFrozen { association_type, subject: known.key.subject.clone() });
        }
        Ok(false)
    }

    /// A subject that is frozen from its beginning has its one schema from there.
    fn may_freeze(&self, asked: &Asked<'_>) -> Result<(), Error> {
        if asked.frozen != Some(true) {
            return Ok(());
        }
        if asked.schema.is_none() {
            return invalid("schema", "a frozen association is created with a schema");
        }
        if self.get(&asked.subject, VersionId::Latest, Deleted::No).is_some() {
            return invalid("frozen", "the subject has schemas already");
        }
        Ok(())
    }

    /// A subject that belongs to one resource has no other.
    fn may_share(&self, request: &Associate, asked: &Asked<'_>, lifecycle: Lifecycle) -> Result<(), Error> {
        let subject = &asked.subject;
        if asked.schema.is_none() && self.get(subject, VersionId::Latest, Deleted::No).is_none() {
            return Err(Error::NoActiveVersion(subject.clone()));
        }
        let is_other = |other: &&Arc<Association>| !other.is_of(&request.resource_id, TOPIC, asked.association_type);
        let mut others = self.associations.any_of_subject(subject).filter(is_other);
        match lifecycle {
            Lifecycle::Strong if others.next().is_some() => Err(Error::SubjectAssociated(subject.clone())),
            Lifecycle::Weak if asked.frozen == Some(true) => invalid("frozen", "a WEAK association cannot be frozen"),
            Lifecycle::Weak if others.any(|other| other.lifecycle == Lifecycle::Strong) => {
                Err(Error::SubjectOwned(subject.clone()))
            }
            Lifecycle::Strong | Lifecycle::Weak => Ok(()),
        }
    }

    /// Ends associations of a resource; answers what to write.
    ///
    /// # Errors
    /// [`Error::AssociationNotFound`], [`Error::AssociationFrozen`], [`Error::NotPermitted`]; where a subject goes,
    /// too, those of [`Registry::delete_subject`].
    pub fn dissociate(&self, request: &Dissociate) -> Result<Vec<Record>, Error> {
        let found = self.associations_of_resource(&request.resource_id, &request.filter);
        if found.is_empty() {
            return Err(Error::AssociationNotFound(request.resource_id.clone()));
        }
        let mut after = self.clone();
        let mut records = Vec::new();
        for association in found {
            let subject = &association.key.subject;
            after.may_associate(subject)?;
            if association.frozen && !request.cascade {
                let association_type = association.key.association_type.clone();
                return Err(Error::AssociationFrozen { association_type, subject: subject.clone() });
            }
            let gone = Record::AssociationGone { key: association.key.clone() };
            after.apply(&gone);
            records.push(gone);
            let goes = request.cascade
                && association.lifecycle == Lifecycle::Strong
                && after.mode_in_scope(Some(subject)) != Mode::Import;
            for for_good in [false, true].into_iter().filter(|_| goes) {
                let which = if for_good { Deleted::Too } else { Deleted::No };
                if after.has_subjects(subject, which) {
                    let (deleted, _) = after.delete_subject(subject, for_good)?;
                    deleted.iter().for_each(|record| after.apply(record));
                    records.extend(deleted);
                }
            }
        }
        if request.is_dry_run {
            records.clear();
        }
        Ok(records)
    }
}
