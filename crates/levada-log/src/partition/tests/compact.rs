//! What stays of a log that is compacted: whatever was in it, whoever reads it sees the same last record of each key.

use super::*;
use crate::partition::{
    AbortedTransaction, CompactError, CompactLimits, CompactReport, CompactRequest, Progress, compact::swap::is_settled,
};
use bytes::BufMut;
use levada_model::{
    Timestamp,
    batch::{Attributes, BatchHeader, Codec, HEADER_SIZE, split},
    record::Records,
};
use std::{collections::BTreeMap, ops::ControlFlow};

pub(super) type KeyValue<'a> = (&'a str, Option<&'a str>);

/// A record as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) offset: Offset,
    pub(super) key: String,
    pub(super) value: Option<String>,
    pub(super) timestamp: Timestamp,
}

/// How a batch is made.
#[derive(Clone, Copy, Default)]
pub(super) struct Make {
    pub(super) codec: Codec,
    pub(super) bits: i16,
    pub(super) producer: Option<ProducerStamp>,
    pub(super) timestamp: Timestamp,
}

pub(super) fn keyed(base: Offset, records: &[KeyValue<'_>], make: Make) -> StoredBatch {
    let mut builder = BatchBuilder::new().with_attributes(make.bits);
    if let Some(producer) = make.producer {
        builder = builder.with_producer(producer);
    }
    for (timestamp, (key, value)) in (make.timestamp..).zip(records) {
        let value = value.map(str::as_bytes);
        builder.push(&NewRecord { timestamp, key: Some(key.as_bytes()), value, headers: &[] });
    }
    let block = levada_compress::compress(make.codec, builder.records()).unwrap();
    StoredBatch::new(&Batch::check(builder.finish_with(make.codec, &block)).unwrap(), base, 1)
}

fn marker(base: Offset, producer: ProducerStamp, commits: bool) -> StoredBatch {
    let bits = Attributes::CONTROL | Attributes::TRANSACTIONAL;
    let stamp = ProducerStamp { base_sequence: -1, ..producer };
    let mut builder = BatchBuilder::new().with_attributes(bits).with_producer(stamp);
    let key = [0, 0, 0, u8::from(commits)];
    builder.push(&NewRecord { timestamp: 50, key: Some(&key), value: Some(&[0; 6]), headers: &[] });
    StoredBatch::new(&Batch::check(builder.finish()).unwrap(), base, 1)
}

pub(super) fn headers(bytes: &[u8]) -> Vec<BatchHeader> {
    split(Bytes::copy_from_slice(bytes)).map(|batch| batch.unwrap().0).collect()
}

/// Every record of what was read, with checksums compared; control records are left out.
pub(super) fn records(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut expected = 0;
    for found in split(Bytes::copy_from_slice(bytes)) {
        let (header, batch) = found.unwrap();
        assert_eq!(header.crc, levada_model::crc::crc32c(&batch[21..]), "at offset {}", header.base_offset);
        assert!(header.base_offset >= expected, "offsets rise");
        expected = header.next_offset();
        if header.attributes.is_control() {
            continue;
        }
        let codec = if header.record_count == 0 { Codec::None } else { header.attributes.codec().unwrap() };
        let block = levada_compress::decompress(codec, &batch[HEADER_SIZE..], 1 << 20).unwrap();
        for record in Records::new(block, header.record_count) {
            let record = record.unwrap();
            let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
            seen.push(Seen {
                offset: header.base_offset + i64::from(record.offset_delta),
                key: record.key.map(text).unwrap(),
                value: record.value.map(text),
                timestamp: if header.attributes.is_log_append_time() {
                    header.max_timestamp
                } else {
                    header.base_timestamp + record.timestamp_delta
                },
            });
        }
    }
    seen
}

/// What a reader who keeps a table has in the end.
pub(super) fn table(seen: &[Seen]) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    for Seen { key, value, .. } in seen {
        match value {
            Some(value) => drop(table.insert(key.clone(), value.clone())),
            None => drop(table.remove(key)),
        }
    }
    table
}

