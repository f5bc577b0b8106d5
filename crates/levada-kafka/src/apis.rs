//! The APIs that this broker serves: one line each. ApiVersions, the metrics and the compatibility table follow
//! from here.

use crate::{
    call::{Answer, Call, Context, Work},
    handlers::*,
    throttle,
};
use levada_protocol::{ApiKey, DecodeError, Message, Request};
use std::{fmt::Write, ops::RangeInclusive};
use tokio::time::Instant;

/// How the requests of an API go along with others of the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Begun while earlier ones of this kind are still at work.
    Pipelined,
    /// Begun when everything before it is answered.
    Sequential,
    /// As [`Manner::Sequential`], and given up when the client is gone or the server stops: it waits for others.
    Waiting,
}

use Manner::{Pipelined, Sequential, Waiting};

/// One API.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) versions: RangeInclusive<i16>,
    pub(crate) manner: Manner,
    pub(crate) begin: fn(Call) -> Result<Work, DecodeError>,
}

/// In the order of their keys.
pub(crate) static APIS: &[Api] = &[
    Api::new(ApiKey::Produce, 3..=13, Pipelined, |call| answer(call, produce::handle)),
    Api::new(ApiKey::Fetch, 4..=18, Waiting, |call| answer(call, fetch::handle)),
    Api::new(ApiKey::ListOffsets, 1..=11, Sequential, |call| respond(call, list_offsets::handle)),
    Api::new(ApiKey::Metadata, 0..=13, Sequential, |call| respond(call, metadata::handle)),
    Api::new(ApiKey::OffsetCommit, 2..=10, Sequential, |call| respond(call, offset_commit::handle)),
    Api::new(ApiKey::OffsetFetch, 1..=10, Sequential, |call| respond(call, offset_fetch::handle)),
    Api::new(ApiKey::FindCoordinator, 0..=6, Sequential, |call| respond(call, find_coordinator::handle)),
    Api::new(ApiKey::JoinGroup, 0..=9, Waiting, |call| respond(call, join_group::handle)),
    Api::new(ApiKey::Heartbeat, 0..=4, Sequential, |call| respond(call, heartbeat::handle)),
    Api::new(ApiKey::LeaveGroup, 0..=5, Sequential, |call| respond(call, leave_group::handle)),
    Api::new(ApiKey::SyncGroup, 0..=5, Waiting, |call| respond(call, sync_group::handle)),
    Api::new(ApiKey::DescribeGroups, 0..=6, Sequential, |call| respond(call, describe_groups::handle)),
    Api::new(ApiKey::ListGroups, 0..=5, Sequential, |call| respond(call, list_groups::handle)),
    Api::new(ApiKey::ApiVersions, 0..=4, Sequential, |call| respond(call, api_versions::handle)),
    Api::new(ApiKey::CreateTopics, 2..=7, Sequential, |call| respond(call, create_topics::handle)),
    Api::new(ApiKey::DeleteTopics, 1..=6, Sequential, |call| respond(call, delete_topics::handle)),
    Api::new(ApiKey::DeleteRecords, 0..=2, Sequential, |call| respond(call, delete_records::handle)),
    Api::new(ApiKey::InitProducerId, 0..=5, Sequential, |call| respond(call, init_producer_id::handle)),
    Api::new(ApiKey::OffsetForLeaderEpoch, 2..=4, Sequential, |call| respond(call, offset_for_leader_epoch::handle)),
    Api::new(ApiKey::AddPartitionsToTxn, 0..=5, Sequential, |call| respond(call, add_partitions_to_txn::handle)),
    Api::new(ApiKey::AddOffsetsToTxn, 0..=4, Sequential, |call| respond(call, add_offsets_to_txn::handle)),
    Api::new(ApiKey::EndTxn, 0..=5, Sequential, |call| respond(call, end_txn::handle)),
    Api::new(ApiKey::WriteTxnMarkers, 1..=2, Sequential, |call| respond(call, write_txn_markers::handle)),
    Api::new(ApiKey::TxnOffsetCommit, 0..=5, Sequential, |call| respond(call, txn_offset_commit::handle)),
    Api::new(ApiKey::DescribeConfigs, 1..=4, Sequential, |call| respond(call, describe_configs::handle)),
    Api::new(ApiKey::AlterConfigs, 0..=2, Sequential, |call| respond(call, alter_configs::handle)),
    Api::new(ApiKey::AlterReplicaLogDirs, 1..=2, Sequential, |call| respond(call, alter_replica_log_dirs::handle)),
    Api::new(ApiKey::DescribeLogDirs, 1..=5, Sequential, |call| respond(call, describe_log_dirs::handle)),
    Api::new(ApiKey::CreatePartitions, 0..=3, Sequential, |call| respond(call, create_partitions::handle)),
    Api::new(ApiKey::DeleteGroups, 0..=2, Sequential, |call| respond(call, delete_groups::handle)),
    Api::new(ApiKey::ElectLeaders, 0..=2, Sequential, |call| respond(call, elect_leaders::handle)),
    Api::new(ApiKey::IncrementalAlterConfigs, 0..=1, Sequential, |call| {
        respond(call, incremental_alter_configs::handle)
    }),
    Api::new(ApiKey::AlterPartitionReassignments, 0..=1, Sequential, |call| {
        respond(call, alter_partition_reassignments::handle)
    }),
    Api::new(ApiKey::ListPartitionReassignments, 0..=0, Sequential, |call| {
        respond(call, list_partition_reassignments::handle)
    }),
    Api::new(ApiKey::OffsetDelete, 0..=0, Sequential, |call| respond(call, offset_delete::handle)),
    Api::new(ApiKey::DescribeClientQuotas, 0..=1, Sequential, |call| respond(call, describe_client_quotas::handle)),
    Api::new(ApiKey::AlterClientQuotas, 0..=1, Sequential, |call| respond(call, alter_client_quotas::handle)),
    Api::new(ApiKey::DescribeUserScramCredentials, 0..=0, Sequential, |call| {
        respond(call, describe_user_scram_credentials::handle)
    }),
    Api::new(ApiKey::AlterUserScramCredentials, 0..=0, Sequential, |call| {
        respond(call, alter_user_scram_credentials::handle)
    }),
    Api::new(ApiKey::DescribeQuorum, 0..=2, Sequential, |call| respond(call, describe_quorum::handle)),
    Api::new(ApiKey::UpdateFeatures, 0..=2, Sequential, |call| respond(call, update_features::handle)),
    Api::new(ApiKey::DescribeCluster, 0..=2, Sequential, |call| respond(call, describe_cluster::handle)),
    Api::new(ApiKey::DescribeProducers, 0..=0, Sequential, |call| respond(call, describe_producers::handle)),
    Api::new(ApiKey::UnregisterBroker, 0..=0, Sequential, |call| respond(call, unregister_broker::handle)),
    Api::new(ApiKey::DescribeTransactions, 0..=0, Sequential, |call| respond(call, describe_transactions::handle)),
    Api::new(ApiKey::ListTransactions, 0..=2, Sequential, |call| respond(call, list_transactions::handle)),
    Api::new(ApiKey::ConsumerGroupHeartbeat, 0..=1, Sequential, |call| respond(call, consumer_group_heartbeat::handle)),
    Api::new(ApiKey::ConsumerGroupDescribe, 0..=1, Sequential, |call| respond(call, consumer_group_describe::handle)),
    Api::new(ApiKey::ListConfigResources, 0..=1, Sequential, |call| respond(call, list_config_resources::handle)),
    Api::new(ApiKey::DescribeTopicPartitions, 0..=0, Sequential, |call| {
        respond(call, describe_topic_partitions::handle)
    }),
];

