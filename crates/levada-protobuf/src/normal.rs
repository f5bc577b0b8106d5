//! Rearranges a file so that schemas with equal meaning get equal text: imports, options, fields, values and what is
//! reserved are sorted, types have their full names, maps are written as maps.
//!
//! Messages, enums and services keep their order: producers count messages. Groups stay as they were written. The first
//! value of an enum stays first where it is not the smallest, for it is the default, and proto3 wants it to be 0.
//!
//! Source: `ProtobufSchemaUtils.toNormalizedString` of Confluent's registry.

use crate::ast::{
    Enum, Extend, Field, FieldType, File, MapEntry, Message, MethodType, Oneof, OptionElement, OptionValue, Reserved,
    Service, Syntax, Type, full_name,
};
use std::collections::{BTreeMap, HashSet};

/// The names of the scalar types.
const SCALARS: [&str; 15] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
    "sfixed64", "bool", "string", "bytes",
];

/// Rearranges `file`; `is_type` knows the full names of all messages and enums, `is_extension` those of all extensions.
pub(crate) fn normalize(file: &File, is_type: &dyn Fn(&str) -> bool, is_extension: &dyn Fn(&str) -> bool) -> File {
    let mut file = file.clone();
    // What is not said is proto2.
    file.syntax = file.syntax.filter(|syntax| *syntax != Syntax::Proto2);
    for imports in [&mut file.imports, &mut file.public_imports, &mut file.weak_imports] {
        imports.sort();
        imports.dedup();
    }
    let scope = file.package.clone().unwrap_or_default();
    let normalizer = Normalizer { is_type, is_extension };
    normalizer.options(&mut file.options, &scope);
    normalizer.types(&mut file.types, &scope);
    normalizer.extends(&mut file.extends, &scope);
    file.services.iter_mut().for_each(|service| normalizer.service(service, &scope));
    file
}

struct Normalizer<'a> {
    is_type: &'a dyn Fn(&str) -> bool,
    is_extension: &'a dyn Fn(&str) -> bool,
}

impl Normalizer<'_> {
    fn types(&self, types: &mut [Type], scope: &str) {
        for declared in types {
            match declared {
                Type::Message(message) => self.message(message, scope),
                Type::Enum(declared) => self.enumeration(declared, scope),
            }
        }
    }

    fn message(&self, message: &mut Message, scope: &str) {
        let scope = full_name(scope, &message.name);
        write_maps(message, &scope);
        sort_reserved(&mut message.reserved);
        self.options(&mut message.options, &scope);
        self.fields(&mut message.fields, &scope);
        message.oneofs.iter_mut().for_each(|oneof| self.oneof(oneof, &scope));
        message.oneofs.sort_by_key(|oneof| oneof.fields.first().map_or(i32::MAX, |field| field.number));
        self.extends(&mut message.extends, &scope);
        self.types(&mut message.types, &scope);
    }

    /// One block for each message that is extended, by its name.
    fn extends(&self, extends: &mut Vec<Extend>, scope: &str) {
        let mut blocks: BTreeMap<String, Extend> = BTreeMap::new();
        for extend in extends.drain(..) {
            let name = self.resolve(&extend.name, scope);
            let empty = Extend { name: name.clone(), fields: Vec::new(), groups: Vec::new() };
            let block = blocks.entry(name).or_insert(empty);
            block.fields.extend(extend.fields);
            block.groups.extend(extend.groups);
        }
        extends.extend(blocks.into_values());
        extends.iter_mut().for_each(|extend| self.fields(&mut extend.fields, scope));
    }

    fn oneof(&self, oneof: &mut Oneof, scope: &str) {
        self.options(&mut oneof.options, scope);
        self.fields(&mut oneof.fields, scope);
    }

    fn fields(&self, fields: &mut [Field], scope: &str) {
        fields.sort_by_key(|field| field.number);
        for field in fields {
            self.options(&mut field.options, scope);
            let (FieldType::Named(name) | FieldType::Map { value: name, .. }) = &mut field.kind;
            *name = self.resolve(name, scope);
        }
    }

    fn service(&self, service: &mut Service, scope: &str) {
        self.options(&mut service.options, scope);
        for method in &mut service.methods {
            self.options(&mut method.options, scope);
            for MethodType { name, .. } in [&mut method.request, &mut method.response] {
                *name = self.resolve(name, scope);
            }
        }
    }

    fn enumeration(&self, declared: &mut Enum, scope: &str) {
        sort_reserved(&mut declared.reserved);
        self.options(&mut declared.options, scope);
        declared.values.iter_mut().for_each(|value| self.options(&mut value.options, scope));
        let smallest = declared.values.iter().map(|value| value.number).min();
        let is_first_smallest = declared.values.first().map(|value| value.number) == smallest;
        let movable = declared.values.get_mut(usize::from(!is_first_smallest)..).unwrap_or_default();
        movable.sort_by(|left, right| (left.number, &left.name).cmp(&(right.number, &right.name)));
    }

    /// By name; of a name in parentheses, what is within, spelled out.
    fn options(&self, options: &mut [OptionElement], scope: &str) {
        for option in &mut *options {
            if let Some((extension, rest)) = option.name.strip_prefix('(').and_then(|name| name.split_once(')')) {
                let full = lookup(extension, scope, self.is_extension);
                option.name = format!("({}){rest}", full.as_deref().unwrap_or(extension));
            }
            sort_value(&mut option.value);
        }
        options.sort_by(|left, right| sort_key(&left.name).cmp(sort_key(&right.name)));
    }

    /// The full name, with a dot in front, of the type that `name` means within `scope`.
    fn resolve(&self, name: &str, scope: &str) -> String {
        if SCALARS.contains(&name) {
            return name.to_owned();
        }
        lookup(name, scope, self.is_type).map_or_else(|| name.to_owned(), |full| format!(".{full}"))
    }
}

