//! Client quotas: which are set and for whom. What clients use, and for how long that mutes them, is `usage`'s.
//!
//! Source: KIP-13, KIP-55, KIP-124, KIP-546, KIP-599, KIP-612.

pub mod usage;

use crate::{
    Broker, ValidateOnly,
    auth::{Caller, Grant, op, res},
};
use levada_store::{Change, CommitError};
use std::{collections::BTreeSet, net::IpAddr, time::Duration};
use usage::{Admission, Used};

pub use levada_store::cluster::{EntityName, QuotaEntity, QuotaValue, Quotas};

/// Entities with quotas, all together.
const ENTITIES_MAX: usize = 10_000;
/// Bytes of a user's, a client's or a host's name.
const NAME_SIZE_MAX: usize = 1_024;

/// The quotas of users and clients.
const CLIENT_KEYS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
/// The quotas of addresses.
const ADDRESS_KEYS: [&str; 1] = ["connection_creation_rate"];
/// Quotas that are whole numbers, each with the largest: what 63 and 31 bits hold.
const WHOLE_KEYS: [(&str, f64); 3] = [
    ("producer_byte_rate", 9_223_372_036_854_775_807.0),
    ("consumer_byte_rate", 9_223_372_036_854_775_807.0),
    ("connection_creation_rate", 2_147_483_647.0),
];
/// How far from a whole number still counts as one.
const EPSILON: f64 = 1e-6;

/// What a filter wants of one part of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// This name, or the default.
    Exactly(EntityName),
    /// Any, the default included.
    Any,
}

impl Match {
    fn takes(&self, name: &EntityName) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == name,
            Self::Any => true,
        }
    }
}

/// Which quotas are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaFilter {
    /// Of users.
    pub user: Option<Match>,
    /// Of client ids.
    pub client_id: Option<Match>,
    /// Of addresses.
    pub ip: Option<Match>,
    /// Only entities without further parts.
    pub strict: bool,
}

impl QuotaFilter {
    fn takes(&self, entity: &QuotaEntity) -> bool {
        let parts = [(&self.user, &entity.user), (&self.client_id, &entity.client_id), (&self.ip, &entity.ip)];
        parts.into_iter().all(|(wanted, name)| match (wanted, name) {
            (Some(wanted), Some(name)) => wanted.takes(name),
            (Some(_), None) => false,
            (None, Some(_)) => !self.strict,
            (None, None) => true,
        })
    }
}

/// A change of one entity's quotas; `None` takes one away.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaAlteration {
    /// Whose.
    pub entity: QuotaEntity,
    /// Which, by Kafka's names.
    pub values: Vec<(String, Option<f64>)>,
}

