//! By data: where a reader is called compatible with a writer, no instance that is valid under the writer's schema is
//! invalid under the reader's, by a validator that is not ours. And ours agrees with it.
//!
//! `LEVADA_WITNESS_PAIRS` sets how many pairs are compared, `LEVADA_WITNESS_SEED` where they begin.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod generate;

use generate::{Generator, filled};
use levada_json_schema::{Policy, ValidateError, incompatibilities, parse};
use levada_model::{Rng, SeededRng};
use serde_json::{Value, json};

const PAIRS: u64 = 20_000;
const INSTANCES_PER_PAIR: usize = 8;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Somebody else's verdict.
fn oracle(schema: &Value) -> jsonschema::Validator {
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft7).should_validate_formats(false);
    let draft = schema.get("$schema").and_then(Value::as_str);
    let options = match draft {
        Some(uri) if uri.contains("draft-04") => options.with_draft(jsonschema::Draft::Draft4),
        Some(uri) if uri.contains("2019-09") => options.with_draft(jsonschema::Draft::Draft201909),
        Some(uri) if uri.contains("2020-12") => options.with_draft(jsonschema::Draft::Draft202012),
        _ => options,
    };
    options.build(schema).unwrap()
}

#[derive(Debug, Default)]
struct Counts {
    compared: u64,
    compatible: u64,
    too_complex: u64,
    instances: u64,
    written: u64,
    filled: u64,
}

fn compare_pair(generator: &Generator<'_>, counts: &mut Counts) {
    let writer = generator.schema();
    let reader = if generator.is_unrelated() { generator.schema() } else { generator.evolved(&writer) };
    let (writer_text, reader_text) = (writer.to_string(), reader.to_string());
    let (Ok(writing), Ok(reading)) = (parse(&writer_text, &[]), parse(&reader_text, &[])) else { return };
    counts.compared += 1;
    let Ok(found) = incompatibilities(&reading, &writing, Policy::Strict) else {
        counts.too_complex += 1;
        return;
    };
    if !found.is_empty() {
        return;
    }
    counts.compatible += 1;
    let (before, after) = (oracle(&writer), oracle(&reader));
    for _ in 0..INSTANCES_PER_PAIR {
        let instance = generator.varied(generator.instance(&writer));
        let text = instance.to_string();
        counts.instances += 1;
        for (schema, other) in [(&writing, &before), (&reading, &after)] {
            let ours = schema.validate(&text);
            assert!(!matches!(ours, Err(ValidateError::TooComplex)), "{}\n{text}", schema.canonical());
            assert_eq!(ours.is_ok(), other.is_valid(&instance), "{}\n{text}\n{ours:?}", schema.canonical());
        }
        if before.is_valid(&instance) {
            counts.written += 1;
            if !after.is_valid(&instance) {
                counts.filled += 1;
                let completed = filled(&reader, &instance);
                let is_read = after.is_valid(&completed);
                assert!(is_read, "writer: {writer_text}\nreader: {reader_text}\ninstance: {text}\nfilled: {completed}");
            }
        }
    }
}

#[test]
fn what_is_called_compatible_has_no_witness_against_it() {
    let (pairs, seed) = (setting("LEVADA_WITNESS_PAIRS", PAIRS), setting("LEVADA_WITNESS_SEED", 1));
    let mut counts = Counts::default();
    for pair in 0..pairs {
        let rng = SeededRng::new(seed.wrapping_mul(1_000_003).wrapping_add(pair));
        compare_pair(&Generator::new(&rng), &mut counts);
    }
    println!("{counts:?}");
    assert!(counts.compared > pairs / 2, "most pairs are schemas: {counts:?}");
    assert!(counts.compatible > pairs / 5, "many are compatible: {counts:?}");
    assert!(counts.written > counts.compatible, "many instances are valid: {counts:?}");
    assert!(counts.too_complex < 1 + pairs / 1_000, "{counts:?}");
}

#[test]
fn a_witness_would_be_found() {
    let rng = SeededRng::new(3);
    let generator = Generator::new(&rng);
    let (writer, reader) =
        (json!({"type": "integer", "maximum": 5}), oracle(&json!({"type": "integer", "maximum": 2})));
    let written = oracle(&writer);
    let found =
        (0..200).map(|_| generator.instance(&writer)).any(|one| written.is_valid(&one) && !reader.is_valid(&one));
    assert!(found && rng.next_u64() > 0);
}
