//! What clients see of the registry's requests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test that cannot go on fails, and requests are made in place"
)]

use levada_schema::{
    Against, Compatibility, Context, Deleted, Error, Metadata, Mode, Record, Reference, Register, Registered, Registry,
    Schema, SchemaType, Subject, SubjectFilter, VersionId,
};
use serde_json::{Map, Value, json};

/// A registry whose requests take effect at once.
#[derive(Default)]
struct Rig {
    registry: Registry,
    written: Vec<Record>,
}

const USER_1: &str = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"long"}]}"#;
/// A reader of this reads what was written with the first.
const USER_2: &str = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"mail","type":"string","default":""}]}"#;
/// A reader of this lacks a field.
const USER_BAD: &str =
    r#"{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"mail","type":"string"}]}"#;

fn avro(text: &str) -> Schema {
    Schema { text: text.into(), ..Schema::default() }
}

fn subject(name: &str) -> Subject {
    Subject::parse(name)
}

impl Rig {
    fn write(&mut self, records: Vec<Record>) {
        for record in records {
            self.registry.apply(&record);
            self.written.push(record);
        }
    }

    fn register(&mut self, name: &str, request: Register) -> Result<Registered, Error> {
        let registered = self.registry.register(&subject(name), &request)?;
        self.write(registered.records.clone());
        Ok(registered)
    }

    fn put(&mut self, name: &str, text: &str) -> (i32, i32) {
        let version = self.register(name, Register { schema: avro(text), ..Register::default() }).unwrap().version;
        (version.id, version.version)
    }

    fn refused(&mut self, name: &str, text: &str) -> Error {
        self.register(name, Register { schema: avro(text), ..Register::default() }).unwrap_err()
    }

    fn configure(&mut self, name: Option<&str>, changes: Value) -> Result<(), Error> {
        let Value::Object(changes) = changes else { panic!("{changes}") };
        let (records, _) = self.registry.set_config(name.map(subject).as_ref(), changes)?;
        self.write(records);
        Ok(())
    }

    fn set_mode(&mut self, name: Option<&str>, mode: Mode) -> Result<(), Error> {
        let records = self.registry.set_mode(name.map(subject).as_ref(), mode, false)?;
        self.write(records);
        Ok(())
    }

    fn delete(&mut self, name: &str, for_good: bool) -> Result<Vec<i32>, Error> {
        let (records, numbers) = self.registry.delete_subject(&subject(name), for_good)?;
        self.write(records);
        Ok(numbers)
    }

    fn delete_version(&mut self, name: &str, number: i32, for_good: bool) -> Result<i32, Error> {
        let version = VersionId::Number(number);
        let (records, number) = self.registry.delete_version(&subject(name), version, for_good)?;
        self.write(records);
        Ok(number)
    }

    fn names(&self, filter: &str, deleted: Deleted) -> Vec<String> {
        let filter = SubjectFilter::prefix_in(&Context::default_context(), filter);
        self.registry.subjects(&filter, deleted).iter().map(Subject::qualified).collect()
    }

    /// What a start makes of the records, of which compaction keeps the last of each key.
    fn restarted(&self) -> Registry {
        let mut last: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
        for record in &self.written {
            let (key, value) = record.encode();
            last.retain(|(other, _)| *other != key);
            last.push((key, value));
        }
        let mut registry = Registry::default();
        for (key, value) in last.iter().filter(|(_, value)| value.is_some()) {
            registry.apply(&Record::decode(key, value.as_deref()).unwrap());
        }
        registry
    }
}