impl Api {
    const fn new(
        key: ApiKey,
        versions: RangeInclusive<i16>,
        manner: Manner,
        begin: fn(Call) -> Result<Work, DecodeError>,
    ) -> Self {
        Self { key, versions, manner, begin }
    }

    /// The API with that number, and its place in [`APIS`].
    pub(crate) fn by_code(code: i16) -> Option<(usize, &'static Self)> {
        let index = APIS.binary_search_by_key(&code, |api| api.key.code()).ok()?;
        Some((index, APIS.get(index)?))
    }

    /// The versions that clients are told: those served, and for Produce more.
    ///
    /// Source: KAFKA-18659, see [`ApiKey::announced_versions`].
    pub(crate) fn announced(&self) -> RangeInclusive<i16> {
        let announced = self.key.announced_versions();
        let first = if self.versions.start() == self.key.versions().start() {
            announced.start()
        } else {
            self.versions.start()
        };
        *first..=*self.versions.end()
    }
}

/// Whether requests with this key may be begun while earlier ones of the kind are at work.
pub(crate) fn is_pipelined(code: i16) -> bool {
    Api::by_code(code).is_some_and(|(_, api)| api.manner == Pipelined)
}

/// Begins a handler that returns a response.
fn respond<R, F>(call: Call, handler: impl FnOnce(Context, R) -> F) -> Result<Work, DecodeError>
where
    R: Request,
    F: Future<Output = R::Response> + Send + 'static,
{
    let Call { context, mut decoder } = call;
    let request = R::decode(&mut decoder, context.version)?;
    let started = context.broker().has_quotas().then(Instant::now);
    let response = handler(context.clone(), request);
    let begun = started.map(|started| started.elapsed());
    Ok(Box::pin(async move {
        let (mut response, busy) = throttle::timed(response, begun).await;
        let mute = context.throttle(&mut response, None);
        context.charge_time(busy);
        context.reply(&response).muting(mute)
    }))
}

