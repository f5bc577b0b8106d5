//! The features of the cluster, by Kafka's names, and their levels: each is supported up to the level in force.
//!
//! Source: KIP-584, KIP-1022.

/// By name.
///
/// `group.version` 1: consumer groups of KIP-848 may exist beside classic ones. `metadata.version` 30: what Kafka 4.3
/// gives to a new cluster. `transaction.version` 2: transactions of KIP-890, whose epoch rises with each.
pub(crate) const FEATURES: &[Feature] = &[
    Feature { name: "group.version", min: 0, level: 1 },
    Feature { name: "metadata.version", min: 7, level: 30 },
    Feature { name: "transaction.version", min: 0, level: 2 },
];

/// One feature.
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) min: i16,
    pub(crate) level: i16,
}

/// The level of a feature, if there is one of that name.
pub(crate) fn level(name: &str) -> Option<i16> {
    FEATURES.iter().find(|feature| feature.name == name).map(|feature| feature.level)
}
