//! What the domain's errors are called on the wire: one exhaustive match for each.
#![deny(clippy::wildcard_enum_match_arm)]

use levada_broker::{
    AppendError, CommitError,
    admin::{AlterConfigsError, DeleteRecordsError},
    auth::{Denied, ResourceKind},
    config::ConfigError,
    consumer_group::BeatError,
    coordinator::{CoordinatorError, DeleteGroupError, DeleteOffsetError, DeleteOffsetsError, OffsetCommitError},
    fetch::FetchError,
    group::{HeartbeatError, JoinError, LeaveError, SyncError},
    produce::ProduceError,
    producers::InitProducerError,
    quotas::QuotaError,
    scram::ScramError,
    topics::{AdminError, CreatePartitionsError, CreateTopicError},
    transaction::TransactionError,
    transactional::{MarkerError, TransactionOffsetsError},
    transactions::TransactError,
};
use levada_protocol::ErrorCode;

pub(crate) const fn denied(error: &Denied) -> ErrorCode {
    match error.kind {
        ResourceKind::Topic => ErrorCode::TopicAuthorizationFailed,
        ResourceKind::Group => ErrorCode::GroupAuthorizationFailed,
        ResourceKind::Cluster => ErrorCode::ClusterAuthorizationFailed,
        ResourceKind::TransactionalId => ErrorCode::TransactionalIdAuthorizationFailed,
        // No request of Kafka's names one.
        ResourceKind::Subject | ResourceKind::Kek => ErrorCode::ClusterAuthorizationFailed,
    }
}

pub(crate) const fn append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        AppendError::OutsideTransaction { .. } => ErrorCode::InvalidTxnState,
        AppendError::NotJournalled => ErrorCode::UnknownServerError,
        // Retriable: clients go on when space returns, or another broker has the partition.
        AppendError::NoSpace | AppendError::Poisoned(_) | AppendError::Quarantined(_) => ErrorCode::KafkaStorageError,
        AppendError::Closed => ErrorCode::NotLeaderOrFollower,
    }
}

pub(crate) const fn commit(error: &CommitError) -> ErrorCode {
    match error {
        CommitError::NoSpace | CommitError::Poisoned(_) => ErrorCode::KafkaStorageError,
        CommitError::Closed => ErrorCode::RequestTimedOut,
    }
}

pub(crate) const fn produce(error: &ProduceError) -> ErrorCode {
    match error {
        ProduceError::UnknownTopic | ProduceError::UnknownPartition(_) => ErrorCode::UnknownTopicOrPartition,
        ProduceError::Corrupt(_) => ErrorCode::CorruptMessage,
        ProduceError::InvalidRecord(_) | ProduceError::InvalidRecords { .. } => ErrorCode::InvalidRecord,
        // Retriable: the registry knows in a moment.
        ProduceError::SchemasUnknown(_) => ErrorCode::NotEnoughReplicas,
        ProduceError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        ProduceError::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
        ProduceError::NoTransactionalId => ErrorCode::TransactionalIdAuthorizationFailed,
        ProduceError::Transact(error) => produce_in_transaction(error),
        ProduceError::Append(error) => append(error),
    }
}

pub(crate) const fn fetch(error: &FetchError) -> ErrorCode {
    match error {
        FetchError::UnknownTopic | FetchError::UnknownPartition(_) => ErrorCode::UnknownTopicOrPartition,
        FetchError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        FetchError::FencedLeaderEpoch { .. } => ErrorCode::FencedLeaderEpoch,
        FetchError::UnknownLeaderEpoch { .. } => ErrorCode::UnknownLeaderEpoch,
        FetchError::UnsupportedTimestamp(_) => ErrorCode::UnsupportedVersion,
        FetchError::Storage(_) => ErrorCode::KafkaStorageError,
    }
}

