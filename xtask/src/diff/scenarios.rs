//! The scenarios, in the order in which a broker is walked through them. A new one is a function in a file of its
//! subject and a line here; its names begin with its own, since all share one broker.

mod admin;
mod cluster;
mod commits;
mod configs;
mod edges;
mod fetch;
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
    ];
    all.extend(edges::scenarios(wire, seed)?);
    Ok(all)
}
