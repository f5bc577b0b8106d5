//! File systems that can lose their power: an ext4 image on a loop device, mounted where a broker keeps its
//! data, alone or over a device that forgets and tears the sectors that were not flushed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::ioctl::{Setter, ioctl};

use super::report::Skipped;
use crate::process::Process;

/// `EXT4_IOC_SHUTDOWN`, `_IOR('X', 125, __u32)`.
const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
/// Without writing the journal: what was not synced is gone.
const NO_LOG_FLUSH: u32 = 2;
const READY_LIMIT: Duration = Duration::from_secs(10);
/// After this time without a flush nobody is expected to make one.
const IDLE_LIMIT: Duration = Duration::from_millis(500);
const PLUGIN: &str = include_str!("../../rigs/volatile.py");

/// Says so where loop devices cannot be mounted.
pub(super) fn require_mount() -> Result<(), Skipped> {
    if !rustix::process::geteuid().is_root() {
        return Err(Skipped::Impossible("mounting needs root".to_owned()));
    }
    require_tool("mkfs.ext4", "e2fsprogs")?;
    if !Path::new("/dev/loop-control").exists() {
        return Err(Skipped::Impossible("there are no loop devices".to_owned()));
    }
    Ok(())
}

/// Says so where the device that tears sectors cannot be made.
pub(super) fn require_torn() -> Result<(), Skipped> {
    require_mount()?;
    require_tool("nbdkit", "nbdkit and nbdkit-plugin-python")?;
    require_tool("nbdfuse", "libnbd-bin and fuse3")?;
    if !Path::new("/dev/fuse").exists() {
        return Err(Skipped::Impossible("there is no /dev/fuse".to_owned()));
    }
    Ok(())
}

fn require_tool(tool: &str, package: &str) -> Result<(), Skipped> {
    let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|folder| Path::new(folder).join(tool).exists());
    if found { Ok(()) } else { Err(Skipped::Impossible(format!("{tool} is missing (install {package})"))) }
}

/// A mounted ext4 file system.
#[derive(Debug)]
pub(super) struct Volume {
    image: PathBuf,
    mount_point: PathBuf,
    is_mounted: bool,
    torn: Option<Torn>,
}

/// The processes behind a device that tears sectors.
#[derive(Debug)]
struct Torn {
    folder: PathBuf,
    seed: u64,
    fuse: Option<Process>,
}

impl Volume {
    /// Makes an ext4 image of `size` bytes beside `mount_point` and mounts it there.
    pub(super) fn create(folder: &Path, mount_point: &Path, size: u64) -> Result<Self> {
        Self::make(folder, mount_point, size, None)
    }

    /// As [`Self::create`], on a device that keeps a random half of the unflushed sectors when cut.
    pub(super) fn create_torn(folder: &Path, mount_point: &Path, size: u64, seed: u64) -> Result<Self> {
        let torn = Torn { folder: folder.join("torn"), seed, fuse: None };
        fs::create_dir_all(&torn.folder)?;
        fs::write(torn.folder.join("volatile.py"), PLUGIN)?;
        Self::make(folder, mount_point, size, Some(torn))
    }