#[test]
fn the_same_schema_has_the_same_id_everywhere_and_one_version_a_subject() {
    let mut rig = Rig::default();
    assert_eq!(rig.put("a", USER_1), (1, 1));
    assert_eq!(rig.put("a", USER_1), (1, 1), "it is there already");
    assert_eq!(rig.put("b", USER_1), (1, 1));
    assert_eq!(rig.put("a", USER_2), (2, 2));
    assert_eq!(rig.put("b", USER_2), (2, 2));
    assert_eq!(rig.put("c", r#"{"type":"int"}"#), (3, 1));
    assert_eq!(rig.names("", Deleted::No), ["a", "b", "c"]);
    let places: Vec<_> =
        rig.registry.places(&Context::default_context(), 1).map(|(at, number)| (at.qualified(), number)).collect();
    assert_eq!(places, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
}

#[test]
fn contexts_count_ids_by_themselves() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    assert_eq!(rig.put(":.m:a", USER_2), (1, 1));
    assert_eq!(rig.registry.contexts().iter().map(ToString::to_string).collect::<Vec<_>>(), [".", ".m"]);
    assert_eq!(rig.names(":*:", Deleted::No), [":.m:a", "a"].map(str::to_owned).into_iter().rev().collect::<Vec<_>>());
    assert_eq!(rig.names("", Deleted::No), ["a"]);
    let found = rig.registry.by_id(1, &Subject::of_context(Context::named("m"))).unwrap();
    assert_eq!(&*found.1.schema.text, USER_2);
    let guid = avro(USER_2).guid();
    assert_eq!(rig.registry.ids_of_guid(guid), [(Context::named("m"), 1)]);
    let error = rig.registry.delete_context(&Context::named("m")).unwrap_err();
    assert_eq!(error.code(), 42211);
    rig.delete(":.m:a", false).unwrap();
    rig.delete(":.m:a", true).unwrap();
    let records = rig.registry.delete_context(&Context::named("m")).unwrap();
    rig.write(records);
    assert_eq!(rig.registry.contexts().len(), 1);
}

#[test]
fn an_incompatible_schema_is_refused_unless_the_level_lets_it_pass() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    let error = rig.refused("a", USER_BAD);
    assert_eq!(error.code(), 409);
    assert!(error.to_string().contains("compatibility: 'BACKWARD'"), "{error}");
    rig.configure(Some("a"), json!({ "compatibility": "none" })).unwrap();
    assert_eq!(rig.put("a", USER_BAD), (2, 2));
    assert_eq!(rig.configure(Some("a"), json!({ "compatibility": "sideward" })), Err(Error::InvalidCompatibility));
    rig.configure(Some("a"), json!({ "compatibility": null })).unwrap();
    let scope = rig.registry.config_in_scope(Some(&subject("a")));
    assert_eq!(scope.compatibility(), Compatibility::Backward);
}

#[test]
fn a_check_answers_for_one_version_and_for_what_the_setting_names() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    let check = |registry: &Registry, name: &str, text: &str, against| {
        registry.check(&subject(name), &avro(text), against, false).map(|checked| checked.is_compatible())
    };
    assert_eq!(check(&rig.registry, "a", USER_2, Against::Subject), Ok(true));
    assert_eq!(check(&rig.registry, "a", USER_BAD, Against::Subject), Ok(false));
    assert_eq!(check(&rig.registry, "a", USER_BAD, Against::Version(VersionId::Latest)), Ok(false));
    assert_eq!(check(&rig.registry, "none", USER_BAD, Against::Subject), Ok(true));
    let missing = check(&rig.registry, "a", USER_2, Against::Version(VersionId::Number(7))).unwrap_err();
    assert_eq!(missing, Error::VersionNotFound(7));
    let missing = check(&rig.registry, "none", USER_2, Against::Version(VersionId::Number(1))).unwrap_err();
    assert_eq!(missing.code(), 40401);
}

#[test]
fn deletion_is_soft_first_and_for_good_then() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    rig.put("a", USER_2);
    assert_eq!(rig.delete_version("a", 1, true).unwrap_err().code(), 40407);
    assert_eq!(rig.delete_version("a", 1, false), Ok(1));
    assert_eq!(rig.delete_version("a", 1, false).unwrap_err().code(), 40406);
    assert_eq!(rig.delete_version("a", 9, false).unwrap_err().code(), 40402);
    let all = |registry: &Registry, deleted| {
        registry.versions(&subject("a"), deleted).map(|version| version.version).collect::<Vec<_>>()
    };
    assert_eq!(all(&rig.registry, Deleted::No), [2]);
    assert_eq!(all(&rig.registry, Deleted::Too), [1, 2]);
    assert!(rig.registry.by_id(1, &Subject::parse("")).is_some(), "consumers still read what was written with it");
    assert_eq!(rig.delete("a", true).unwrap_err().code(), 40405);
    assert_eq!(rig.delete("a", false), Ok(vec![2]));
    assert_eq!(rig.delete("a", false).unwrap_err().code(), 40404);
    assert_eq!((rig.names("", Deleted::No).len(), rig.names("", Deleted::Only).len()), (0, 1));
    assert_eq!(rig.delete("a", true), Ok(vec![1, 2]));
    assert_eq!(rig.delete("a", true).unwrap_err().code(), 40401);
    assert!(rig.registry.by_id(1, &Subject::parse("")).is_none());
}

