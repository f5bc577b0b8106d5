//! What clients see of requests about keys.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use levada_model::{Rng, SeededRng};
use levada_schema::{
    Deleted, Subject, VersionId,
    dek::{Algorithm, Dek, DekPlace, Error, Kek, KekName, KekUpdate, Keys, KmsProps, NewDek, NewKek, Record},
};
use std::collections::BTreeMap;

/// Keys whose requests take effect at once, each at a time of its own.
#[derive(Default)]
struct Rig {
    keys: Keys,
    now: i64,
    written: Vec<(Record, i64)>,
}

fn name(text: &str) -> KekName {
    KekName::parse(text).unwrap()
}

fn new_kek(text: &str) -> NewKek {
    NewKek {
        name: name(text),
        kms_type: Some("local-kms".to_owned()),
        kms_key_id: Some("id".to_owned()),
        kms_props: KmsProps::default(),
        doc: None,
        shared: false,
        deleted: false,
    }
}

fn place(kek: &str, subject: &str) -> DekPlace {
    DekPlace { kek: name(kek), subject: Subject::parse(subject), algorithm: Algorithm::default() }
}

fn new_dek(kek: &str, subject: &str, version: i32, wrapped: &str) -> NewDek {
    let DekPlace { kek, subject, algorithm } = place(kek, subject);
    let (version, wrapped) = (Some(version), Some(wrapped.to_owned()));
    NewDek { kek, subject, algorithm, version, wrapped, deleted: false, rewrap: false }
}

impl Rig {
    fn write(&mut self, records: Vec<Record>) {
        for record in records {
            self.keys.apply(&record, self.now);
            self.written.push((record, self.now));
        }
    }

    fn tick(&mut self) -> i64 {
        self.now += 1;
        self.now
    }

    fn kek(&mut self, new: NewKek) -> Result<Kek, Error> {
        let now = self.tick();
        let (records, kek) = self.keys.create_kek(new, now)?;
        self.write(records);
        Ok(kek)
    }

    fn update(&mut self, kek: &str, update: KekUpdate) -> Result<Kek, Error> {
        let now = self.tick();
        let (records, kek) = self.keys.update_kek(&name(kek), update, now)?;
        self.write(records);
        Ok(kek)
    }

    fn dek(&mut self, new: NewDek) -> Result<Dek, Error> {
        let now = self.tick();
        let (records, dek) = self.keys.create_dek(new, now)?;
        self.write(records);
        Ok(dek)
    }

    /// Carries out what needs no time.
    fn please(&mut self, decide: impl FnOnce(&Keys) -> Result<Vec<Record>, Error>) -> Result<usize, Error> {
        self.tick();
        let records = decide(&self.keys)?;
        let count = records.len();
        self.write(records);
        Ok(count)
    }

    fn kek_names(&self, deleted: Deleted) -> Vec<String> {
        self.keys.kek_names(deleted).map(KekName::to_string).collect()
    }

    fn versions(&self, kek: &str, subject: &str, deleted: Deleted) -> Vec<i32> {
        self.keys.versions(&place(kek, subject), deleted).map(|dek| dek.id.version).collect()
    }
}

fn invalid<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Invalid { field, .. }) => field,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("no error"),
    }
}

