//! What the simulator promises to those who trust its verdicts.

use super::*;
use crate::disk::read_exact_at;

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn write(disk: &SimDisk, name: &str, bytes: &[u8], position: u64) -> Arc<dyn DiskFile> {
    let file = disk.open(path(name), OpenMode::Create).expect("opens");
    file.write_all_at(bytes, position).expect("written");
    file
}

fn content(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(path(name), OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().expect("size")).expect("small")];
    read_exact_at(&*file, &mut bytes, 0).expect("read");
    Some(bytes)
}

/// Everything that some power cut leaves of `name`.
fn outcomes(disk: &SimDisk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    (0..400).map(|seed| content(&disk.power_cut(seed), name)).collect()
}

fn synced(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = write(disk, name, bytes, 0);
    file.sync_data().expect("synced");
    disk.sync_dir(path("/")).expect("synced");
    file
}

#[test]
fn synced_bytes_under_synced_names_survive_every_cut() {
    let disk = SimDisk::new();
    synced(&disk, "/a", b"kept");
    assert_eq!(outcomes(&disk, "/a"), BTreeSet::from([Some(b"kept".to_vec())]));
}

#[test]
fn a_synced_file_whose_name_is_not_synced_may_be_gone() {
    let disk = SimDisk::new();
    write(&disk, "/a", b"kept", 0).sync_data().expect("synced");
    assert_eq!(outcomes(&disk, "/a"), BTreeSet::from([None, Some(b"kept".to_vec())]));
}

#[test]
fn each_unsynced_sector_is_kept_or_lost_on_its_own() {
    let disk = SimDisk::new();
    let file = synced(&disk, "/a", &[1; 1_024]);
    file.write_all_at(&[2; 1_024], 0).expect("written");
    let halves = |first, second| Some([[first; 512], [second; 512]].concat());
    let expected = [halves(1, 1), halves(1, 2), halves(2, 1), halves(2, 2)];
    assert_eq!(outcomes(&disk, "/a"), BTreeSet::from(expected));
    file.sync_data().expect("synced");
    assert_eq!(outcomes(&disk, "/a"), BTreeSet::from([halves(2, 2)]));
}

#[test]
fn any_version_since_the_sync_may_be_found() {
    let disk = SimDisk::new();
    let file = synced(&disk, "/a", b"1");
    file.write_all_at(b"2", 0).expect("written");
    file.write_all_at(b"3", 0).expect("written");
    let expected = [b"1", b"2", b"3"].map(|text| Some(text.to_vec()));
    assert_eq!(outcomes(&disk, "/a"), BTreeSet::from(expected));
}

#[test]
fn an_unsynced_size_may_stick_or_not() {
    let disk = SimDisk::new();
    let file = synced(&disk, "/a", b"ab");
    file.set_len(0).expect("cut");
    let cut = outcomes(&disk, "/a");
    assert!(cut.contains(&Some(Vec::new())) && cut.contains(&Some(b"ab".to_vec())), "{cut:?}");
    file.set_len(2).expect("extended");
    assert_eq!(content(&disk, "/a"), Some(vec![0, 0]), "what was cut away does not come back to a reader");
    let file = synced(&disk, "/b", b"");
    file.allocate(3).expect("allocated");
    let sizes: BTreeSet<_> = outcomes(&disk, "/b").into_iter().map(|bytes| bytes.map(|bytes| bytes.len())).collect();
    assert_eq!(sizes, BTreeSet::from([Some(0), Some(1), Some(2), Some(3)]));
}

#[test]
fn a_rename_is_undone_or_kept_but_never_loses_the_file() {
    let disk = SimDisk::new();
    synced(&disk, "/a", b"x");
    disk.rename(path("/a"), path("/b")).expect("renamed");
    for seed in 0..200 {
        let cut = disk.power_cut(seed);
        assert_ne!(cut.exists(path("/a")), cut.exists(path("/b")), "seed {seed}");
    }
    let kept = (0..200).filter(|&seed| disk.power_cut(seed).exists(path("/b"))).count();
    assert!((1..200).contains(&kept));
    disk.sync_dir(path("/")).expect("synced");
    assert!((0..200).all(|seed| disk.power_cut(seed).exists(path("/b"))));
}

