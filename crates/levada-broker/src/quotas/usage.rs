//! What clients use of their quotas, in a sliding window, and for how long more than that mutes them.
//!
//! Pure but for its lock: time comes in with each call.
//!
//! Source: KIP-13, KIP-219, KIP-599; the window is Kafka's, 11 samples of one second.

use levada_store::cluster::{EntityName, QuotaEntity, Quotas};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// How long a sample is gathered.
const SAMPLE: Duration = Duration::from_secs(1);
/// Samples that count, the one being gathered included.
const SAMPLES_MAX: usize = 11;
/// The shortest time over which a rate is taken.
const WINDOW_MIN: Duration = Duration::from_secs(10);
/// Time in requests is shared out in windows of a sample: nobody is muted for longer.
const REQUEST_TIME_MUTE_MAX: Duration = SAMPLE;
/// Nobody is muted for longer.
const MUTE_MAX: Duration = Duration::from_secs(3600);
/// Clients whose use is remembered; beyond it those that are quiet are forgotten first.
const REMEMBERED_MAX: usize = 20_000;

/// What can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Used {
    /// Bytes of produce requests.
    Produced,
    /// Bytes of fetch responses.
    Fetched,
    /// Percent of a second of one thread, for all kinds of requests.
    RequestTime,
    /// Partitions that were created or deleted.
    Mutations,
    /// Connections.
    Connections,
}

impl Used {
    /// Kafka's name of the quota.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Produced => "producer_byte_rate",
            Self::Fetched => "consumer_byte_rate",
            Self::RequestTime => "request_percentage",
            Self::Mutations => "controller_mutation_rate",
            Self::Connections => "connection_creation_rate",
        }
    }
}

/// Whether a client gets what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It was counted; the client is muted for so long afterwards.
    Taken(Duration),
    /// It was not counted; the client is muted for so long, and gets nothing.
    Refused(Duration),
}

/// Amounts in a sliding window.
#[derive(Debug, Default)]
struct Window {
    /// When each sample began, and how much it has, oldest first.
    samples: VecDeque<(Duration, f64)>,
}

impl Window {
    fn add(&mut self, amount: f64, now: Duration) {
        match self.samples.back_mut() {
            Some((began, sum)) if now.saturating_sub(*began) < SAMPLE => *sum += amount,
            _ => self.samples.push_back((now, amount)),
        }
        let span = SAMPLE * u32::try_from(SAMPLES_MAX).unwrap_or(1);
        while let Some((began, _)) = self.samples.front()
            && (now.saturating_sub(*began) >= span || self.samples.len() > SAMPLES_MAX)
        {
            self.samples.pop_front();
        }
    }

    /// For how long nothing may be added until the rate is `limit`.
    fn excess(&self, limit: f64, now: Duration) -> Duration {
        let Some((began, _)) = self.samples.front() else { return Duration::ZERO };
        let span = now.saturating_sub(*began).max(WINDOW_MIN).as_secs_f64();
        let sum: f64 = self.samples.iter().map(|(_, amount)| amount).sum();
        if sum / span <= limit {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64((sum - limit * span) / limit).unwrap_or(MUTE_MAX).min(MUTE_MAX)
    }

    /// For how long `amount` is too much, given what was used before: never where that is nothing.
    fn excess_with(&self, amount: f64, limit: f64, now: Duration) -> Duration {
        let span = SAMPLE * u32::try_from(SAMPLES_MAX).unwrap_or(1);
        let counts = |(began, amount): &&(Duration, f64)| now.saturating_sub(*began) < span && *amount > 0.0;
        let mut later = Self { samples: self.samples.iter().filter(counts).copied().collect() };
        if later.samples.is_empty() {
            return Duration::ZERO;
        }
        later.add(amount, now);
        later.excess(limit, now)
    }

    fn is_quiet(&self, now: Duration) -> bool {
        self.samples.back().is_none_or(|(began, _)| now.saturating_sub(*began) > 2 * WINDOW_MIN)
    }
}

/// What all clients use.
#[derive(Debug, Default)]
pub struct Usage {
    windows: Mutex<BTreeMap<(Used, QuotaEntity), Window>>,
}

impl Usage {
    /// Counts what the client of `user` called `client_id` used; answers for how long it is muted.
    pub fn take_of_client(
        &self,
        quotas: &BTreeMap<QuotaEntity, Quotas>,
        user: &str,
        client_id: &str,
        used: Used,
        amount: f64,
        now: Duration,
    ) -> Duration {
        let Some((entity, limit)) = limit_of_client(quotas, user, client_id, used) else { return Duration::ZERO };
        let muted = self.take(entity, limit, used, amount, now);
        if used == Used::RequestTime { muted.min(REQUEST_TIME_MUTE_MAX) } else { muted }
    }

