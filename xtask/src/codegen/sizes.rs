//! The fewest bytes that a struct takes on the wire, version by version.

use super::schema::{Field, Message, Struct, Type};
use anyhow::{Context, Result};

/// The minimal size of `of` for each run of versions with the same size: first version and size.
pub(crate) fn of_struct(message: &Message, of: &Struct) -> Result<Vec<(i16, usize)>> {
    let mut runs: Vec<(i16, usize)> = Vec::new();
    for version in of.versions.first..=of.versions.last {
        let size = struct_size(message, of, version)?;
        if runs.last().is_none_or(|(_, last)| *last != size) {
            runs.push((version, size));
        }
    }
    Ok(runs)
}

fn struct_size(message: &Message, of: &Struct, version: i16) -> Result<usize> {
    let flexible = message.flexible_from.is_some_and(|from| version >= from);
    let mut size = usize::from(flexible);
    for field in of.fields.iter().filter(|field| field.tag.is_none() && field.versions.contains(version)) {
        size += field_size(message, field, version, flexible)?;
    }
    Ok(size)
}

fn field_size(message: &Message, field: &Field, version: i16, flexible: bool) -> Result<usize> {
    Ok(match &field.kind {
        Type::Bool | Type::Int8 => 1,
        Type::Int16 | Type::Uint16 => 2,
        Type::Int32 => 4,
        Type::Int64 | Type::Float64 => 8,
        Type::Uuid => 16,
        Type::String if flexible => 1,
        Type::String => 2,
        Type::Bytes | Type::Records | Type::Array(_) if flexible => 1,
        Type::Bytes | Type::Records | Type::Array(_) => 4,
        Type::Struct(_) if field.nullable.is_some_and(|nullable| nullable.contains(version)) => 1,
        Type::Struct(name) => {
            let of = message.structs.iter().find(|one| one.name == *name).context("a struct is described")?;
            struct_size(message, of, version)?
        }
    })
}
