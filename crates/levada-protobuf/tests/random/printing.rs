//! What is printed means what was written, and is printed the same way again.

use crate::{
    data::compiler,
    draw::Draw,
    model::{FileModel, IMPORT, parse},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use levada_protobuf::{Reference, differences};
use prost_reflect::{
    prost::Message,
    prost_types::{DescriptorProto, FileDescriptorProto},
};
use std::collections::HashMap;

const SCHEMAS: u64 = 1_000;

#[test]
fn the_printed_text_means_what_was_written() {
    for seed in 0..SCHEMAS {
        let file = FileModel::draw(&Draw::new(seed));
        let texts = file.texts(&Draw::new(seed));
        let schema = parse(&texts);
        let written = sorted(descriptor(&texts.0, &texts.1));
        let printed = sorted(descriptor(schema.canonical(), &texts.1));
        assert_eq!(written, printed, "seed {seed}\n{}\n---\n{}", texts.0, schema.canonical());
        let serialized = STANDARD.decode(schema.serialized()).unwrap();
        let mut serialized = FileDescriptorProto::decode(serialized.as_slice()).unwrap();
        serialized.name = Some("root.proto".to_owned());
        assert_eq!(written, sorted(serialized), "seed {seed}");
    }
}

#[test]
fn the_printed_text_is_printed_as_itself_however_it_was_written() {
    for seed in 0..SCHEMAS {
        let file = FileModel::draw(&Draw::new(seed));
        let schemas = [1, 2].map(|style| parse(&file.texts(&Draw::new(seed + style))));
        assert_eq!(schemas[0].canonical(), schemas[1].canonical(), "seed {seed}");
        let import = file.texts(&Draw::new(seed)).1;
        let again = parse(&(schemas[0].canonical().to_owned(), import.clone()));
        assert_eq!(schemas[0].canonical(), again.canonical(), "seed {seed}");
        let normalized = parse(&(schemas[0].normalized(), import));
        assert_eq!(schemas[0].normalized(), normalized.normalized(), "seed {seed}");
        assert_eq!(differences(&normalized, &schemas[0]), [], "seed {seed}");
    }
}

#[test]
fn a_descriptor_is_read_as_its_text_would_be() {
    for seed in 0..SCHEMAS {
        let file = FileModel::draw(&Draw::new(seed));
        let texts = file.texts(&Draw::new(seed));
        let schema = parse(&texts);
        let references = [Reference { name: IMPORT, text: &texts.1 }];
        let from_descriptor = levada_protobuf::parse(&schema.serialized(), &references);
        let from_descriptor = from_descriptor.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", texts.0));
        assert_eq!(differences(&from_descriptor, &schema), [], "seed {seed}");
        assert_eq!(from_descriptor.serialized(), schema.serialized(), "seed {seed}\n{}", from_descriptor.canonical());
        let again = levada_protobuf::parse(from_descriptor.canonical(), &references).unwrap();
        assert_eq!(again.canonical(), from_descriptor.canonical(), "seed {seed}");
        assert_eq!(from_descriptor.normalized(), schema.normalized(), "seed {seed}");
    }
}

/// The descriptor of a text, straight from the compiler.
fn descriptor(text: &str, import: &str) -> FileDescriptorProto {
    let set = compiler(text, import).file_descriptor_set();
    set.file.into_iter().find(|file| file.name() == "root.proto").unwrap()
}

/// In an order that does not depend on where within a message something was written.
fn sorted(mut file: FileDescriptorProto) -> FileDescriptorProto {
    file.source_code_info = None;
    file.message_type.iter_mut().for_each(sort);
    file
}

fn sort(message: &mut DescriptorProto) {
    message.nested_type.iter_mut().for_each(sort);
    message.nested_type.sort_by(|left, right| left.name().cmp(right.name()));
    message.field.sort_by_key(|field| field.number);
    let before: Vec<String> = message.oneof_decl.iter().map(|oneof| oneof.name().to_owned()).collect();
    message.oneof_decl.sort_by(|left, right| left.name().cmp(right.name()));
    let places = message.oneof_decl.iter().enumerate();
    let places: HashMap<String, i32> =
        places.map(|(place, oneof)| (oneof.name().to_owned(), i32::try_from(place).unwrap())).collect();
    for field in &mut message.field {
        field.oneof_index = field.oneof_index.map(|index| places[&before[usize::try_from(index).unwrap()]]);
    }
}
