//! UpdateFeatures · key 57 · versions 0–2
//!
//! - 1: kinds of upgrades, validation alone (KIP-778). 2: no results of single features.
//! - Left out: levels other than the ones that are announced: this version of the broker has one of each.
//!
//! Source: KIP-584, KIP-778.

use crate::{call::Context, features};
use levada_broker::auth::op;
use levada_protocol::{
    ErrorCode,
    messages::{UpdateFeaturesRequest, UpdateFeaturesResponse, update_features_request::FeatureUpdateKey},
};

const KINDS: std::ops::RangeInclusive<i8> = 1..=3;

pub(crate) async fn handle(context: Context, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let version = context.version;
    if let Err(error) = context.ask_cluster::<op::Alter>() {
        return whole(error, "may not change features");
    }
    match request.feature_updates.iter().find_map(|update| check(update, version).err()) {
        Some((error, message)) => whole(error, message),
        None => UpdateFeaturesResponse { error_message: None, ..UpdateFeaturesResponse::default() },
    }
}

fn whole(error: ErrorCode, message: &'static str) -> UpdateFeaturesResponse {
    UpdateFeaturesResponse {
        error_code: error.code(),
        error_message: Some(message.into()),
        ..UpdateFeaturesResponse::default()
    }
}

fn check(update: &FeatureUpdateKey, version: i16) -> Result<(), (ErrorCode, &'static str)> {
    let refused = |message| Err((ErrorCode::InvalidUpdateVersion, message));
    if version >= 1 && !KINDS.contains(&update.upgrade_type) {
        return refused("no such kind of upgrade");
    }
    match features::level(&update.feature) {
        Some(level) if level == update.max_version_level => Ok(()),
        Some(_) => refused("this broker has one level of the feature, the one in force"),
        None => refused("no such feature"),
    }
}