/// Begins a handler that decides itself how it is answered.
fn answer<R, F>(call: Call, handler: impl FnOnce(Context, R) -> F) -> Result<Work, DecodeError>
where
    R: Message,
    F: Future<Output = Answer> + Send + 'static,
{
    let Call { context, mut decoder } = call;
    let request = R::decode(&mut decoder, context.version)?;
    let started = context.broker().has_quotas().then(Instant::now);
    let work = handler(context.clone(), request);
    let begun = started.map(|started| started.elapsed());
    Ok(Box::pin(async move {
        let (answer, busy) = throttle::timed(work, begun).await;
        context.charge_time(busy);
        answer
    }))
}

/// The lines between which `docs/compatibility.md` carries [`compatibility_table`].
pub const TABLE_MARKERS: (&str, &str) = ("<!-- apis:begin -->", "<!-- apis:end -->");

/// Every API of Kafka 4.3.1 that clients see, with the versions that are served here, as a Markdown table.
#[must_use]
pub fn compatibility_table() -> String {
    let mut table = String::from("| key | API | Kafka 4.3.1 | Levada |\n|---:|---|---|---|\n");
    for key in ApiKey::ALL {
        let served = Api::by_code(key.code()).map_or_else(|| "–".to_owned(), |(_, api)| range(&api.versions));
        let line = writeln!(table, "| {} | {} | {} | {served} |", key.code(), key.name(), range(&key.versions()));
        line.expect("writing to a string cannot fail");
    }
    table
}

fn range(versions: &RangeInclusive<i16>) -> String {
    if versions.start() == versions.end() {
        versions.start().to_string()
    } else {
        format!("{}–{}", versions.start(), versions.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_stand_in_the_order_of_their_keys_and_serve_only_versions_that_exist() {
        assert!(APIS.is_sorted_by(|left, right| left.key.code() < right.key.code()));
        for api in APIS {
            let exist = api.key.versions();
            assert!(exist.contains(api.versions.start()) && exist.contains(api.versions.end()), "{}", api.key);
        }
    }
}
