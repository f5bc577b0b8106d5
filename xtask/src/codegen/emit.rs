//! The Rust of one message: a struct with its `Default`, its reader and its writer, and the structs inside it.

use super::{
    fields::{condition, default, doc, ident, negation, rust_type, snake},
    schema::{Field, Kind, Message, Struct, Type, Versions},
    sizes,
};
use anyhow::Result;
use std::fmt::Write as _;

/// The whole file of one message.
pub(crate) fn message(message: &Message) -> Result<String> {
    let mut body = String::new();
    for of in &message.structs {
        emit_struct(&mut body, message, of)?;
    }
    emit_message_traits(&mut body, message)?;
    let mut text = format!("//! `{}`{}.\n\n", message.name, describe(message.kind));
    let crate_items: Vec<&str> = ["ApiKey", "Records"].into_iter().filter(|item| uses(&body, item)).collect();
    let traits = match message.kind {
        Kind::Request(_) => "Message, Request, ",
        Kind::Response(_) => "Message, Response, ",
        Kind::RecordKey(_) => "Message, RecordKey, ",
        Kind::RecordValue(_) | Kind::Data => "Message, ",
    };
    writeln!(
        text,
        "use crate::{{DecodeError, Decoder, EncodeError, Encoder, {} message::{{{traits}Wire}}}};",
        crate_items.iter().map(|item| format!("{item},")).collect::<String>()
    )?;
    if uses(&body, "Bytes") {
        writeln!(text, "use bytes::Bytes;")?;
    }
    let model: Vec<&str> = ["Str", "Uuid"].into_iter().filter(|item| uses(&body, item)).collect();
    if !model.is_empty() {
        writeln!(text, "use levada_model::{{{}}};", model.join(","))?;
    }
    writeln!(text, "use std::ops::RangeInclusive;\n")?;
    text.push_str(&body);
    Ok(text)
}

fn describe(kind: Kind) -> String {
    match kind {
        Kind::Request(key) | Kind::Response(key) => format!(", API key {key}"),
        Kind::RecordKey(key) | Kind::RecordValue(key) => format!(", record type {key}"),
        Kind::Data => String::new(),
    }
}

/// Whether `item` stands in `body` as a word that names a type.
fn uses(body: &str, item: &str) -> bool {
    body.match_indices(item).any(|(start, _)| {
        let before = body[..start].chars().next_back();
        let after = body[start + item.len()..].chars().next();
        let part_of_word = |side: Option<char>| side.is_some_and(|side| side.is_alphanumeric() || side == '_');
        !part_of_word(before) && !part_of_word(after) && before != Some('`')
    })
}

fn emit_message_traits(text: &mut String, message: &Message) -> Result<()> {
    let Message { name, versions, .. } = message;
    let flexible = message.flexible_from.map_or("None".to_owned(), |from| format!("Some({from})"));
    write!(
        text,
        "impl Message for {name} {{
            const NAME: &'static str = \"{name}\";
            const VERSIONS: RangeInclusive<i16> = {}..={};
            const FLEXIBLE_FROM: Option<i16> = {flexible};
        }}\n\n",
        versions.first, versions.last
    )?;
    match message.kind {
        Kind::Request(_) => {
            let api = name.trim_end_matches("Request");
            write!(
                text,
                "impl Request for {name} {{ const KEY: ApiKey = ApiKey::{api};
                type Response = super::{}_response::{api}Response; }}\n",
                snake(api)
            )?;
        }
        Kind::Response(_) => {
            let api = name.trim_end_matches("Response");
            writeln!(text, "impl Response for {name} {{ const KEY: ApiKey = ApiKey::{api};")?;
            let mut fields = message.structs.iter().take(1).flat_map(|root| &root.fields);
            if fields.any(|field| field.name == "throttle_time_ms") {
                writeln!(text, "\nfn set_throttle_time_ms(&mut self, ms: i32) {{ self.throttle_time_ms = ms; }}")?;
            }
            writeln!(text, "}}")?;
        }
        Kind::RecordKey(key) => {
            writeln!(text, "impl RecordKey for {name} {{ const RECORD_TYPE: i16 = {key}; }}")?;
        }
        Kind::RecordValue(_) | Kind::Data => {}
    }
    Ok(())
}

fn emit_struct(text: &mut String, message: &Message, of: &Struct) -> Result<()> {
    let name = &of.name;
    writeln!(text, "/// `{name}`{}.", if *name == message.name { ", the message" } else { "" })?;
    let derive_default = of.fields.iter().all(|field| default(field).is_ok_and(|default| default.is_zero));
    let derived = if derive_default { ", Default" } else { "" };
    writeln!(text, "#[derive(Clone, Debug, PartialEq{derived})]\npub struct {name} {{")?;
    for field in &of.fields {
        writeln!(text, "/// {}\npub {}: {},", doc(field, of), ident(&field.name), rust_type(field))?;
    }
    text.push_str("}\n\n");
    if !derive_default {
        writeln!(text, "impl Default for {name} {{ fn default() -> Self {{ Self {{")?;
        for field in &of.fields {
            writeln!(text, "{}: {},", ident(&field.name), default(field)?.value)?;
        }
        text.push_str("} } }\n\n");
    }
    writeln!(text, "impl Wire for {name} {{")?;
    emit_read(text, message, of)?;
    emit_write(text, message, of)?;
    emit_size(text, message, of)?;
    text.push_str("}\n\n");
    Ok(())
}

