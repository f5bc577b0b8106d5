//! The power goes: on an ext4 file system whose unsynced bytes are lost, or half of their sectors.

use std::thread::sleep;
use std::time::Duration;

use levada_model::{Rng, SeededRng};

use super::Stage;
use crate::crash::report::{Row, Skipped};
use crate::crash::volume::{Volume, require_mount, require_torn};
use crate::crash::workload::{Finished, Workload};
use crate::levada_rig::Levada;

const VOLUME_SIZE: u64 = 1 << 30;
const PROGRESS: u64 = 50;
const MOMENT_MS_MAX: u64 = 300;

/// What the power is cut from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// Unsynced writes are lost as wholes.
    Whole,
    /// Of unflushed sectors a random half stays.
    Torn,
}

/// Power cuts that must lose nothing.
pub(super) fn cuts(stage: &Stage, device: Device) -> Result<Row, Skipped> {
    let rounds = match device {
        Device::Whole => stage.rounds(8, 60),
        Device::Torn => stage.rounds(4, 30),
    };
    let mut row = Row { rounds, ..Row::default() };
    row.judge(&play(stage, device, "fsync", rounds)?);
    Ok(row)
}

/// The control: without syncs the same cuts must lose data, and the judge must notice.
pub(super) fn control(stage: &Stage) -> Result<Row, Skipped> {
    let rounds = 2;
    let finished = play(stage, Device::Whole, "os", rounds)?;
    let lost = finished.history.check().lost();
    let mut row = Row { rounds, acknowledged: finished.history.acknowledged(), lost, ..Row::default() };
    if lost == 0 {
        row.problems.push("the power cut lost nothing with `durability=os`: it proves nothing".to_owned());
    } else {
        row.notes.push("the loss is expected: it shows that the cut cuts and the judge sees it".to_owned());
    }
    Ok(row)
}

fn play(stage: &Stage, device: Device, durability: &str, rounds: u64) -> Result<Finished, Skipped> {
    let mut volume = make(stage, device)?;
    let rng = SeededRng::new(stage.seed);
    let (mut broker, address) = stage.broker(&stage.folder)?;
    broker.start_again()?;
    let workload = Workload::start(stage.plan(durability), address)?;
    for _ in 0..rounds {
        workload.wait_for(PROGRESS)?;
        sleep(Duration::from_millis(rng.next_u64() % MOMENT_MS_MAX));
        cut(&mut volume, &mut broker, device)?;
    }
    workload.wait_for(PROGRESS)?;
    let finished = workload.finish();
    broker.stop()?;
    volume.unmount()?;
    Ok(finished)
}

fn make(stage: &Stage, device: Device) -> Result<Volume, Skipped> {
    let data_dir = Stage::data_dir(&stage.folder);
    Ok(match device {
        Device::Whole => {
            require_mount()?;
            Volume::create(&stage.folder, &data_dir, VOLUME_SIZE)?
        }
        Device::Torn => {
            require_torn()?;
            Volume::create_torn(&stage.folder, &data_dir, VOLUME_SIZE, stage.seed)?
        }
    })
}

/// Cuts the power, ends the broker, lets the power return and starts the broker again.
///
/// The processors lose their power before the disk does: a sync that is under way while the file system goes
/// down may return as if it had been done, and nobody may be told so.
fn cut(volume: &mut Volume, broker: &mut Levada, device: Device) -> anyhow::Result<()> {
    if device == Device::Whole {
        broker.freeze()?;
    }
    volume.cut_power()?;
    broker.kill()?;
    volume.unmount()?;
    volume.mount()?;
    broker.start_again()?;
    Ok(())
}

/// A process that ends between write and sync leaves what was not durable to a successor, who must make it
/// so before anyone relies on it.
pub(super) fn kill_then_cut(stage: &Stage) -> Result<Row, Skipped> {
    twice_hurt(stage, Device::Whole, stage.rounds(6, 40), |_, broker| broker.kill())
}

/// After a failed flush the page cache holds clean pages that never reached the disk. The successor reads
/// them like any other: it must write them once more before it relies on them.
pub(super) fn lost_flush(stage: &Stage) -> Result<Row, Skipped> {
    twice_hurt(stage, Device::Torn, stage.rounds(6, 40), |volume, broker| {
        volume.fail_next_flush()?;
        broker.kill()
    })
}

/// First hurts the broker with `first`, starts it again on the same mount, and then cuts the power, now
/// and then only after the successor has acknowledged something.
fn twice_hurt(
    stage: &Stage,
    device: Device,
    rounds: u64,
    first: impl Fn(&Volume, &mut Levada) -> anyhow::Result<()>,
) -> Result<Row, Skipped> {
    let mut volume = make(stage, device)?;
    let rng = SeededRng::new(stage.seed);
    let (mut broker, address) = stage.broker(&stage.folder)?;
    broker.start_again()?;
    let workload = Workload::start(stage.plan("fsync"), address)?;
    for _ in 0..rounds {
        workload.wait_for(PROGRESS)?;
        sleep(Duration::from_millis(rng.next_u64() % MOMENT_MS_MAX));
        first(&volume, &mut broker)?;
        // Where the file system itself gave up, only a mount heals it: the power cut comes at once.
        if broker.start_again().is_ok() && rng.next_u64().is_multiple_of(2) {
            workload.wait_for(1)?;
        }
        cut(&mut volume, &mut broker, device)?;
    }
    workload.wait_for(PROGRESS)?;
    let mut row = Row { rounds, ..Row::default() };
    row.judge(&workload.finish());
    broker.stop()?;
    volume.unmount()?;
    Ok(row)
}
