//! Topics and settings: create, delete, describe, alter.

use crate::{Client, ClientError, client::Target, error::refused};
use levada_model::{NodeId, Str, TopicId};
use levada_protocol::{
    ApiKey, Request,
    messages::{
        CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
        IncrementalAlterConfigsRequest,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::DescribeConfigsResourceResult,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
};

/// How long brokers may take over an admin request.
const TIMEOUT_MS: i32 = 30_000;

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    name: String,
    partitions: i32,
    replication_factor: i16,
    configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with the cluster's default partition count and replication factor.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), partitions: -1, replication_factor: -1, configs: Vec::new() }
    }

    /// Sets how many partitions it has.
    #[must_use]
    pub const fn partitions(mut self, count: i32) -> Self {
        self.partitions = count;
        self
    }

    /// Sets how many copies there are of each partition.
    #[must_use]
    pub const fn replication_factor(mut self, factor: i16) -> Self {
        self.replication_factor = factor;
        self
    }

    /// Sets a topic setting.
    #[must_use]
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.configs.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A topic that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its name.
    pub name: String,
    /// Its identity; zero where the broker does not say.
    pub id: TopicId,
    /// How many partitions it has; `None` where the broker does not say.
    pub partitions: Option<i32>,
    /// How many copies; `None` where the broker does not say.
    pub replication_factor: Option<i16>,
}

/// Something that has settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic.
    Topic(String),
    /// A broker.
    Broker(NodeId),
    /// A consumer group.
    Group(String),
}

impl ConfigResource {
    const fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => 2,
            Self::Broker(_) => 4,
            Self::Group(_) => 32,
        }
    }

    fn name(&self) -> Str {
        match self {
            Self::Topic(name) | Self::Group(name) => Str::from(name.as_str()),
            Self::Broker(id) => Str::from(id.to_string()),
        }
    }

    /// A broker answers for itself; anything else is the cluster's.
    const fn target(&self, others: Target) -> Target {
        match self {
            Self::Broker(id) => Target::Node(*id),
            Self::Topic(_) | Self::Group(_) => others,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Topic(name) => format!("topic `{name}`"),
            Self::Broker(id) => format!("broker {id}"),
            Self::Group(name) => format!("group `{name}`"),
        }
    }
}

/// One setting of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: String,
    /// The value; `None` where it is secret or not set.
    pub value: Option<String>,
    /// Where the value comes from, in Kafka's words.
    pub source: &'static str,
    /// Whether it is the built-in value.
    pub is_default: bool,
    /// Whether it cannot be changed.
    pub is_read_only: bool,
    /// Whether its value is secret.
    pub is_sensitive: bool,
    /// What it means, where the broker says so.
    pub documentation: Option<String>,
}

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigUpdate {
    /// Gives it this value.
    Set(String),
    /// Gives it back its default.
    Unset,
}