/// Why quotas were not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// The parts of the entity do not go together.
    #[error("quotas are for a user, a client id, both of them, or an address")]
    Entity,
    /// A name is empty or too long.
    #[error("a name in the entity is empty or longer than {NAME_SIZE_MAX} bytes")]
    Name,
    /// An address that is none.
    #[error("`{0}` is no address")]
    Address(String),
    /// One quota twice, or one entity twice.
    #[error("the request names a quota or an entity twice")]
    Twice,
    /// No such quota for this kind of entity.
    #[error("an entity of this kind has no quota `{0}`")]
    Unknown(String),
    /// A value that cannot be.
    #[error("`{0}` is a whole number")]
    NotWhole(String),
    /// A value that is not above 0, or too large.
    #[error("`{0}` is above 0, and not larger than its type")]
    OutOfRange(String),
    /// There are enough.
    #[error("quotas of {ENTITIES_MAX} entities are the most there can be")]
    TooMany,
    /// It could not be kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Broker {
    /// The quotas that `filter` lets through.
    #[must_use]
    pub fn describe_client_quotas(
        &self,
        _: &Grant<op::DescribeConfigs, res::Cluster>,
        filter: &QuotaFilter,
    ) -> Vec<(QuotaEntity, Quotas)> {
        let image = self.store.image();
        let is_empty = filter.user.is_none() && filter.client_id.is_none() && filter.ip.is_none();
        if is_empty && filter.strict {
            return Vec::new();
        }
        let found = image.client_quotas.iter().filter(|(entity, _)| filter.takes(entity));
        found.map(|(entity, quotas)| (entity.clone(), quotas.clone())).collect()
    }

    /// Changes quotas; one outcome an alteration, in their order. Durable when it resolves.
    pub async fn alter_client_quotas(
        &self,
        _: &Grant<op::AlterConfigs, res::Cluster>,
        alterations: &[QuotaAlteration],
        validate_only: ValidateOnly,
    ) -> Vec<Result<(), QuotaError>> {
        let _one_at_a_time = self.admin.lock().await;
        let image = self.store.image();
        let mut seen = BTreeSet::new();
        let mut changes = Vec::new();
        let mut outcomes = Vec::with_capacity(alterations.len());
        for alteration in alterations {
            let is_new = !image.client_quotas.contains_key(&alteration.entity);
            let outcome = if !seen.insert(&alteration.entity) {
                Err(QuotaError::Twice)
            } else if is_new && image.client_quotas.len() + changes.len() >= ENTITIES_MAX {
                Err(QuotaError::TooMany)
            } else {
                alter(image.client_quotas.get(&alteration.entity), alteration)
            };
            outcomes.push(outcome.map(|change| changes.extend(change)));
        }
        if validate_only == ValidateOnly::No
            && !changes.is_empty()
            && let Err(error) = self.commit(changes).await
        {
            outcomes
                .iter_mut()
                .filter(|outcome| outcome.is_ok())
                .for_each(|outcome| *outcome = Err(error.clone().into()));
        }
        outcomes
    }

    /// Counts what a client used, and answers for how long it is to be muted.
    #[must_use]
    pub fn use_quota(&self, caller: &Caller, used: Used, amount: f64) -> Duration {
        let image = self.store.image();
        if image.client_quotas.is_empty() {
            return Duration::ZERO;
        }
        let now = self.clock.monotonic();
        self.usage.take_of_client(&image.client_quotas, &caller.principal.name, &caller.client_id, used, amount, now)
    }

    /// As [`Self::use_quota`], but what is too much is refused instead of counted.
    #[must_use]
    pub fn admit(&self, caller: &Caller, used: Used, amount: f64) -> Admission {
        let image = self.store.image();
        let who = (caller.principal.name.as_str(), caller.client_id.as_str());
        self.usage.admit_of_client(&image.client_quotas, who, used, amount, self.clock.monotonic())
    }

    /// What a client may use at once, if there is a limit.
    #[must_use]
    pub fn most_at_once(&self, caller: &Caller, used: Used) -> Option<f64> {
        let who = (caller.principal.name.as_str(), caller.client_id.as_str());
        self.usage.most_at_once(&self.store.image().client_quotas, who, used)
    }

    /// Whether any quota is set at all.
    #[must_use]
    pub fn has_quotas(&self) -> bool {
        !self.store.image().client_quotas.is_empty()
    }

    /// Counts a connection from `address`, and answers for how long it is not to be served.
    #[must_use]
    pub fn use_connection(&self, address: IpAddr) -> Duration {
        let image = self.store.image();
        if image.client_quotas.is_empty() {
            return Duration::ZERO;
        }
        self.usage.take_of_address(&image.client_quotas, &address.to_canonical().to_string(), self.clock.monotonic())
    }
}

/// The change that `alteration` comes to, if it changes anything.
fn alter(current: Option<&Quotas>, alteration: &QuotaAlteration) -> Result<Option<Change>, QuotaError> {
    let keys = keys_of(&alteration.entity)?;
    let before = current.cloned().unwrap_or_default();
    let mut quotas = before.clone();
    let mut seen = BTreeSet::new();
    for (key, value) in &alteration.values {
        if !seen.insert(key) {
            return Err(QuotaError::Twice);
        }
        let Some(value) = value else {
            quotas.remove(key);
            continue;
        };
        if !keys.contains(&key.as_str()) {
            return Err(QuotaError::Unknown(key.chars().take(100).collect()));
        }
        let largest = WHOLE_KEYS.iter().find(|(whole, _)| whole == key).map(|(_, largest)| *largest);
        if largest.is_some() && (value.round() - value).abs() > EPSILON {
            return Err(QuotaError::NotWhole(key.clone()));
        }
        if !(*value > 0.0 && value.is_finite() && largest.is_none_or(|largest| *value <= largest)) {
            return Err(QuotaError::OutOfRange(key.clone()));
        }
        quotas.insert(key.clone(), QuotaValue::new(*value));
    }
    let entity = alteration.entity.clone();
    Ok((quotas != before).then_some(Change::SetClientQuotas { entity, quotas }))
}