pub(super) fn request(now_ms: Timestamp) -> CompactRequest {
    CompactRequest {
        limits: CompactLimits { upper_offset: Offset::MAX, lag_min_ms: 0, now_ms },
        delete_retention_ms: 100,
        map_size_max: 1 << 20,
        hash_key: [1, 2],
        aborted: Vec::new(),
    }
}

/// Takes a checkpoint, as the store does, and lets go of what it makes unneeded.
pub(super) fn settle(disk: &SimDisk, log: &mut PartitionLog) -> Result<LogCheckpoint, SyncError> {
    let leftovers = log.take_leftovers();
    let checkpoint = sync(log)?;
    log.reader().note_checkpoint(checkpoint.active.base_offset);
    for leftover in leftovers {
        // Files beside a segment need not be there.
        drop(crate::Disk::remove_file(disk, &leftover.path));
    }
    Ok(checkpoint)
}

/// One pass over the log; `each` is told of every segment before it is shown.
pub(super) fn pass_with(
    log: &mut PartitionLog,
    progress: Progress,
    request: CompactRequest,
    each: &mut dyn FnMut(&PartitionLog),
) -> Result<(Progress, CompactReport), CompactError> {
    let reader = log.reader();
    if !is_settled(&reader.files, reader.dir())? {
        return Ok((progress, CompactReport::default()));
    }
    let Some(mut compaction) = log.compaction(progress, request) else {
        return Ok((progress, CompactReport::default()));
    };
    let pace: &mut dyn FnMut(u64) -> ControlFlow<()> = &mut |_| ControlFlow::Continue(());
    compaction.map(pace)?;
    while let Some(rewritten) = compaction.rewrite(pace)? {
        assert!(log.claim(&rewritten));
        rewritten.commit()?;
        each(log);
        log.show(rewritten)?;
        each(log);
    }
    let progress = compaction.progress();
    progress.write(&reader.files, reader.dir(), reader.id().topic)?;
    Ok((progress, compaction.report().clone()))
}

pub(super) fn pass(log: &mut PartitionLog, progress: Progress, request: CompactRequest) -> (Progress, CompactReport) {
    pass_with(log, progress, request, &mut |_| {}).unwrap()
}

/// A log with these batches, sealed, checkpointed.
fn log_of(disk: &SimDisk, segment_bytes: u32, batches: &[StoredBatch]) -> PartitionLog {
    let mut log = create(disk, config(segment_bytes));
    for batch in batches {
        log.append(std::slice::from_ref(batch), 60).unwrap();
    }
    seal(disk, &mut log);
    log
}

fn seal(disk: &SimDisk, log: &mut PartitionLog) {
    log.roll(log.next_offset()).unwrap();
    settle(disk, log).unwrap();
}

fn offsets(log: &PartitionLog) -> Vec<Offset> {
    records(&read_all(&log.reader())).iter().map(|seen| seen.offset).collect()
}

/// Batches of a few keys, values and tombstones, under all codecs.
pub(super) fn random_batches(rng: &SeededRng, from: Offset, count: usize) -> Vec<StoredBatch> {
    let below = |limit: u64| usize::try_from(rng.next_u64() % limit).unwrap();
    let mut next = from;
    let mut batches = Vec::new();
    for _ in 0..count {
        let texts: Vec<(String, Option<String>)> = (0..1 + below(5))
            .map(|_| {
                let value = (below(4) > 0).then(|| format!("value-{}", below(1 << 40)).repeat(1 + below(4)));
                (format!("key-{}", below(12)), value)
            })
            .collect();
        let pairs: Vec<KeyValue<'_>> = texts.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        let codec = Codec::ALL[below(5)];
        let batch = keyed(next, &pairs, Make { codec, timestamp: 1_000 + next, ..Make::default() });
        next = batch.next_offset();
        batches.push(batch);
    }
    batches
}