pub(crate) const fn init_producer(error: &InitProducerError) -> ErrorCode {
    match error {
        InitProducerError::Exhausted => ErrorCode::UnknownServerError,
        InitProducerError::Commit(error) => commit(error),
    }
}

pub(crate) const fn config(error: &ConfigError) -> ErrorCode {
    match error {
        ConfigError::Unknown { .. }
        | ConfigError::Invalid { .. }
        | ConfigError::NoEffect { .. }
        | ConfigError::Bound { .. }
        | ConfigError::Conflict { .. }
        | ConfigError::NotAList { .. } => ErrorCode::InvalidConfig,
        ConfigError::ReadOnly { .. } | ConfigError::NoValue { .. } => ErrorCode::InvalidRequest,
    }
}

pub(crate) const fn create_topic(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::AlreadyExists(_) => ErrorCode::TopicAlreadyExists,
        CreateTopicError::InvalidName(_) | CreateTopicError::Collision { .. } | CreateTopicError::Reserved(_) => {
            ErrorCode::InvalidTopicException
        }
        CreateTopicError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
        CreateTopicError::InvalidReplicationFactor { .. } => ErrorCode::InvalidReplicationFactor,
        CreateTopicError::InvalidAssignment(_) => ErrorCode::InvalidReplicaAssignment,
        CreateTopicError::NumbersBesideAssignment => ErrorCode::InvalidRequest,
        CreateTopicError::Config(ConfigError::NoValue { .. }) => ErrorCode::InvalidConfig,
        CreateTopicError::Config(error) => config(error),
        CreateTopicError::Commit(error) => commit(error),
    }
}

pub(crate) const fn admin(error: &AdminError) -> ErrorCode {
    match error {
        AdminError::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
        AdminError::DeletionDisabled => ErrorCode::TopicDeletionDisabled,
        AdminError::InternalTopic(_) => ErrorCode::InvalidTopicException,
        AdminError::Commit(error) => commit(error),
    }
}

pub(crate) const fn create_partitions(error: &CreatePartitionsError) -> ErrorCode {
    match error {
        CreatePartitionsError::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
        CreatePartitionsError::InternalTopic(_) => ErrorCode::InvalidTopicException,
        CreatePartitionsError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
        CreatePartitionsError::InvalidAssignment(_) => ErrorCode::InvalidReplicaAssignment,
        CreatePartitionsError::Commit(error) => commit(error),
    }
}

pub(crate) const fn alter_configs(error: &AlterConfigsError) -> ErrorCode {
    match error {
        AlterConfigsError::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
        AlterConfigsError::InternalTopic(_) => ErrorCode::InvalidTopicException,
        AlterConfigsError::GroupId => ErrorCode::InvalidRequest,
        AlterConfigsError::TooManyGroups => ErrorCode::PolicyViolation,
        AlterConfigsError::Config(error) => config(error),
        AlterConfigsError::Commit(error) => commit(error),
    }
}

pub(crate) const fn delete_records(error: &DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::UnknownTopic | DeleteRecordsError::UnknownPartition(_) => {
            ErrorCode::UnknownTopicOrPartition
        }
        DeleteRecordsError::InternalTopic(_) => ErrorCode::InvalidTopicException,
        DeleteRecordsError::OnlyCompacted => ErrorCode::PolicyViolation,
        DeleteRecordsError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::Commit(error) => commit(error),
    }
}

pub(crate) const fn coordinator(error: &CoordinatorError) -> ErrorCode {
    match error {
        CoordinatorError::InvalidGroupId { .. } => ErrorCode::InvalidGroupId,
        CoordinatorError::LoadInProgress => ErrorCode::CoordinatorLoadInProgress,
        CoordinatorError::NotAvailable(_) => ErrorCode::CoordinatorNotAvailable,
    }
}

