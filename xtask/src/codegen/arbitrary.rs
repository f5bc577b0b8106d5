//! Random messages for tests: every field of a version filled, everything else left at its default; and the list of
//! all messages.

use super::{
    fields::{condition, ident, snake},
    schema::{Field, Message, Struct, Type},
};
use anyhow::Result;
use std::fmt::Write as _;

/// `arbitrary.rs`: an impl for every struct.
pub(crate) fn impls(messages: &[Message]) -> Result<String> {
    let mut text = String::from(
        "//! Random messages for tests.
use super::*;
use crate::arbitrary::{Arbitrary, Source, Visitor};\n\n",
    );
    for message in messages {
        for of in &message.structs {
            emit(&mut text, message, of)?;
        }
    }
    writeln!(text, "/// Shows every message to `visitor`.\npub fn visit_every_message(visitor: &mut impl Visitor) {{")?;
    for message in messages {
        writeln!(text, "visitor.visit::<{}>();", message.name)?;
    }
    text.push_str("}\n");
    Ok(text)
}

fn emit(text: &mut String, message: &Message, of: &Struct) -> Result<()> {
    let mut body = String::new();
    for field in &of.fields {
        let statement = format!("this.{} = {};", ident(&field.name), value(field));
        match condition(field.versions, of.versions) {
            None => writeln!(body, "{statement}")?,
            Some(when) => writeln!(body, "if {when} {{ {statement} }}")?,
        }
    }
    let (binding, source) = if of.fields.is_empty() { ("", "_source") } else { ("mut ", "source") };
    let version = if body.contains("version") { "version" } else { "_version" };
    writeln!(
        text,
        "impl Arbitrary for {}::{} {{
            fn arbitrary({source}: &mut Source, {version}: i16) -> Self {{
                let {binding}this = Self::default();
                {body}this
            }}
        }}\n",
        snake(&message.name),
        of.name
    )?;
    Ok(())
}

fn value(field: &Field) -> String {
    let (some, nullable) = match &field.kind {
        Type::Array(_) => ("source.array(version)", "source.nullable_array(version)"),
        Type::Records => ("source.records()", "source.nullable_records()"),
        _ => ("Arbitrary::arbitrary(source, version)", "source.nullable(version)"),
    };
    match field.nullable {
        None => some.to_owned(),
        Some(versions) => match condition(versions, field.versions) {
            None => nullable.to_owned(),
            Some(when) if field.kind == Type::Records => format!("if {when} {{ {nullable} }} else {{ {some} }}"),
            Some(when) => format!("if {when} {{ {nullable} }} else {{ Some({some}) }}"),
        },
    }
}
