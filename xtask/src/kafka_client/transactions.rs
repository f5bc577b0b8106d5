//! What a transactional producer asks, in both generations of the protocol: the first adds partitions by
//! request and keeps its epoch, the second adds them by writing, and every end raises the epoch.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use levada_protocol::ErrorCode;
use levada_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use levada_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use levada_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest,
    ProduceRequest, TxnOffsetCommitRequest,
};

use super::{
    Connection, FIND_COORDINATOR_VERSION, INIT_PRODUCER_ID_VERSION, Partition, Produced, by_topic, outcomes,
    produce_request,
};

const ADD_PARTITIONS_VERSION: i16 = 3;
const ADD_OFFSETS_VERSION: i16 = 3;
/// The key type of a transactional id.
const COORDINATES_TRANSACTIONS: i8 = 1;

/// Which generation of the protocol a producer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    First,
    Second,
}

impl Generation {
    /// Whether what becomes part of a transaction is added by request.
    pub(crate) fn adds(self) -> bool {
        self == Self::First
    }

    fn produce_version(self) -> i16 {
        match self {
            Self::First => 11,
            Self::Second => 12,
        }
    }

    fn offset_commit_version(self) -> i16 {
        match self {
            Self::First => 4,
            Self::Second => 5,
        }
    }

    fn end_version(self) -> i16 {
        match self {
            Self::First => 4,
            Self::Second => 5,
        }
    }
}

/// Who a producer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// A transactional producer, as its requests name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transactor<'a> {
    pub(crate) id: &'a str,
    pub(crate) who: Identity,
    pub(crate) generation: Generation,
}

/// What a broker answers: an error's code, or what was asked for. Around it is what became of the connection.
pub(crate) type Answer<T> = Result<std::result::Result<T, i16>>;

fn answer(code: i16) -> std::result::Result<(), i16> {
    if code == ErrorCode::None.code() { Ok(()) } else { Err(code) }
}

impl Connection {
    /// Finds the coordinator of transactions, which creates the place for their state where that is missing.
    pub(crate) fn find_transaction_coordinator(&mut self, id: &str) -> Answer<()> {
        let request =
            FindCoordinatorRequest { key: id.into(), key_type: COORDINATES_TRANSACTIONS, ..Default::default() };
        Ok(answer(self.call(&request, FIND_COORDINATOR_VERSION)?.error_code))
    }

    /// Makes this the one producer with the transactional id.
    pub(crate) fn init_transactional(&mut self, id: &str, timeout: Duration) -> Answer<Identity> {
        let request = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            transaction_timeout_ms: i32::try_from(timeout.as_millis())?,
            ..InitProducerIdRequest::default()
        };
        let response = self.call(&request, INIT_PRODUCER_ID_VERSION)?;
        let identity = Identity { id: response.producer_id, epoch: response.producer_epoch };
        Ok(answer(response.error_code).map(|()| identity))
    }

    /// Makes partitions part of the transaction, as the first generation does.
    pub(crate) fn add_partitions(&mut self, of: Transactor<'_>, partitions: &[Partition]) -> Answer<()> {
        let named: Vec<(Partition, ())> = partitions.iter().map(|partition| (partition.clone(), ())).collect();
        let topics = by_topic(&named).into_iter().map(|(name, partitions)| AddPartitionsToTxnTopic {
            name: name.into(),
            partitions: partitions.into_iter().map(|(partition, ())| partition.index).collect(),
        });
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: of.id.into(),
            v3_and_below_producer_id: of.who.id,
            v3_and_below_producer_epoch: of.who.epoch,
            v3_and_below_topics: topics.collect(),
            ..AddPartitionsToTxnRequest::default()
        };
        let response = self.call(&request, ADD_PARTITIONS_VERSION)?;
        let topics = response.results_by_topic_v3_and_below.into_iter();
        let codes = topics.flat_map(|topic| topic.results_by_partition).map(|result| result.partition_error_code);
        Ok(codes.map(answer).find(std::result::Result::is_err).unwrap_or(Ok(())))
    }

    /// Makes a group's offsets part of the transaction, as the first generation does.
    pub(crate) fn add_offsets(&mut self, of: Transactor<'_>, group: &str) -> Answer<()> {
        let request = AddOffsetsToTxnRequest {
            transactional_id: of.id.into(),
            producer_id: of.who.id,
            producer_epoch: of.who.epoch,
            group_id: group.into(),
        };
        Ok(answer(self.call(&request, ADD_OFFSETS_VERSION)?.error_code))
    }

    /// Writes one batch a partition as part of the transaction and waits for the answer.
    pub(crate) fn produce_in(
        &mut self,
        of: Transactor<'_>,
        batches: &[(Partition, Bytes)],
    ) -> Result<Vec<(Partition, Produced)>> {
        let request = ProduceRequest { transactional_id: Some(of.id.into()), ..produce_request(batches) };
        let version = of.generation.produce_version();
        Ok(outcomes(self.call(&request, version)?))
    }

    /// Commits an offset as part of the transaction, without being a member of the group.
    pub(crate) fn commit_in(&mut self, of: Transactor<'_>, group: &str, at: &Partition, offset: i64) -> Answer<()> {
        let partition = TxnOffsetCommitRequestPartition {
            partition_index: at.index,
            committed_offset: offset,
            ..TxnOffsetCommitRequestPartition::default()
        };
        let topic = TxnOffsetCommitRequestTopic { name: at.topic.as_str().into(), partitions: vec![partition] };
        let request = TxnOffsetCommitRequest {
            transactional_id: of.id.into(),
            group_id: group.into(),
            producer_id: of.who.id,
            producer_epoch: of.who.epoch,
            topics: vec![topic],
            ..TxnOffsetCommitRequest::default()
        };
        let response = self.call(&request, of.generation.offset_commit_version())?;
        let partition = response.topics.first().and_then(|topic| topic.partitions.first());
        Ok(answer(partition.context("an answer without a partition")?.error_code))
    }

    /// Ends the transaction; answers who goes on.
    pub(crate) fn end_transaction(&mut self, of: Transactor<'_>, committed: bool) -> Answer<Identity> {
        let response = self.call(&end_request(of, committed), of.generation.end_version())?;
        let next = match of.generation {
            Generation::First => of.who,
            Generation::Second => Identity { id: response.producer_id, epoch: response.producer_epoch },
        };
        Ok(answer(response.error_code).map(|()| next))
    }

    /// Asks for the end of the transaction, and leaves the answer to others.
    pub(crate) fn send_end(&mut self, of: Transactor<'_>, committed: bool) -> Result<i32> {
        self.send(&end_request(of, committed), of.generation.end_version())
    }
}

fn end_request(of: Transactor<'_>, committed: bool) -> EndTxnRequest {
    EndTxnRequest { transactional_id: of.id.into(), producer_id: of.who.id, producer_epoch: of.who.epoch, committed }
}
