//! `levada log repair`.

use super::{DataDir, Partition};
use crate::{
    output::{Format, Output, note},
    units::show_size,
};
use anyhow::Context as _;
use levada_log::{disk::RealDisk, partition::repair::Rot};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};

#[derive(Debug, clap::Args)]
pub(crate) struct Repair {
    /// The partition: `orders-0`
    partition: String,
    /// Cut the log at the damage: the offsets from there on are lost
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    data: DataDir,
    /// Text for people or JSON for machines
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct Repaired {
    partition: String,
    damage: Option<String>,
    /// The first offset that is lost.
    lost_from: Option<i64>,
    /// The first offset that the next record may have.
    lost_to: Option<i64>,
    bytes: u64,
    cut: bool,
    kept_in: Vec<PathBuf>,
}

impl Repair {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let named = Partition::named(&self.data.data_dir, &self.partition);
        let Partition { topic, partition, .. } =
            named.with_context(|| format!("`{}` is no partition; name one as `orders-0`", self.partition))?;
        self.data.check()?;
        let repair = levada_store::local::Repair::open(Arc::new(RealDisk), &self.data.data_dir, &topic, partition)?;
        let rot = repair.rot()?;
        let kept = match &rot {
            Some(rot) if self.accept_loss => repair.cut(rot)?,
            _ => Vec::new(),
        };
        self.show(rot.as_ref(), kept)?;
        if rot.is_some() && !self.accept_loss {
            anyhow::bail!("nothing was changed; `--accept-loss` cuts the log there and keeps the bytes beside");
        }
        Ok(())
    }

    fn show(&self, rot: Option<&Rot>, kept_in: Vec<PathBuf>) -> anyhow::Result<()> {
        let repaired = Repaired {
            partition: self.partition.clone(),
            damage: rot.map(|rot| rot.at.to_string()),
            lost_from: rot.map(|rot| rot.at.offset_from),
            lost_to: rot.map(|rot| rot.offset_to),
            bytes: rot.map_or(0, |rot| rot.bytes),
            cut: rot.is_some() && self.accept_loss,
            kept_in,
        };
        let mut output = Output::new(self.output);
        if self.output == Format::Json {
            output.json(&repaired)?;
            return Ok(output.flush()?);
        }
        match rot {
            None => output.line(format_args!("`{}` is sound as far as it was durable", self.partition))?,
            Some(Rot { at, offset_to, bytes }) => {
                let verb = if self.accept_loss { "are lost" } else { "would be lost" };
                output.line(format_args!("`{}`: {at}", self.partition))?;
                let last = offset_to.saturating_sub(1);
                output.line(format_args!("offsets {} to {last} {verb}, {}", at.offset_from, show_size(*bytes)))?;
            }
        }
        for path in &repaired.kept_in {
            output.line(format_args!("what was cut is in `{}`", path.display()))?;
        }
        output.flush()?;
        if repaired.cut {
            note(format_args!("the next `levada serve` serves the partition; new records begin at the offset after"));
        }
        Ok(())
    }
}
