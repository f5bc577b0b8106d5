//! Administration beyond creating and deleting topics: settings, deleting records, where logs lie.

use crate::{
    Broker, ValidateOnly,
    auth::{Grant, op, res},
    config::{
        AlterConfigs, ConfigError, DescribedConfig, Setting, TopicDefaults, alter, describe, group,
        topic::check_batch_size,
    },
    coordinator::GROUP_ID_SIZE_MAX,
    own_topic::is_reserved,
    topics::AdminError,
};
use levada_model::{Offset, PartitionIndex, Str, TopicName};
use levada_store::{Change, CommitError};
use std::collections::BTreeMap;

/// Groups with settings of their own.
const CONFIGURED_GROUPS_MAX: usize = 10_000;

/// Why settings were not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterConfigsError {
    /// No topic has this name.
    #[error("topic does not exist")]
    UnknownTopic,
    /// A part of the platform needs it as it is.
    #[error("topic `{0}` is the broker's own")]
    InternalTopic(TopicName),
    /// No group can have this name.
    #[error("a group has a name, of at most {GROUP_ID_SIZE_MAX} bytes")]
    GroupId,
    /// There are enough.
    #[error("settings of {CONFIGURED_GROUPS_MAX} groups are the most there can be")]
    TooManyGroups,
    /// A setting is not legal.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It could not be kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why records were not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRecordsError {
    /// No topic has this name.
    #[error("topic does not exist")]
    UnknownTopic,
    /// The topic has no such partition.
    #[error("topic has no partition {0}")]
    UnknownPartition(PartitionIndex),
    /// The broker itself needs them.
    #[error("topic `{0}` is the broker's own")]
    InternalTopic(TopicName),
    /// The topic keeps the last record of each key.
    #[error("records of a topic with only `cleanup.policy=compact` cannot be deleted")]
    OnlyCompacted,
    /// Beyond what consumers see.
    #[error("offset {offset} is beyond the high watermark, {high_watermark}")]
    OffsetOutOfRange {
        /// What was asked for.
        offset: Offset,
        /// What can be deleted at most.
        high_watermark: Offset,
    },
    /// It could not be kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The data directory as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirView {
    /// Where it is.
    pub path: String,
    /// What is in it, by topic and partition.
    pub logs: Vec<LogView>,
}

/// One partition's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    /// The topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: PartitionIndex,
    /// Bytes.
    pub size: u64,
}

impl Broker {
    /// The settings of a topic; of `names` only, where some are given.
    ///
    /// # Errors
    /// [`AdminError::UnknownTopic`].
    pub fn describe_topic_configs(
        &self,
        topic: &Grant<op::DescribeConfigs, res::Topic>,
        names: Option<&[Str]>,
    ) -> Result<Vec<DescribedConfig>, AdminError> {
        let image = self.store.image();
        let topic = image.topic(topic.name()).ok_or(AdminError::UnknownTopic)?;
        Ok(describe::topic(&topic.configs, self.file_config(), names))
    }

    /// The settings of the broker; of `names` only, where some are given.
    #[must_use]
    pub fn describe_broker_configs(
        &self,
        _: &Grant<op::DescribeConfigs, res::Cluster>,
        names: Option<&[Str]>,
    ) -> Vec<DescribedConfig> {
        describe::broker(&self.config(), names)
    }

    /// Changes the settings of a topic.
    ///
    /// # Errors
    /// [`AlterConfigsError`].
    pub async fn alter_topic_configs(
        &self,
        topic: &Grant<op::AlterConfigs, res::Topic>,
        change: &AlterConfigs,
        validate_only: ValidateOnly,
    ) -> Result<(), AlterConfigsError> {
        let _one_at_a_time = self.admin.lock().await;
        let image = self.store.image();
        let topic = image.topic(topic.name()).ok_or(AlterConfigsError::UnknownTopic)?;
        if is_reserved(topic.name.as_str()) {
            return Err(AlterConfigsError::InternalTopic(topic.name.clone()));
        }
        let defaults = TopicDefaults::of(self.file_config());
        let default = |setting: &'static Setting| defaults.get(setting.name).unwrap_or(setting.default).to_owned();
        let configs = alter::apply(alter::Table::Topic, &topic.configs, change, default)?;
        check_batch_size(&topic.configs, &configs, self.store.batch_size_max())?;
        defaults.check_together(&configs)?;
        if validate_only == ValidateOnly::No && configs != topic.configs {
            self.commit(vec![Change::SetTopicConfigs { id: topic.id, configs }]).await?;
        }
        Ok(())
    }

