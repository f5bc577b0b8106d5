//! Which API versions a broker offers, and which of them we use.

use levada_protocol::{
    ApiKey, ErrorCode,
    messages::{ApiVersionsResponse, api_versions_response::ApiVersion},
};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// What one broker offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions(BTreeMap<i16, RangeInclusive<i16>>);

impl Versions {
    /// What a response announces.
    pub(crate) fn new(response: &ApiVersionsResponse) -> Self {
        let range = |api: &ApiVersion| (api.api_key, api.min_version..=api.max_version);
        Self(response.api_keys.iter().map(range).collect())
    }

    /// The highest version of `api` that the broker and `ours` share.
    pub(crate) fn pick(&self, api: ApiKey, ours: &RangeInclusive<i16>) -> Option<i16> {
        let theirs = self.0.get(&api.code())?;
        let highest = *theirs.end().min(ours.end());
        let lowest = *theirs.start().max(ours.start());
        (lowest <= highest).then_some(highest)
    }
}

/// The version in which to ask for versions again, after one was refused.
///
/// A broker that does not know our version answers in version 0, with the range that it knows.
/// Source: KIP-511.
pub(crate) fn version_after_refusal(response: &ApiVersionsResponse) -> Option<i16> {
    if response.error_code != ErrorCode::UnsupportedVersion.code() {
        return None;
    }
    let offered = Versions::new(response);
    Some(offered.pick(ApiKey::ApiVersions, &ApiKey::ApiVersions.versions()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(api: ApiKey, versions: RangeInclusive<i16>) -> Versions {
        Versions(BTreeMap::from([(api.code(), versions)]))
    }

    #[test]
    fn picks_the_highest_version_that_both_speak() {
        let ours = 4..=18;
        assert_eq!(offer(ApiKey::Fetch, 0..=11).pick(ApiKey::Fetch, &ours), Some(11));
        assert_eq!(offer(ApiKey::Fetch, 4..=99).pick(ApiKey::Fetch, &ours), Some(18));
        assert_eq!(offer(ApiKey::Fetch, 0..=3).pick(ApiKey::Fetch, &ours), None);
        assert_eq!(offer(ApiKey::Fetch, 19..=20).pick(ApiKey::Fetch, &ours), None);
        assert_eq!(offer(ApiKey::Fetch, 0..=11).pick(ApiKey::Produce, &ours), None);
    }

    #[test]
    fn a_refusal_names_the_version_to_ask_in() {
        let mut response =
            ApiVersionsResponse { error_code: ErrorCode::UnsupportedVersion.code(), ..Default::default() };
        assert_eq!(version_after_refusal(&response), Some(0));
        response.api_keys = vec![ApiVersion { api_key: ApiKey::ApiVersions.code(), min_version: 0, max_version: 2 }];
        assert_eq!(version_after_refusal(&response), Some(2));
        assert_eq!(version_after_refusal(&ApiVersionsResponse::default()), None);
    }
}
