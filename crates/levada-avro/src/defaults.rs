//! Whether defaults are values of their types, as Java 1.12 has it: a union's default is a value of any branch.
//!
//! Source: `Schema.isValidDefault` of Apache Avro 1.12.

use crate::error::Problem;
use crate::json::Json;
use crate::schema::{Kind, Node, TypeId};

/// How many values may be compared with types, all defaults together.
const STEPS_MAX: usize = 1_000_000;
/// How deep defaults may lead: those of fields that a default leaves out count too, and can go in circles.
const DEPTH_MAX: usize = 300;

/// Checks the defaults of the records since the type numbered `first`.
pub(crate) fn check(nodes: &[Node], first: usize) -> Result<(), Problem> {
    let mut checker = Checker { nodes, steps: 0 };
    for node in nodes.iter().skip(first) {
        let Kind::Record(record) = &node.kind else { continue };
        for field in &record.fields {
            let Some(default) = &field.default else { continue };
            if !checker.is_valid(field.schema, Some(default), 0)? {
                let expected = nodes.get(field.schema.index()).map(|node| &node.kind);
                return Err(Problem::InvalidDefault {
                    record: record.name.full().to_owned(),
                    field: field.name.clone(),
                    default: default.to_string(),
                    expected: expected.map(|kind| kind.word().to_owned()).unwrap_or_default(),
                });
            }
        }
    }
    Ok(())
}

struct Checker<'a> {
    nodes: &'a [Node],
    steps: usize,
}

impl Checker<'_> {
    fn is_valid(&mut self, id: TypeId, value: Option<&Json>, depth: usize) -> Result<bool, Problem> {
        self.steps += 1;
        if self.steps > STEPS_MAX || depth > DEPTH_MAX {
            return Err(Problem::DefaultsTooComplex { limit: STEPS_MAX });
        }
        let (Some(node), Some(value)) = (self.nodes.get(id.index()), value) else { return Ok(false) };
        Ok(match (&node.kind, value) {
            (Kind::Null, Json::Null)
            | (Kind::Boolean, Json::Bool(_))
            | (Kind::Long, Json::Integer(_))
            | (Kind::Float | Kind::Double, Json::Integer(_) | Json::LargeInteger(_) | Json::Float(_))
            | (Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Fixed(_), Json::String(_)) => true,
            (Kind::Int, &Json::Integer(value)) => i32::try_from(value).is_ok(),
            (Kind::Array(element), Json::Array(values)) => {
                self.all(values.iter().map(|value| (*element, Some(value))), depth)?
            }
            (Kind::Map(inner), Json::Object(members)) => {
                self.all(members.iter().map(|(_, value)| (*inner, Some(value))), depth)?
            }
            (Kind::Record(record), Json::Object(members)) => {
                self.steps = self.steps.saturating_add(members.len().saturating_mul(record.fields.len()) / 64);
                let fields = record.fields.iter();
                self.all(fields.map(|field| (field.schema, value.get(&field.name).or(field.default.as_ref()))), depth)?
            }
            (Kind::Union(branches), _) => {
                for &branch in branches {
                    if self.is_valid(branch, Some(value), depth + 1)? {
                        return Ok(true);
                    }
                }
                false
            }
            _ => false,
        })
    }

    fn all<'b>(
        &mut self,
        pairs: impl Iterator<Item = (TypeId, Option<&'b Json>)>,
        depth: usize,
    ) -> Result<bool, Problem> {
        for (id, value) in pairs {
            if !self.is_valid(id, value, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