#[test]
fn any_history_comes_down_to_the_last_record_of_each_key() {
    for seed in 0..120 {
        let rng = SeededRng::new(seed);
        let disk = disk();
        let mut log = create(&disk, config(1_100));
        let (mut all, mut progress, mut now) = (Vec::new(), Progress::default(), 10_000);
        for round in 0..4 {
            let batches = random_batches(&rng, log.next_offset(), 12);
            log.append(&batches, now).unwrap();
            all.extend(batches);
            settle(&disk, &mut log).unwrap();
            let map_size_max = if rng.next_u64().is_multiple_of(3) { 0 } else { 1 << 20 };
            let before = records(&read_all(&log.reader()));
            let sealed = log.reader().segments().pop().unwrap().base_offset;
            (progress, _) = pass(&mut log, progress, CompactRequest { map_size_max, ..request(now) });
            let what = format!("seed {seed}, round {round}");
            let after = records(&read_all(&log.reader()));
            let original = records(&bytes_of(&all));
            assert_eq!(table(&after), table(&original), "{what}");
            assert!(after.iter().all(|seen| original.contains(seen)), "{what}: nothing new");
            let (was, is) = (headers(&bytes_of(&all)), headers(&read_all(&log.reader())));
            for header in is.iter().filter(|header| header.record_count > 0) {
                let before = was.iter().find(|before| before.base_offset == header.base_offset).unwrap();
                assert_eq!(header.attributes.codec(), before.attributes.codec(), "{what}");
                assert_eq!(header.last_offset(), before.last_offset(), "{what}");
            }
            let done = progress.first_dirty;
            assert!(done <= sealed && (done == sealed || map_size_max == 0), "{what}");
            let tail = |seen: &[Seen]| seen.iter().filter(|seen| seen.offset >= done).cloned().collect::<Vec<_>>();
            assert_eq!(tail(&after), tail(&before), "{what}: what was not compacted is as it was");
            let mut keys: Vec<&str> =
                after.iter().filter(|seen| seen.offset < done).map(|seen| seen.key.as_str()).collect();
            let count = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), count, "{what}: each key once");
            settle(&disk, &mut log).unwrap();
            check_lookups(&log, &after, &what);
            now += 150;
        }
        // Tombstones whose time has passed are gone, too.
        (progress, _) = pass(&mut log, Progress { first_dirty: 0, ..progress }, request(now));
        settle(&disk, &mut log).unwrap();
        pass(&mut log, progress, request(now + 1_000));
        let sealed = log.reader().segments().pop().unwrap().base_offset;
        let after = records(&read_all(&log.reader()));
        assert!(after.iter().all(|seen| seen.value.is_some() || seen.offset >= sealed), "seed {seed}");
        assert_eq!(table(&after), table(&records(&bytes_of(&all))), "seed {seed}");
    }
}

/// Every offset and every time leads to the next record that there is; verification finds nothing wrong.
fn check_lookups(log: &PartitionLog, after: &[Seen], what: &str) {
    let reader = log.reader();
    for offset in reader.log_start_offset()..reader.next_offset() {
        let found = reader.read(&Read { bytes_max: 1, ..wanted(offset) }).unwrap();
        let header = BatchHeader::parse(&found.bytes).unwrap();
        assert!(header.last_offset() >= offset, "{what}");
        let next = after.iter().find(|seen| seen.offset >= offset);
        let skipped = next.is_some_and(|next| next.offset < header.base_offset);
        assert!(!skipped, "{what}: offset {offset} leads to {}", header.base_offset);
    }
    for seen in after {
        let found = reader.batch_for_timestamp(seen.timestamp, 0, Offset::MAX).unwrap().unwrap();
        assert!(found.header.base_offset <= seen.offset, "{what}");
    }
    let verified = crate::partition::verify::verify(&reader.files, reader.dir(), &mut |_| {}).unwrap();
    assert!(verified.iter().all(|found| found.defects.is_empty() && found.index_defect_count == 0), "{what}");
}

