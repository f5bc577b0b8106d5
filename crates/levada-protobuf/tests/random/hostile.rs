//! Whatever a stranger sends costs an error at most, and no long time.

use crate::{
    draw::Draw,
    model::{FileModel, IMPORT, parse},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use levada_protobuf::{Reference, differences};
use std::time::{Duration, Instant};

const MUTATIONS: u64 = 6_000;
/// Far more than any of it takes on a busy machine, far less than what has no end.
const LONG: Duration = Duration::from_secs(60);

#[allow(clippy::disallowed_methods, reason = "the harness of a test")]
fn in_no_long_time<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    assert!(start.elapsed() < LONG, "it took {:?}", start.elapsed());
    done
}

/// Cuts, doubles, swaps or overwrites a part.
fn mutilate(bytes: &mut Vec<u8>, draw: &Draw) {
    if bytes.is_empty() {
        return;
    }
    let from = draw.below(bytes.len());
    let to = (from + 1 + draw.below(20)).min(bytes.len());
    match draw.below(5) {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(from..to)),
        2 => {
            let part = bytes[from..to].to_vec();
            bytes.splice(from..from, part);
        }
        3 => bytes[from] = *draw.of(b"{}[]<>()\"'\\;=.,/*0-9x \n\0\xff"),
        _ => bytes[from] = u8::try_from(draw.below(256)).unwrap(),
    }
}

#[test]
fn mutilated_text_is_read_or_refused() {
    let (mut read, mut refused) = (0, 0);
    for seed in 0..MUTATIONS {
        let draw = Draw::new(seed);
        let (text, import) = FileModel::draw(&draw).texts(&draw);
        let mut bytes = text.into_bytes();
        for _ in 0..=draw.below(3) {
            mutilate(&mut bytes, &draw);
        }
        let text = String::from_utf8_lossy(&bytes);
        match in_no_long_time(|| levada_protobuf::parse(&text, &[Reference { name: IMPORT, text: &import }])) {
            Ok(schema) => {
                read += 1;
                let again = parse(&(schema.canonical().to_owned(), import.clone()));
                assert_eq!(again.canonical(), schema.canonical(), "seed {seed}");
                assert_eq!(differences(&again, &schema), [], "seed {seed}");
                let normalized = parse(&(schema.normalized(), import.clone()));
                assert_eq!(normalized.normalized(), schema.normalized(), "seed {seed}");
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(read > 100 && refused > 1_000, "{read} read, {refused} refused");
}

#[test]
fn mutilated_descriptors_are_read_or_refused() {
    let (mut read, mut refused) = (0, 0);
    for seed in 0..MUTATIONS {
        let draw = Draw::new(seed);
        let texts = FileModel::draw(&draw).texts(&draw);
        let mut bytes = STANDARD.decode(parse(&texts).serialized()).unwrap();
        mutilate(&mut bytes, &draw);
        let references = [Reference { name: IMPORT, text: &texts.1 }];
        match in_no_long_time(|| levada_protobuf::parse(&STANDARD.encode(&bytes), &references)) {
            Ok(schema) => {
                read += 1;
                let again = levada_protobuf::parse(schema.canonical(), &references).unwrap();
                assert_eq!(again.canonical(), schema.canonical(), "seed {seed}");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(read > 100 && refused > 1_000, "{read} read, {refused} refused");
}

#[test]
fn imports_that_pass_on_imports_are_read_in_no_long_time() {
    // Two files a step, each of which passes on both of the next: 2^32 ways lead to the last. All are imported.
    let steps = 32;
    let name = |step: usize, side: usize| format!("f{step}_{side}.proto");
    let mut files = Vec::new();
    for step in (0..steps).rev() {
        for side in 0..2 {
            let mut text = String::from("syntax = \"proto3\";");
            if step + 1 < steps {
                for next in 0..2 {
                    text.push_str(&format!("import public \"{}\";", name(step + 1, next)));
                }
            }
            text.push_str(&format!("message F{step}_{side} {{}}"));
            files.push((name(step, side), text));
        }
    }
    let references: Vec<Reference<'_>> = files.iter().map(|(name, text)| Reference { name, text }).collect();
    let all: String = files.iter().map(|(name, _)| format!("import \"{name}\";")).collect();
    for imports in [all, format!("import \"{}\";", name(0, 0))] {
        let text = format!("syntax = \"proto3\"; {imports} message M {{ F{}_1 a = 1; }}", steps - 1);
        let schema = in_no_long_time(|| levada_protobuf::parse(&text, &references)).unwrap();
        assert!(schema.normalized().contains(".F31_1 a = 1;"));
        let again = levada_protobuf::parse(&schema.serialized(), &references).unwrap();
        assert_eq!(again.normalized(), schema.normalized());
    }
}

#[test]
fn types_that_refer_to_each_other_in_every_way_are_compared_in_no_long_time() {
    let count = 60;
    let file = |kind: &str| {
        let mut text = String::from("syntax = \"proto3\"; package shared;");
        for message in 0..count {
            text.push_str(&format!("message I{message} {{ {kind} last = 1000;"));
            (0..count).for_each(|other| text.push_str(&format!("I{other} f{other} = {};", other + 1)));
            text.push('}');
        }
        text
    };
    let root = format!("syntax = \"proto3\"; import \"{IMPORT}\"; message M {{ shared.I0 a = 1; }}");
    let (old, new) = (parse(&(root.clone(), file("int32"))), parse(&(root, file("string"))));
    assert_eq!(levada_protobuf::incompatibilities(&old, &old), []);
    let found = in_no_long_time(|| levada_protobuf::incompatibilities(&new, &old));
    assert_eq!(found.len(), count + count * count + 1);
}

#[test]
fn maps_written_as_messages_are_read_in_no_long_time_however_many() {
    let count = 3_000;
    let mut text = String::from("syntax = \"proto3\"; message M {");
    for index in 0..count {
        let name = count - index;
        text.push_str(&format!("message E{index} {{ option map_entry = true; string key = 1; int32 value = 2; }}"));
        text.push_str(&format!("repeated E{} f{name} = {};", name - 1, index + 1));
    }
    text.push('}');
    let schema = in_no_long_time(|| levada_protobuf::parse(&text, &[])).unwrap();
    assert_eq!(schema.normalized().matches("  map<string, int32> f").count(), count);
}

#[test]
fn as_much_as_the_limits_allow_is_read_in_no_long_time() {
    let files: Vec<(String, String)> = (0..100)
        .map(|file| {
            let before: String = (0..file).map(|before| format!("import \"f{before}.proto\";")).collect();
            let fields: String = (1..1_400).map(|number| format!("M{} f{number} = {number};", file)).collect();
            let text = format!("syntax = \"proto3\"; package p{file}; {before} message M{file} {{ {fields} }}");
            (format!("f{file}.proto"), text)
        })
        .collect();
    let references: Vec<Reference<'_>> = files.iter().map(|(name, text)| Reference { name, text }).collect();
    let text = "syntax = \"proto3\"; import \"f99.proto\"; message M { p99.M99 a = 1; }";
    let schema = in_no_long_time(|| levada_protobuf::parse(text, &references)).unwrap();
    assert_eq!(differences(&schema, &schema), []);
}
