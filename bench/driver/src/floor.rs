//! The machine's floor: a thread that only receives bytes over loopback, checksums them and writes them to
//! a file. No broker that does as much can need less.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use crc_fast::{CrcAlgorithm, checksum};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// What is received at once, as a broker would.
const CHUNK_SIZE: usize = 1 << 20;

/// What is received and where it goes.
#[derive(clap::Args)]
pub struct Args {
    /// The file that is written; removed at the end
    #[arg(long)]
    file: PathBuf,
    #[arg(long, default_value_t = 1 << 30)]
    bytes: usize,
}

/// Receives, checksums and writes, and answers the processor time of the receiver.
pub fn run(args: &Args) -> Result<Value> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let bytes = args.bytes;
    let sender = thread::spawn(move || -> Result<()> {
        let mut stream = TcpStream::connect(address)?;
        let chunk = vec![b'x'; CHUNK_SIZE];
        for _ in 0..bytes / CHUNK_SIZE {
            stream.write_all(&chunk)?;
        }
        Ok(())
    });
    let (mut stream, _) = listener.accept()?;
    let file = File::create(&args.file)?;
    let mut chunk = vec![0; CHUNK_SIZE];
    let (begun, cpu_before) = (Instant::now(), cpu());
    let (mut received, mut crc) = (0, 0);
    while received < bytes / CHUNK_SIZE * CHUNK_SIZE {
        stream.read_exact(&mut chunk)?;
        crc ^= checksum(CrcAlgorithm::Crc32Iscsi, &chunk);
        file.write_all_at(&chunk, u64::try_from(received)?)?;
        received += CHUNK_SIZE;
    }
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), (cpu() - cpu_before).as_secs_f64());
    sender.join().expect("the sender does not panic")?;
    std::fs::remove_file(&args.file)?;
    Ok(json!({
        "bytes": received, "crc": crc, "bytes_per_second": received as f64 / seconds,
        "cpu_seconds_per_gb": cpu_seconds / (received as f64 / 1e9),
    }))
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}