#[test]
fn an_id_is_never_given_twice_also_once_its_record_is_compacted_away() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    rig.put("b", r#""int""#);
    rig.delete("b", false).unwrap();
    rig.delete("b", true).unwrap();
    let mut after = Rig { registry: rig.restarted(), written: Vec::new() };
    assert_eq!(after.put("c", r#""long""#), (3, 1));
}

#[test]
fn a_schema_that_was_deleted_softly_comes_back_as_a_new_version_with_its_id() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    rig.put("a", USER_2);
    rig.delete("a", false).unwrap();
    assert_eq!(rig.put("a", USER_1), (1, 3));
    let all: Vec<i32> = rig.registry.versions(&subject("a"), Deleted::Too).map(|version| version.version).collect();
    assert_eq!(all, [2, 3], "the first is gone for good");
}

#[test]
fn a_restart_makes_the_same_of_the_records() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    rig.put("a", USER_2);
    rig.put(":.m:b", USER_1);
    rig.configure(None, json!({ "compatibility": "FULL" })).unwrap();
    rig.configure(Some("a"), json!({ "compatibility": "FORWARD", "normalize": true })).unwrap();
    rig.set_mode(Some(":.m:"), Mode::Readonly).unwrap();
    rig.delete_version("a", 1, false).unwrap();
    let after = rig.restarted();
    for name in ["a", ":.m:b"] {
        let all = |registry: &Registry| registry.versions(&subject(name), Deleted::Too).cloned().collect::<Vec<_>>();
        assert_eq!(all(&after), all(&rig.registry), "{name}");
    }
    assert_eq!(after.config_in_scope(Some(&subject("a"))), rig.registry.config_in_scope(Some(&subject("a"))));
    assert_eq!(after.config_in_scope(Some(&subject("z"))).compatibility(), Compatibility::Full);
    assert_eq!(after.mode_in_scope(Some(&subject(":.m:b"))), Mode::Readonly);
}

#[test]
fn references_are_found_and_hold_what_they_refer_to() {
    let mut rig = Rig::default();
    rig.put("id", r#"{"type":"record","name":"Id","fields":[{"name":"n","type":"long"}]}"#);
    let text = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"Id"}]}"#;
    let reference = |version| Reference { name: "Id".into(), subject: "id".into(), version };
    let schema = Schema { references: vec![reference(-1)], ..avro(text) };
    let request = Register { schema, ..Register::default() };
    let registered = rig.register("user", request).unwrap().version;
    assert_eq!(registered.schema.references, [reference(1)], "the latest is one version from now on");
    assert_eq!(rig.registry.referenced_by(&subject("id"), 1), [2]);
    assert_eq!(rig.delete_version("id", 1, false).unwrap_err().code(), 42206);
    assert_eq!(rig.delete("id", false).unwrap_err().code(), 42206);
    rig.delete("user", false).unwrap();
    assert_eq!(rig.delete("id", false), Ok(vec![1]));
    let missing = Schema { references: vec![reference(7)], ..avro(text) };
    let error = rig.register("other", Register { schema: missing, ..Register::default() }).unwrap_err();
    assert_eq!(error.code(), 42201);
}

#[test]
fn a_copy_of_another_registry_brings_its_ids() {
    let mut rig = Rig::default();
    let with_id =
        |id, version, text: &str| Register { schema: avro(text), id: Some(id), version, ..Register::default() };
    assert_eq!(rig.register("a", with_id(40, 3, USER_1)).unwrap_err().code(), 42205);
    rig.set_mode(Some("a"), Mode::Import).unwrap();
    assert_eq!(rig.register("a", with_id(40, 3, USER_1)).unwrap().version.id, 40);
    assert_eq!(rig.register("a", with_id(41, 1, USER_BAD)).unwrap().version.version, 1, "in any order");
    assert_eq!(rig.register("a", with_id(40, 5, USER_2)).unwrap_err().code(), 42205, "an id stays what it is");
    assert_eq!(rig.refused("a", USER_2).code(), 42205);
    rig.set_mode(Some("a"), Mode::Readwrite).unwrap();
    assert_eq!(rig.put("a", USER_2), (42, 4));
    assert_eq!(rig.set_mode(Some("a"), Mode::Import).unwrap_err().code(), 42205, "there are schemas already");
    rig.set_mode(None, Mode::Readonly).unwrap();
    assert_eq!(rig.refused("b", USER_1).code(), 42205);
    assert_eq!(rig.delete("a", false).unwrap().len(), 3, "its own mode is the nearer");
}

#[test]
fn a_version_can_be_asked_for_and_is_refused_where_another_was_faster() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    let next = |version, text: &str| Register { schema: avro(text), version, ..Register::default() };
    assert_eq!(rig.register("a", next(3, USER_2)).unwrap_err().code(), 42201);
    let registered = rig.register("a", next(2, USER_2)).unwrap().version;
    assert_eq!(registered.version, 2);
    let metadata = registered.schema.metadata.as_ref().unwrap();
    assert_eq!(metadata.confluent_version(), Some("2"));
    let found = rig.registry.lookup(&subject("a"), &avro(USER_2), false, Deleted::No).unwrap().unwrap();
    assert_eq!(found.version, 2, "it is found without the version in its metadata");
}