#[test]
fn a_kek_is_made_once_and_undeleted_by_being_made_again() {
    let mut rig = Rig::default();
    let kek = rig.kek(new_kek("k")).unwrap();
    assert_eq!(**rig.keys.kek(&name("k"), Deleted::No).unwrap(), kek);
    assert_eq!(rig.kek(new_kek("k")).unwrap_err(), Error::Exists("k".to_owned()));
    assert_eq!(rig.please(|keys| keys.delete_kek(&name("k"), true)), Err(Error::NotSoftDeleted("k".to_owned())));
    assert_eq!(rig.please(|keys| keys.delete_kek(&name("k"), false)), Ok(1));
    assert_eq!(rig.please(|keys| keys.delete_kek(&name("k"), false)), Ok(0), "a second time it says nothing");
    assert_eq!((rig.kek_names(Deleted::No), rig.kek_names(Deleted::Too)), (vec![], vec!["k".to_owned()]));
    let other = NewKek { kms_key_id: Some("other".to_owned()), ..new_kek("k") };
    assert_eq!(rig.kek(other).unwrap_err(), Error::Exists("k".to_owned()), "with other keys it is another");
    let again = rig.kek(new_kek("k")).unwrap();
    assert_eq!((again.deleted, again.ts), (false, rig.now));
    rig.please(|keys| keys.delete_kek(&name("k"), false)).unwrap();
    assert_eq!(rig.please(|keys| keys.undelete_kek(&name("k"))), Ok(1));
    assert_eq!(rig.please(|keys| keys.undelete_kek(&name("k"))), Ok(0));
    rig.please(|keys| keys.delete_kek(&name("k"), false)).unwrap();
    assert_eq!(rig.please(|keys| keys.delete_kek(&name("k"), true)), Ok(1));
    assert_eq!(rig.keys.kek(&name("k"), Deleted::Too), Err(Error::NotFound("k".to_owned())));
    assert_eq!(rig.please(|keys| keys.delete_kek(&name("k"), true)), Err(Error::NotFound("k".to_owned())));
}

#[test]
fn what_a_kek_lacks_is_named() {
    let mut rig = Rig::default();
    for (text, expected) in [("AWS", "aws-kms"), ("azure-kms", "azure-kms"), ("gcp", "gcp-kms"), ("hcvault", "hcvault")]
    {
        let new = NewKek { kms_type: Some(text.to_owned()), ..new_kek(&format!("k-{expected}")) };
        assert_eq!(*rig.kek(new).unwrap().kms_type, *expected);
    }
    let long = || Some("x".repeat((64 << 10) + 1));
    assert_eq!(invalid(rig.kek(NewKek { kms_type: None, ..new_kek("a") })), "kmsType");
    assert_eq!(invalid(rig.kek(NewKek { kms_key_id: Some(String::new()), ..new_kek("a") })), "kmsKeyId");
    assert_eq!(invalid(rig.kek(NewKek { kms_key_id: long(), ..new_kek("a") })), "kmsKeyId");
    assert_eq!(invalid(rig.kek(NewKek { doc: long(), ..new_kek("a") })), "doc");
    assert_eq!(invalid(KmsProps::new(BTreeMap::from([("p".to_owned(), long().unwrap())]))), "kmsProps");
    assert_eq!(rig.kek(NewKek { shared: true, ..new_kek("a") }).unwrap_err(), Error::NoKms);
}

#[test]
fn an_update_changes_what_it_names() {
    let mut rig = Rig::default();
    rig.kek(NewKek { doc: Some("before".to_owned()), ..new_kek("k") }).unwrap();
    let props = KmsProps::new(BTreeMap::from([("region".to_owned(), "here".to_owned())])).unwrap();
    let updated = rig.update("k", KekUpdate { kms_props: Some(props), ..KekUpdate::default() }).unwrap();
    assert_eq!((updated.doc.as_deref(), updated.kms_props.as_map().len()), (Some("before"), 1));
    let (written, ts) = (rig.written.len(), updated.ts);
    let same = rig.update("k", KekUpdate { doc: Some(Some("before".to_owned())), ..KekUpdate::default() }).unwrap();
    assert_eq!((rig.written.len(), same.ts), (written, ts), "nothing is written where nothing changes");
    let emptied = KekUpdate { kms_props: Some(KmsProps::default()), doc: Some(None), shared: None };
    let updated = rig.update("k", emptied).unwrap();
    assert_eq!((updated.doc, updated.kms_props), (None, KmsProps::default()));
    assert_eq!(rig.update("k", KekUpdate { shared: Some(true), ..KekUpdate::default() }), Err(Error::NoKms));
    rig.please(|keys| keys.delete_kek(&name("k"), false)).unwrap();
    assert_eq!(rig.update("k", KekUpdate::default()), Err(Error::NotFound("k".to_owned())));
}

