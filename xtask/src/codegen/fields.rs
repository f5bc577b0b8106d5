//! What the Rust code calls a field, what type it has there, what it is by default and in which versions it is there.

use super::schema::{Field, Struct, Type, Versions};
use anyhow::{Result, bail};

/// `ProduceRequest` → `produce_request`.
pub(crate) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.replace("KRaft", "Kraft").chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let follows_lower = index > 0 && !letters[index - 1].is_ascii_uppercase();
        let starts_word = index > 0 && letters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && (follows_lower || starts_word) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake.trim_start_matches('_').to_owned()
}

/// The name of a field as Rust takes it.
pub(crate) fn ident(name: &str) -> String {
    if matches!(name, "type" | "match") { format!("r#{name}") } else { name.to_owned() }
}

pub(crate) fn doc(field: &Field, of: &Struct) -> String {
    let range = |versions: Versions, within: Versions| {
        if versions.first == versions.last {
            format!("version {}", versions.first)
        } else if versions.last == within.last {
            format!("from version {}", versions.first)
        } else {
            format!("versions {} to {}", versions.first, versions.last)
        }
    };
    let mut facts = Vec::new();
    facts.push(if field.versions == of.versions {
        "all versions".to_owned()
    } else {
        range(field.versions, of.versions)
    });
    match field.nullable {
        Some(nullable) if nullable == field.versions => facts.push("nullable".to_owned()),
        Some(nullable) => facts.push(format!("nullable {}", range(nullable, field.versions))),
        None => {}
    }
    if let Some(tag) = field.tag {
        facts.push(format!("tag {tag}"));
    }
    if let Some(default) = &field.default {
        facts.push(format!("default `{default}`"));
    }
    if field.ignorable {
        facts.push("ignorable".to_owned());
    }
    let facts = facts.join("; ");
    format!("{}{}.", facts[..1].to_uppercase(), &facts[1..])
}

/// The Rust type of a field.
pub(crate) fn rust_type(field: &Field) -> String {
    let bare = bare_type(&field.kind);
    if field.nullable.is_some() && field.kind != Type::Records { format!("Option<{bare}>") } else { bare }
}

fn bare_type(kind: &Type) -> String {
    match kind {
        Type::Bool => "bool".to_owned(),
        Type::Int8 => "i8".to_owned(),
        Type::Int16 => "i16".to_owned(),
        Type::Int32 => "i32".to_owned(),
        Type::Int64 => "i64".to_owned(),
        Type::Uint16 => "u16".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Uuid => "Uuid".to_owned(),
        Type::String => "Str".to_owned(),
        Type::Bytes => "Bytes".to_owned(),
        Type::Records => "Records".to_owned(),
        Type::Struct(name) => name.clone(),
        Type::Array(element) => format!("Vec<{}>", bare_type(element)),
    }
}

/// The default of a field.
pub(crate) struct Default {
    /// The expression.
    pub(crate) value: String,
    /// The condition under which the field differs from it.
    pub(crate) differs: String,
    /// Whether it is what `Default` of the type gives.
    pub(crate) is_zero: bool,
}

pub(crate) fn default(field: &Field) -> Result<Default> {
    let place = format!("self.{}", ident(&field.name));
    let optional = field.nullable.is_some();
    let made = |value: &str, differs: String, is_zero| Default { value: value.to_owned(), differs, is_zero };
    let null = field.default.as_deref() == Some("null");
    Ok(match (&field.kind, field.default.as_deref()) {
        (Type::Records, _) => made("Records::Null", format!("!{place}.is_null()"), true),
        (_, Some("null")) if optional => made("None", format!("{place}.is_some()"), true),
        (_, _) if null => bail!("`{}` has the default null and is not nullable", field.name),
        (Type::String | Type::Bytes | Type::Array(_), None) if optional => {
            let bare = bare_type(&field.kind);
            let empty = bare.split('<').next().unwrap_or_default().to_owned() + "::new()";
            made(&format!("Some({empty})"), format!("{place}.as_ref().is_none_or(|it| !it.is_empty())"), false)
        }
        (Type::String, None) => made("Str::new()", format!("!{place}.is_empty()"), true),
        (Type::Bytes, None) => made("Bytes::new()", format!("!{place}.is_empty()"), true),
        (Type::Array(_), None) => made("Vec::new()", format!("!{place}.is_empty()"), true),
        (Type::Struct(name), None) if optional => {
            let value = format!("Some({name}::default())");
            let differs = format!("{place} != {value}");
            made(&value, differs, false)
        }
        (Type::Struct(name), None) => {
            made(&format!("{name}::default()"), format!("{place} != {name}::default()"), true)
        }
        (Type::Uuid, None) => made("Uuid::ZERO", format!("!{place}.is_zero()"), true),
        (Type::Bool, None) => made("false", place, true),
        (Type::Bool, Some("true")) => made("true", format!("!{place}"), false),
        (Type::Float64, None) => made("0.0", format!("{place}.to_bits() != 0"), true),
        (Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64 | Type::Uint16, None) => {
            made("0", format!("{place} != 0"), true)
        }
        (Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64 | Type::Uint16, Some(text)) => {
            let number = integer(text)?;
            made(&number, format!("{place} != {number}"), false)
        }
        (kind, Some(text)) => bail!("default `{text}` of `{}` ({kind:?})", field.name),
    })
}

/// A number in Rust's spelling, decimal with separators.
fn integer(text: &str) -> Result<String> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16)?,
        None => text.parse()?,
    };
    Ok(match number {
        i64::MAX => "i64::MAX".to_owned(),
        number if number == i64::from(i32::MAX) => "i32::MAX".to_owned(),
        number if number == i64::from(i32::MIN) => "i32::MIN".to_owned(),
        number if number >= 10_000 => format!("{}_{:03}", number / 1_000, number % 1_000),
        number => number.to_string(),
    })
}

/// The condition that `version`, which is one of `within`, is one of `versions`; `None` where it always is.
pub(crate) fn condition(versions: Versions, within: Versions) -> Option<String> {
    match (versions.first > within.first, versions.last < within.last) {
        (false, false) => None,
        (true, false) if versions.first == within.last => Some(format!("version == {}", versions.first)),
        (true, false) => Some(format!("version >= {}", versions.first)),
        (false, true) if versions.last == within.first => Some(format!("version == {}", versions.last)),
        (false, true) => Some(format!("version <= {}", versions.last)),
        (true, true) if versions.first == versions.last => Some(format!("version == {}", versions.first)),
        (true, true) => Some(format!("({}..={}).contains(&version)", versions.first, versions.last)),
    }
}

/// The condition that `version` is none of `versions`, where `when` says that it is one.
pub(crate) fn negation(versions: Versions, within: Versions, when: &str) -> String {
    match (versions.first > within.first, versions.last < within.last) {
        (true, false) => format!("version < {}", versions.first),
        (false, true) => format!("version > {}", versions.last),
        _ => format!("!{when}"),
    }
}
