//! Where a consumer starts: at the end, the beginning, an offset or a time.

use crate::units;
use levada_client::{Client, OffsetSpec, TopicPartition};
use levada_model::{Clock as _, SystemClock};
use std::collections::BTreeMap;

/// Where to start; at the end where nothing is said.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(multiple = false)]
pub(crate) struct Start {
    /// Start at the first record that is still there
    #[arg(long)]
    from_beginning: bool,
    /// Start at this offset; a negative one counts back from the end
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    offset: Option<i64>,
    /// Start at the first record of this time or later: `2026-07-01T12:00:00Z`, `2026-07-01`, `10m` for ten
    /// minutes ago
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
}

/// The offset that the next record of each partition will have.
pub(crate) async fn ends(client: &Client, keys: &[TopicPartition]) -> anyhow::Result<BTreeMap<TopicPartition, i64>> {
    find(client, keys, OffsetSpec::Latest).await
}

async fn find(
    client: &Client,
    keys: &[TopicPartition],
    spec: OffsetSpec,
) -> anyhow::Result<BTreeMap<TopicPartition, i64>> {
    let wanted: Vec<_> = keys.iter().map(|key| (key.clone(), spec)).collect();
    let found = client.list_offsets(&wanted).await?;
    Ok(found.into_iter().filter_map(|(key, found)| Some((key, found.offset?))).collect())
}

impl Start {
    /// Where a group starts that has committed nothing.
    pub(crate) const fn of_group(&self) -> OffsetSpec {
        if self.from_beginning { OffsetSpec::Earliest } else { OffsetSpec::Latest }
    }

    /// The offset at which each partition is read first.
    pub(crate) async fn offsets(
        &self,
        client: &Client,
        keys: &[TopicPartition],
        ends: &BTreeMap<TopicPartition, i64>,
    ) -> anyhow::Result<BTreeMap<TopicPartition, i64>> {
        if self.from_beginning {
            return find(client, keys, OffsetSpec::Earliest).await;
        }
        if let Some(time) = &self.from {
            let timestamp = units::parse_moment(time, SystemClock.wall_ms())?;
            let mut starts = ends.clone();
            // Where no record is that late, what comes next is.
            starts.extend(find(client, keys, OffsetSpec::Timestamp(timestamp)).await?);
            return Ok(starts);
        }
        let Some(offset) = self.offset else { return Ok(ends.clone()) };
        if offset >= 0 {
            return Ok(keys.iter().map(|key| (key.clone(), offset)).collect());
        }
        let firsts = find(client, keys, OffsetSpec::Earliest).await?;
        let back = |(key, end): (&TopicPartition, &i64)| {
            let first = firsts.get(key).copied().unwrap_or(0);
            (key.clone(), end.saturating_add(offset).max(first))
        };
        Ok(ends.iter().map(back).collect())
    }
}
