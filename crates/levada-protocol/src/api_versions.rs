//! Which versions of each API exist in Kafka 4.3.1, which of them are flexible, and which header goes with them.

use crate::ApiKey;
use std::{fmt, ops::RangeInclusive};

impl ApiKey {
    /// The API with this number, if it is one that brokers offer their clients.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.binary_search_by_key(&code, |key| key.code()).ok().and_then(|index| Self::ALL.get(index)).copied()
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        #[expect(clippy::as_conversions, reason = "a fieldless enum with `repr(i16)`")]
        {
            self as i16
        }
    }

    /// Kafka's name, `Produce` say.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.api().name
    }

    /// The versions that can be read and written.
    #[must_use]
    pub const fn versions(self) -> RangeInclusive<i16> {
        self.api().versions
    }

    /// The versions that Kafka 4.3.1 announces in its ApiVersions response.
    ///
    /// They are [`Self::versions`] but for Produce, announced from version 0 for the sake of librdkafka, which takes
    /// a higher minimum for a broker without compression and idempotence. Requests in versions 0 to 2 are refused.
    ///
    /// Source: KAFKA-18659.
    #[must_use]
    pub const fn announced_versions(self) -> RangeInclusive<i16> {
        let versions = self.versions();
        match self {
            Self::Produce => 0..=*versions.end(),
            _ => versions,
        }
    }

    /// The first version with compact lengths and tagged fields.
    #[must_use]
    pub const fn flexible_from(self) -> Option<i16> {
        self.api().flexible_from
    }

    /// Whether `version` has compact lengths and tagged fields.
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        self.flexible_from().is_some_and(|from| version >= from)
    }

    /// The version of the header before a request in `version`: 2 if flexible, else 1. Also right for versions
    /// above those we know.
    #[must_use]
    pub fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the header before a response in `version`: 1 if flexible, else 0.
    ///
    /// ApiVersions always has header 0, since its reader may not yet know what the broker speaks.
    ///
    /// Source: KIP-511.
    #[must_use]
    pub fn response_header_version(self, version: i16) -> i16 {
        if self != Self::ApiVersions && self.is_flexible(version) { 1 } else { 0 }
    }
}

impl From<ApiKey> for i16 {
    fn from(key: ApiKey) -> Self {
        key.code()
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_their_numbers() {
        for key in ApiKey::ALL {
            assert_eq!(ApiKey::from_code(key.code()), Some(key));
        }
        assert_eq!(ApiKey::from_code(4), None, "inter-broker APIs are not ours");
        assert_eq!(ApiKey::from_code(-1), None);
    }

    #[test]
    fn announced_versions_are_those_of_kafka() {
        let announced = |key: ApiKey| key.announced_versions();
        assert_eq!(announced(ApiKey::Produce), 0..=13);
        assert_eq!(ApiKey::Produce.versions(), 3..=13);
        assert_eq!(announced(ApiKey::Fetch), 4..=18);
        assert_eq!(announced(ApiKey::JoinGroup), 0..=9);
        assert_eq!(announced(ApiKey::InitProducerId), 0..=5, "version 6 is not stable");
        assert_eq!(announced(ApiKey::ShareFetch), 1..=2);
    }

    #[test]
    fn header_versions_follow_flexibility_but_for_api_versions() {
        assert_eq!(ApiKey::Fetch.request_header_version(11), 1);
        assert_eq!(ApiKey::Fetch.request_header_version(12), 2);
        assert_eq!(ApiKey::Fetch.response_header_version(12), 1);
        assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(3), 0);
        assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
        assert_eq!(ApiKey::ShareFetch.request_header_version(0), 2, "flexible before its first version");
    }
}