pub(crate) const fn join(error: &JoinError) -> ErrorCode {
    match error {
        JoinError::InvalidSessionTimeout { .. } => ErrorCode::InvalidSessionTimeout,
        JoinError::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
        JoinError::UnknownMember(_) | JoinError::Superseded => ErrorCode::UnknownMemberId,
        JoinError::FencedInstance(_) => ErrorCode::FencedInstanceId,
        JoinError::MemberIdRequired { .. } => ErrorCode::MemberIdRequired,
        JoinError::GroupFull { .. } => ErrorCode::GroupMaxSizeReached,
        JoinError::MetadataTooLarge { .. } => ErrorCode::InvalidRequest,
        JoinError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        JoinError::Coordinator(error) => coordinator(error),
    }
}

pub(crate) const fn sync(error: &SyncError) -> ErrorCode {
    match error {
        SyncError::UnknownMember(_) => ErrorCode::UnknownMemberId,
        SyncError::FencedInstance(_) => ErrorCode::FencedInstanceId,
        SyncError::IllegalGeneration { .. } => ErrorCode::IllegalGeneration,
        SyncError::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
        SyncError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        SyncError::AssignmentsTooLarge { .. } => ErrorCode::InvalidRequest,
        SyncError::Coordinator(error) => coordinator(error),
    }
}

pub(crate) const fn heartbeat(error: &HeartbeatError) -> ErrorCode {
    match error {
        HeartbeatError::UnknownMember(_) => ErrorCode::UnknownMemberId,
        HeartbeatError::FencedInstance(_) => ErrorCode::FencedInstanceId,
        HeartbeatError::IllegalGeneration { .. } => ErrorCode::IllegalGeneration,
        HeartbeatError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        HeartbeatError::StaleMemberEpoch { .. } => ErrorCode::StaleMemberEpoch,
        HeartbeatError::UnsupportedCommit => ErrorCode::UnsupportedVersion,
        HeartbeatError::UnknownGroup => ErrorCode::GroupIdNotFound,
        HeartbeatError::Coordinator(error) => coordinator(error),
    }
}

pub(crate) const fn beat(error: &BeatError) -> ErrorCode {
    match error {
        BeatError::Invalid(_) => ErrorCode::InvalidRequest,
        BeatError::UnsupportedAssignor { .. } => ErrorCode::UnsupportedAssignor,
        BeatError::UnknownGroup(_) => ErrorCode::GroupIdNotFound,
        BeatError::UnknownMember(_) => ErrorCode::UnknownMemberId,
        BeatError::FencedEpoch { .. } | BeatError::UnknownState => ErrorCode::FencedMemberEpoch,
        BeatError::UnreleasedInstance { .. } => ErrorCode::UnreleasedInstanceId,
        BeatError::FencedInstance { .. } => ErrorCode::FencedInstanceId,
        BeatError::GroupFull { .. } => ErrorCode::GroupMaxSizeReached,
        BeatError::InvalidPattern { .. } => ErrorCode::InvalidRegularExpression,
        BeatError::Coordinator(error) => coordinator(error),
    }
}

pub(crate) const fn leave(error: &LeaveError) -> ErrorCode {
    match error {
        LeaveError::UnknownMember(_) => ErrorCode::UnknownMemberId,
        LeaveError::FencedInstance(_) => ErrorCode::FencedInstanceId,
    }
}

pub(crate) const fn offset_commit(error: &OffsetCommitError) -> ErrorCode {
    match error {
        OffsetCommitError::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
        OffsetCommitError::MetadataTooLarge { .. } => ErrorCode::OffsetMetadataTooLarge,
        OffsetCommitError::Group(error) => heartbeat(error),
    }
}

pub(crate) const fn delete_offsets(error: &DeleteOffsetsError) -> ErrorCode {
    match error {
        DeleteOffsetsError::UnknownGroup => ErrorCode::GroupIdNotFound,
        DeleteOffsetsError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
        DeleteOffsetsError::Coordinator(error) => coordinator(error),
    }
}