    /// Changes the settings of the broker that can change while it runs.
    ///
    /// # Errors
    /// [`AlterConfigsError`].
    pub async fn alter_broker_configs(
        &self,
        _: &Grant<op::AlterConfigs, res::Cluster>,
        change: &AlterConfigs,
        validate_only: ValidateOnly,
    ) -> Result<(), AlterConfigsError> {
        let _one_at_a_time = self.admin.lock().await;
        let current: BTreeMap<String, String> = self.store.image().broker_configs.clone();
        let configs = alter::apply(alter::Table::Broker, &current, change, |setting| setting.default.to_owned())?;
        self.file_config().overlaid(&configs).validate()?;
        if validate_only == ValidateOnly::No && configs != current {
            self.commit(vec![Change::SetBrokerConfigs { configs }]).await?;
        }
        Ok(())
    }

    /// The settings of a group, whether it exists or not; of `names` only, where some are given.
    #[must_use]
    pub fn describe_group_configs(
        &self,
        group: &Grant<op::DescribeConfigs, res::Group>,
        names: Option<&[Str]>,
    ) -> Vec<DescribedConfig> {
        let image = self.store.image();
        let none = BTreeMap::new();
        let configs = image.group_configs.get(group.name().as_str()).unwrap_or(&none);
        describe::group(configs, self.file_config(), names)
    }

    /// The groups that have settings of their own, by name.
    #[must_use]
    pub fn configured_groups(&self) -> Vec<Str> {
        self.store.image().group_configs.keys().map(|group_id| Str::from(group_id.as_str())).collect()
    }

    /// Changes the settings of a group, whether it exists or not.
    ///
    /// # Errors
    /// [`AlterConfigsError`].
    pub async fn alter_group_configs(
        &self,
        group: &Grant<op::AlterConfigs, res::Group>,
        change: &AlterConfigs,
        validate_only: ValidateOnly,
    ) -> Result<(), AlterConfigsError> {
        let group_id = group.name().as_str();
        if group_id.is_empty() || group_id.len() > GROUP_ID_SIZE_MAX {
            return Err(AlterConfigsError::GroupId);
        }
        let _one_at_a_time = self.admin.lock().await;
        let image = self.store.image();
        let current = image.group_configs.get(group_id).cloned().unwrap_or_default();
        let configs = alter::apply(alter::Table::Group, &current, change, |setting| setting.default.to_owned())?;
        group::check(&configs, &self.file_config().group_paces())?;
        let is_new = current.is_empty() && !configs.is_empty();
        if is_new && image.group_configs.len() >= CONFIGURED_GROUPS_MAX {
            return Err(AlterConfigsError::TooManyGroups);
        }
        if validate_only == ValidateOnly::No && configs != current {
            self.commit(vec![Change::SetGroupConfigs { group_id: group_id.to_owned(), configs }]).await?;
        }
        Ok(())
    }

    /// Deletes the records of a partition below `offset`, −1 for all that consumers see.
    ///
    /// Returns the first offset that is left.
    ///
    /// # Errors
    /// [`DeleteRecordsError`].
    ///
    /// Source: KIP-107.
    pub async fn delete_records(
        &self,
        topic: &Grant<op::Delete, res::Topic>,
        partition: PartitionIndex,
        offset: Offset,
    ) -> Result<Offset, DeleteRecordsError> {
        let _one_at_a_time = self.admin.lock().await;
        let image = self.store.image();
        let topic = image.topic(topic.name()).ok_or(DeleteRecordsError::UnknownTopic)?;
        if self.is_own(topic) {
            return Err(DeleteRecordsError::InternalTopic(topic.name.clone()));
        }
        let log = topic.log(partition).ok_or(DeleteRecordsError::UnknownPartition(partition))?;
        if !self.topic_config(topic).log.deletes {
            return Err(DeleteRecordsError::OnlyCompacted);
        }
        let tail = log.tail();
        let target = if offset == -1 { tail.high_watermark } else { offset };
        if target < 0 || target > tail.high_watermark {
            return Err(DeleteRecordsError::OffsetOutOfRange { offset, high_watermark: tail.high_watermark });
        }
        if target > tail.log_start_offset {
            self.commit(vec![Change::SetLogStart { id: topic.id, partition, offset: target }]).await?;
        }
        Ok(target.max(tail.log_start_offset))
    }

    /// The data directory and what is in it.
    #[must_use]
    pub fn log_dir(&self, _: &Grant<op::Describe, res::Cluster>) -> LogDirView {
        let image = self.store.image();
        let logs = image.topics.values().flat_map(|topic| topic.logs.iter());
        let view = |log: &std::sync::Arc<levada_store::Log>| LogView {
            topic: log.topic().clone(),
            partition: log.partition(),
            size: log.size_bytes(),
        };
        LogDirView { path: self.log_dir.clone(), logs: logs.map(view).collect() }
    }
}