    /// As [`Self::take_of_client`], but where that mutes nothing is counted, and the client is to get nothing: unless
    /// it had nothing before, so that what is larger than its quota comes at last.
    pub fn admit_of_client(
        &self,
        quotas: &BTreeMap<QuotaEntity, Quotas>,
        (user, client_id): (&str, &str),
        used: Used,
        amount: f64,
        now: Duration,
    ) -> Admission {
        let Some((entity, limit)) = limit_of_client(quotas, user, client_id, used) else {
            return Admission::Taken(Duration::ZERO);
        };
        let key = (used, entity);
        let refused = self.windows.lock().get(&key).map(|window| window.excess_with(amount, limit, now));
        let refused = refused.unwrap_or_default();
        if !refused.is_zero() {
            return Admission::Refused(refused);
        }
        Admission::Taken(self.take(key.1, limit, used, amount, now))
    }

    /// What a client may use at once, if there is a limit.
    pub fn most_at_once(
        &self,
        quotas: &BTreeMap<QuotaEntity, Quotas>,
        (user, client_id): (&str, &str),
        used: Used,
    ) -> Option<f64> {
        limit_of_client(quotas, user, client_id, used).map(|(_, limit)| limit * WINDOW_MIN.as_secs_f64())
    }

    /// Counts a connection from `address`; answers for how long it is not served.
    pub fn take_of_address(&self, quotas: &BTreeMap<QuotaEntity, Quotas>, address: &str, now: Duration) -> Duration {
        let own = QuotaEntity { ip: Some(EntityName::Named(address.to_owned())), ..QuotaEntity::default() };
        let any = QuotaEntity { ip: Some(EntityName::Default), ..QuotaEntity::default() };
        let limit = [&own, &any].into_iter().find_map(|entity| limit(quotas, entity, Used::Connections));
        limit.map_or(Duration::ZERO, |limit| self.take(own, limit, Used::Connections, 1.0, now))
    }