#[test]
fn the_bytes_of_a_compacted_segment_stay_as_they_are() {
    let stamp = |base_sequence| Some(ProducerStamp { id: ProducerId(9), epoch: 2, base_sequence });
    let plain = Make { timestamp: 1_000, producer: stamp(0), ..Make::default() };
    let appended = Make { bits: Attributes::LOG_APPEND_TIME, ..plain };
    let batches = [
        keyed(0, &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))], plain),
        keyed(3, &[("b", Some("2")), ("d", None)], Make { producer: stamp(3), ..plain }),
        keyed(5, &[("c", Some("2")), ("e", Some("1"))], Make { producer: stamp(5), ..appended }),
        keyed(7, &[("e", Some("2"))], Make { producer: stamp(7), ..plain }),
        keyed(8, &[("a", Some("3"))], Make { timestamp: 2_000, ..Make::default() }),
        keyed(9, &[("a", Some("4")), ("e", Some("3"))], Make { timestamp: 3_000, ..Make::default() }),
    ];
    let disk = disk();
    let mut log = log_of(&disk, 1 << 20, &batches);
    pass(&mut log, Progress::default(), request(1_000_000));
    let bytes = read_all(&log.reader());
    check_golden("compacted-segment.v1.bin", &bytes);
    let found = headers(&bytes);
    let bases: Vec<_> = found.iter().map(|header| (header.base_offset, header.last_offset())).collect();
    assert_eq!(bases, [(3, 4), (5, 6), (7, 7), (9, 10)]);
    let (horizon, emptied) = (&found[0], &found[2]);
    assert!(horizon.attributes.has_delete_horizon());
    assert_eq!((horizon.base_timestamp, horizon.max_timestamp), (1_000_100, 1_001));
    assert_eq!((horizon.producer_id, horizon.producer_epoch, horizon.base_sequence), (9, 2, 3));
    assert_eq!(
        (emptied.record_count, emptied.base_sequence, emptied.max_timestamp),
        (0, 7, 1_000),
        "its last sequence"
    );
    let kept: Vec<_> = records(&bytes).into_iter().map(|seen| (seen.offset, seen.timestamp)).collect();
    assert_eq!(kept, [(3, 1_000), (4, 1_001), (5, 1_001), (9, 3_000), (10, 3_001)]);
}

#[test]
fn tombstones_go_when_their_time_has_passed_and_not_before() {
    let disk = disk();
    let all = [
        keyed(0, &[("a", Some("1")), ("b", Some("1"))], Make::default()),
        keyed(2, &[("a", None)], Make::default()),
        keyed(3, &[("z", Some("1"))], Make::default()),
    ];
    let mut log = log_of(&disk, 1 << 20, &all);
    let mut run = |first_dirty, now| {
        pass(&mut log, Progress { first_dirty, left_segments: 0 }, request(now));
        settle(&disk, &mut log).unwrap();
        offsets(&log)
    };
    assert_eq!(run(0, 1_000), [1, 2, 3]);
    assert_eq!(run(4, 1_099), [1, 2, 3], "its horizon is 1100");
    assert_eq!(run(4, 1_100), [1, 3]);
}

