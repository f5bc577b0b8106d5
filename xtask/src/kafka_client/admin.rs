//! What an administrator asks: a topic's settings changed, its size.

use anyhow::{Context, Result, bail};
use levada_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use levada_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use levada_protocol::messages::{DescribeLogDirsRequest, IncrementalAlterConfigsRequest};

use super::{Connection, error_name};

const ALTER_CONFIGS_VERSION: i16 = 1;
const DESCRIBE_LOG_DIRS_VERSION: i16 = 4;
/// The kind of resource that a topic is.
const TOPIC: i8 = 2;

impl Connection {
    /// Sets one setting of a topic; answers the error code.
    pub(crate) fn set_topic_config(&mut self, topic: &str, name: &str, value: &str) -> Result<i16> {
        let config = AlterableConfig { name: name.into(), value: Some(value.into()), ..AlterableConfig::default() };
        let resource =
            AlterConfigsResource { resource_type: TOPIC, resource_name: topic.into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let response = self.call(&request, ALTER_CONFIGS_VERSION)?;
        Ok(response.responses.first().context("an answer without a topic")?.error_code)
    }

    /// How many bytes the log of one partition has.
    pub(crate) fn log_size(&mut self, topic: &str, partition: i32) -> Result<u64> {
        let asked = DescribableLogDirTopic { topic: topic.into(), partitions: vec![partition] };
        let request = DescribeLogDirsRequest { topics: Some(vec![asked]) };
        let response = self.call(&request, DESCRIBE_LOG_DIRS_VERSION)?;
        if response.error_code != 0 {
            bail!("log directories: {}", error_name(response.error_code));
        }
        let topics = response.results.iter().flat_map(|dir| &dir.topics);
        let mut partitions = topics.flat_map(|topic| &topic.partitions);
        Ok(u64::try_from(partitions.next().context("an answer without the partition")?.partition_size)?)
    }
}
