//! The state, and what can be asked of it.

use super::{Algorithm, Dek, DekId, DekPlace, Error, Kek, KekName, record::Record};
use crate::{
    registry::{Deleted, VersionId},
    subject::Subject,
};
use imbl::OrdMap;
use std::{collections::BTreeSet, sync::Arc};

/// All keys, those that are deleted softly with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub(super) keks: OrdMap<KekName, Arc<Kek>>,
    pub(super) deks: OrdMap<DekId, Arc<Dek>>,
}

impl Keys {
    /// Takes in a record that was written at that time, in milliseconds since 1970.
    pub fn apply(&mut self, record: &Record, at: i64) {
        match record {
            Record::Kek(kek) => drop(self.keks.insert(kek.name.clone(), Arc::new(Kek { ts: at, ..kek.clone() }))),
            Record::KekGone(name) => drop(self.keks.remove(name)),
            Record::Dek(dek) => drop(self.deks.insert(dek.id.clone(), Arc::new(Dek { ts: at, ..dek.clone() }))),
            Record::DekGone(id) => drop(self.deks.remove(id)),
        }
    }

    /// A KEK.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn kek(&self, name: &KekName, deleted: Deleted) -> Result<&Arc<Kek>, Error> {
        let found = self.keks.get(name).filter(|kek| deleted.admits(kek.deleted));
        found.ok_or_else(|| Error::NotFound(name.to_string()))
    }

    /// The names of KEKs, in order.
    pub fn kek_names(&self, deleted: Deleted) -> impl Iterator<Item = &KekName> {
        self.keks.values().filter(move |kek| deleted.admits(kek.deleted)).map(|kek| &kek.name)
    }

    /// The names of KEKs that have DEKs of a subject whose qualified name begins with one of `prefixes`.
    #[must_use]
    pub fn kek_names_by_subject(&self, prefixes: &[String], deleted: Deleted) -> BTreeSet<KekName> {
        let begins = |subject: &Subject| {
            let name = subject.qualified();
            prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
        };
        let deks = self.deks.values().filter(|dek| deleted.admits(dek.deleted));
        deks.map(|dek| &dek.id.place).filter(|place| begins(&place.subject)).map(|place| place.kek.clone()).collect()
    }

    /// The DEKs of a KEK, by subject, algorithm and version.
    pub fn deks_of(&self, kek: &KekName, deleted: Deleted) -> impl Iterator<Item = &Arc<Dek>> {
        let algorithm = Algorithm::Aes128Gcm;
        let place = DekPlace { kek: kek.clone(), subject: Subject::parse(""), algorithm };
        let from = DekId { place, version: i32::MIN };
        let those = self.deks.range(from..).take_while(move |(id, _)| id.place.kek == *kek);
        those.map(|(_, dek)| dek).filter(move |dek| deleted.admits(dek.deleted))
    }

    /// The subjects that have DEKs of a KEK, by their qualified names.
    #[must_use]
    pub fn subjects(&self, kek: &KekName, deleted: Deleted) -> BTreeSet<String> {
        self.deks_of(kek, deleted).map(|dek| dek.id.place.subject.qualified()).collect()
    }

    /// The versions of a DEK, earliest first.
    pub fn versions(&self, place: &DekPlace, deleted: Deleted) -> impl DoubleEndedIterator<Item = &Arc<Dek>> {
        let at = |version| DekId { place: place.clone(), version };
        let those = self.deks.range(at(i32::MIN)..=at(i32::MAX)).map(|(_, dek)| dek);
        those.filter(move |dek| deleted.admits(dek.deleted))
    }

    /// A version of a DEK; the latest is the latest of those that `deleted` admits.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn dek(&self, place: &DekPlace, version: VersionId, deleted: Deleted) -> Result<&Arc<Dek>, Error> {
        let found = match version {
            VersionId::Latest => self.versions(place, deleted).next_back(),
            VersionId::Number(version) => {
                let id = DekId { place: place.clone(), version };
                self.deks.get(&id).filter(|dek| deleted.admits(dek.deleted))
            }
        };
        found.ok_or_else(|| Error::NotFound(place.subject.qualified()))
    }
}
