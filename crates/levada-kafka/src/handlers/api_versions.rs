//! ApiVersions · key 18 · versions 0–4
//!
//! - 1: throttle time. 2: nothing. 3: flexible, the client's name and version, features. 4: features may be
//!   supported from version 0.
//! - Traps: an unsupported version is answered in version 0 with error 35 and the range of this API, so that the
//!   client can ask again; the response header is version 0 throughout; Produce is announced from version 0 and
//!   JoinGroup keeps 0 and 1 (`apis.rs`).
//! - Left out: `zk_migration_ready`, which Kafka 4 never sets.
//!
//! Source: KIP-35, KIP-511, KIP-584, KAFKA-17011.

use crate::{
    apis::APIS,
    call::{Answer, Context},
    features::FEATURES,
};
use levada_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse,
        api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
};

pub(crate) async fn handle(context: Context, request: ApiVersionsRequest) -> ApiVersionsResponse {
    if context.version >= 3 && !is_name_valid(&request) {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..ApiVersionsResponse::default() };
    }
    everything(&context)
}

/// Answers a version that is not served.
pub(crate) fn refuse_version(mut context: Context) -> Answer {
    context.version = 0;
    let range = APIS.iter().filter(|api| api.key == ApiKey::ApiVersions);
    context.reply(&ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: range.map(row).collect(),
        ..ApiVersionsResponse::default()
    })
}

fn everything(context: &Context) -> ApiVersionsResponse {
    // Clients from before version 4 cannot read a feature that is supported from 0. Source: KAFKA-17492.
    let supported = FEATURES.iter().filter(|feature| context.version >= 4 || feature.min > 0);
    let supported = supported.map(|feature| SupportedFeatureKey {
        name: feature.name.into(),
        min_version: feature.min,
        max_version: feature.level,
    });
    let finalized = FEATURES.iter().map(|feature| FinalizedFeatureKey {
        name: feature.name.into(),
        min_version_level: feature.level,
        max_version_level: feature.level,
    });
    ApiVersionsResponse {
        api_keys: APIS.iter().map(row).collect(),
        supported_features: supported.collect(),
        finalized_features_epoch: i64::try_from(context.broker().metadata_version()).unwrap_or(i64::MAX),
        finalized_features: finalized.collect(),
        ..ApiVersionsResponse::default()
    }
}

fn row(api: &crate::apis::Api) -> ApiVersion {
    let versions = api.announced();
    ApiVersion { api_key: api.key.code(), min_version: *versions.start(), max_version: *versions.end() }
}

/// Kafka's rule for names and versions of client software.
fn is_name_valid(request: &ApiVersionsRequest) -> bool {
    let valid = |text: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        text.bytes().all(inner) && edge(text.bytes().next()) && edge(text.bytes().last())
    };
    valid(&request.client_software_name) && valid(&request.client_software_version)
}
