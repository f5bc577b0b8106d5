//! DescribeConfigs · key 32 · versions 1–4
//!
//! - 1: sources and synonyms of values. 3: types and documentation (KIP-569). 4: flexible.
//! - Topics, groups, and the one broker by its number or, for what all brokers share, by an empty name.
//! - Left out: broker loggers as resources: an invalid request. Nothing is set for client metrics.
//!
//! Source: KIP-133, KIP-226, KIP-569, KIP-848.

use crate::{call::Context, configs, errors};
use levada_broker::{
    auth::{op, res},
    config::{ConfigSource, DescribedConfig},
};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym},
    },
};

pub(crate) async fn handle(context: Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let shown = Shown { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let results = request.resources.into_iter().map(|resource| {
        let (error, message, found) = match describe(&context, &resource) {
            Ok(found) => (ErrorCode::None, Some(Str::new()), found),
            Err((error, message)) => (error, Some(message.into()), Vec::new()),
        };
        DescribeConfigsResult {
            error_code: error.code(),
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs: found.into_iter().map(|config| shown.result(config)).collect(),
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() }
}

fn describe(
    context: &Context,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribedConfig>, (ErrorCode, String)> {
    let name = &resource.resource_name;
    let denied = |error: ErrorCode| (error, "may not describe the settings".to_owned());
    let keys: Option<&[Str]> = resource.configuration_keys.as_deref().filter(|keys| !keys.is_empty());
    match resource.resource_type {
        configs::TOPIC => {
            configs::check_topic(name)?;
            let grant = context.ask::<op::DescribeConfigs, res::Topic>(name).map_err(denied)?;
            let found = context.broker().describe_topic_configs(&grant, keys);
            found.map_err(|error| (errors::admin(&error), error.to_string()))
        }
        configs::BROKER => {
            configs::check_broker(context, name)?;
            let grant = context.ask_cluster().map_err(denied)?;
            let mut found = context.broker().describe_broker_configs(&grant, keys);
            // Of all brokers there is only what was set for all of them.
            found.retain(|config| !name.is_empty() || config.source == ConfigSource::DynamicBroker);
            Ok(found)
        }
        configs::GROUP => {
            configs::check_group(name)?;
            let grant = context.ask::<op::DescribeConfigs, res::Group>(name).map_err(denied)?;
            Ok(context.broker().describe_group_configs(&grant, keys))
        }
        configs::CLIENT_METRICS => {
            context.ask_cluster::<op::DescribeConfigs>().map_err(denied)?;
            Ok(Vec::new())
        }
        other => Err((ErrorCode::InvalidRequest, format!("resources of type {other} have no settings here"))),
    }
}

/// What beside the values a client wants to see.
struct Shown {
    synonyms: bool,
    documentation: bool,
}

impl Shown {
    fn result(&self, config: DescribedConfig) -> DescribeConfigsResourceResult {
        let synonyms = config.synonyms.into_iter().filter(|_| self.synonyms).map(|synonym| DescribeConfigsSynonym {
            name: synonym.name.into(),
            value: Some(synonym.value.into()),
            source: configs::source(synonym.source),
        });
        DescribeConfigsResourceResult {
            name: config.name.into(),
            value: Some(config.value.into()),
            read_only: config.read_only,
            config_source: configs::source(config.source),
            is_sensitive: false,
            synonyms: synonyms.collect(),
            config_type: configs::kind(config.kind),
            documentation: self.documentation.then(|| config.doc.into()),
        }
    }
}