#[test]
fn a_tombstone_stays_while_a_segment_that_cannot_be_read_may_have_its_key() {
    let disk = disk();
    let mut log = create(&disk, config(1 << 20));
    for batch in [
        keyed(0, &[("a", Some("old"))], Make::default()),
        keyed(1, &[("b", Some("old"))], Make { codec: Codec::Zstd, ..Make::default() }),
        keyed(2, &[("a", None), ("b", None)], Make::default()),
        keyed(4, &[("c", Some("new"))], Make::default()),
    ] {
        log.append(&[batch], 60).unwrap();
        log.roll(log.next_offset()).unwrap();
    }
    settle(&disk, &mut log).unwrap();
    // The batch is sound, and does not decompress.
    let path = dir().join("00000000000000000001.log");
    let size = usize::try_from(log.reader().segments()[1].size_bytes).unwrap();
    let file = crate::Disk::open(&disk, &path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; size];
    crate::disk::read_exact_at(&*file, &mut bytes, 0).unwrap();
    let sound = bytes.clone();
    bytes[HEADER_SIZE..].fill(7);
    let crc = levada_model::crc::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    tamper(&disk, &path, 0, &bytes);
    let mut progress = Progress::default();
    for round in 0..4 {
        let report;
        (progress, report) = pass(&mut log, progress, request(1_000 + round * 1_000));
        settle(&disk, &mut log).unwrap();
        assert_eq!((report.left.len(), progress.first_dirty), (1, 5), "round {round}");
        assert!(matches!(report.left[0].defect, Defect::Records(_)), "{:?}", report.left);
        assert_eq!(headers(&read_all(&log.reader())).iter().map(|header| header.base_offset).max(), Some(4));
        let (mut before, after) = (Vec::new(), read_all(&log.reader()));
        before.put_slice(&bytes);
        assert!(after.windows(before.len()).any(|window| window == before), "it is as it was");
        assert!(headers(&after).iter().any(|header| header.base_offset == 2 && header.record_count == 2));
    }
    // Read again at last, it is compacted, and only then the tombstones begin to age.
    tamper(&disk, &path, 0, &sound);
    for (now, expected) in [(9_000, vec![2, 3, 4]), (9_100, vec![4])] {
        (progress, _) = pass(&mut log, progress, request(now));
        settle(&disk, &mut log).unwrap();
        assert_eq!((offsets(&log), progress.left_segments), (expected, 0));
    }
}

#[test]
fn a_batch_whose_records_are_no_records_is_left_and_the_rest_is_compacted() {
    let disk = disk();
    let mut log = create(&disk, config(1 << 20));
    // Its offset deltas reach beyond it: taken at its word, it would outlive all that follows.
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord { timestamp: 1, key: Some(b"k"), value: Some(b"bad"), headers: &[] });
    let mut bad = builder.finish().to_vec();
    bad[HEADER_SIZE + 3] = 40;
    let crc = levada_model::crc::crc32c(&bad[21..]);
    bad[17..21].copy_from_slice(&crc.to_be_bytes());
    let bad = StoredBatch::new(&Batch::check(bad.into()).unwrap(), 2, 1);
    let batches = [
        keyed(0, &[("k", Some("1"))], Make::default()),
        keyed(1, &[("k", Some("2"))], Make::default()),
        bad,
        keyed(3, &[("k", Some("3"))], Make::default()),
        keyed(4, &[("k", Some("4"))], Make::default()),
    ];
    for batch in batches {
        log.append(&[batch], 60).unwrap();
        log.roll(log.next_offset()).unwrap();
    }
    settle(&disk, &mut log).unwrap();
    let (_, report) = pass(&mut log, Progress::default(), request(1_000));
    assert_eq!(report.left.iter().map(|left| left.segment_base).collect::<Vec<_>>(), [2]);
    let bases: Vec<_> = headers(&read_all(&log.reader())).iter().map(|header| header.base_offset).collect();
    assert_eq!(bases, [2, 4]);
    assert_eq!(log.reader().segments().len(), 4, "what is before and what is behind are merged each by itself");
}