#[test]
fn of_two_who_make_a_dek_the_second_takes_the_firsts() {
    let mut rig = Rig::default();
    rig.kek(new_kek("k")).unwrap();
    let dek = rig.dek(NewDek { version: None, ..new_dek("k", "s", 1, "AAAA") }).unwrap();
    assert_eq!((dek.id.version, dek.id.place.algorithm), (1, Algorithm::Aes256Gcm));
    for wrapped in ["BBBB", "AAAA"] {
        assert_eq!(rig.dek(new_dek("k", "s", 1, wrapped)).unwrap_err(), Error::Exists("s".to_owned()), "{wrapped}");
    }
    let found = rig.keys.dek(&place("k", "s"), VersionId::Latest, Deleted::No).unwrap();
    assert_eq!((found.wrapped.as_str(), found.ts), ("AAAA", dek.ts));
    rig.dek(new_dek("k", "s", 2, "CCCC")).unwrap();
    let siv = NewDek { algorithm: Algorithm::Aes256Siv, ..new_dek("k", "s", 1, "DDDD") };
    rig.dek(siv).unwrap();
    assert_eq!(rig.versions("k", "s", Deleted::No), [1, 2]);
    let rewrapped = rig.dek(NewDek { rewrap: true, ..new_dek("k", "s", 1, "EEEE") }).unwrap();
    assert_eq!(rewrapped.wrapped.as_str(), "EEEE");
}

#[test]
fn what_a_dek_lacks_is_named() {
    let mut rig = Rig::default();
    assert_eq!(rig.dek(new_dek("k", "s", 1, "AAAA")).unwrap_err(), Error::NotFound("k".to_owned()));
    rig.kek(new_kek("k")).unwrap();
    for wrapped in [None, Some(""), Some("not base64!")] {
        let new = NewDek { wrapped: wrapped.map(str::to_owned), ..new_dek("k", "s", 1, "") };
        assert_eq!(invalid(rig.dek(new)), "encryptedKeyMaterial");
    }
    for version in [0, -1, i32::MIN] {
        assert_eq!(invalid(rig.dek(new_dek("k", "s", version, "AAAA"))), "version");
    }
    for subject in ["", "a\nb", ":.m:", &"s".repeat((64 << 10) + 1)] {
        assert_eq!(invalid(rig.dek(new_dek("k", subject, 1, "AAAA"))), "subject");
    }
    assert_eq!(rig.written.len(), 1);
}

#[test]
fn keys_are_deleted_softly_first_and_deks_before_their_kek() {
    let mut rig = Rig::default();
    rig.kek(new_kek("k")).unwrap();
    for version in 1..=2 {
        rig.dek(new_dek("k", "s", version, "AAAA")).unwrap();
    }
    let at = place("k", "s");
    let (k, s) = (|| name("k"), "s".to_owned());
    assert_eq!(rig.please(|keys| keys.delete_kek(&k(), false)), Err(Error::Referenced(k())));
    let as_deleted = NewKek { deleted: true, ..new_kek("k") };
    assert_eq!(rig.kek(as_deleted).unwrap_err(), Error::Referenced(k()));
    assert_eq!(rig.please(|keys| keys.delete_deks(&at, true)), Err(Error::NotSoftDeleted(s.clone())));
    assert_eq!(rig.please(|keys| keys.delete_dek(&at, VersionId::Latest, false)), Ok(1));
    assert_eq!((rig.versions("k", "s", Deleted::No), rig.versions("k", "s", Deleted::Too)), (vec![1], vec![1, 2]));
    assert_eq!(rig.please(|keys| keys.delete_deks(&at, true)), Err(Error::NotSoftDeleted(s.clone())));
    assert_eq!(rig.please(|keys| keys.delete_deks(&at, false)), Ok(1), "the other was deleted already");
    assert_eq!(rig.please(|keys| keys.delete_kek(&k(), false)), Ok(1));
    assert_eq!(rig.please(|keys| keys.undelete_deks(&at)), Err(Error::SoftDeleted(k())));
    assert_eq!(rig.please(|keys| keys.undelete_dek(&at, VersionId::Number(1))), Err(Error::SoftDeleted(k())));
    assert_eq!(rig.dek(new_dek("k", "s", 3, "AAAA")).unwrap_err(), Error::NotFound("k".to_owned()));
    assert_eq!(rig.please(|keys| keys.delete_kek(&k(), true)), Err(Error::Referenced(k())), "also while it is softly");
    assert_eq!(rig.please(|keys| keys.undelete_kek(&k())), Ok(1));
    assert_eq!(rig.please(|keys| keys.undelete_dek(&at, VersionId::Number(2))), Ok(1));
    assert_eq!(rig.versions("k", "s", Deleted::No), [2]);
    assert_eq!(rig.please(|keys| keys.delete_dek(&at, VersionId::Number(2), false)), Ok(1));
    assert_eq!(rig.please(|keys| keys.delete_deks(&at, true)), Ok(2));
    assert_eq!(rig.please(|keys| keys.delete_deks(&at, true)), Err(Error::NotFound(s)));
    assert_eq!(rig.please(|keys| keys.delete_kek(&k(), false)), Ok(1));
    assert_eq!(rig.please(|keys| keys.delete_kek(&k(), true)), Ok(1));
    assert_eq!(rig.keys, Keys::default());
}

