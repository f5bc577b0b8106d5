//! The members of the objects that make up a schema.

use crate::error::Problem;
use crate::json::Json;
use crate::schema::{Kind, Order};

/// Members that are no properties of a type, whatever type it is.
pub(super) const OF_TYPES: [&str; 10] =
    ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];
/// As [`OF_TYPES`], for an enum.
pub(super) const OF_ENUMS: [&str; 11] =
    ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases", "default"];
/// Members that are no properties of a field.
pub(super) const OF_FIELDS: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

pub(super) fn required<'a>(
    json: &'a Json,
    member: &'static str,
    of: &'static str,
    kind: &'static str,
) -> Result<&'a Json, Problem> {
    json.get(member).ok_or(Problem::Missing { of, member, kind })
}

pub(super) fn required_text<'a>(json: &'a Json, member: &'static str, of: &'static str) -> Result<&'a str, Problem> {
    json.get(member).and_then(Json::as_str).ok_or(Problem::Missing { of, member, kind: "a string" })
}

/// A member that counts where it is a string.
pub(super) fn text(json: &Json, member: &str) -> Option<String> {
    json.get(member).and_then(Json::as_str).map(str::to_owned)
}

/// All members but `known`.
pub(super) fn properties(json: &Json, known: &[&str]) -> Vec<(String, Json)> {
    let Json::Object(members) = json else { return Vec::new() };
    members.iter().filter(|(name, _)| !known.contains(&name.as_str())).cloned().collect()
}

/// The names in `aliases`, each once.
pub(super) fn aliases(json: &Json) -> Result<Vec<String>, Problem> {
    const WRONG: Problem = Problem::Missing { of: "type or field", member: "aliases", kind: "an array of strings" };
    let Some(member) = json.get("aliases") else { return Ok(Vec::new()) };
    let Json::Array(elements) = member else { return Err(WRONG) };
    let mut seen = std::collections::HashSet::new();
    let mut names = Vec::new();
    for element in elements {
        let name = element.as_str().ok_or(WRONG)?;
        if seen.insert(name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

pub(super) fn order(json: &Json) -> Result<Order, Problem> {
    let Some(member) = json.get("order") else { return Ok(Order::default()) };
    let word = member.as_str().unwrap_or_default().to_lowercase();
    [Order::Ascending, Order::Descending, Order::Ignore]
        .into_iter()
        .find(|order| order.word() == word)
        .ok_or_else(|| Problem::UnknownOrder { found: member.to_string() })
}

/// A field's default. Where a float or a double is due, text is read as a number: JSON has none for infinity.
pub(super) fn default(json: &Json, kind: Option<&Kind>) -> Result<Option<Json>, Problem> {
    match (json.get("default"), kind) {
        (Some(Json::String(text)), Some(Kind::Float | Kind::Double)) => {
            number(text).map(|value| Some(Json::Float(value))).ok_or_else(|| Problem::NotANumber { text: text.clone() })
        }
        (default, _) => Ok(default.cloned()),
    }
}

/// What Java's `Double.parseDouble` makes of `text`, hexadecimal digits aside.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c| c <= ' ');
    match text.strip_prefix(['+', '-']).unwrap_or(text) {
        "NaN" => Some(f64::NAN),
        "Infinity" if text.starts_with('-') => Some(f64::NEG_INFINITY),
        "Infinity" => Some(f64::INFINITY),
        _ if text.contains(|c: char| !matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-' | 'd' | 'D' | 'f' | 'F')) => {
            None
        }
        _ => text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text).parse().ok(),
    }
}
