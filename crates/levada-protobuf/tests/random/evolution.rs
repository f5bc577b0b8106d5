//! No pair of schemas that is called compatible has a message against it.
//!
//! A witness against a pair is a message, written with the one schema and read with the other, that does not decode,
//! lacks what is required, or has another value in a field that both know than the Protobuf documentation promises.

use crate::{
    data::{message, pool, witness},
    draw::Draw,
    edits::edit,
    model::{FileModel, parse},
};
use levada_protobuf::{DifferenceKind, Schema, differences, incompatibilities};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, prost::Message};
use std::collections::BTreeMap;

/// Histories of a schema; a longer run sets more.
const HISTORIES: u64 = 720;
/// Versions of a history. Each is judged against the one before and the one before that, as reader and as writer.
const VERSIONS: usize = 5;
const MESSAGES_A_TYPE: usize = 2;

#[derive(Debug, Default)]
struct Tally {
    compatible: usize,
    incompatible: usize,
    /// Messages that were read by a compatible schema that differs.
    read: usize,
    /// Pairs called incompatible that a message speaks against, by what they were called.
    witnessed: BTreeMap<DifferenceKind, usize>,
}

struct Side {
    schema: Schema,
    pool: DescriptorPool,
}

impl Side {
    fn new(file: &FileModel, style: &Draw) -> Self {
        Self { schema: parse(&file.texts(style)), pool: pool(file) }
    }
}

#[test]
fn no_message_speaks_against_a_pair_that_is_called_compatible() {
    let histories = std::env::var("HISTORIES").map_or(HISTORIES, |count| count.parse().unwrap());
    let mut tally = Tally::default();
    for seed in 0..histories {
        let draw = Draw::new(seed);
        let mut file = FileModel::draw(&draw);
        let mut versions = vec![Side::new(&file, &draw)];
        while versions.len() < VERSIONS {
            for _ in 0..=draw.below(3) {
                edit(&mut file, &draw);
            }
            let next = Side::new(&file, &draw);
            for earlier in versions.iter().rev().take(2) {
                judge(&next, earlier, &draw, &mut tally, seed);
                judge(earlier, &next, &draw, &mut tally, seed);
            }
            versions.push(next);
        }
    }
    println!("{tally:?}");
    let pairs = tally.compatible + tally.incompatible;
    assert!(pairs >= 10_000, "too few pairs: {tally:?}");
    assert!(tally.compatible * 5 > pairs && tally.incompatible * 5 > pairs, "the pairs are one-sided: {tally:?}");
    assert!(tally.read > pairs / 2, "too few messages were read: {tally:?}");
    for kind in [
        DifferenceKind::FieldKindChanged,
        DifferenceKind::FieldScalarKindChanged,
        DifferenceKind::FieldNumericLabelChanged,
        DifferenceKind::FieldNamedTypeChanged,
        DifferenceKind::RequiredFieldAdded,
        DifferenceKind::MultipleFieldsMovedToOneof,
        DifferenceKind::FieldMovedToExistingOneof,
    ] {
        assert!(tally.witnessed.contains_key(&kind), "no message speaks against {}: {tally:?}", kind.name());
    }
}

fn judge(reader: &Side, writer: &Side, draw: &Draw, tally: &mut Tally, seed: u64) {
    let found = incompatibilities(&reader.schema, &writer.schema);
    let is_changed = !differences(&reader.schema, &writer.schema).is_empty();
    if found.is_empty() {
        tally.compatible += 1;
    } else {
        tally.incompatible += 1;
    }
    let is_judged =
        |message: &MessageDescriptor| !message.is_map_entry() && message.parent_file().name() == "root.proto";
    for written_type in writer.pool.all_messages().filter(is_judged) {
        let Some(read_type) = reader.pool.get_message_by_name(written_type.full_name()) else {
            assert!(!found.is_empty(), "seed {seed}: {} is gone", written_type.full_name());
            continue;
        };
        for _ in 0..MESSAGES_A_TYPE {
            let spoken = speak(&read_type, &written_type, draw);
            match (spoken, found.as_slice()) {
                (None, []) => tally.read += usize::from(is_changed),
                (None, _) => {}
                (Some(wrong), []) => panic!(
                    "seed {seed}: {wrong}\n--- writer\n{}\n--- reader\n{}",
                    writer.schema.canonical(),
                    reader.schema.canonical()
                ),
                (Some(_), [only]) => *tally.witnessed.entry(only.kind).or_default() += 1,
                (Some(_), _) => {}
            }
        }
    }
}

/// What a random message says against the pair.
fn speak(reader: &MessageDescriptor, writer: &MessageDescriptor, draw: &Draw) -> Option<String> {
    let written = message(writer, reader, draw, 3);
    let bytes = written.encode_to_vec();
    match DynamicMessage::decode(reader.clone(), bytes.as_slice()) {
        Ok(read) => witness(&written, &read),
        Err(error) => Some(error.to_string()),
    }
}