    fn make(folder: &Path, mount_point: &Path, size: u64, torn: Option<Torn>) -> Result<Self> {
        fs::create_dir_all(mount_point)?;
        let image = folder.join("volume.img");
        File::create(&image)?.set_len(size)?;
        run("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", text(&image)?])?;
        let mut volume = Self { image, mount_point: mount_point.to_owned(), is_mounted: false, torn };
        volume.mount()?;
        Ok(volume)
    }

    /// Mounts it, as the system does after the power returns.
    pub(super) fn mount(&mut self) -> Result<()> {
        let device = match &mut self.torn {
            Some(torn) => torn.serve(&self.image)?,
            None => self.image.clone(),
        };
        run("mount", &["-t", "ext4", "-o", "loop", text(&device)?, text(&self.mount_point)?])?;
        self.is_mounted = true;
        Ok(())
    }

    /// Cuts the power: what was not synced is lost, and every later call fails.
    pub(super) fn cut_power(&self) -> Result<()> {
        let root = File::open(&self.mount_point)?;
        if let Some(torn) = &self.torn {
            return torn.cut(&root);
        }
        // SAFETY: the opcode takes a pointer to one 32-bit flag, which is what `Setter` passes.
        #[allow(unsafe_code, reason = "there is no other way to this ioctl")]
        unsafe {
            ioctl(&root, Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH))?;
        }
        Ok(())
    }

    /// Lets the next flush of a torn device fail and lose what it should have written; waits until it did.
    pub(super) fn fail_next_flush(&self) -> Result<()> {
        let torn = self.torn.as_ref().context("this device does not fail")?;
        File::create(torn.fail_file())?;
        let deadline = Instant::now() + READY_LIMIT;
        while torn.fail_file().exists() {
            ensure!(Instant::now() < deadline, "nothing was flushed for {READY_LIMIT:?}");
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Unmounts it; the broker on it must have ended.
    pub(super) fn unmount(&mut self) -> Result<()> {
        if self.is_mounted {
            run("umount", &[text(&self.mount_point)?])?;
            self.is_mounted = false;
        }
        if let Some(torn) = &mut self.torn {
            torn.end()?;
        }
        Ok(())
    }

    /// Bytes that are free.
    pub(super) fn free_bytes(&self) -> Result<u64> {
        let space = rustix::fs::statvfs(&self.mount_point)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            eprintln!("cannot unmount `{}`: {error:#}", self.mount_point.display());
        }
    }
}

impl Torn {
    fn cut_file(&self) -> PathBuf {
        self.folder.join("cut")
    }

    fn done_file(&self) -> PathBuf {
        self.folder.join("cut.done")
    }

    fn fail_file(&self) -> PathBuf {
        self.folder.join("fail")
    }

    /// Starts the device over `image`, with nothing in flight; answers the file that is the device.
    fn serve(&mut self, image: &Path) -> Result<PathBuf> {
        let device = self.folder.join("device");
        for file in [&self.cut_file(), &self.fail_file(), &self.done_file()] {
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        File::create(&device)?;
        let mut command = Command::new("nbdfuse");
        command.arg(&device).args(["--command", "nbdkit", "-s", "--exit-with-parent", "python"]);
        command.arg(self.folder.join("volatile.py")).arg(format!("img={}", text(image)?));
        command.arg(format!("seed={}", self.seed)).arg(format!("ctl={}", text(&self.cut_file())?));
        command.arg(format!("fail={}", text(&self.fail_file())?));
        let log = crate::process::append_to(&self.folder.join("nbd.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut fuse = Process::spawn("nbdfuse", &mut command)?;
        let size = fs::metadata(image)?.len();
        let deadline = Instant::now() + READY_LIMIT;
        while fs::metadata(&device)?.len() != size {
            ensure!(fuse.exited()?.is_none(), "nbdfuse ended at its start");
            ensure!(Instant::now() < deadline, "nbdfuse is not ready after {READY_LIMIT:?}");
            sleep(Duration::from_millis(10));
        }
        self.seed = self.seed.wrapping_add(1);
        self.fuse = Some(fuse);
        Ok(device)
    }

    /// The next flush finds the power gone; waits for it, and asks for one where nobody else does.
    fn cut(&self, root: &File) -> Result<()> {
        File::create(self.cut_file())?;
        let begun = Instant::now();
        while !self.done_file().exists() && begun.elapsed() < 2 * IDLE_LIMIT {
            if begun.elapsed() > IDLE_LIMIT {
                match rustix::fs::syncfs(root) {
                    // It fails where it finds the power gone, which is the point.
                    Ok(()) | Err(_) => {}
                }
            }
            sleep(Duration::from_millis(1));
        }
        // A file system that has given up flushes nothing more: all that was unflushed ends with the device.
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if let Some(mut fuse) = self.fuse.take() {
            run("umount", &[text(&self.folder.join("device"))?])?;
            fuse.wait(READY_LIMIT)?;
        }
        Ok(())
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("`{}` is not UTF-8", path.display()))
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start `{program}`"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{program} {}`: {}", arguments.join(" "), error.trim());
    Ok(())
}