#[test]
fn a_dek_is_undeleted_by_being_made_again() {
    let mut rig = Rig::default();
    rig.kek(new_kek("k")).unwrap();
    rig.dek(new_dek("k", "s", 1, "AAAA")).unwrap();
    rig.please(|keys| keys.delete_deks(&place("k", "s"), false)).unwrap();
    assert_eq!(rig.dek(new_dek("k", "s", 1, "BBBB")).unwrap_err(), Error::Exists("s".to_owned()));
    assert!(!rig.dek(new_dek("k", "s", 1, "AAAA")).unwrap().deleted);
    assert_eq!(rig.versions("k", "s", Deleted::No), [1]);
}

#[test]
fn lists_are_in_order_and_by_subject() {
    let mut rig = Rig::default();
    for kek in ["b", "a", "c"] {
        rig.kek(new_kek(kek)).unwrap();
    }
    for (kek, subject) in [("a", "t"), ("a", "s"), ("a", ":.m:s"), ("b", "so")] {
        rig.dek(new_dek(kek, subject, 1, "AAAA")).unwrap();
    }
    assert_eq!(rig.kek_names(Deleted::No), ["a", "b", "c"]);
    let subjects: Vec<String> = rig.keys.subjects(&name("a"), Deleted::No).into_iter().collect();
    assert_eq!(subjects, [":.m:s", "s", "t"]);
    let by = |prefixes: &[&str]| {
        let prefixes: Vec<String> = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        let found = rig.keys.kek_names_by_subject(&prefixes, Deleted::No);
        found.iter().map(KekName::to_string).collect::<Vec<String>>()
    };
    assert_eq!(
        (by(&["s"]), by(&["t"]), by(&[":.m:"])),
        (vec!["a".into(), "b".into()], vec!["a".into()], vec!["a".into()])
    );
    assert_eq!(
        (by(&["so", "t"]), by(&["x"]), by(&[""])),
        (vec!["a".into(), "b".into()], vec![], vec!["a".into(), "b".into()])
    );
}

/// What another registry shares can be read here, and be taken out of sharing; nothing is made that needs a KMS.
#[test]
fn a_kek_that_another_registry_shares_is_kept() {
    let mut rig = Rig::default();
    let kek = rig.kek(new_kek("k")).unwrap();
    rig.write(vec![Record::Kek(Kek { shared: true, ..kek })]);
    let unwrapped = |version| NewDek { wrapped: None, ..new_dek("k", "s", version, "") };
    assert_eq!(rig.dek(unwrapped(1)).unwrap_err(), Error::NoKms);
    rig.dek(new_dek("k", "s", 1, "AAAA")).unwrap();
    assert_eq!(
        rig.dek(NewDek { rewrap: true, ..new_dek("k", "s", 1, "BBBB") }).unwrap_err(),
        Error::Exists("s".into())
    );
    assert!(rig.update("k", KekUpdate { shared: Some(true), ..KekUpdate::default() }).unwrap().shared);
    assert!(!rig.update("k", KekUpdate { shared: Some(false), ..KekUpdate::default() }).unwrap().shared);
    rig.dek(NewDek { rewrap: true, ..new_dek("k", "s", 1, "BBBB") }).unwrap();
}

