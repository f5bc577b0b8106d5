//! Deleting: softly first, so that readers go on, then for good.

use crate::{
    error::Error,
    record::{Record, Version},
    registry::{Deleted, Registry, VersionId},
    subject::{Context, Subject},
};
use std::sync::Arc;

impl Registry {
    /// Deletes one version; answers what to write, and its number.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`], [`Error::VersionNotFound`], [`Error::VersionSoftDeleted`],
    /// [`Error::VersionNotSoftDeleted`], [`Error::ReferenceExists`], [`Error::NotPermitted`];
    /// [`Error::SubjectAssociated`] or [`Error::NoActiveVersion`] where a resource needs it.
    pub fn delete_version(
        &self,
        subject: &Subject,
        version: VersionId,
        for_good: bool,
    ) -> Result<(Vec<Record>, i32), Error> {
        let (subject, version) = self.must_get(subject, version, Deleted::Too)?;
        self.may_delete(&subject, version.version)?;
        let number = version.version;
        if self.associations.any_of_subject(&subject).next().is_some() {
            // A resource that has its schemas here keeps them, and one that is not deleted.
            if for_good {
                return Err(Error::SubjectAssociated(subject));
            }
            if self.versions(&subject, Deleted::No).all(|other| other.version == number) {
                return Err(Error::NoActiveVersion(subject));
            }
        }
        match (for_good, version.deleted) {
            (false, true) => Err(Error::VersionSoftDeleted(subject, number)),
            (true, false) => Err(Error::VersionNotSoftDeleted(subject, number)),
            (true, true) => Ok((self.gone(&subject, &[number]), number)),
            (false, false) => {
                let deleted = Box::new(Version { deleted: true, ..(*version).clone() });
                let mut records = vec![Record::Schema { subject: subject.clone(), version: deleted }];
                if self.versions(&subject, Deleted::No).count() == 1 {
                    records.extend(self.without_settings(&subject));
                }
                Ok((records, number))
            }
        }
    }

    /// Deletes a subject; answers what to write, and the versions that it had.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`], [`Error::SubjectSoftDeleted`], [`Error::SubjectNotSoftDeleted`],
    /// [`Error::ReferenceExists`], [`Error::NotPermitted`], [`Error::SubjectAssociated`].
    pub fn delete_subject(&self, subject: &Subject, for_good: bool) -> Result<(Vec<Record>, Vec<i32>), Error> {
        if !self.has_subjects(subject, Deleted::Too) {
            return Err(Error::SubjectNotFound(subject.clone()));
        }
        if !for_good && !self.has_subjects(subject, Deleted::No) {
            return Err(Error::SubjectSoftDeleted(subject.clone()));
        }
        if self.associations.any_of_subject(subject).next().is_some() {
            return Err(Error::SubjectAssociated(subject.clone()));
        }
        let which = if for_good { Deleted::Too } else { Deleted::No };
        let versions: Vec<Arc<Version>> = self.versions(subject, which).cloned().collect();
        for version in &versions {
            self.may_delete(subject, version.version)?;
            if for_good && !version.deleted {
                return Err(Error::SubjectNotSoftDeleted(subject.clone()));
            }
        }
        let numbers: Vec<i32> = versions.iter().map(|version| version.version).collect();
        if for_good {
            return Ok((self.gone(subject, &numbers), numbers));
        }
        let last = numbers.last().copied().unwrap_or_default();
        let mut records = vec![Record::DeleteSubject { subject: subject.clone(), version: last }];
        records.extend(self.without_settings(subject));
        Ok((records, numbers))
    }

    /// Takes a context away in which nothing is left; answers what to write.
    ///
    /// # Errors
    /// [`Error::ContextNotEmpty`].
    pub fn delete_context(&self, context: &Context) -> Result<Vec<Record>, Error> {
        let of_context = Subject::of_context(context.clone());
        if self.has_subjects(&of_context, Deleted::Too) {
            return Err(Error::ContextNotEmpty(context.clone()));
        }
        let mut records = self.without_settings(&of_context);
        records.push(Record::Context { context: context.clone(), present: false });
        Ok(records)
    }

    fn may_delete(&self, subject: &Subject, version: i32) -> Result<(), Error> {
        if self.mode_in_scope(Some(subject)).is_read_only() {
            let context = subject.context();
            return Err(Error::NotPermitted(format!("Subject {subject} in context {context} is in read-only mode")));
        }
        if self.referenced_by(subject, version).is_empty() {
            Ok(())
        } else {
            Err(Error::ReferenceExists(subject.clone(), version))
        }
    }

    /// The versions go for good; their ids do not come back, also once their records are compacted away.
    fn gone(&self, subject: &Subject, numbers: &[i32]) -> Vec<Record> {
        let mut records = vec![Record::Noop { id_max: self.ids_max() }];
        records.extend(numbers.iter().map(|&version| Record::SchemaGone { subject: subject.clone(), version }));
        records
    }

    /// A subject that is deleted keeps no settings.
    fn without_settings(&self, subject: &Subject) -> Vec<Record> {
        let mut records = Vec::new();
        if self.mode(Some(subject)).is_some() {
            records.push(Record::Mode { subject: Some(subject.clone()), mode: None });
        }
        if self.config(Some(subject)).is_some() {
            records.push(Record::Config { subject: Some(subject.clone()), config: None });
        }
        records
    }
}