#[test]
fn metadata_and_rules_come_from_defaults_the_previous_version_and_overrides() {
    let mut rig = Rig::default();
    let properties = |value: Value| json!({ "properties": value });
    rig.configure(
        Some("a"),
        json!({ "defaultMetadata": properties(json!({ "team": "x", "tier": "1" })),
            "overrideMetadata": properties(json!({ "tier": "2" })) }),
    )
    .unwrap();
    let metadata: Metadata = serde_json::from_value(properties(json!({ "owner": "me" }))).unwrap();
    let schema = Schema { metadata: Some(metadata), ..avro(USER_1) };
    let first = rig.register("a", Register { schema, ..Register::default() }).unwrap();
    assert!(first.is_completed);
    let has = |registered: &Registered, name: &str| {
        registered.version.schema.metadata.as_ref().and_then(|metadata| metadata.properties.get(name).cloned())
    };
    let of = |registered: &Registered| ["team", "tier", "owner"].map(|name| has(registered, name).unwrap_or_default());
    assert_eq!(of(&first), ["x", "2", "me"]);
    let second = rig.register("a", Register { schema: avro(USER_2), ..Register::default() }).unwrap();
    assert_eq!(of(&second), ["x", "2", "me"], "the previous version's");
    let wanted = [("owner".to_owned(), "me".to_owned())];
    assert_eq!(rig.registry.latest_with(&subject("a"), &wanted, Deleted::No).unwrap().version, 2);
    let error = rig.configure(Some("a"), json!({ "defaultMetadata": { "colour": 1 } })).unwrap_err();
    assert_eq!(error.code(), 42210);
    assert_eq!(rig.configure(Some("a"), json!({ "colour": 1 })).unwrap_err().code(), 42201);
    rig.configure(Some("a"), json!({ "aliasForDeks": false })).unwrap();
}

#[test]
fn groups_are_compared_among_themselves() {
    let mut rig = Rig::default();
    rig.configure(Some("a"), json!({ "compatibilityGroup": "major" })).unwrap();
    let of_major = |text: &str, major: &str| {
        let metadata = serde_json::from_value(json!({ "properties": { "major": major } })).unwrap();
        Register { schema: Schema { metadata: Some(metadata), ..avro(text) }, ..Register::default() }
    };
    rig.register("a", of_major(USER_1, "1")).unwrap();
    assert_eq!(rig.register("a", of_major(USER_BAD, "1")).unwrap_err().code(), 409);
    rig.register("a", of_major(USER_BAD, "2")).unwrap();
    rig.register("a", of_major(USER_2, "1")).unwrap();
}

#[test]
fn an_alias_is_another_name() {
    let mut rig = Rig::default();
    rig.put("orders-v2-value", USER_1);
    rig.configure(Some("orders"), json!({ "alias": "orders-v2-value" })).unwrap();
    assert_eq!(rig.registry.resolve_alias(&subject("orders")), subject("orders-v2-value"));
    assert_eq!(rig.registry.resolve_alias(&subject("none")), subject("none"));
    assert_eq!(rig.registry.aliases_of(&subject("orders-v2-value")), [subject("orders")]);
}

#[test]
fn what_is_no_schema_and_no_subject_is_refused() {
    let mut rig = Rig::default();
    assert_eq!(rig.refused("a", "{").code(), 42201);
    assert_eq!(rig.refused("a", "").code(), 42201);
    assert_eq!(rig.refused("", USER_1).code(), 42208);
    assert_eq!(rig.refused("a", &format!("\"{}\"", "x".repeat(2 << 20))).code(), 42209);
    let other = Schema { schema_type: SchemaType::Json, ..avro(r#"{"type":"string"}"#) };
    rig.put("a", USER_1);
    let error = rig.register("a", Register { schema: other, ..Register::default() }).unwrap_err();
    assert!(error.to_string().contains("different schema type"), "{error}");
    for text in ["0", "-2", "x", "", "1.5"] {
        assert_eq!(VersionId::parse(text).unwrap_err().code(), 42202, "{text:?}");
    }
}

#[test]
fn a_subject_that_is_deleted_loses_its_settings() {
    let mut rig = Rig::default();
    rig.put("a", USER_1);
    rig.configure(Some("a"), json!({ "compatibility": "NONE" })).unwrap();
    rig.set_mode(Some("a"), Mode::Readwrite).unwrap();
    rig.delete("a", false).unwrap();
    assert_eq!((rig.registry.config(Some(&subject("a"))), rig.registry.mode(Some(&subject("a")))), (None, None));
    let error = rig.registry.delete_config(Some(&subject("a"))).unwrap_err();
    assert_eq!(error.code(), 40401);
    assert_eq!(rig.registry.set_config(None, Map::new()).unwrap().0.len(), 1);
}