/// Any request, of few names, so that they meet.
fn random_request(rig: &mut Rig, rng: &SeededRng) {
    let pick = |count: u64| rng.next_u64() % count;
    let kek = ["a", "b"][usize::try_from(pick(2)).unwrap()];
    let subject = ["s", ":.m:s"][usize::try_from(pick(2)).unwrap()];
    let wrapped = ["AAAA", "BBBB"][usize::try_from(pick(2)).unwrap()];
    let version = i32::try_from(1 + pick(2)).unwrap();
    let algorithm = Algorithm::ALL[usize::try_from(pick(3)).unwrap()];
    let (is_so, for_good) = (pick(4) == 0, pick(2) == 0);
    let at = DekPlace { algorithm, ..place(kek, subject) };
    let id = if is_so { VersionId::Latest } else { VersionId::Number(version) };
    // What is refused changes nothing, which is what matters here.
    drop(match pick(9) {
        0 => rig.kek(NewKek { deleted: is_so, ..new_kek(kek) }).map(drop),
        1 => rig
            .update(kek, KekUpdate { doc: Some(is_so.then(|| wrapped.to_owned())), ..KekUpdate::default() })
            .map(drop),
        2 => rig.please(|keys| keys.delete_kek(&name(kek), for_good)).map(drop),
        3 => rig.please(|keys| keys.undelete_kek(&name(kek))).map(drop),
        4 => rig.please(|keys| keys.delete_deks(&at, for_good)).map(drop),
        5 => rig.please(|keys| keys.delete_dek(&at, id, for_good)).map(drop),
        6 => rig.please(|keys| keys.undelete_deks(&at)).map(drop),
        7 => rig.please(|keys| keys.undelete_dek(&at, id)).map(drop),
        _ => {
            let rewrap = pick(4) == 0;
            let new = NewDek { algorithm, deleted: is_so, rewrap, ..new_dek(kek, subject, version, wrapped) };
            rig.dek(new).map(drop)
        }
    });
}

#[test]
fn any_prefix_of_the_records_comes_to_the_state_that_there_was() {
    let mut counts = (0, 0);
    for seed in 0..50 {
        let (mut rig, rng) = (Rig::default(), SeededRng::new(seed));
        let mut states = vec![(0, Keys::default())];
        for _ in 0..200 {
            random_request(&mut rig, &rng);
            states.push((rig.written.len(), rig.keys.clone()));
            for kek in ["a", "b"].map(name) {
                let is_live = rig.keys.kek(&kek, Deleted::No).is_ok();
                assert!(is_live || rig.keys.deks_of(&kek, Deleted::No).next().is_none(), "DEKs go before their KEK");
                let is_there = rig.keys.kek(&kek, Deleted::Too).is_ok();
                assert!(is_there || rig.keys.deks_of(&kek, Deleted::Too).next().is_none(), "no DEK is left over");
            }
        }
        let mut replayed = Keys::default();
        let mut next = 0;
        for (count, state) in states {
            for (record, at) in &rig.written[next..count] {
                let (key, value) = record.encode();
                replayed.apply(&Record::decode(&key, value.as_deref()).unwrap(), *at);
            }
            next = count;
            assert_eq!(replayed, state, "seed {seed}, {count} records");
        }
        counts = (counts.0 + rig.written.len(), counts.1.max(replayed.kek_names(Deleted::Too).count()));
    }
    assert!(counts.0 > 2_000 && counts.1 == 2, "requests take effect: {counts:?}");
}