/// The quotas that an entity can have.
fn keys_of(entity: &QuotaEntity) -> Result<&'static [&'static str], QuotaError> {
    let names = [&entity.user, &entity.client_id, &entity.ip].into_iter().flatten();
    for name in names {
        if let EntityName::Named(name) = name
            && (name.is_empty() || name.len() > NAME_SIZE_MAX)
        {
            return Err(QuotaError::Name);
        }
    }
    match (&entity.user, &entity.client_id, &entity.ip) {
        (Some(_), _, None) | (None, Some(_), None) => Ok(&CLIENT_KEYS),
        (None, None, Some(EntityName::Named(address))) => {
            // Names of hosts are not looked up: a broker that waits for another server to answer serves nobody.
            address.parse::<IpAddr>().map(|_| &ADDRESS_KEYS[..]).map_err(|_| QuotaError::Address(address.clone()))
        }
        (None, None, Some(EntityName::Default)) => Ok(&ADDRESS_KEYS),
        _ => Err(QuotaError::Entity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Option<EntityName> {
        Some(EntityName::Named(name.to_owned()))
    }

    fn of_user(values: &[(&str, Option<f64>)]) -> QuotaAlteration {
        let entity = QuotaEntity { user: named("alice"), ..QuotaEntity::default() };
        QuotaAlteration { entity, values: values.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect() }
    }

    #[test]
    fn a_quota_is_set_changed_and_taken_away() {
        let set = alter(None, &of_user(&[("producer_byte_rate", Some(7.0))])).unwrap();
        let Some(Change::SetClientQuotas { quotas, .. }) = set else { panic!("{set:?}") };
        assert_eq!(alter(Some(&quotas), &of_user(&[("producer_byte_rate", Some(7.0))])), Ok(None));
        let taken = alter(Some(&quotas), &of_user(&[("producer_byte_rate", None)])).unwrap();
        assert!(matches!(taken, Some(Change::SetClientQuotas { quotas, .. }) if quotas.is_empty()));
    }

    #[test]
    fn what_no_entity_of_the_kind_has_is_refused() {
        let refused = |values: &[(&str, Option<f64>)]| alter(None, &of_user(values)).unwrap_err();
        assert_eq!(refused(&[("odd", Some(1.0))]), QuotaError::Unknown("odd".to_owned()));
        assert!(matches!(refused(&[("connection_creation_rate", Some(1.0))]), QuotaError::Unknown(_)));
        assert!(matches!(refused(&[("consumer_byte_rate", Some(1.5))]), QuotaError::NotWhole(_)));
        assert!(matches!(refused(&[("consumer_byte_rate", Some(0.0))]), QuotaError::OutOfRange(_)));
        assert!(matches!(refused(&[("consumer_byte_rate", Some(1e300))]), QuotaError::OutOfRange(_)));
        assert_eq!(refused(&[("consumer_byte_rate", None), ("consumer_byte_rate", None)]), QuotaError::Twice);
    }

    #[test]
    fn parts_that_do_not_go_together_are_refused() {
        let both = QuotaEntity { user: named("alice"), ip: named("127.0.0.1"), client_id: None };
        assert_eq!(keys_of(&both), Err(QuotaError::Entity));
        assert_eq!(keys_of(&QuotaEntity::default()), Err(QuotaError::Entity));
        let host = QuotaEntity { ip: named("example"), ..QuotaEntity::default() };
        assert_eq!(keys_of(&host), Err(QuotaError::Address("example".to_owned())));
        assert_eq!(keys_of(&QuotaEntity { user: named(""), ..QuotaEntity::default() }), Err(QuotaError::Name));
    }

    #[test]
    fn a_filter_takes_names_defaults_and_all() {
        let alice = QuotaEntity { user: named("alice"), ..QuotaEntity::default() };
        let both = QuotaEntity { client_id: Some(EntityName::Default), ..alice.clone() };
        let user = Some(Match::Exactly(EntityName::Named("alice".to_owned())));
        let mut filter = QuotaFilter { user, ..QuotaFilter::default() };
        assert!(filter.takes(&alice) && filter.takes(&both));
        filter.strict = true;
        assert!(filter.takes(&alice) && !filter.takes(&both));
        filter.client_id = Some(Match::Any);
        assert!(!filter.takes(&alice) && filter.takes(&both));
    }
}
