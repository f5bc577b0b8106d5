//! The settings of groups: the table, what the broker's bounds make of them, and the pace that they come to.
//!
//! Source: KIP-848, KIP-1263.

use crate::{
    config::{ConfigError, ConfigKind, Rule, Scope, Setting},
    consumer_group::pace::{Pace, Paces},
};
use std::{collections::BTreeMap, time::Duration};

const fn consumer(name: &'static str, min: i64, default: &'static str, of_broker: &'static str) -> Setting {
    Setting { name, rule: Rule::Int(min), default, scope: Scope::Group(Some(of_broker)), doc: "As the broker's." }
}

/// There are no groups of this kind here: nothing would obey.
const fn unused(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    of_broker: Option<&'static str>,
) -> Setting {
    Setting { name, rule: Rule::OnlyDefault(kind), default, scope: Scope::Group(of_broker), doc: "Has no effect here." }
}

const ASSIGNMENT_INTERVAL: &str = "consumer.assignment.interval.ms";
const HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";
const SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";

/// Every setting of a group, by name: those of share and streams groups are shown, and refused where they are set.
pub const GROUP: &[Setting] = &[
    consumer(ASSIGNMENT_INTERVAL, 0, "1000", "group.consumer.assignment.interval.ms"),
    consumer(HEARTBEAT_INTERVAL, 1, "5000", "group.consumer.heartbeat.interval.ms"),
    consumer(SESSION_TIMEOUT, 1, "45000", "group.consumer.session.timeout.ms"),
    unused("share.assignment.interval.ms", ConfigKind::Int, "1000", Some("group.share.assignment.interval.ms")),
    unused("share.auto.offset.reset", ConfigKind::String, "latest", None),
    unused("share.delivery.count.limit", ConfigKind::Int, "5", Some("group.share.delivery.count.limit")),
    unused("share.heartbeat.interval.ms", ConfigKind::Int, "5000", Some("group.share.heartbeat.interval.ms")),
    unused("share.isolation.level", ConfigKind::String, "read_uncommitted", None),
    unused("share.partition.max.record.locks", ConfigKind::Int, "2000", Some("group.share.partition.max.record.locks")),
    unused("share.record.lock.duration.ms", ConfigKind::Int, "30000", Some("group.share.record.lock.duration.ms")),
    unused("share.renew.acknowledge.enable", ConfigKind::Boolean, "true", None),
    unused("share.session.timeout.ms", ConfigKind::Int, "45000", Some("group.share.session.timeout.ms")),
    unused("streams.assignment.interval.ms", ConfigKind::Int, "1000", Some("group.streams.assignment.interval.ms")),
    unused("streams.heartbeat.interval.ms", ConfigKind::Int, "5000", Some("group.streams.heartbeat.interval.ms")),
    unused(
        "streams.initial.rebalance.delay.ms",
        ConfigKind::Int,
        "3000",
        Some("group.streams.initial.rebalance.delay.ms"),
    ),
    unused("streams.num.standby.replicas", ConfigKind::Int, "0", Some("group.streams.num.standby.replicas")),
    unused("streams.session.timeout.ms", ConfigKind::Int, "45000", Some("group.streams.session.timeout.ms")),
];

/// One of the times that a group can set.
struct Time {
    name: &'static str,
    /// The broker's settings that bound it.
    bounds: (&'static str, &'static str),
    of: fn(&mut Pace) -> &mut Duration,
}

const TIMES: [Time; 3] = [
    Time {
        name: ASSIGNMENT_INTERVAL,
        bounds: ("group.consumer.min.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"),
        of: |pace| &mut pace.assignment_interval,
    },
    Time {
        name: HEARTBEAT_INTERVAL,
        bounds: ("group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"),
        of: |pace| &mut pace.heartbeat_interval,
    },
    Time {
        name: SESSION_TIMEOUT,
        bounds: ("group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"),
        of: |pace| &mut pace.session_timeout,
    },
];

impl Time {
    /// What is set, if anything is.
    fn set(&self, configs: &BTreeMap<String, String>) -> Option<Duration> {
        configs.get(self.name)?.trim().parse().ok().map(Duration::from_millis)
    }

    fn bounds(&self, paces: &Paces) -> (Duration, Duration) {
        let (mut min, mut max) = (paces.min, paces.max);
        (*(self.of)(&mut min), *(self.of)(&mut max))
    }
}

/// The pace of a group with these settings. Bounds that were drawn closer since hold all the same.
#[must_use]
pub fn pace(configs: Option<&BTreeMap<String, String>>, paces: &Paces) -> Pace {
    let mut pace = paces.usual;
    let Some(configs) = configs else { return pace };
    for time in &TIMES {
        if let Some(set) = time.set(configs) {
            let (min, max) = time.bounds(paces);
            *(time.of)(&mut pace) = set.min(max).max(min);
        }
    }
    pace
}

/// Checks settings, each of them legal by itself, against the broker's bounds and against each other.
///
/// # Errors
/// [`ConfigError::Bound`].
pub fn check(configs: &BTreeMap<String, String>, paces: &Paces) -> Result<(), ConfigError> {
    for time in &TIMES {
        let Some(set) = time.set(configs) else { continue };
        let (min, max) = time.bounds(paces);
        let bound = |relation, bound| ConfigError::Bound { name: time.name, relation, bound };
        if set < min {
            return Err(bound("greater than or equal to", time.bounds.0));
        }
        if set > max {
            return Err(bound("less than or equal to", time.bounds.1));
        }
    }
    let pace = pace(Some(configs), paces);
    if pace.session_timeout <= pace.heartbeat_interval {
        return Err(ConfigError::Bound { name: SESSION_TIMEOUT, relation: "greater than", bound: HEARTBEAT_INTERVAL });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_group_goes_at_its_own_pace_within_the_bounds() {
        let paces = Paces::default();
        assert_eq!(pace(None, &paces), paces.usual);
        let session_timeout = |value| pace(Some(&configs(SESSION_TIMEOUT, value)), &paces).session_timeout;
        assert_eq!(session_timeout("50000"), Duration::from_secs(50));
        assert_eq!(session_timeout("1"), Duration::from_secs(45), "the bounds were wider when it was set");
        assert_eq!(session_timeout("99999"), Duration::from_secs(60));
        assert_eq!(pace(Some(&configs(ASSIGNMENT_INTERVAL, "0")), &paces).assignment_interval, Duration::ZERO);
    }

    #[test]
    fn settings_beyond_the_bounds_are_refused_in_kafkas_words() {
        let mut paces = Paces::default();
        let refused = |name, value, paces: &Paces| check(&configs(name, value), paces).unwrap_err().to_string();
        assert_eq!(check(&configs(SESSION_TIMEOUT, "45000"), &paces), Ok(()));
        assert_eq!(
            refused(SESSION_TIMEOUT, "44999", &paces),
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"
        );
        assert_eq!(
            refused(ASSIGNMENT_INTERVAL, "15001", &paces),
            "consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms"
        );
        paces.min.session_timeout = Duration::from_secs(1);
        assert_eq!(
            refused(SESSION_TIMEOUT, "5000", &paces),
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms"
        );
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(GROUP.is_sorted_by(|left, right| left.name < right.name));
    }
}