/// The full name of what `name` means within `scope`: what is nearest counts.
fn lookup(name: &str, scope: &str, is_there: &dyn Fn(&str) -> bool) -> Option<String> {
    if let Some(full) = name.strip_prefix('.') {
        return Some(full.to_owned());
    }
    let mut around = Some(scope);
    while let Some(scope) = around {
        let candidate = full_name(scope, name);
        if is_there(&candidate) {
            return Some(candidate);
        }
        around = match scope.rsplit_once('.') {
            Some((outer, _)) => Some(outer),
            None => (!scope.is_empty()).then_some(""),
        };
    }
    None
}

/// Writes `map<…>` for what clients print as messages of their own.
fn write_maps(message: &mut Message, scope: &str) {
    let maps = message.maps(scope);
    let entries: HashSet<usize> = maps.iter().flatten().map(|map| map.place).collect();
    if entries.is_empty() {
        return;
    }
    let written =
        |(field, map): (&Field, Option<MapEntry<'_>>)| map.map_or_else(|| field.clone(), |map| map.written(field));
    message.fields = message.fields.iter().zip(maps).map(written).collect();
    let mut place = 0;
    message.types.retain(|declared| {
        let is_message = matches!(declared, Type::Message(_));
        let is_entry = is_message && entries.contains(&place);
        place += usize::from(is_message);
        !is_entry
    });
}

/// One statement each, by their first number; names come last.
fn sort_reserved(statements: &mut Vec<Vec<Reserved>>) {
    let mut values: Vec<Reserved> = statements.drain(..).flatten().collect();
    values.sort_by_cached_key(|value| match value {
        Reserved::Number(number) => (*number, number.to_string().into_bytes()),
        Reserved::Range(from, to) => (*from, format!("{from}..{to}").into_bytes()),
        Reserved::Name(name) => (i32::MAX, name.clone()),
    });
    statements.extend(values.into_iter().map(|value| vec![value]));
}

fn sort_key(name: &str) -> &str {
    match name.strip_prefix('(') {
        Some(rest) => rest.split(')').next().unwrap_or(rest),
        None => name,
    }
}

fn sort_value(value: &mut OptionValue) {
    match value {
        OptionValue::Word(_) | OptionValue::Text(_) => {}
        OptionValue::Message(fields) => {
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            fields.iter_mut().for_each(|(_, value)| sort_value(value));
        }
        OptionValue::List(values) => values.iter_mut().for_each(sort_value),
    }
}
