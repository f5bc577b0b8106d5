//! Which resources, topics that is, have their schemas under which subjects.
//!
//! A subject that is associated is not deleted. One that is associated strongly belongs to that resource alone, and can
//! go with it; a frozen association is not changed any more.
//!
//! Source: the associations of Confluent Schema Registry 8.x.

use crate::{
    schema::Guid,
    subject::{Context, Subject},
};
use imbl::{OrdMap, OrdSet};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a resource is where nothing is said.
pub(crate) const TOPIC: &str = "topic";
/// Any namespace, where resources are asked for.
const ANY_NAMESPACE: &str = "-";

/// How a subject depends on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Lifecycle {
    /// It belongs to that resource alone.
    Strong,
    /// It is there for itself, and may serve several.
    Weak,
}

impl Lifecycle {
    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "STRONG" => Some(Self::Strong),
            "WEAK" => Some(Self::Weak),
            _ => None,
        }
    }
}

/// What there is one association of, in the order in which they are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssociationKey {
    /// What the resource is called.
    pub resource_name: String,
    /// Within what.
    pub resource_namespace: String,
    /// What it is: a topic.
    pub resource_type: String,
    /// What of it: its `key` or its `value`.
    pub association_type: String,
    /// Where its schemas are.
    pub subject: Subject,
}

/// A resource's subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// What there is one of.
    pub key: AssociationKey,
    /// What identifies it everywhere.
    pub guid: String,
    /// What identifies the resource, whatever it is called.
    pub resource_id: String,
    /// How the subject depends on the resource.
    pub lifecycle: Lifecycle,
    /// Whether it stays as it is.
    pub frozen: bool,
}

impl Association {
    /// What identifies the association of a resource with a subject: a hash of their names.
    pub(crate) fn guid_of(resource_id: &str, key: &AssociationKey) -> String {
        let subject = key.subject.qualified();
        let parts = [resource_id, &key.resource_name, &key.resource_namespace, &key.resource_type];
        let mut hash = Md5::new();
        for part in parts.into_iter().chain([key.association_type.as_str(), subject.as_str()]) {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        Guid(hash.finalize().into()).to_string()
    }

    /// Whether it is the same association, of the same resource.
    pub(crate) fn is_of(&self, resource_id: &str, resource_type: &str, association_type: &str) -> bool {
        self.resource_id == resource_id
            && self.key.resource_type == resource_type
            && self.key.association_type == association_type
    }
}

/// Which associations are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssociationFilter {
    /// Of resources that are this; none: of topics.
    pub resource_type: Option<String>,
    /// Of one of these; empty: of any.
    pub association_types: Vec<String>,
    /// Of this lifecycle.
    pub lifecycle: Option<Lifecycle>,
}

impl AssociationFilter {
    /// Whether `association` is one of them.
    #[must_use]
    pub fn admits(&self, association: &Association) -> bool {
        let wanted = self.resource_type.as_deref().filter(|wanted| !wanted.is_empty()).unwrap_or(TOPIC);
        association.key.resource_type == wanted
            && (self.association_types.is_empty() || self.association_types.contains(&association.key.association_type))
            && self.lifecycle.is_none_or(|wanted| association.lifecycle == wanted)
    }
}

/// All associations, and where they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Associations {
    all: OrdMap<AssociationKey, Arc<Association>>,
    by_subject: OrdMap<Subject, OrdSet<AssociationKey>>,
    by_resource: OrdMap<String, OrdSet<AssociationKey>>,
}

impl Associations {
    pub(crate) fn put(&mut self, association: &Association) {
        self.remove(&association.key);
        let key = &association.key;
        self.by_subject.entry(key.subject.clone()).or_default().insert(key.clone());
        self.by_resource.entry(association.resource_id.clone()).or_default().insert(key.clone());
        self.all.insert(key.clone(), Arc::new(association.clone()));
    }

    pub(crate) fn remove(&mut self, key: &AssociationKey) {
        let Some(association) = self.all.remove(key) else { return };
        take_out(&mut self.by_subject, &key.subject, key);
        take_out(&mut self.by_resource, &association.resource_id, key);
    }

    fn of<'a>(
        &'a self,
        keys: Option<&'a OrdSet<AssociationKey>>,
        filter: &'a AssociationFilter,
    ) -> Vec<&'a Arc<Association>> {
        let found = keys.into_iter().flatten().filter_map(|key| self.all.get(key));
        found.filter(|association| filter.admits(association)).collect()
    }

    /// Those of a subject.
    pub(crate) fn of_subject<'a>(
        &'a self,
        subject: &Subject,
        filter: &'a AssociationFilter,
    ) -> Vec<&'a Arc<Association>> {
        self.of(self.by_subject.get(subject), filter)
    }

    /// All of a subject, whatever they are.
    pub(crate) fn any_of_subject(&self, subject: &Subject) -> impl Iterator<Item = &Arc<Association>> {
        self.by_subject.get(subject).into_iter().flatten().filter_map(|key| self.all.get(key))
    }

    /// Those of a resource.
    pub(crate) fn of_resource<'a>(&'a self, id: &str, filter: &'a AssociationFilter) -> Vec<&'a Arc<Association>> {
        self.of(self.by_resource.get(id), filter)
    }

    /// Those of resources of a name.
    pub(crate) fn of_name<'a>(
        &'a self,
        namespace: &str,
        name: &str,
        filter: &AssociationFilter,
    ) -> Vec<&'a Arc<Association>> {
        let nothing = Subject::of_context(Context::default_context());
        let first = AssociationKey {
            resource_name: name.to_owned(),
            resource_namespace: String::new(),
            resource_type: String::new(),
            association_type: String::new(),
            subject: nothing,
        };
        let named = self.all.range(first..).take_while(|(key, _)| key.resource_name == name);
        let within = named.filter(|(key, _)| namespace == ANY_NAMESPACE || key.resource_namespace == namespace);
        within.map(|(_, association)| association).filter(|association| filter.admits(association)).collect()
    }
}

fn take_out<K: Ord + Clone>(index: &mut OrdMap<K, OrdSet<AssociationKey>>, name: &K, key: &AssociationKey) {
    let is_empty = index.get_mut(name).is_some_and(|keys| {
        keys.remove(key);
        keys.is_empty()
    });
    if is_empty {
        index.remove(name);
    }
}
