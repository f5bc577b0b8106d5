//! What is sent from a file is what a read gives.

use super::*;
use crate::disk::RealDisk;
use std::{io::Read as _, net::TcpListener, net::TcpStream, os::fd::AsFd, thread};

/// A slice of at least this many bytes is worth a search.
const WORTH_IT: usize = 40_000;

pub(super) fn on_disk(all: &[StoredBatch], segment_bytes: u32) -> (tempfile::TempDir, PartitionLog) {
    let dir = tempfile::tempdir().unwrap();
    let files = LogFiles::new(Arc::new(RealDisk));
    let mut log = PartitionLog::create(&files, dir.path().join("t-0"), id(), config(segment_bytes), 0).unwrap();
    log.append(all, 0).unwrap();
    (dir, log)
}

/// Whether the file system of temporary files tells what is in memory: where it does not, nothing is sliced.
pub(super) fn tells_what_is_cached(reader: &LogReader) -> bool {
    reader.read(&wanted(0)).unwrap();
    reader.read_cached(&wanted(0)).unwrap().is_some()
}

/// Sends all of `slice` through a socket.
pub(super) fn sent(mut slice: FileSlice) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut receiver = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    let sender = thread::spawn(move || {
        while slice.size() > 0 {
            slice.send_to(socket.as_fd()).unwrap();
        }
    });
    let mut bytes = Vec::new();
    receiver.read_to_end(&mut bytes).unwrap();
    sender.join().unwrap();
    bytes
}

#[test]
fn slices_and_reads_together_give_every_batch_once() {
    let all = Source::new(11).batches(4_000);
    let (_dir, log) = on_disk(&all, 200_000);
    let reader = log.reader();
    let (mut bytes, mut slice_count) = (Vec::new(), 0);
    let mut offset = 0;
    while offset < reader.next_offset() {
        let read = Read { bytes_max: WORTH_IT + 50_000, ..wanted(offset) };
        let next = match reader.slice(&read) {
            Some(slice) => {
                assert!(slice.size() <= read.bytes_max);
                slice_count += 1;
                sent(slice)
            }
            None => reader.read(&read).unwrap().bytes.to_vec(),
        };
        let last = levada_model::batch::split(Bytes::copy_from_slice(&next)).last().unwrap().unwrap().0;
        offset = last.next_offset();
        bytes.extend(next);
    }
    check_bytes(&bytes, &bytes_of(&all), "slices and reads");
    let segment_count = reader.segments().len();
    let enough = slice_count >= segment_count || !tells_what_is_cached(&reader);
    assert!(segment_count > 3 && enough, "{slice_count} slices, {segment_count} segments");
}

#[test]
fn after_a_restart_one_read_is_enough_for_slices_again() {
    let all = Source::new(14).batches(3_000);
    let (dir, log) = on_disk(&all, 200_000);
    let checkpoint = log.close().unwrap();
    let files = LogFiles::new(Arc::new(RealDisk));
    let log = PartitionLog::open_clean(&files, dir.path().join("t-0"), id(), config(200_000), &checkpoint).unwrap();
    let reader = log.reader();
    let read = Read { bytes_max: 50_000, ..wanted(0) };
    assert!(reader.slice(&read).is_none(), "nothing is open");
    let first = reader.read(&read).unwrap();
    if !tells_what_is_cached(&reader) {
        return;
    }
    let slice = reader.slice(&Read { offset: first.next_offset, ..read }).expect("the index was loaded");
    let (from, size) = (first.bytes.len(), slice.size());
    check_bytes(&sent(slice), &bytes_of(&all)[from..from + size], "after the first read");
}

#[test]
fn a_slice_holds_nothing_that_a_reader_may_not_see() {
    let all = Source::new(12).batches(1_500);
    let (_dir, log) = on_disk(&all, 10_000_000);
    let reader = log.reader();
    if !tells_what_is_cached(&reader) {
        return;
    }
    let middle = all[750].base_offset;
    let mut slice_count = 0;
    for upper_offset in middle..middle + 200 {
        let Some(slice) = reader.slice(&Read { upper_offset, ..wanted(0) }) else { continue };
        slice_count += 1;
        for batch in levada_model::batch::split(sent(slice).into()) {
            assert!(batch.unwrap().0.last_offset() < upper_offset);
        }
    }
    let whole = reader.slice(&wanted(0)).expect("the log is larger than what is worth it");
    assert!(whole.size() > WORTH_IT);
    assert_eq!(slice_count, 0, "where the reader's end is not the log's, batches are read");
}

#[test]
fn what_is_cut_off_meanwhile_is_an_error_and_no_short_answer() {
    let all = Source::new(13).batches(1_500);
    let (dir, log) = on_disk(&all, 10_000_000);
    if !tells_what_is_cached(&log.reader()) {
        return;
    }
    let slice = log.reader().slice(&wanted(0)).expect("a slice");
    let path = segment_path(&dir.path().join("t-0"), 0, FileKind::Log);
    crate::Disk::open(&RealDisk, &path, OpenMode::Write).unwrap().set_len(1_000).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _receiver = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    let mut slice = slice;
    assert_eq!(slice.send_to(socket.as_fd()).unwrap(), 1_000);
    let error = slice.send_to(socket.as_fd()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}
