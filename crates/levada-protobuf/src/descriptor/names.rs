//! Whether what a descriptor calls names are names: a pool of descriptors takes that for granted.

use crate::error::ParseError;
use prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// Checks everything in `file` that has a name.
pub(super) fn check(file: &FileDescriptorProto) -> Result<(), ParseError> {
    if !file.package().is_empty() {
        file.package().split('.').try_for_each(name)?;
    }
    file.message_type.iter().try_for_each(message)?;
    file.enum_type.iter().try_for_each(enumeration)?;
    fields(&file.extension)?;
    for service in &file.service {
        name(service.name())?;
        service.method.iter().try_for_each(|method| name(method.name()))?;
    }
    Ok(())
}

/// A descriptor is decoded to a depth of 100, so that recursion has an end.
fn message(message: &DescriptorProto) -> Result<(), ParseError> {
    name(message.name())?;
    fields(&message.field)?;
    fields(&message.extension)?;
    message.oneof_decl.iter().try_for_each(|oneof| name(oneof.name()))?;
    message.enum_type.iter().try_for_each(enumeration)?;
    message.nested_type.iter().try_for_each(self::message)
}

fn enumeration(declared: &EnumDescriptorProto) -> Result<(), ParseError> {
    name(declared.name())?;
    declared.value.iter().try_for_each(|value| name(value.name()))
}

fn fields(fields: &[FieldDescriptorProto]) -> Result<(), ParseError> {
    fields.iter().try_for_each(|field| name(field.name()))
}

fn name(text: &str) -> Result<(), ParseError> {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { Ok(()) } else { Err(ParseError::invalid(format_args!("`{}` is no name", text.escape_debug()))) }
}
