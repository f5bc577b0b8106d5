//! The machine: what it is, what its disk does, what the least possible broker would need, and what a
//! running process has used.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use super::driver::{Driver, number};
use super::results::{Metric, Results};

/// The rows of the machine's table.
pub(super) const DISK: &str = "disk";
pub(super) const FLOOR: &str = "receive, checksum and write 1 GB";

const SYNC_COUNT: u64 = 1_000;
const SYNC_SIZE: usize = 4_096;
const WRITE_SIZE: usize = 1 << 20;
const WRITE_COUNT: u64 = 512;
/// Clock ticks a second in `/proc/PID/stat`, the same on every Linux that matters.
const TICKS_PER_SECOND: f64 = 100.0;

/// Measures the disk and the floor once.
pub(super) fn probe(folder: &Path, driver: &Driver, results: &mut Results) -> Result<()> {
    let (median, p99) = sync_ms(folder)?;
    results.add_machine(DISK, Metric::Sync, median);
    results.add_machine(DISK, Metric::Sync99, p99);
    results.add_machine(DISK, Metric::Throughput, write_bandwidth(folder)?);
    let file = folder.join("floor.bin");
    let arguments = ["floor", "--file", file.to_str().context("not UTF-8")?, "--bytes", "1000341504"];
    let answer = driver.run(folder, &arguments.map(str::to_owned))?;
    results.add_machine(FLOOR, Metric::Throughput, number(&answer, "bytes_per_second")?);
    results.add_machine(FLOOR, Metric::CpuPerGb, number(&answer, "cpu_seconds_per_gb")?);
    Ok(())
}

/// The median and the 99th percentile of syncs after overwriting 4 KiB, as a journal does.
fn sync_ms(folder: &Path) -> Result<(f64, f64)> {
    let path = folder.join("probe.bin");
    let file = File::create(&path)?;
    let block = [7; SYNC_SIZE];
    let position = |nth: u64| nth * 4_096;
    for nth in 0..SYNC_COUNT {
        file.write_all_at(&block, position(nth))?;
    }
    file.sync_all()?;
    let mut millis = Vec::new();
    for nth in 0..SYNC_COUNT {
        file.write_all_at(&block, position(nth))?;
        let begun = Instant::now();
        file.sync_data()?;
        millis.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(&path)?;
    millis.sort_by(f64::total_cmp);
    let at = |index: usize| millis.get(index).copied().context("no syncs");
    Ok((at(millis.len() / 2)?, at(millis.len() * 99 / 100)?))
}

/// Bytes a second of large writes with one sync at the end.
fn write_bandwidth(folder: &Path) -> Result<f64> {
    let path = folder.join("probe.bin");
    let file = File::create(&path)?;
    let chunk = vec![7; WRITE_SIZE];
    let begun = Instant::now();
    for nth in 0..WRITE_COUNT {
        file.write_all_at(&chunk, nth << 20)?;
    }
    file.sync_all()?;
    let seconds = begun.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(f64::from(u32::try_from(WRITE_COUNT << 20)?) / seconds)
}

/// Frees the space of a folder and keeps its files, which go when the benchmark ends: a file system without a journal
/// of its own looks at every inode that was freed in the last minutes before it gives one to a new file.
pub(super) fn empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            empty(&entry.path())?;
        } else {
            File::options().write(true).open(entry.path())?.set_len(0)?;
        }
    }
    Ok(())
}

/// What one process has used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Processor seconds, its own and the kernel's for it.
    pub(super) cpu_seconds: f64,
    /// Resident bytes now.
    pub(super) resident_bytes: f64,
    /// Bytes that it caused to be read from disks.
    pub(super) read_bytes: f64,
}

impl Usage {
    /// Reads `/proc`.
    ///
    /// Source: proc(5).
    pub(super) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, after_name) = stat.rsplit_once(')').context("no name in stat")?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // Fields 14 and 15, of which the first two stand before the closing parenthesis.
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).context("short stat");
        let cpu_seconds = (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND;
        let resident_bytes = field(&format!("/proc/{pid}/status"), "VmRSS:")? * 1_024.0;
        let read_bytes = field(&format!("/proc/{pid}/io"), "read_bytes:")?;
        Ok(Self { cpu_seconds, resident_bytes, read_bytes })
    }
}

/// Processor seconds of those threads of a process whose names begin so.
///
/// Source: proc(5), and the kernel's documentation of `schedstat`: its first field is nanoseconds on a processor.
pub(super) fn thread_seconds(pid: u32, name: &str) -> Result<f64> {
    let mut seconds = None;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?.path();
        // A thread may end while this looks.
        let Ok(comm) = fs::read_to_string(thread.join("comm")) else { continue };
        if comm.starts_with(name) {
            let text = fs::read_to_string(thread.join("schedstat"))?;
            let nanos: f64 = text.split_whitespace().next().context("an empty schedstat")?.parse()?;
            seconds = Some(seconds.unwrap_or(0.0) + nanos / 1e9);
        }
    }
    seconds.with_context(|| format!("no thread is called `{name}`"))
}

fn field(path: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(path)?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no `{name}` in {path}"))?;
    Ok(line.split_whitespace().next().context("an empty field")?.parse()?)
}

/// Forgets what the page cache holds, so that the next read comes from the disk.
pub(super) fn drop_caches() -> Result<()> {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").context("dropping the page cache needs root")
}

/// The machine in one line a fact.
pub(super) fn describe(folder: &Path) -> Result<Vec<(&'static str, String)>> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let cores = std::thread::available_parallelism()?;
    let memory = field("/proc/meminfo", "MemTotal:")? * 1_024.0 / 1e9;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(vec![
        ("processor", format!("{} × {}", cores, model.unwrap_or("unknown"))),
        ("memory", format!("{memory:.0} GB")),
        ("kernel", format!("Linux {}", kernel.trim())),
        ("file system", file_system(folder)?),
    ])
}

/// The type of the file system with the longest mount point above `folder`.
fn file_system(folder: &Path) -> Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let found = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_, mount_point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        folder.starts_with(mount_point).then(|| (mount_point.len(), kind.to_owned()))
    });
    Ok(found.max().context("no mount point")?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_thread_is_told_apart_from_its_process() {
        let pid = std::process::id();
        let work = move || {
            let begun = Instant::now();
            while thread_seconds(pid, "bench-at-work").unwrap() < 0.02 {
                assert!(begun.elapsed().as_secs() < 60, "a thread that works uses time");
            }
            thread_seconds(pid, "bench-at-work").unwrap()
        };
        let seconds = std::thread::Builder::new().name("bench-at-work".to_owned()).spawn(work).unwrap().join().unwrap();
        assert!((0.02..60.0).contains(&seconds), "{seconds}");
        assert!(thread_seconds(pid, "no-such-thread").is_err());
    }
}