#[test]
fn changes_of_names_are_independent() {
    let disk = SimDisk::new();
    synced(&disk, "/old", b"x");
    disk.remove_file(path("/old")).expect("removed");
    write(&disk, "/new", b"y", 0);
    let seen: BTreeSet<_> = (0..200)
        .map(|seed| disk.power_cut(seed))
        .map(|cut| (cut.exists(path("/old")), cut.exists(path("/new"))))
        .collect();
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_directory_that_is_not_synced_into_its_parent_takes_its_files_with_it() {
    let disk = SimDisk::new();
    disk.create_dir_all(path("/d/e")).expect("created");
    write(&disk, "/d/e/a", b"x", 0).sync_data().expect("synced");
    disk.sync_dir(path("/d/e")).expect("synced");
    assert_eq!(outcomes(&disk, "/d/e/a").len(), 2);
    disk.sync_dir(path("/d")).expect("synced");
    disk.sync_dir(path("/")).expect("synced");
    assert_eq!(outcomes(&disk, "/d/e/a"), BTreeSet::from([Some(b"x".to_vec())]));
    disk.remove_dir_all(path("/d")).expect("removed");
    assert!(!disk.exists(path("/d")));
    disk.sync_dir(path("/")).expect("synced");
    assert!((0..200).all(|seed| !disk.power_cut(seed).exists(path("/d"))));
}

#[test]
fn a_rename_between_directories_is_synced_with_either() {
    let disk = SimDisk::new();
    disk.create_dir_all(path("/d")).expect("created");
    synced(&disk, "/a", b"x");
    disk.rename(path("/a"), path("/d/a")).expect("renamed");
    disk.sync_dir(path("/")).expect("synced");
    assert_eq!(outcomes(&disk, "/d/a"), BTreeSet::from([Some(b"x".to_vec())]));
    assert_eq!(outcomes(&disk, "/a"), BTreeSet::from([None]));
}

#[test]
fn a_cut_repeats_from_its_seed() {
    let disk = SimDisk::new();
    let file = synced(&disk, "/a", &[0; 8_192]);
    file.write_all_at(&[1; 8_192], 0).expect("written");
    for seed in 0..50 {
        assert_eq!(content(&disk.power_cut(seed), "/a"), content(&disk.power_cut(seed), "/a"));
    }
}

#[test]
fn a_kill_keeps_what_was_written_and_ends_all_calls() {
    let disk = SimDisk::new();
    let file = write(&disk, "/a", b"one", 0);
    assert_eq!(disk.calls(), 2);
    disk.fail_at(4, Fault::Kill);
    file.write_all_at(b"two", 3).expect("written");
    assert!(file.write_all_at(b"three", 6).is_err() && file.sync_data().is_err() && disk.is_dead());
    assert!(disk.exists(path("/b")), "a dead disk cannot tell");
    assert_eq!(disk.calls(), 4);
    let restarted = disk.restart();
    assert_eq!(content(&restarted, "/a"), Some(b"onetwo".to_vec()));
    assert!(outcomes(&restarted, "/a").contains(&None), "a restart makes nothing durable");
}

#[test]
fn a_torn_write_does_half() {
    let disk = SimDisk::new();
    let file = write(&disk, "/a", b"", 0);
    disk.fail_at(3, Fault::TornWrite);
    assert!(file.write_vectored_all_at(&[IoSlice::new(b"ab"), IoSlice::new(b"cd")], 0).is_err());
    assert_eq!(content(&disk.restart(), "/a"), Some(b"ab".to_vec()));
}

#[test]
fn after_a_failed_sync_later_ones_succeed_and_lie() {
    let disk = SimDisk::new();
    let file = synced(&disk, "/a", b"1");
    file.write_all_at(b"2", 0).expect("written");
    disk.fail_at(disk.calls() + 1, Fault::Error(io::ErrorKind::Other));
    assert!(file.sync_data().is_err());
    file.sync_data().expect("succeeds");
    assert_eq!(outcomes(&disk, "/a").len(), 2, "and proves nothing");
    file.write_all_at(b"2", 0).expect("written");
    file.sync_data().expect("synced");
    assert_eq!(outcomes(&disk, "/a"), BTreeSet::from([Some(b"2".to_vec())]), "but what is written again is synced");
}

#[test]
fn rules_fail_calls_by_kind_and_path() {
    let disk = SimDisk::new();
    let (a, b) = (write(&disk, "/a", b"", 0), write(&disk, "/b", b"", 0));
    let error = io::ErrorKind::StorageFull;
    disk.add_rule(Rule { call: Call::Write, path_contains: "/a".into(), after: 1, error });
    a.write_all_at(b"xx", 0).expect("the first passes");
    assert_eq!(a.write_all_at(b"yy", 0).expect_err("the second fails").kind(), error);
    assert_eq!(content(&disk, "/a"), Some(b"yx".to_vec()));
    b.write_all_at(b"x", 0).expect("another path");
    a.sync_data().expect("another call");
    disk.clear_rules();
    a.write_all_at(b"yy", 0).expect("passes again");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(6));
    write(&disk, "/a", b"1234", 0);
    let file = disk.open(path("/b"), OpenMode::Create).expect("opens");
    assert_eq!(file.write_all_at(b"567", 0).expect_err("full").kind(), io::ErrorKind::StorageFull);
    assert_eq!(content(&disk, "/b"), Some(b"56".to_vec()));
    assert_eq!(file.allocate(3).expect_err("full").kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.free_bytes(path("/")).expect("space"), 0);
    file.write_all_at(b"78", 0).expect("overwriting takes no room");
    disk.remove_file(path("/a")).expect("removed");
    file.write_all_at(b"789", 0).expect("there is room again");
}

#[test]
fn rot_changes_a_byte_for_good() {
    let disk = SimDisk::new();
    synced(&disk, "/a", &[0xff; 3]);
    disk.rot(path("/a"), 1).expect("rots");
    assert_eq!(outcomes(&disk, "/a"), BTreeSet::from([Some(vec![0xff, 0, 0xff])]));
    assert!(disk.rot(path("/a"), 3).is_err() && disk.rot(path("/b"), 0).is_err());
}

#[test]
fn one_holder_of_a_lock_at_a_time() {
    let disk = SimDisk::new();
    let held = disk.lock(path("/lock")).expect("free");
    assert_eq!(disk.lock(path("/lock")).err().expect("held").kind(), io::ErrorKind::WouldBlock);
    drop(held);
    assert!(disk.lock(path("/lock")).is_ok());
}
