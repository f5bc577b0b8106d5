//! The scenarios, in the order in which a broker is walked through them. A new one is a function in a file of its
//! subject and a line here; its names begin with its own, since all share one broker.

mod admin;
mod cluster;
mod commits;
mod configs;
mod consumers;
mod edges;
mod fencing;
mod fetch;
mod group_configs;
mod groups;
mod handshake;
mod offsets;
mod produce;
mod producers;
mod topics;
mod transactions;

use anyhow::Result;

use super::script::Scenario;
use super::wire::Wire;

/// All of them; `seed` decides what is chosen at random.
pub(super) fn all(wire: &Wire, seed: u64) -> Result<Vec<Scenario>> {
    let mut all = vec![
        handshake::versions(),
        handshake::beyond(),
        topics::life(),
        topics::refused(),
        topics::partitions(),
        produce::versions(),
        produce::codecs(),
        produce::refused(),
        producers::life(),
        producers::sequences(),
        offsets::list(),
        offsets::epochs(),
        offsets::delete_records(),
        fetch::versions(),
        fetch::sizes(),
        fetch::sessions(),
        configs::describe(),
        configs::alter(),
        configs::incremental(),
        cluster::describe(),
        admin::one_node(),
        admin::quotas(),
        admin::scram(),
        groups::life(),
        groups::refused(),
        groups::fixed_members(),
        commits::versions(),
        commits::refused(),
        transactions::first(),
        transactions::second(),
        transactions::refused(),
        transactions::offsets(),
        group_configs::describe(),
        group_configs::alter(),
        group_configs::incremental(),
        consumers::refused(),
        consumers::life(),
        consumers::fixed_members(),
        consumers::intervals(),
        fencing::first(),
        fencing::second(),
        fencing::brokers(),
    ];
    all.extend(edges::scenarios(wire, seed)?);
    Ok(all)
}

/// Versions of APIs that are served and in no scenario, with why.
#[cfg(test)]
const LEFT_OUT: [(levada_protocol::ApiKey, std::ops::RangeInclusive<i16>, &str); 0] = [];

#[cfg(test)]
mod tests {
    use super::*;
    use levada_protocol::ApiKey;
    use std::collections::BTreeSet;

    const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");

    /// What is served, from the table that a test of the server keeps true.
    fn served() -> BTreeSet<(i16, i16)> {
        let text = std::fs::read_to_string(TABLE).unwrap();
        let mut served = BTreeSet::new();
        for line in text.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, key, _, _, versions, _] = cells[..] else { continue };
            let Ok(key) = key.parse() else { continue };
            let Some((first, last)) = versions.split_once('–') else {
                served.extend(versions.parse().ok().map(|version| (key, version)));
                continue;
            };
            if let (Ok(first), Ok(last)) = (first.parse(), last.parse()) {
                served.extend((first..=last).map(|version| (key, version)));
            }
        }
        served
    }

    #[test]
    fn every_version_that_is_served_is_asked_for_or_left_out_with_a_reason() {
        let served = served();
        assert!(served.contains(&(ApiKey::Fetch.code(), 18)) && served.len() > 200, "{} versions", served.len());
        let scenarios = all(&Wire::load().unwrap(), 431).unwrap();
        let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
        let asked: BTreeSet<_> = steps.map(|step| (step.api.code(), step.version)).collect();
        let left_out = LEFT_OUT.iter().flat_map(|(api, versions, _)| versions.clone().map(|one| (api.code(), one)));
        let left_out: BTreeSet<_> = left_out.collect();
        let missing: Vec<_> = served.difference(&asked).filter(|one| !left_out.contains(one)).collect();
        assert!(missing.is_empty(), "in no scenario: {missing:?}");
        let in_vain: Vec<_> = left_out.iter().filter(|one| asked.contains(one) || !served.contains(one)).collect();
        assert!(in_vain.is_empty(), "left out in vain: {in_vain:?}");
    }
}
