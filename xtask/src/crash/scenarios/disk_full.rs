//! A small file system that fills up: writes are refused, reads go on, and when space returns so do writes.

use std::fs::{self, OpenOptions};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::fs::{FallocateFlags, fallocate};

use super::Stage;
use super::syncs::read_something;
use crate::crash::report::{Row, Skipped};
use crate::crash::volume::{Volume, require_mount};
use crate::crash::workload::Workload;

const VOLUME_SIZE: u64 = 1 << 30;
/// What is left when the rest is taken: some seconds of load.
const LEFT_SIZE: u64 = 4 << 20;
const PROGRESS: u64 = 50;
const REFUSAL_LIMIT: Duration = Duration::from_secs(30);
/// How long the full disk is watched.
const FULL_WATCH: Duration = Duration::from_millis(500);

pub(super) fn run(stage: &Stage) -> Result<Row, Skipped> {
    require_mount()?;
    let data_dir = Stage::data_dir(&stage.folder);
    let mut volume = Volume::create(&stage.folder, &data_dir, VOLUME_SIZE)?;
    let (mut broker, address) = stage.broker(&stage.folder)?;
    broker.start_again()?;
    let workload = Workload::start(stage.plan("fsync"), address)?;
    let mut row = Row { rounds: stage.rounds(1, 4), ..Row::default() };
    let filler = data_dir.join("somebody-elses.bin");
    for round in 0..row.rounds {
        workload.wait_for(PROGRESS)?;
        fill(&volume, &filler)?;
        if !wait_for_refusal(&workload) {
            row.problems.push("the disk is full, and nothing was refused".to_owned());
        }
        sleep(FULL_WATCH);
        if let Err(error) = read_something(address, &workload) {
            row.problems.push(format!("reads failed while the disk was full: {error:#}"));
        }
        if round % 2 == 1 {
            broker.kill()?;
        }
        fs::remove_file(&filler).map_err(anyhow::Error::from)?;
        if broker.pid().is_none() {
            broker.start_again()?;
        }
        if let Err(error) = workload.wait_for(PROGRESS) {
            row.problems.push(format!("writes did not resume when space returned: {error:#}"));
            break;
        }
    }
    row.judge(&workload.finish());
    broker.stop()?;
    volume.unmount()?;
    Ok(row)
}

fn fill(volume: &Volume, filler: &std::path::Path) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(filler)?;
    let size = volume.free_bytes()?.saturating_sub(LEFT_SIZE);
    fallocate(&file, FallocateFlags::empty(), 0, size).context("cannot fill the disk")?;
    Ok(())
}

fn wait_for_refusal(workload: &Workload) -> bool {
    let before = workload.refused();
    let deadline = Instant::now() + REFUSAL_LIMIT;
    while workload.refused() == before && Instant::now() < deadline {
        sleep(Duration::from_millis(20));
    }
    workload.refused() != before
}