    fn take(&self, entity: QuotaEntity, limit: f64, used: Used, amount: f64, now: Duration) -> Duration {
        let mut windows = self.windows.lock();
        if windows.len() >= REMEMBERED_MAX {
            windows.retain(|_, window| !window.is_quiet(now));
        }
        if windows.len() >= REMEMBERED_MAX {
            windows.pop_first();
        }
        let window = windows.entry((used, entity)).or_default();
        window.add(amount, now);
        window.excess(limit, now)
    }
}

fn limit(quotas: &BTreeMap<QuotaEntity, Quotas>, entity: &QuotaEntity, used: Used) -> Option<f64> {
    quotas.get(entity)?.get(used.key()).map(|value| value.get())
}

/// The quota that holds for a client, and who shares it: the most special that is set. All clients of a user share
/// the user's, all users of a client id the client id's.
fn limit_of_client(
    quotas: &BTreeMap<QuotaEntity, Quotas>,
    user: &str,
    client_id: &str,
    used: Used,
) -> Option<(QuotaEntity, f64)> {
    let of_user = EntityName::Named(user.to_owned());
    let of_client = EntityName::Named(client_id.to_owned());
    let any = EntityName::Default;
    let ladder = [
        (Some(&of_user), Some(&of_client)),
        (Some(&of_user), Some(&any)),
        (Some(&of_user), None),
        (Some(&any), Some(&of_client)),
        (Some(&any), Some(&any)),
        (Some(&any), None),
        (None, Some(&of_client)),
        (None, Some(&any)),
    ];
    ladder.into_iter().find_map(|(user, client_id)| {
        let asked = QuotaEntity { user: user.cloned(), client_id: client_id.cloned(), ip: None };
        let limit = limit(quotas, &asked, used)?;
        let shared = QuotaEntity {
            user: user.map(|_| of_user.clone()),
            client_id: client_id.map(|_| of_client.clone()),
            ip: None,
        };
        Some((shared, limit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_store::cluster::QuotaValue;

    fn entity(user: Option<&str>, client_id: Option<&str>) -> QuotaEntity {
        let name = |name: &str| match name {
            "*" => EntityName::Default,
            name => EntityName::Named(name.to_owned()),
        };
        QuotaEntity { user: user.map(name), client_id: client_id.map(name), ip: None }
    }

    fn quotas(set: &[(QuotaEntity, f64)]) -> BTreeMap<QuotaEntity, Quotas> {
        let one = |(entity, value): &(QuotaEntity, f64)| {
            (entity.clone(), Quotas::from([(Used::Produced.key().to_owned(), QuotaValue::new(*value))]))
        };
        set.iter().map(one).collect()
    }

    #[test]
    fn the_most_special_quota_holds() {
        let set = quotas(&[
            (entity(None, Some("*")), 8.0),
            (entity(None, Some("app")), 7.0),
            (entity(Some("*"), None), 6.0),
            (entity(Some("alice"), None), 3.0),
            (entity(Some("alice"), Some("app")), 1.0),
        ]);
        let limit = |user, client| limit_of_client(&set, user, client, Used::Produced).unwrap();
        assert_eq!(limit("alice", "app"), (entity(Some("alice"), Some("app")), 1.0));
        assert_eq!(limit("alice", "other"), (entity(Some("alice"), None), 3.0));
        assert_eq!(limit("bob", "app"), (entity(Some("bob"), None), 6.0));
        let set = quotas(&[(entity(None, Some("*")), 8.0)]);
        assert_eq!(limit_of_client(&set, "bob", "app", Used::Produced), Some((entity(None, Some("app")), 8.0)));
        assert_eq!(limit_of_client(&set, "bob", "app", Used::Fetched), None);
    }

    #[test]
    fn more_than_the_quota_mutes_until_the_rate_is_right_again() {
        let usage = Usage::default();
        let set = quotas(&[(entity(Some("alice"), None), 100.0)]);
        let take = |amount, second| {
            let now = Duration::from_secs(second);
            usage.take_of_client(&set, "alice", "app", Used::Produced, amount, now)
        };
        assert_eq!(take(1_000.0, 0), Duration::ZERO, "ten seconds' worth at once");
        assert_eq!(take(500.0, 0), Duration::from_secs(5));
        assert_eq!(take(0.0, 15), Duration::ZERO);
        assert_eq!(take(1_000.0, 40), Duration::ZERO, "what is long past does not count");
    }

    #[test]
    fn what_would_be_too_much_is_refused_and_not_counted() {
        let usage = Usage::default();
        let set = quotas(&[(entity(Some("alice"), None), 100.0)]);
        let admit = |amount, second| {
            let now = Duration::from_secs(second);
            usage.admit_of_client(&set, ("alice", "app"), Used::Produced, amount, now)
        };
        assert_eq!(usage.most_at_once(&set, ("alice", "app"), Used::Produced), Some(1_000.0));
        assert_eq!(admit(600.0, 0), Admission::Taken(Duration::ZERO));
        assert_eq!(admit(900.0, 0), Admission::Refused(Duration::from_secs(5)));
        assert_eq!(admit(400.0, 0), Admission::Taken(Duration::ZERO), "what was refused does not count");
        assert_eq!(admit(2_000.0, 40), Admission::Taken(Duration::from_secs(10)), "more than there can be at once");
        assert_eq!(admit(1.0, 41), Admission::Refused(Duration::from_millis(10_010)));
    }

    #[test]
    fn connections_are_counted_by_address() {
        let usage = Usage::default();
        let any = QuotaEntity { ip: Some(EntityName::Default), ..QuotaEntity::default() };
        let one = Quotas::from([(Used::Connections.key().to_owned(), QuotaValue::new(1.0))]);
        let set = BTreeMap::from([(any, one)]);
        let mutes = |address| (0..12).map(|_| usage.take_of_address(&set, address, Duration::ZERO)).max();
        assert_eq!(mutes("127.0.0.1"), Some(Duration::from_secs(2)));
        assert_eq!(usage.take_of_address(&set, "127.0.0.2", Duration::ZERO), Duration::ZERO);
    }
}