pub(crate) const fn delete_offset(error: &DeleteOffsetError) -> ErrorCode {
    match error {
        DeleteOffsetError::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
        DeleteOffsetError::Subscribed => ErrorCode::GroupSubscribedToTopic,
    }
}

pub(crate) const fn delete_group(error: &DeleteGroupError) -> ErrorCode {
    match error {
        DeleteGroupError::UnknownGroup => ErrorCode::GroupIdNotFound,
        DeleteGroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
        DeleteGroupError::Coordinator(error) => coordinator(error),
    }
}

pub(crate) const fn transaction(error: &TransactionError) -> ErrorCode {
    match error {
        TransactionError::InvalidMapping => ErrorCode::InvalidProducerIdMapping,
        TransactionError::Fenced => ErrorCode::ProducerFenced,
        TransactionError::Concurrent => ErrorCode::ConcurrentTransactions,
        TransactionError::InvalidState(_) | TransactionError::NotAdded => ErrorCode::InvalidTxnState,
    }
}

pub(crate) const fn transact(error: &TransactError) -> ErrorCode {
    match error {
        TransactError::Transaction(error) => transaction(error),
        TransactError::InvalidId { .. } => ErrorCode::InvalidRequest,
        TransactError::InvalidTimeout { .. } => ErrorCode::InvalidTransactionTimeout,
        TransactError::Coordinator(error) => coordinator(error),
    }
}

/// Partition leaders speak of epochs, not of fencing; where the coordinator is not ready the client tries again.
const fn produce_in_transaction(error: &TransactError) -> ErrorCode {
    match error {
        TransactError::Transaction(TransactionError::Fenced) => ErrorCode::InvalidProducerEpoch,
        TransactError::Coordinator(_) => ErrorCode::NotEnoughReplicas,
        TransactError::Transaction(_) | TransactError::InvalidId { .. } | TransactError::InvalidTimeout { .. } => {
            transact(error)
        }
    }
}

/// Older clients know fencing as an invalid epoch only.
pub(crate) const fn before_fencing(error: ErrorCode) -> ErrorCode {
    if matches!(error, ErrorCode::ProducerFenced) { ErrorCode::InvalidProducerEpoch } else { error }
}

pub(crate) const fn transaction_offsets(error: &TransactionOffsetsError) -> ErrorCode {
    match error {
        TransactionOffsetsError::Commit(error) => offset_commit(error),
        // The group's coordinator speaks of epochs, not of fencing.
        TransactionOffsetsError::Transact(error) => before_fencing(transact(error)),
    }
}

pub(crate) const fn marker(error: &MarkerError) -> ErrorCode {
    match error {
        MarkerError::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
        MarkerError::InvalidProducerEpoch => ErrorCode::InvalidProducerEpoch,
        MarkerError::CoordinatorFenced => ErrorCode::TransactionCoordinatorFenced,
        MarkerError::Append(error) => append(error),
    }
}

pub(crate) const fn quota(error: &QuotaError) -> ErrorCode {
    match error {
        QuotaError::Entity
        | QuotaError::Name
        | QuotaError::Address(_)
        | QuotaError::Twice
        | QuotaError::Unknown(_)
        | QuotaError::NotWhole(_)
        | QuotaError::OutOfRange(_)
        | QuotaError::TooMany => ErrorCode::InvalidRequest,
        QuotaError::Commit(error) => commit(error),
    }
}

pub(crate) const fn scram(error: &ScramError) -> ErrorCode {
    match error {
        ScramError::Twice => ErrorCode::DuplicateResource,
        ScramError::Name | ScramError::Iterations(_) | ScramError::Size | ScramError::TooMany => {
            ErrorCode::UnacceptableCredential
        }
        ScramError::Mechanism(_) => ErrorCode::UnsupportedSaslMechanism,
        ScramError::NotFound => ErrorCode::ResourceNotFound,
        ScramError::Commit(error) => commit(error),
    }
}
