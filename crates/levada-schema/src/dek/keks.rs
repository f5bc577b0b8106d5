//! KEKs: made, changed, deleted and undeleted.

use super::{Error, KEKS_MAX, Kek, KekName, Keys, KmsProps, TEXT_SIZE_MAX, key::checked, record::Record};
use crate::registry::Deleted;
use std::sync::Arc;

/// A KEK as it is asked for. It may hold secrets: it is not to be logged.
pub struct NewKek {
    /// Its name.
    pub name: KekName,
    /// The kind of KMS.
    pub kms_type: Option<String>,
    /// Its id there.
    pub kms_key_id: Option<String>,
    /// What the KMS's driver has to know.
    pub kms_props: KmsProps,
    /// What people say of it.
    pub doc: Option<String>,
    /// Whether the registry is to ask the KMS.
    pub shared: bool,
    /// Whether it is deleted softly.
    pub deleted: bool,
}

/// What of a KEK is to change. It may hold secrets: it is not to be logged.
#[derive(Default)]
pub struct KekUpdate {
    /// What the KMS's driver has to know.
    pub kms_props: Option<KmsProps>,
    /// What people say of it, or that they say nothing.
    pub doc: Option<Option<String>>,
    /// Whether the registry is to ask the KMS.
    pub shared: Option<bool>,
}

/// Names of kinds that are written in several ways.
fn kms_type(text: &Arc<str>) -> Arc<str> {
    let lower = text.to_lowercase();
    let known = [("aws", "aws-kms"), ("azure", "azure-kms"), ("gcp", "gcp-kms")];
    let found = known.into_iter().find(|(prefix, _)| lower.starts_with(prefix));
    found.map_or_else(|| Arc::clone(text), |(_, name)| name.into())
}

fn doc(text: Option<String>) -> Result<Option<Arc<str>>, Error> {
    match text {
        Some(text) if text.len() > TEXT_SIZE_MAX => Err(Error::Invalid { field: "doc", problem: "is too long" }),
        text => Ok(text.map(Arc::from)),
    }
}

impl Keys {
    /// Makes a KEK, or undeletes one that is the same; answers what to write, and the KEK.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoKms`], [`Error::Exists`], [`Error::TooMany`], [`Error::Referenced`] where one
    /// that has DEKs is to be there as deleted.
    pub fn create_kek(&self, new: NewKek, now: i64) -> Result<(Vec<Record>, Kek), Error> {
        let kms_key_id = checked("kmsKeyId", new.kms_key_id)?;
        let kms_type = kms_type(&checked("kmsType", new.kms_type)?);
        let (name, doc) = (new.name, doc(new.doc)?);
        if new.shared {
            return Err(Error::NoKms);
        }
        let (kms_props, deleted) = (new.kms_props, new.deleted);
        let kek = Kek { name, kms_type, kms_key_id, kms_props, doc, shared: false, deleted, ts: now };
        match self.keks.get(&kek.name) {
            Some(old) if old.deleted == deleted || !old.is_equivalent(&kek) => {
                return Err(Error::Exists(kek.name.to_string()));
            }
            Some(_) if deleted => self.must_have_no_deks(&kek.name, Deleted::No)?,
            None if self.keks.len() >= KEKS_MAX => return Err(Error::TooMany(KEKS_MAX)),
            Some(_) | None => {}
        }
        Ok((vec![Record::Kek(kek.clone())], kek))
    }

    /// Changes a KEK: never where its key is, for that would leave its DEKs behind. Answers what to write, and the KEK.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::NoKms`].
    pub fn update_kek(&self, name: &KekName, update: KekUpdate, now: i64) -> Result<(Vec<Record>, Kek), Error> {
        let old = self.kek(name, Deleted::No)?;
        let mut kek = Kek { ts: now, ..(**old).clone() };
        if let Some(props) = update.kms_props {
            kek.kms_props = props;
        }
        if let Some(text) = update.doc {
            kek.doc = doc(text)?;
        }
        kek.shared = update.shared.unwrap_or(kek.shared);
        if kek.shared && !old.shared {
            return Err(Error::NoKms);
        }
        if kek.is_equivalent(old) {
            return Ok((Vec::new(), (**old).clone()));
        }
        Ok((vec![Record::Kek(kek.clone())], kek))
    }

    /// Deletes a KEK, softly or, then, for good; answers what to write.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Referenced`], [`Error::NotSoftDeleted`].
    pub fn delete_kek(&self, name: &KekName, for_good: bool) -> Result<Vec<Record>, Error> {
        let kek = self.kek(name, Deleted::Too)?;
        self.must_have_no_deks(name, if for_good { Deleted::Too } else { Deleted::No })?;
        match (for_good, kek.deleted) {
            (true, false) => Err(Error::NotSoftDeleted(name.to_string())),
            (true, true) => Ok(vec![Record::KekGone(name.clone())]),
            (false, true) => Ok(Vec::new()),
            (false, false) => Ok(vec![Record::Kek(Kek { deleted: true, ..(**kek).clone() })]),
        }
    }

    /// Undeletes a KEK; answers what to write.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn undelete_kek(&self, name: &KekName) -> Result<Vec<Record>, Error> {
        let kek = self.kek(name, Deleted::Too)?;
        let undeleted = kek.deleted.then(|| Record::Kek(Kek { deleted: false, ..(**kek).clone() }));
        Ok(undeleted.into_iter().collect())
    }

    fn must_have_no_deks(&self, name: &KekName, deleted: Deleted) -> Result<(), Error> {
        match self.deks_of(name, deleted).next() {
            Some(_) => Err(Error::Referenced(name.clone())),
            None => Ok(()),
        }
    }
}
