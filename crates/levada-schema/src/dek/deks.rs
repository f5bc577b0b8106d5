//! DEKs: made, deleted and undeleted, one version or all.

use super::{
    Algorithm, DEKS_MAX, Dek, DekId, DekPlace, Error, KekName, Keys, TEXT_SIZE_MAX, WrappedKey, record::Record,
};
use crate::{
    registry::{Deleted, VersionId},
    subject::Subject,
};
use std::sync::Arc;

/// A DEK as it is asked for. It is not to be logged.
pub struct NewDek {
    /// Its KEK.
    pub kek: KekName,
    /// Whose records it encrypts.
    pub subject: Subject,
    /// What it is a key of.
    pub algorithm: Algorithm,
    /// Its version; the first where none is named.
    pub version: Option<i32>,
    /// The key as the KMS wrapped it, in base64.
    pub wrapped: Option<String>,
    /// Whether it is deleted softly.
    pub deleted: bool,
    /// Whether it takes the place of one that is there: the same key, wrapped anew.
    pub rewrap: bool,
}

impl NewDek {
    fn id(&self) -> Result<DekId, Error> {
        let version = self.version.unwrap_or(1);
        if version < 1 {
            return Err(Error::Invalid { field: "version", problem: "is below 1" });
        }
        if self.subject.is_context() || self.subject.name().chars().any(char::is_control) {
            return Err(Error::Invalid { field: "subject", problem: "is missing, or has control characters" });
        }
        if self.subject.qualified().len() > TEXT_SIZE_MAX {
            return Err(Error::Invalid { field: "subject", problem: "is too long" });
        }
        let place = DekPlace { kek: self.kek.clone(), subject: self.subject.clone(), algorithm: self.algorithm };
        Ok(DekId { place, version })
    }
}

/// What a DEK comes to when it is deleted softly, or undeleted.
fn marked(dek: &Arc<Dek>, deleted: bool) -> Option<Record> {
    (dek.deleted != deleted).then(|| Record::Dek(Dek { deleted, ..(**dek).clone() }))
}

impl Keys {
    /// Makes a DEK, or undeletes one that is the same; answers what to write, and the DEK. Of two who make the same
    /// version, the second is refused: it has to take the first's.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::NoKms`], [`Error::Exists`], [`Error::TooMany`].
    pub fn create_dek(&self, new: NewDek, now: i64) -> Result<(Vec<Record>, Dek), Error> {
        let id = new.id()?;
        let kek = self.kek(&new.kek, if new.deleted { Deleted::Too } else { Deleted::No })?;
        let old = self.deks.get(&id);
        if old.is_some_and(|old| old.deleted == new.deleted && !new.rewrap) {
            return Err(Error::Exists(new.subject.qualified()));
        }
        if new.wrapped.as_ref().is_none_or(String::is_empty) && kek.shared {
            return Err(Error::NoKms);
        }
        let dek = Dek { id, wrapped: WrappedKey::new(new.wrapped)?, deleted: new.deleted, ts: now };
        // Under a shared KEK the registry itself wraps anew.
        let may_replace = |old: &Dek| (new.rewrap || old.wrapped == dek.wrapped) && !kek.shared;
        match old {
            Some(old) if !may_replace(old) => Err(Error::Exists(new.subject.qualified())),
            None if self.deks.len() >= DEKS_MAX => Err(Error::TooMany(DEKS_MAX)),
            Some(_) | None => Ok((vec![Record::Dek(dek.clone())], dek)),
        }
    }

    /// Deletes all versions of a DEK, softly or, then, for good; answers what to write.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotSoftDeleted`].
    pub fn delete_deks(&self, place: &DekPlace, for_good: bool) -> Result<Vec<Record>, Error> {
        self.delete(place, self.all_of(place)?, for_good)
    }

    /// Deletes one version of a DEK, softly or, then, for good; answers what to write.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotSoftDeleted`].
    pub fn delete_dek(&self, place: &DekPlace, version: VersionId, for_good: bool) -> Result<Vec<Record>, Error> {
        self.delete(place, self.one_of(place, version)?, for_good)
    }

    /// Undeletes all versions of a DEK; answers what to write.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::SoftDeleted`] where the KEK is to be undeleted first.
    pub fn undelete_deks(&self, place: &DekPlace) -> Result<Vec<Record>, Error> {
        self.undelete(place, self.all_of(place)?)
    }

    /// Undeletes one version of a DEK; answers what to write.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::SoftDeleted`] where the KEK is to be undeleted first.
    pub fn undelete_dek(&self, place: &DekPlace, version: VersionId) -> Result<Vec<Record>, Error> {
        self.undelete(place, self.one_of(place, version)?)
    }

    fn all_of(&self, place: &DekPlace) -> Result<Vec<&Arc<Dek>>, Error> {
        self.kek(&place.kek, Deleted::Too)?;
        let found: Vec<&Arc<Dek>> = self.versions(place, Deleted::Too).collect();
        if found.is_empty() {
            return Err(Error::NotFound(place.subject.qualified()));
        }
        Ok(found)
    }

    fn one_of(&self, place: &DekPlace, version: VersionId) -> Result<Vec<&Arc<Dek>>, Error> {
        self.kek(&place.kek, Deleted::Too)?;
        Ok(vec![self.dek(place, version, Deleted::Too)?])
    }

    fn delete(&self, place: &DekPlace, those: Vec<&Arc<Dek>>, for_good: bool) -> Result<Vec<Record>, Error> {
        if !for_good {
            return Ok(those.into_iter().filter_map(|dek| marked(dek, true)).collect());
        }
        if those.iter().any(|dek| !dek.deleted) {
            return Err(Error::NotSoftDeleted(place.subject.qualified()));
        }
        Ok(those.into_iter().map(|dek| Record::DekGone(dek.id.clone())).collect())
    }

    fn undelete(&self, place: &DekPlace, those: Vec<&Arc<Dek>>) -> Result<Vec<Record>, Error> {
        if self.kek(&place.kek, Deleted::Too)?.deleted {
            return Err(Error::SoftDeleted(place.kek.clone()));
        }
        Ok(those.into_iter().filter_map(|dek| marked(dek, false)).collect())
    }
}
