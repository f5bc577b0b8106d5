//! Golden bytes. A format that changes gets a new version and new files; the old files stay and must be read.
//!
//! `LEVADA_BLESS=1` writes files that are missing.

use super::*;
use crate::disk::RealDisk;
use bytes::BytesMut;
use levada_model::reader::Reader;

fn golden_batches() -> Vec<StoredBatch> {
    let mut source = Source::new(2_026);
    let mut all = source.batches(12);
    source.epoch = 2;
    all.extend(source.batches(12));
    all
}

#[test]
fn a_closed_partition_has_golden_files() {
    let disk = disk();
    let mut log = create(&disk, config(2_500));
    log.append(&golden_batches(), 1_700_000_000_000).unwrap();
    let checkpoint = log.close().unwrap();
    let mut bytes = BytesMut::new();
    checkpoint.encode(&mut bytes);
    check_golden("checkpoint.v1.bin", &bytes);
    for name in names(&disk) {
        let bytes = files(&disk).read_all(&dir().join(&name), u64::MAX).unwrap().unwrap();
        check_golden(&format!("partition.v1/{name}"), &bytes);
    }
    let golden_count = std::fs::read_dir(testdata().join("partition.v1")).unwrap().count();
    assert_eq!(names(&disk).len(), golden_count);
}

/// A copy of the golden directory, so that opening it may change it.
fn golden_copy() -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let copy = temporary.path().join("orders-3");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(testdata().join("partition.v1")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    (temporary, copy)
}

#[test]
fn golden_files_open_by_their_checkpoint_and_without() {
    let bytes = std::fs::read(testdata().join("checkpoint.v1.bin")).unwrap();
    let checkpoint = LogCheckpoint::decode(&mut Reader::new(bytes.into())).unwrap();
    let expected = bytes_of(&golden_batches());
    let files = LogFiles::new(Arc::new(RealDisk));
    let (_keep, copy) = golden_copy();
    let log = PartitionLog::open_clean(&files, copy, id(), config(2_500), &checkpoint).unwrap();
    check_bytes(&read_all(&log.reader()), &expected, "");
    assert_eq!(log.checkpoint(), checkpoint);
    let (_keep, copy) = golden_copy();
    let rebuilt = PartitionLog::rebuild(&files, copy, id(), config(2_500)).unwrap().log;
    check_bytes(&read_all(&rebuilt.reader()), &expected, "");
    assert_eq!(rebuilt.reader().epochs(), checkpoint.epochs);
}

#[test]
fn a_checkpoint_round_trips_and_none_that_is_cut_short_is_believed() {
    let bytes = std::fs::read(testdata().join("checkpoint.v1.bin")).unwrap();
    let checkpoint = LogCheckpoint::decode(&mut Reader::new(bytes.clone().into())).unwrap();
    let mut again = BytesMut::new();
    checkpoint.encode(&mut again);
    assert_eq!(again, bytes);
    for size in 0..bytes.len() {
        let cut = bytes.get(..size).unwrap().to_vec();
        assert!(LogCheckpoint::decode(&mut Reader::new(cut.into())).is_err(), "{size} bytes");
    }
    let mut newer = bytes;
    newer[1] = 2;
    let error = LogCheckpoint::decode(&mut Reader::new(newer.into())).unwrap_err();
    assert_eq!(error, checkpoint::CheckpointError::Version(2));
}

#[test]
fn index_files_are_kafkas_bytes() {
    let disk = disk();
    let mut log = create(&disk, config(1 << 20));
    let all = golden_batches();
    log.append(&all, 0).unwrap();
    log.close().unwrap();
    let read = |kind| files(&disk).read_all(&segment_path(&dir(), 0, kind), u64::MAX).unwrap().unwrap();
    let (mut offsets, mut times) = (Vec::new(), Vec::new());
    let (mut position, mut since, mut max, mut last_max) = (0_u32, 0, (-1_i64, 0_i64), -1);
    for batch in &all {
        if batch.max_timestamp > max.0 {
            max = (batch.max_timestamp, batch.last_offset);
        }
        if since > 512 {
            offsets.extend_from_slice(&u32::try_from(batch.last_offset).unwrap().to_be_bytes());
            offsets.extend_from_slice(&position.to_be_bytes());
            if max.0 > last_max {
                times.extend_from_slice(&max.0.to_be_bytes());
                times.extend_from_slice(&u32::try_from(max.1).unwrap().to_be_bytes());
                last_max = max.0;
            }
            since = 0;
        }
        since += batch.size();
        position += u32::try_from(batch.size()).unwrap();
    }
    if max.0 > last_max {
        times.extend_from_slice(&max.0.to_be_bytes());
        times.extend_from_slice(&u32::try_from(max.1).unwrap().to_be_bytes());
    }
    assert!(offsets.len() >= 16);
    assert_eq!(read(FileKind::OffsetIndex), offsets);
    assert_eq!(read(FileKind::TimeIndex), times);
}

#[test]
fn a_sidecar_with_any_flipped_bit_is_not_believed() {
    let name = "partition.v1/00000000000000000000.levada";
    let bytes = std::fs::read(testdata().join(name)).unwrap();
    assert_eq!(layout::Sidecar::decode(&bytes).unwrap().append_time, 1_700_000_000_000);
    for index in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[index] ^= 1;
        assert_eq!(layout::Sidecar::decode(&bad), None, "byte {index}");
    }
}