impl Client {
    /// Creates a topic.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<CreatedTopic, ClientError> {
        let configs = topic.configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: Str::from(name.as_str()),
            value: Some(Str::from(value.as_str())),
        });
        let new = CreatableTopic {
            name: Str::from(topic.name.as_str()),
            num_partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            configs: configs.collect(),
            ..CreatableTopic::default()
        };
        let request = &CreateTopicsRequest { topics: vec![new], timeout_ms: TIMEOUT_MS, ..Default::default() };
        self.retrying(|_| async move {
            let response = self.ask(Target::Controller, request).await?;
            let result = only::<CreateTopicsRequest, _>(response.topics)?;
            refused(result.error_code, result.error_message.as_deref(), || format!("topic `{}`", topic.name))?;
            Ok(CreatedTopic {
                name: topic.name.clone(),
                id: result.topic_id,
                partitions: (result.num_partitions >= 0).then_some(result.num_partitions),
                replication_factor: (result.replication_factor >= 0).then_some(result.replication_factor),
            })
        })
        .await
    }

    /// Deletes a topic and its data.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        self.forget_topic(name);
        let build = |version: i16| {
            let state = DeleteTopicState { name: Some(Str::from(name)), ..Default::default() };
            let (topics, topic_names) =
                if version >= 6 { (vec![state], vec![]) } else { (vec![], vec![Str::from(name)]) };
            DeleteTopicsRequest { topics, topic_names, timeout_ms: TIMEOUT_MS }
        };
        let response = self.ask_built(Target::Controller, i16::MAX, build).await?;
        let result = only::<DeleteTopicsRequest, _>(response.responses)?;
        refused(result.error_code, result.error_message.as_deref(), || format!("topic `{name}`"))
    }

    /// Raises how many partitions a topic has to `count`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn create_partitions(&self, name: &str, count: i32) -> Result<(), ClientError> {
        self.forget_topic(name);
        let topic = CreatePartitionsTopic { name: Str::from(name), count, assignments: None };
        let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
        let response = self.ask(Target::Controller, &request).await?;
        let result = only::<CreatePartitionsRequest, _>(response.results)?;
        refused(result.error_code, result.error_message.as_deref(), || format!("topic `{name}`"))
    }

    /// Every setting of `resource`, in the order of names.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn describe_configs(&self, resource: &ConfigResource) -> Result<Vec<ConfigEntry>, ClientError> {
        let wanted = DescribeConfigsResource {
            resource_type: resource.kind(),
            resource_name: resource.name(),
            configuration_keys: None,
        };
        let request =
            &DescribeConfigsRequest { resources: vec![wanted], include_documentation: true, ..Default::default() };
        self.retrying(|_| async move {
            let response = self.ask(resource.target(Target::Any), request).await?;
            let result = only::<DescribeConfigsRequest, _>(response.results)?;
            refused(result.error_code, result.error_message.as_deref(), || resource.describe())?;
            let mut entries: Vec<ConfigEntry> = result.configs.into_iter().map(read_entry).collect();
            entries.sort_by(|left, right| left.name.cmp(&right.name));
            Ok(entries)
        })
        .await
    }

    /// Changes settings of `resource`, all or none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        updates: &[(String, ConfigUpdate)],
    ) -> Result<(), ClientError> {
        let configs = updates.iter().map(|(name, update)| {
            let (config_operation, value) = match update {
                ConfigUpdate::Set(value) => (0, Some(Str::from(value.as_str()))),
                ConfigUpdate::Unset => (1, None),
            };
            AlterableConfig { name: Str::from(name.as_str()), config_operation, value }
        });
        let resources = vec![AlterConfigsResource {
            resource_type: resource.kind(),
            resource_name: resource.name(),
            configs: configs.collect(),
        }];
        let request = &IncrementalAlterConfigsRequest { resources, ..Default::default() };
        self.retrying(|_| async move {
            let response = self.ask(resource.target(Target::Controller), request).await?;
            let result = only::<IncrementalAlterConfigsRequest, _>(response.responses)?;
            refused(result.error_code, result.error_message.as_deref(), || resource.describe())
        })
        .await
    }
}

/// The one result of a request for one thing.
pub(crate) fn only<R: Request, T>(results: Vec<T>) -> Result<T, ClientError> {
    results.into_iter().next().ok_or_else(|| incomplete(R::KEY, "the one thing that was asked for"))
}

pub(crate) fn incomplete(api: ApiKey, what: &str) -> ClientError {
    ClientError::Incomplete { address: "the broker".to_owned(), api, what: what.to_owned() }
}

fn read_entry(entry: DescribeConfigsResourceResult) -> ConfigEntry {
    let source = match entry.config_source {
        1 => "topic",
        2 => "broker, dynamic",
        3 => "cluster, dynamic",
        4 => "broker, static",
        5 => "default",
        6 => "broker logger",
        7 => "client metrics",
        8 => "group",
        _ => "unknown",
    };
    ConfigEntry {
        name: entry.name.into(),
        value: entry.value.map(String::from),
        source,
        is_default: entry.config_source == 5,
        is_read_only: entry.read_only,
        is_sensitive: entry.is_sensitive,
        documentation: entry.documentation.map(String::from).filter(|text| !text.is_empty()),
    }
}
