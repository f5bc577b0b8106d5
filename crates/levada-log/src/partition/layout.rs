//! The bytes of a partition's directory, drawn once. All integers are big-endian.
//!
//! `<base>` is the offset of a segment's first record, twenty digits.
//!
//! ```text
//! <base>.log        record batches, version 2, one after the other (see levada_model::batch)
//!
//! <base>.index      sparse, strictly increasing
//!   offset size field
//!        0    4 last offset of the batch, less <base>
//!        4    4 position of the batch in the .log
//!
//! <base>.timeindex  sparse, strictly increasing; one last entry when the segment is sealed
//!        0    8 largest timestamp so far
//!        8    4 last offset of the batch that has it, less <base>
//!
//! <base>.levada     what Kafka has no place for; version 1
//!        0    4 "LVDS"
//!        4    2 version
//!        6    4 CRC-32C of everything from 10 on
//!       10    8 largest broker append time in this segment, −1 while it is open
//!       18    … the producers at <base>, see `producer::encoding`
//!
//! partition.metadata       text: `version: 0`, `topic_id: <base64>`
//! leader-epoch-checkpoint  text: `0`, count, then `epoch start-offset` a line
//! <base>.snapshot          the producers at <base> as Kafka writes them, see `producer::snapshot`
//! <base>.replaces          which segments a compacted one stands for, see `compact::manifest`
//! compaction-checkpoint    text: up to where the log is compacted, see `compact::progress`
//! ```
//!
//! Files that are replaced as a whole are written as `<name>.tmp`, synced and renamed. Files on their way
//! out end in `.deleted`. A compacted segment is written as `<base>.log.cleaned` and comes in as `<base>.log.swap`.

use bytes::Bytes;
use levada_model::{LogId, Offset, Timestamp, Uuid, crc::crc32c};
use std::path::{Path, PathBuf};

/// Bytes of an offset index entry.
pub(crate) const OFFSET_ENTRY_SIZE: usize = 8;
/// Bytes of a time index entry.
pub(crate) const TIME_ENTRY_SIZE: usize = 12;
/// The partition's identity.
pub(crate) const METADATA_FILE: &str = "partition.metadata";
/// The leader epochs.
pub(crate) const EPOCHS_FILE: &str = "leader-epoch-checkpoint";
/// The end of a name that is on its way out.
pub(crate) const DELETED_SUFFIX: &str = ".deleted";
/// The end of a name that is being written.
pub(crate) const TMP_SUFFIX: &str = ".tmp";
/// The end of the name of a compacted segment that is being written.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
/// The end of the name of a compacted segment that is on its way in.
pub(crate) const SWAP_SUFFIX: &str = ".swap";
/// The end of the name of a segment in whose place a compacted one stands. Not [`DELETED_SUFFIX`] alone: that says
/// that the offsets are gone.
pub(crate) const REPLACED_SUFFIX: &str = ".replaced.deleted";

const REPLACES_EXTENSION: &str = "replaces";

const SIDECAR_MAGIC: &[u8; 4] = b"LVDS";
const SIDECAR_VERSION: u16 = 1;

/// What kind of file stands beside a base offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    Transactions,
    Snapshot,
    Sidecar,
}

impl FileKind {
    /// Every kind; the log first, so that it is the first to go.
    pub(crate) const ALL: [Self; 6] =
        [Self::Log, Self::OffsetIndex, Self::TimeIndex, Self::Transactions, Self::Snapshot, Self::Sidecar];

    const fn extension(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::OffsetIndex => "index",
            Self::TimeIndex => "timeindex",
            Self::Transactions => "txnindex",
            Self::Snapshot => "snapshot",
            Self::Sidecar => "levada",
        }
    }
}

/// The file of that kind of the segment at `base`.
pub(crate) fn segment_path(dir: &Path, base: Offset, kind: FileKind) -> PathBuf {
    dir.join(format!("{base:020}.{}", kind.extension()))
}

/// What describes the segments in whose place the compacted one at `base` stands.
pub(crate) fn replaces_path(dir: &Path, base: Offset) -> PathBuf {
    dir.join(format!("{base:020}.{REPLACES_EXTENSION}"))
}

/// Reads `<base>.replaces`.
pub(crate) fn parse_replaces(name: &str) -> Option<Offset> {
    let (digits, extension) = name.split_once('.')?;
    (extension == REPLACES_EXTENSION).then(|| parse_base(digits)).flatten()
}

fn parse_base(digits: &str) -> Option<Offset> {
    let is_base = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_base.then(|| digits.parse().ok()).flatten()
}

/// `path` with `suffix` behind its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Reads `<base>.<extension>`; other names belong to nobody here.
pub(crate) fn parse_name(name: &str) -> Option<(Offset, FileKind)> {
    let (digits, extension) = name.split_once('.')?;
    let kind = FileKind::ALL.into_iter().find(|kind| kind.extension() == extension)?;
    Some((parse_base(digits)?, kind))
}

/// The text of `partition.metadata`.
pub(crate) fn metadata_text(id: LogId) -> String {
    format!("version: 0\ntopic_id: {}\n", id.topic)
}

/// The topic id in the text of a `partition.metadata`.
#[must_use]
pub fn parse_metadata(text: &str) -> Option<Uuid> {
    let mut lines = text.lines();
    let version = lines.next()?.strip_prefix("version:")?.trim();
    let id = lines.next()?.strip_prefix("topic_id:")?.trim();
    (version == "0").then(|| Uuid::parse(id)).flatten()
}

/// What stands beside a segment in `<base>.levada`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sidecar {
    /// Largest broker append time, −1 where the segment was still open.
    pub(crate) append_time: Timestamp,
    /// The producers at the base offset, as `producer::encoding` writes them.
    pub(crate) producers: Bytes,
}

impl Sidecar {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(8 + self.producers.len());
        payload.extend_from_slice(&self.append_time.to_be_bytes());
        payload.extend_from_slice(&self.producers);
        let mut bytes = Vec::with_capacity(10 + payload.len());
        bytes.extend_from_slice(SIDECAR_MAGIC);
        bytes.extend_from_slice(&SIDECAR_VERSION.to_be_bytes());
        bytes.extend_from_slice(&crc32c(&payload).to_be_bytes());
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// `None` where the bytes are not a whole sidecar of a version we know.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (crc, payload) = rest.split_first_chunk::<4>()?;
        if magic != SIDECAR_MAGIC
            || u16::from_be_bytes(*version) != SIDECAR_VERSION
            || u32::from_be_bytes(*crc) != crc32c(payload)
        {
            return None;
        }
        let (append_time, producers) = payload.split_first_chunk::<8>()?;
        Some(Self { append_time: i64::from_be_bytes(*append_time), producers: Bytes::copy_from_slice(producers) })
    }
}