#[test]
fn aborted_records_go_and_markers_follow_when_nothing_is_left_to_mark() {
    let stamp = |id, base_sequence| ProducerStamp { id: ProducerId(id), epoch: 0, base_sequence };
    let in_transaction =
        |id, sequence| Make { bits: Attributes::TRANSACTIONAL, producer: Some(stamp(id, sequence)), ..Make::default() };
    let batches = [
        keyed(0, &[("a", Some("kept"))], Make::default()),
        keyed(1, &[("a", Some("aborted")), ("b", Some("aborted"))], in_transaction(1, 0)),
        keyed(3, &[("b", Some("committed"))], in_transaction(2, 0)),
        marker(4, stamp(1, 0), false),
        marker(5, stamp(2, 0), true),
        keyed(6, &[("b", Some("later"))], in_transaction(1, 2)),
        marker(7, stamp(1, 0), true),
        keyed(8, &[("z", Some("end"))], Make::default()),
    ];
    let disk = disk();
    let mut log = log_of(&disk, 1 << 20, &batches);
    let aborted =
        vec![AbortedTransaction { producer: ProducerId(1), first_offset: 1, last_offset: 4, last_stable_offset: 5 }];
    let mut run = |first_dirty, now| {
        let request = CompactRequest { aborted: aborted.clone(), ..request(now) };
        pass(&mut log, Progress { first_dirty, left_segments: 0 }, request);
        settle(&disk, &mut log).unwrap();
        let bytes = read_all(&log.reader());
        let found: Vec<_> = headers(&bytes).iter().map(|header| (header.base_offset, header.record_count)).collect();
        let values = records(&bytes).into_iter().map(|seen| seen.value.unwrap()).collect::<Vec<_>>();
        assert_eq!(
            log.aborted().len(),
            usize::from(found.contains(&(4, 1))),
            "it is told as long as its marker stands"
        );
        (found, values)
    };
    let (found, values) = run(0, 1_000);
    assert_eq!(values, ["kept", "later", "end"], "aborted records do not make others go");
    // The empty batches have the last sequences of producers; markers stay while batches of theirs were seen.
    assert_eq!(found, [(0, 1), (3, 0), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1)]);
    let (found, _) = run(9, 1_000);
    assert!(found.contains(&(4, 1)), "its transaction is gone: the marker gets its horizon");
    let (found, values) = run(9, 1_100);
    assert_eq!(found, [(0, 1), (3, 0), (5, 1), (6, 1), (7, 1), (8, 1)], "producers 1 and 2 are still known");
    assert_eq!(values, ["kept", "later", "end"]);
}

#[test]
fn aborted_transactions_of_segments_that_become_one_are_told_after_a_restart() {
    let stamp = |id, sequence| ProducerStamp { id: ProducerId(id), epoch: 0, base_sequence: sequence };
    let in_transaction =
        |id, sequence| Make { bits: Attributes::TRANSACTIONAL, producer: Some(stamp(id, sequence)), ..Make::default() };
    let disk = disk();
    let mut log = log_of(&disk, 1_024, &[]);
    for round in 0..4 {
        let base = round * 3;
        let batches = [
            keyed(base, &[("a", Some("aborted"))], in_transaction(round, 0)),
            keyed(base + 1, &[("b", Some("kept"))], Make::default()),
            marker(base + 2, stamp(round, 0), false),
        ];
        log.append(&batches, 60).unwrap();
        log.roll(log.next_offset()).unwrap();
    }
    settle(&disk, &mut log).unwrap();
    let expected = log.aborted().to_vec();
    assert_eq!(expected.len(), 4);
    let aborted = expected.clone();
    let older = log.checkpoint();
    pass(&mut log, Progress::default(), CompactRequest { aborted, ..request(1_000) });
    // Killed before and after the checkpoint that names the one segment, and closed in good order.
    let id = log.reader().id();
    let dir = log.reader().dir().to_owned();
    let config = log.config().clone();
    let killed = LogFiles::new(Arc::new(disk.restart()));
    let mode = RecoverMode::CutAtCheckpoint;
    let found = PartitionLog::recover(&killed, dir.clone(), id, config.clone(), &older, mode, &mut |_| {}).unwrap();
    assert_eq!((found.log.reader().segments().len(), found.log.aborted()), (2, &expected[..]));
    let before = log.checkpoint();
    settle(&disk, &mut log).unwrap();
    assert_eq!((log.reader().segments().len(), log.aborted()), (2, &expected[..]));
    let killed = LogFiles::new(Arc::new(disk.restart()));
    let mode = RecoverMode::CutAtCheckpoint;
    let found = PartitionLog::recover(&killed, dir.clone(), id, config.clone(), &before, mode, &mut |_| {}).unwrap();
    assert_eq!(found.log.aborted(), expected);
    let clean = log.close().unwrap();
    let again = PartitionLog::open_clean(&LogFiles::new(Arc::new(disk.restart())), dir, id, config, &clean).unwrap();
    assert_eq!(again.aborted(), expected);
}