/// The versions of `of` that are flexible, `None` where none is.
fn flexible(message: &Message, of: &Struct) -> Option<Versions> {
    let first = message.flexible_from?.max(of.versions.first);
    (first <= of.versions.last).then_some(Versions { first, last: of.versions.last })
}

/// An expression for the value of a nullable-or-not field, by version: `(when null is possible, when not)`.
fn by_nullability(field: &Field, nullable: String, plain: String) -> String {
    match field.nullable {
        None => plain,
        Some(versions) => match condition(versions, field.versions) {
            None => nullable,
            Some(when) => format!("if {when} {{ {nullable} }} else {{ {plain} }}"),
        },
    }
}

fn read_expression(of: &Struct, field: &Field) -> String {
    let place = format!("\"{}.{}\"", of.name, field.name);
    let plain = match &field.kind {
        Type::Struct(name) => format!("{name}::read(decoder, {place}, version)?"),
        Type::Array(_) => format!("decoder.array({place}, version)?"),
        kind => format!("decoder.{}({place})?", method(kind)),
    };
    let nullable = match &field.kind {
        Type::Struct(_) => format!("decoder.{}({place}, version)?", nullable_struct(field)),
        Type::Array(_) => format!("decoder.nullable_array({place}, version)?"),
        kind => format!("decoder.nullable_{}({place})?", method(kind)),
    };
    let plain = if field.nullable.is_some() && field.kind != Type::Records { format!("Some({plain})") } else { plain };
    by_nullability(field, nullable, plain)
}

/// The method for a nullable struct: tagged ones mark null in another way.
fn nullable_struct(field: &Field) -> &'static str {
    if field.tag.is_some() { "tagged_nullable_struct" } else { "nullable_struct" }
}

fn method(kind: &Type) -> &'static str {
    match kind {
        Type::Bool => "bool",
        Type::Int8 => "i8",
        Type::Int16 => "i16",
        Type::Int32 => "i32",
        Type::Int64 => "i64",
        Type::Uint16 => "u16",
        Type::Float64 => "f64",
        Type::Uuid => "uuid",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Records => "records",
        Type::Struct(_) => "nullable_struct",
        Type::Array(_) => "array",
    }
}

fn emit_read(text: &mut String, message: &Message, of: &Struct) -> Result<()> {
    let (tagged, plain): (Vec<&Field>, Vec<&Field>) = of.fields.iter().partition(|field| field.tag.is_some());
    let flexible = flexible(message, of);
    let decoder = if of.fields.is_empty() && flexible.is_none() { "_decoder" } else { "decoder" };
    let mut body = String::new();
    writeln!(body, "let {}this = Self::default();", if of.fields.is_empty() { "" } else { "mut " })?;
    for field in plain {
        let read = format!("this.{} = {};", ident(&field.name), read_expression(of, field));
        emit_when(&mut body, condition(field.versions, of.versions), &read)?;
    }
    if let Some(flexible) = flexible {
        let mut tags = format!("decoder.skip_tags(\"{}\")?;", of.name);
        if !tagged.is_empty() {
            tags = format!("decoder.tags(\"{}\", |decoder, tag| {{ match tag {{\n", of.name);
            for field in tagged {
                let guard = condition(field.versions, flexible).map(|when| format!("if {when}")).unwrap_or_default();
                let tag = field.tag.unwrap_or_default();
                writeln!(tags, "{tag} {guard} => this.{} = {},", ident(&field.name), read_expression(of, field))?;
            }
            tags.push_str("_ => return Ok(false),\n} Ok(true) })?;");
        }
        emit_when(&mut body, condition(flexible, of.versions), &tags)?;
    }
    body.push_str("Ok(this)\n");
    let version = version_argument(&body);
    writeln!(
        text,
        "fn read({decoder}: &mut Decoder, _field: &'static str, {version}: i16) -> Result<Self, DecodeError> {{
        {body} }}\n"
    )?;
    Ok(())
}

/// The name of the argument `version`, by whether `body` uses it (fields may have that name, too).
fn version_argument(body: &str) -> &'static str {
    let code: String = body.split('"').step_by(2).collect();
    let part_of_name = |side: Option<char>| side.is_some_and(|side| side.is_alphanumeric() || side == '_');
    let used = code.match_indices("version").any(|(start, word)| {
        let before = code[..start].chars().next_back();
        let after = code[start + word.len()..].chars().next();
        !part_of_name(before) && before != Some('.') && !part_of_name(after)
    });
    if used { "version" } else { "_version" }
}

fn emit_when(text: &mut String, condition: Option<String>, body: &str) -> Result<()> {
    match condition {
        None => writeln!(text, "{body}")?,
        Some(when) => writeln!(text, "if {when} {{ {body} }}")?,
    }
    Ok(())
}

