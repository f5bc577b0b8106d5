//! What the cluster keeps about clients: their quotas and their SCRAM credentials. Whether these are sensible is the
//! broker's to decide.

use bytes::Bytes;
use std::{collections::BTreeMap, fmt};

/// One part of a quota's entity: somebody by name, or everybody who has none of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityName {
    /// Everybody else.
    Default,
    /// Somebody.
    Named(String),
}

/// Whom a quota is for: a user, a client id, both, or an address. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaEntity {
    /// The user.
    pub user: Option<EntityName>,
    /// The client id.
    pub client_id: Option<EntityName>,
    /// The address.
    pub ip: Option<EntityName>,
}

/// The value of a quota. Two are equal if their bits are: what is kept is what was set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaValue(u64);

impl QuotaValue {
    /// Keeps `value`.
    #[must_use]
    pub const fn new(value: f64) -> Self {
        Self(value.to_bits())
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for QuotaValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// The quotas of an entity, by Kafka's names.
pub type Quotas = BTreeMap<String, QuotaValue>;

/// A user and a SCRAM mechanism, by Kafka's number.
pub type ScramKey = (String, i8);

/// What proves a user by SCRAM. The password itself is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// How often the password was hashed.
    pub iterations: i32,
    /// What it was salted with.
    pub salt: Bytes,
    /// The result.
    pub salted_password: Bytes,
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramCredential({} iterations)", self.iterations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, ClusterImage};
    use levada_model::Uuid;

    fn applied(changes: &[Change]) -> ClusterImage {
        let mut image = ClusterImage::empty(Uuid::ZERO, 1);
        for change in changes {
            let consequence = image.apply(change, &|_, _, _, _| unreachable!("no topic is created"));
            assert!(consequence.is_none());
        }
        image
    }

    #[test]
    fn settings_of_groups_are_in_a_snapshot_until_they_are_taken_away() {
        let configs = BTreeMap::from([("consumer.session.timeout.ms".to_owned(), "50000".to_owned())]);
        let set = [Change::SetGroupConfigs { group_id: "app".to_owned(), configs: configs.clone() }];
        let again = applied(&applied(&set).as_changes());
        assert_eq!(again.group_configs.get("app"), Some(&configs));
        let taken = Change::SetGroupConfigs { group_id: "app".to_owned(), configs: BTreeMap::new() };
        assert!(applied(&[set[0].clone(), taken]).group_configs.is_empty());
    }

    #[test]
    fn quotas_and_credentials_are_in_a_snapshot_until_they_are_taken_away() {
        let user = Some(EntityName::Named("alice".to_owned()));
        let entity = QuotaEntity { user, ..QuotaEntity::default() };
        let quotas = Quotas::from([("consumer_byte_rate".to_owned(), QuotaValue::new(7.0))]);
        let salt = Bytes::from_static(b"salt");
        let credential = ScramCredential { iterations: 4096, salt: salt.clone(), salted_password: salt };
        let key: ScramKey = ("alice".to_owned(), 1);
        let set = [
            Change::SetClientQuotas { entity: entity.clone(), quotas: quotas.clone() },
            Change::SetScramCredential { key: key.clone(), credential: Some(credential.clone()) },
        ];
        let again = applied(&applied(&set).as_changes());
        assert_eq!(again.client_quotas.get(&entity), Some(&quotas));
        assert_eq!(again.scram_credentials.get(&key), Some(&credential));
        let taken = [
            Change::SetClientQuotas { entity, quotas: Quotas::new() },
            Change::SetScramCredential { key, credential: None },
        ];
        let image = applied(&[&set[..], &taken[..]].concat());
        assert!(image.client_quotas.is_empty() && image.scram_credentials.is_empty());
    }
}