#[test]
fn a_list_of_aborted_transactions_that_outlives_its_markers_harms_no_later_one() {
    let stamp = ProducerStamp { id: ProducerId(1), epoch: 0, base_sequence: 5 };
    let make = Make { bits: Attributes::TRANSACTIONAL, producer: Some(stamp), ..Make::default() };
    let disk = disk();
    let batches = [keyed(10, &[("a", Some("committed"))], make), marker(11, stamp, true)];
    let mut log = log_of(&disk, 1 << 20, &batches);
    let aborted =
        vec![AbortedTransaction { producer: ProducerId(1), first_offset: 2, last_offset: 5, last_stable_offset: 6 }];
    pass(&mut log, Progress::default(), CompactRequest { aborted, ..request(1_000) });
    assert_eq!(offsets(&log), [10]);
}

#[test]
fn nothing_at_or_beyond_the_upper_offset_is_touched_nor_makes_others_go() {
    let batches: Vec<_> = (0..8).map(|base| keyed(base, &[("k", Some("v"))], Make::default())).collect();
    let disk = disk();
    let mut log = log_of(&disk, 1_024, &[]);
    for batch in batches {
        log.append(&[batch], 60).unwrap();
        log.roll(log.next_offset()).unwrap();
    }
    settle(&disk, &mut log).unwrap();
    let mut bounded = request(1_000);
    bounded.limits.upper_offset = 4;
    let (progress, _) = pass(&mut log, Progress::default(), bounded);
    assert_eq!((offsets(&log), progress.first_dirty), (vec![3, 4, 5, 6, 7], 4));
    settle(&disk, &mut log).unwrap();
    let (progress, report) = pass(&mut log, progress, request(1_000));
    assert_eq!((offsets(&log), progress.first_dirty, report.records_dropped), (vec![7], 8, 4));
    assert_eq!(log.reader().segments().len(), 2, "small segments become one");
}

#[test]
fn what_no_checkpoint_names_whole_is_not_compacted() {
    let disk = disk();
    let mut log = create(&disk, config(1_024));
    log.append(&[keyed(0, &[("k", Some("1")), ("k", Some("2"))], Make::default())], 60).unwrap();
    log.roll(2).unwrap();
    assert!(log.compaction(Progress::default(), request(1_000)).is_none());
    settle(&disk, &mut log).unwrap();
    assert!(log.compaction(Progress::default(), request(1_000)).is_some());
}

#[test]
fn a_log_of_which_only_its_last_offset_is_left_still_says_where_it_ends() {
    let disk = disk();
    let batches = [keyed(0, &[("a", Some("1"))], Make::default()), keyed(1, &[("a", None)], Make::default())];
    let mut log = log_of(&disk, 1 << 20, &batches);
    for now in [1_000, 2_000] {
        pass(&mut log, Progress::default(), request(now));
        settle(&disk, &mut log).unwrap();
    }
    let bytes = read_all(&log.reader());
    assert_eq!(
        headers(&bytes).iter().map(|header| (header.next_offset(), header.record_count)).collect::<Vec<_>>(),
        [(2, 0)]
    );
    assert_eq!(log.reader().max_timestamp(), None, "no record has a time");
    let checkpoint = log.close().unwrap();
    let log = PartitionLog::open_clean(&files(&disk), dir(), id(), config(1 << 20), &checkpoint).unwrap();
    assert_eq!((log.next_offset(), read_all(&log.reader())), (2, bytes));
}

#[test]
fn the_active_segment_rolls_by_its_age_alone() {
    let disk = disk();
    let age = LogConfig { segment_age_max: std::time::Duration::from_millis(500), ..config(1 << 20) };
    let mut log = create(&disk, age);
    assert!(!log.roll_if_due(i64::MAX).unwrap(), "it is empty");
    log.append(&[keyed(0, &[("k", Some("1"))], Make::default())], 1_000).unwrap();
    assert!(!log.roll_if_due(1_499).unwrap());
    assert!(log.roll_if_due(1_500).unwrap());
    assert_eq!(log.reader().segments().len(), 2);
}
