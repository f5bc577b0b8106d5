//! A file without what others define for it: Confluent's format `ignore_extensions`.
//!
//! Options by other files, extension ranges and extensions are left out; `confluent/meta.proto`'s options stay. What is
//! left means the same to whoever does not know the extensions.
//!
//! Source: `ProtobufSchemaUtils.FormatContext` of Confluent's registry 8.x.

use crate::ast::{Field, File, Group, Message, OptionElement, Type};

/// What the options begin with that stay.
const KEPT: [&str; 2] = ["(confluent.", "(.confluent."];

pub(crate) fn without_extensions(file: &File) -> File {
    let mut file = file.clone();
    file.extends.clear();
    options(&mut file.options);
    types(&mut file.types);
    for service in &mut file.services {
        options(&mut service.options);
        service.methods.iter_mut().for_each(|method| options(&mut method.options));
    }
    file
}

fn options(options: &mut Vec<OptionElement>) {
    options.retain(|option| !option.name.starts_with('(') || KEPT.iter().any(|kept| option.name.starts_with(kept)));
}

fn types(types: &mut [Type]) {
    for declared in types {
        match declared {
            Type::Message(declared) => message(declared),
            Type::Enum(declared) => {
                options(&mut declared.options);
                declared.values.iter_mut().for_each(|value| options(&mut value.options));
            }
        }
    }
}

fn message(message: &mut Message) {
    message.extensions.clear();
    message.extends.clear();
    options(&mut message.options);
    fields(&mut message.fields);
    groups(&mut message.groups);
    for oneof in &mut message.oneofs {
        options(&mut oneof.options);
        fields(&mut oneof.fields);
        groups(&mut oneof.groups);
    }
    types(&mut message.types);
}

fn fields(fields: &mut [Field]) {
    fields.iter_mut().for_each(|field| options(&mut field.options));
}

fn groups(groups: &mut [Group]) {
    for group in groups {
        options(&mut group.options);
        message(&mut group.body);
    }
}
