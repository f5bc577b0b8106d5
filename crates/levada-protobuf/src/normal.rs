//! Rearranges a file so that schemas with equal meaning get equal text: imports, options, fields, values and what is
//! reserved are sorted, types have their full names, maps are written as maps.
//!
//! Messages, enums and services keep their order: producers count messages. Groups and extensions stay as they were
//! written. The first value of an enum stays first, for it is the default, and proto3 wants it to be 0.
//!
//! Source: `ProtobufSchemaUtils.toNormalizedString` of Confluent's registry.

use crate::ast::{
    Enum, Field, FieldType, File, MapEntry, Message, MethodType, Oneof, OptionElement, OptionValue, Reserved, Service,
    Type, full_name,
};
use std::collections::HashSet;

/// The names of the scalar types.
const SCALARS: [&str; 15] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
    "sfixed64", "bool", "string", "bytes",
];

/// Rearranges `file`; `is_type` knows the full names of all messages and enums.
pub(crate) fn normalize(file: &File, is_type: &dyn Fn(&str) -> bool) -> File {
    let mut file = file.clone();
    for imports in [&mut file.imports, &mut file.public_imports, &mut file.weak_imports] {
        imports.sort();
        imports.dedup();
    }
    sort_options(&mut file.options);
    let scope = file.package.clone().unwrap_or_default();
    let normalizer = Normalizer { is_type };
    normalizer.types(&mut file.types, &scope);
    file.services.iter_mut().for_each(|service| normalizer.service(service, &scope));
    file
}

struct Normalizer<'a> {
    is_type: &'a dyn Fn(&str) -> bool,
}

impl Normalizer<'_> {
    fn types(&self, types: &mut [Type], scope: &str) {
        for declared in types {
            match declared {
                Type::Message(message) => self.message(message, scope),
                Type::Enum(declared) => enumeration(declared),
            }
        }
    }

    fn message(&self, message: &mut Message, scope: &str) {
        let scope = full_name(scope, &message.name);
        write_maps(message, &scope);
        sort_reserved(&mut message.reserved);
        sort_options(&mut message.options);
        self.fields(&mut message.fields, &scope);
        message.oneofs.iter_mut().for_each(|oneof| self.oneof(oneof, &scope));
        message.oneofs.sort_by_key(|oneof| oneof.fields.first().map_or(i32::MAX, |field| field.number));
        self.types(&mut message.types, &scope);
    }

    fn oneof(&self, oneof: &mut Oneof, scope: &str) {
        sort_options(&mut oneof.options);
        self.fields(&mut oneof.fields, scope);
    }

    fn fields(&self, fields: &mut [Field], scope: &str) {
        fields.sort_by_key(|field| field.number);
        for field in fields {
            sort_options(&mut field.options);
            let (FieldType::Named(name) | FieldType::Map { value: name, .. }) = &mut field.kind;
            *name = self.resolve(name, scope);
        }
    }

    fn service(&self, service: &mut Service, scope: &str) {
        sort_options(&mut service.options);
        for method in &mut service.methods {
            sort_options(&mut method.options);
            for MethodType { name, .. } in [&mut method.request, &mut method.response] {
                *name = self.resolve(name, scope);
            }
        }
    }

    /// The full name, with a dot in front, of the type that `name` means within `scope`.
    fn resolve(&self, name: &str, scope: &str) -> String {
        if name.starts_with('.') || SCALARS.contains(&name) {
            return name.to_owned();
        }
        let mut around = Some(scope);
        while let Some(scope) = around {
            let candidate = full_name(scope, name);
            if (self.is_type)(&candidate) {
                return format!(".{candidate}");
            }
            around = match scope.rsplit_once('.') {
                Some((outer, _)) => Some(outer),
                None => (!scope.is_empty()).then_some(""),
            };
        }
        name.to_owned()
    }
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

fn enumeration(declared: &mut Enum) {
    sort_reserved(&mut declared.reserved);
    sort_options(&mut declared.options);
    declared.values.iter_mut().for_each(|value| sort_options(&mut value.options));
    if let Some((_, others)) = declared.values.split_first_mut() {
        others.sort_by(|left, right| (left.number, &left.name).cmp(&(right.number, &right.name)));
    }
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

/// By name; of a name in parentheses, what is within.
fn sort_options(options: &mut [OptionElement]) {
    options.sort_by(|left, right| sort_key(&left.name).cmp(sort_key(&right.name)));
    options.iter_mut().for_each(|option| sort_value(&mut option.value));
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
