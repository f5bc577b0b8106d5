//! What to try after an error, where something can be said.

use levada_client::ClientError;
use levada_protocol::{ApiKey, ErrorCode};

/// A sentence for people, if one fits.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    let of_registry = error.chain().find_map(|cause| cause.downcast_ref::<levada_schema_client::ClientError>());
    if let Some(error) = of_registry {
        return for_registry(error).map(ToOwned::to_owned);
    }
    let error = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>())?;
    let text = match error {
        ClientError::Connect { who, .. } | ClientError::ConnectTimeout { who, .. } if who.starts_with("broker ") => {
            "the bootstrap server answered, but sends clients to that address; start the broker with `--advertise HOST:PORT` \
             (Kafka: `advertised.listeners`), naming an address that this machine can reach"
        }
        ClientError::Connect { .. } | ClientError::ConnectTimeout { .. } => {
            "is a broker running there? `levada serve` starts one; `--bootstrap-server HOST:PORT` names another"
        }
        ClientError::Lost { api: ApiKey::ApiVersions, .. } | ClientError::Timeout { api: ApiKey::ApiVersions, .. } => {
            "does a Kafka broker listen there, without TLS? Its own log may say why it hung up"
        }
        ClientError::Timeout { .. } => "`--timeout 60s` waits longer",
        ClientError::NoPartition { .. } => "`levada topic alter NAME --partitions N` adds partitions",
        ClientError::NoLeader { .. } => "the broker that leads it may be down; `levada topic describe` shows who does",
        ClientError::RecordTooLarge { .. } => "`--buffer-size` raises the limit",
        ClientError::Batch { .. } => "the bytes on the broker are damaged or were damaged on their way",
        ClientError::Unsupported { .. } => "the cluster is older than this command needs, or not Kafka",
        _ => return error.code().and_then(for_code).map(ToOwned::to_owned),
    };
    Some(text.to_owned())
}

fn for_registry(error: &levada_schema_client::ClientError) -> Option<&'static str> {
    use levada_schema_client::ClientError as Error;
    Some(match error {
        Error::Unreachable { .. } => {
            "is a registry running there? `levada serve` starts one; `--schema-registry URL` names another"
        }
        Error::Malformed { .. } => "does a schema registry listen there? `--schema-registry URL` names another",
        Error::OtherType { .. } => {
            "`levada schema get` shows it; `--value-format` and `--key-format` name its language"
        }
        Error::Unnamed { .. } => {
            "whoever wrote the record used no registry; leave `--value-format` out to see its bytes"
        }
        Error::Refused { code, .. } => match code {
            40401 | 40402 => "`levada schema list` shows subjects and versions; `levada schema register` makes one",
            409 | 40901 => "`levada schema check` lists all that is in the way; `levada schema diff --file` shows it",
            40405 | 40407 => "delete it without `--permanent` first",
            42205 => "`levada schema mode` shows who may write",
            _ => return None,
        },
        Error::Address { .. } | Error::Schema { .. } | Error::Data { .. } => return None,
    })
}

fn for_code(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::UnknownTopicOrPartition => {
            "`levada topic list` shows what there is; `levada topic create NAME` makes one"
        }
        ErrorCode::TopicAlreadyExists => "`--if-not-exists` accepts that; `levada topic alter` changes it",
        ErrorCode::InvalidTopicException => "names have 1 to 249 of a-z A-Z 0-9 . _ -",
        ErrorCode::GroupIdNotFound => "`levada group list` shows the groups",
        ErrorCode::NonEmptyGroup | ErrorCode::UnknownMemberId | ErrorCode::RebalanceInProgress => {
            "the group has members: stop its consumers first; `levada group describe` shows them"
        }
        ErrorCode::OffsetOutOfRange => {
            "`levada topic describe` shows which offsets there are; `--from-beginning` starts at the first"
        }
        ErrorCode::InvalidReplicationFactor => {
            "the cluster has fewer brokers than copies asked for; leave `--replication-factor` out"
        }
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => {
            "the topic's `max.message.bytes` limits a batch; `levada config set --topic NAME max.message.bytes=…` raises it, `--batch-size` makes smaller ones"
        }
        ErrorCode::InvalidTimestamp => "the topic's `message.timestamp.*` settings bound what producers may send",
        ErrorCode::TopicAuthorizationFailed
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::ClusterAuthorizationFailed => "this client is anonymous, and the cluster asks for more",
        ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend => {
            "fewer copies are in sync than `min.insync.replicas` asks for; `levada topic describe` shows them"
        }
        _ => return None,
    })
}
