//! Which logical types count: one that its type cannot have is a property like any other.
//!
//! Source: `LogicalTypes` of Apache Avro 1.12.

use crate::json::Json;
use crate::schema::{Kind, Node};

/// The logical type of `node`, if it has one that counts.
pub(crate) fn of(node: &Node) -> Option<&str> {
    let name = property(node, "logicalType")?.as_str()?;
    let fits = match name {
        "decimal" => is_decimal(node),
        "big-decimal" => matches!(node.kind, Kind::Bytes),
        "uuid" => matches!(node.kind, Kind::String) || size(&node.kind) == Some(16),
        "duration" => size(&node.kind) == Some(12),
        "date" | "time-millis" => matches!(node.kind, Kind::Int),
        "time-micros" | "timestamp-millis" | "timestamp-micros" | "timestamp-nanos" => matches!(node.kind, Kind::Long),
        "local-timestamp-millis" | "local-timestamp-micros" | "local-timestamp-nanos" => {
            matches!(node.kind, Kind::Long)
        }
        _ => false,
    };
    fits.then_some(name)
}

fn property<'a>(node: &'a Node, name: &str) -> Option<&'a Json> {
    node.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn size(kind: &Kind) -> Option<usize> {
    match kind {
        Kind::Fixed(fixed) => Some(fixed.size),
        _ => None,
    }
}

fn is_decimal(node: &Node) -> bool {
    let number = |name| match property(node, name) {
        Some(&Json::Integer(value)) => i32::try_from(value).ok(),
        _ => None,
    };
    let Some(precision) = number("precision").filter(|&precision| precision > 0) else { return false };
    let scale = if property(node, "scale").is_none() { Some(0) } else { number("scale") };
    let has_room = match &node.kind {
        Kind::Bytes => true,
        Kind::Fixed(fixed) => f64::from(precision) <= digits(fixed.size),
        _ => false,
    };
    has_room && scale.is_some_and(|scale| (0..=precision).contains(&scale))
}

/// How many decimal digits a signed number of so many bytes holds.
fn digits(bytes: usize) -> f64 {
    let bits = u32::try_from(bytes.saturating_mul(8)).unwrap_or(u32::MAX);
    (2_f64.log10() * (f64::from(bits) - 1.0)).floor()
}
