//! SCRAM credentials of users: set, shown, taken away. Nobody is authenticated with them yet.
//!
//! Source: KIP-554, RFC 5802.

use crate::{
    Broker,
    auth::{Grant, op, res},
};
use bytes::Bytes;
use levada_model::Str;
use levada_store::{Change, CommitError, cluster::ScramCredential};
use std::collections::{BTreeMap, BTreeSet};

/// Users with credentials.
const CREDENTIALS_MAX: usize = 10_000;
/// Bytes of a user's name, of a salt, of a salted password.
const SIZE_MAX: usize = 1_024;
/// The most rounds that Kafka takes.
const ITERATIONS_MAX: i32 = 16_384;
/// The fewest, for both mechanisms.
const ITERATIONS_MIN: i32 = 4_096;
/// Kafka's numbers of SCRAM-SHA-256 and SCRAM-SHA-512.
const MECHANISMS: [i8; 2] = [1, 2];

/// A change of one user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramAlteration {
    /// The user.
    pub user: Str,
    /// The mechanism, by Kafka's number.
    pub mechanism: i8,
    /// What proves the user from now on; `None` takes it away.
    pub credential: Option<NewCredential>,
}

/// A credential as it is set.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCredential {
    /// How often the password was hashed.
    pub iterations: i32,
    /// What it was salted with.
    pub salt: Bytes,
    /// The result.
    pub salted_password: Bytes,
}

impl std::fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewCredential({} iterations)", self.iterations)
    }
}

/// Why credentials were not changed, or not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// One user twice.
    #[error("the request names the user twice")]
    Twice,
    /// An empty name, or one that is too long.
    #[error("the user's name is empty or longer than {SIZE_MAX} bytes")]
    Name,
    /// No such mechanism.
    #[error("there is no SCRAM mechanism {0}")]
    Mechanism(i8),
    /// Too few rounds, or too many.
    #[error("{0} iterations; there are at least {ITERATIONS_MIN} and at most {ITERATIONS_MAX}")]
    Iterations(i32),
    /// A salt or a salted password that is too long.
    #[error("salt and salted password have at most {SIZE_MAX} bytes")]
    Size,
    /// Nothing to take away, nothing to show.
    #[error("the user has no such credential")]
    NotFound,
    /// There are enough.
    #[error("{CREDENTIALS_MAX} credentials are the most there can be")]
    TooMany,
    /// It could not be kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// A user's mechanisms, each with its iterations.
pub type Mechanisms = Vec<(i8, i32)>;

impl Broker {
    /// The credentials of all users, by name.
    #[must_use]
    pub fn scram_users(&self, _: &Grant<op::Describe, res::Cluster>) -> BTreeMap<String, Mechanisms> {
        let mut users: BTreeMap<String, Mechanisms> = BTreeMap::new();
        for ((user, mechanism), credential) in &self.store.image().scram_credentials {
            users.entry(user.clone()).or_default().push((*mechanism, credential.iterations));
        }
        users
    }

    /// Changes credentials; one outcome a user, by name. Durable when it resolves.
    pub async fn alter_scram_credentials(
        &self,
        _: &Grant<op::Alter, res::Cluster>,
        alterations: Vec<ScramAlteration>,
    ) -> BTreeMap<Str, Result<(), ScramError>> {
        let _one_at_a_time = self.admin.lock().await;
        let image = self.store.image();
        let mut outcomes: BTreeMap<Str, Result<(), ScramError>> = BTreeMap::new();
        let mut changes: BTreeMap<Str, Change> = BTreeMap::new();
        for alteration in alterations {
            let user = alteration.user.clone();
            if outcomes.get(&user).is_some_and(Result::is_err) {
                continue;
            }
            let outcome = if outcomes.contains_key(&user) {
                changes.remove(&user);
                Err(ScramError::Twice)
            } else if image.scram_credentials.len() + changes.len() >= CREDENTIALS_MAX {
                Err(ScramError::TooMany)
            } else {
                check(&alteration, |key| image.scram_credentials.contains_key(key))
            };
            if outcome.is_ok() {
                changes.insert(user.clone(), change(alteration));
            }
            outcomes.insert(user, outcome);
        }
        let changed: BTreeSet<Str> = changes.keys().cloned().collect();
        if !changes.is_empty()
            && let Err(error) = self.commit(changes.into_values().collect()).await
        {
            outcomes.extend(changed.into_iter().map(|user| (user, Err(error.clone().into()))));
        }
        outcomes
    }
}

fn check(alteration: &ScramAlteration, is_there: impl Fn(&(String, i8)) -> bool) -> Result<(), ScramError> {
    let ScramAlteration { user, mechanism, credential } = alteration;
    if user.is_empty() || user.len() > SIZE_MAX {
        return Err(ScramError::Name);
    }
    if !MECHANISMS.contains(mechanism) {
        return Err(ScramError::Mechanism(*mechanism));
    }
    match credential {
        None if is_there(&(user.as_str().to_owned(), *mechanism)) => Ok(()),
        None => Err(ScramError::NotFound),
        Some(new) if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&new.iterations) => {
            Err(ScramError::Iterations(new.iterations))
        }
        Some(new) if new.salt.len().max(new.salted_password.len()) > SIZE_MAX => Err(ScramError::Size),
        Some(_) => Ok(()),
    }
}

fn change(alteration: ScramAlteration) -> Change {
    let ScramAlteration { user, mechanism, credential } = alteration;
    let credential = credential.map(|NewCredential { iterations, salt, salted_password }| ScramCredential {
        iterations,
        // Not slices of the request, which they would keep in memory.
        salt: Bytes::copy_from_slice(&salt),
        salted_password: Bytes::copy_from_slice(&salted_password),
    });
    Change::SetScramCredential { key: (user.as_str().to_owned(), mechanism), credential }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_proves_a_user_is_kept() {
        let of = |user: &str, mechanism: i8, iterations: Option<i32>| ScramAlteration {
            user: user.into(),
            mechanism,
            credential: iterations.map(|iterations| NewCredential {
                iterations,
                salt: Bytes::from_static(b"salt"),
                salted_password: Bytes::from_static(b"salted"),
            }),
        };
        let checked = |alteration: &ScramAlteration| check(alteration, |(user, _)| user == "alice");
        assert_eq!(checked(&of("bob", 1, Some(4_096))), Ok(()));
        assert_eq!(checked(&of("bob", 1, Some(4_095))), Err(ScramError::Iterations(4_095)));
        assert_eq!(checked(&of("bob", 2, Some(16_385))), Err(ScramError::Iterations(16_385)));
        assert_eq!(checked(&of("bob", 3, Some(4_096))), Err(ScramError::Mechanism(3)));
        assert_eq!(checked(&of("", 1, Some(4_096))), Err(ScramError::Name));
        assert_eq!((checked(&of("alice", 1, None)), checked(&of("bob", 1, None))), (Ok(()), Err(ScramError::NotFound)));
    }
}