/// The call that writes a field to `encoder`; an expression of type `Result` or `()`, made a statement.
fn write_statement(of: &Struct, field: &Field) -> String {
    let place = format!("\"{}.{}\"", of.name, field.name);
    let value = format!("self.{}", ident(&field.name));
    let plain = |value: &str| match &field.kind {
        Type::Struct(_) => format!("{value}.write(encoder, {place}, version)?;"),
        Type::Array(_) => format!("encoder.array({value}, {place}, version)?;"),
        Type::Records => format!("encoder.records(&self.{}, {place}, version)?;", ident(&field.name)),
        Type::String | Type::Bytes => format!("encoder.{}({value}, {place})?;", method(&field.kind)),
        kind => format!("encoder.{}({value});", method(kind)),
    };
    let reference = format!("&{value}");
    let direct = match &field.kind {
        Type::String | Type::Bytes | Type::Array(_) => plain(&reference),
        _ => plain(&value),
    };
    let nullable = match &field.kind {
        Type::Struct(_) => format!("encoder.{}({value}.as_ref(), {place}, version)?;", nullable_struct(field)),
        Type::Array(_) => format!("encoder.nullable_array({value}.as_ref(), {place}, version)?;"),
        Type::Records => format!("encoder.nullable_records(&{value}, {place})?;"),
        kind => format!("encoder.nullable_{}({value}.as_ref(), {place})?;", method(kind)),
    };
    let never_null = if field.nullable.is_some() && field.kind != Type::Records {
        format!(
            "let Some(value) = &{value} else {{ return Err(EncodeError::Null {{ field: {place}, version }}); }};\n{}",
            plain("value")
        )
    } else {
        direct
    };
    by_nullability(field, nullable, never_null)
}

fn emit_write(text: &mut String, message: &Message, of: &Struct) -> Result<()> {
    let mut body = String::new();
    for field in &of.fields {
        let when = condition(field.versions, of.versions);
        if field.tag.is_none() {
            emit_when(&mut body, when.clone(), &write_statement(of, field))?;
        }
        let Some(when) = when.filter(|_| !field.ignorable) else { continue };
        let refuse =
            format!("return Err(EncodeError::UnsupportedField {{ field: \"{}.{}\", version }});", of.name, field.name);
        let differs = default(field)?.differs;
        if field.tag.is_none() {
            writeln!(body, "else if {differs} {{ {refuse} }}")?;
        } else {
            let absent = negation(field.versions, of.versions, &when);
            writeln!(body, "if {absent} && {differs} {{ {refuse} }}")?;
        }
    }
    if let Some(flexible) = flexible(message, of) {
        let tags = write_tags(of, flexible)?;
        emit_when(&mut body, condition(flexible, of.versions), &tags)?;
    }
    body.push_str("Ok(())\n");
    let version = version_argument(&body);
    let encoder = if body.contains("encoder") { "encoder" } else { "_encoder" };
    writeln!(
        text,
        "fn write(&self, {encoder}: &mut Encoder, _field: &'static str, {version}: i16) -> Result<(), EncodeError> {{
        {body} }}\n"
    )?;
    Ok(())
}

fn write_tags(of: &Struct, flexible: Versions) -> Result<String> {
    let mut tagged: Vec<&Field> = of.fields.iter().filter(|field| field.tag.is_some()).collect();
    tagged.sort_by_key(|field| field.tag);
    if tagged.is_empty() {
        return Ok("encoder.no_tags();".to_owned());
    }
    let mut text = "let mut tags = encoder.tags();\n".to_owned();
    for field in tagged {
        let when = condition(field.versions, flexible).map(|when| format!("{when} && ")).unwrap_or_default();
        let tag = field.tag.unwrap_or_default();
        writeln!(
            text,
            "if {when}{} {{ tags.put({tag}, \"{}.{}\", |encoder| {{ {} Ok(()) }})?; }}",
            default(field)?.differs,
            of.name,
            field.name,
            write_statement(of, field),
        )?;
    }
    text.push_str("encoder.finish_tags(tags);");
    Ok(text)
}

fn emit_size(text: &mut String, message: &Message, of: &Struct) -> Result<()> {
    let runs = sizes::of_struct(message, of)?;
    let (version, size) = match &runs[..] {
        [(_, size)] => ("_version", size.to_string()),
        runs => {
            let mut arms = String::new();
            for (index, (first, size)) in runs.iter().enumerate() {
                match runs.get(index + 1).map(|(next, _)| next - 1) {
                    Some(last) if index == 0 => writeln!(arms, "..={last} => {size},")?,
                    Some(last) if last == *first => writeln!(arms, "{last} => {size},")?,
                    Some(last) => writeln!(arms, "{first}..={last} => {size},")?,
                    None => writeln!(arms, "_ => {size},")?,
                }
            }
            ("version", format!("match version {{ {arms} }}"))
        }
    };
    writeln!(text, "fn size_min({version}: i16, _flexible: bool) -> usize {{ {size} }}")?;
    Ok(())
}
