//! Requests at the boundaries: a sound request of each API, in each version, with one field after the other at the
//! edge of what it can hold, and some with several. Which request is sound is the scenario's to say.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use levada_model::{Rng, SeededRng};
use levada_protocol::ApiKey;
use serde_json::{Value, json};

use super::script::Scenario;
use super::wire::Wire;
use crate::codegen::schema::{Field, Message, Type};

/// Requests with several odd fields, a version.
const MIXED_COUNT: usize = 4;

/// What an API is asked at its boundaries.
pub(super) struct Family<'a> {
    pub(super) api: ApiKey,
    /// A sound request; the number makes names unique.
    pub(super) base: &'a dyn Fn(u32) -> Value,
    /// Fields, by path without places, whose values are these instead of all that the type can hold. An empty list
    /// leaves the field alone: requests wait for as long as their times say.
    pub(super) only: &'a [(&'a str, Value)],
    /// Versions that are left out.
    pub(super) except: &'a [i16],
    /// Variables and the paths in each answer where their values stand.
    pub(super) bind: &'a [(&'a str, &'a str)],
}

/// A field of a request: its place and the values it is tried with.
struct Trial {
    path: String,
    pointer: String,
    is_new: bool,
    values: Vec<Value>,
}

/// Appends the requests of `family` to `scenario`.
pub(super) fn add(scenario: &mut Scenario, wire: &Wire, family: &Family<'_>, seed: u64) -> Result<()> {
    let message = wire.request(family.api)?;
    let rng = SeededRng::new(seed ^ u64::from(family.api.code().unsigned_abs()) << 32);
    let mut number = 0;
    let mut base = || {
        number += 1;
        (family.base)(number)
    };
    let mut call = |version, body, about: &str| {
        let step = scenario.call(family.api, version, body).about(about);
        for (name, path) in family.bind {
            step.bind(name, path);
        }
    };
    for version in family.api.versions().filter(|version| !family.except.contains(version)) {
        call(version, base(), "sound");
        let trials = trials(message, version, &base(), family)?;
        for trial in &trials {
            let all = version == *family.api.versions().end() || trial.is_new;
            let chosen = pick(&rng, trial.values.len());
            for (index, value) in trial.values.iter().enumerate() {
                if all || index == chosen {
                    let body = with(base(), &trial.pointer, value)?;
                    let shown: String = value.to_string().chars().take(40).collect();
                    call(version, body, &format!("{} = {shown}", trial.path));
                }
            }
        }
        for _ in 0..MIXED_COUNT {
            let mut body = base();
            // From the end: an outer field that is replaced takes the inner ones with it.
            for trial in trials.iter().rev() {
                if pick(&rng, 4) == 0
                    && let Some(value) = trial.values.get(pick(&rng, trial.values.len()))
                {
                    body = with(body, &trial.pointer, value)?;
                }
            }
            call(version, body, "several odd fields");
        }
    }
    Ok(())
}

fn pick(rng: &SeededRng, count: usize) -> usize {
    let count = u64::try_from(count.max(1)).unwrap_or(1);
    usize::try_from(rng.next_u64() % count).unwrap_or_default()
}

fn with(mut body: Value, pointer: &str, value: &Value) -> Result<Value> {
    let (owner, name) = pointer.rsplit_once('/').context("a pointer")?;
    if let Some(Value::Object(owner)) = body.pointer_mut(owner) {
        owner.insert(name.to_owned(), value.clone());
    }
    Ok(body)
}

fn trials(message: &Message, version: i16, base: &Value, family: &Family<'_>) -> Result<Vec<Trial>> {
    let only: BTreeMap<&str, &Value> = family.only.iter().map(|(path, values)| (*path, values)).collect();
    let mut trials = Vec::new();
    let root = message.structs.first().context("a message without a struct")?;
    let mut open = vec![(root, String::new(), String::new(), base.clone())];
    while let Some((of, path, pointer, value)) = open.pop() {
        for field in of.fields.iter().filter(|field| field.versions.contains(version)) {
            let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
            let pointer = format!("{pointer}/{}", field.name);
            let present = value.get(&field.name);
            let values = match only.get(path.as_str()) {
                Some(values) => values.as_array().cloned().unwrap_or_default(),
                None => edges(field, version, present),
            };
            trials.push(Trial { path: path.clone(), pointer: pointer.clone(), is_new: is_new(field, version), values });
            let inner = |name: &str| message.structs.iter().find(|one| one.name == name);
            match (&field.kind, present) {
                (Type::Struct(name), Some(inside @ Value::Object(_))) => {
                    open.push((inner(name).context("a struct")?, path, pointer, inside.clone()));
                }
                (Type::Array(element), Some(Value::Array(elements))) => {
                    if let (Type::Struct(name), Some(first)) = (element.as_ref(), elements.first()) {
                        open.push((inner(name).context("a struct")?, path, format!("{pointer}/0"), first.clone()));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(trials)
}

/// Whether `version` is the first that has the field.
fn is_new(field: &Field, version: i16) -> bool {
    field.versions.first == version || field.nullable.is_some_and(|versions| versions.first == version)
}

/// The edges of what a field can hold.
fn edges(field: &Field, version: i16, present: Option<&Value>) -> Vec<Value> {
    let mut edges = match &field.kind {
        Type::Bool => vec![json!(true), json!(false)],
        Type::Int8 => numbers(i64::from(i8::MIN), i64::from(i8::MAX)),
        Type::Int16 => numbers(i64::from(i16::MIN), i64::from(i16::MAX)),
        Type::Int32 => numbers(i64::from(i32::MIN), i64::from(i32::MAX)),
        Type::Int64 => numbers(i64::MIN, i64::MAX),
        Type::Uint16 => numbers(0, i64::from(u16::MAX)),
        Type::Float64 => vec![json!(-1.0), json!(0.0), json!(0.5), json!(1e300)],
        Type::Uuid => vec![json!("0".repeat(32)), json!("f".repeat(32)), json!("1".repeat(32))],
        Type::String => vec![json!(""), json!("."), json!("unknown"), json!("o d/d\u{e9}"), json!("x".repeat(250))],
        Type::Bytes => vec![json!(""), json!("odd")],
        Type::Records => vec![json!(""), json!("odd"), json!("hex:00000000000000000000")],
        Type::Struct(_) => Vec::new(),
        Type::Array(_) => vec![json!([])],
    };
    if let (Type::Array(_), Some(Value::Array(elements))) = (&field.kind, present)
        && let Some(first) = elements.first()
    {
        edges.push(json!([first, first]));
    }
    if field.nullable.is_some_and(|versions| versions.contains(version)) {
        edges.push(Value::Null);
    }
    edges
}

fn numbers(min: i64, max: i64) -> Vec<Value> {
    let mut numbers = vec![min, -2, -1, 0, 1, 2, max];
    numbers.retain(|number| (min..=max).contains(number));
    numbers.dedup();
    numbers.into_iter().map(Value::from).collect()
}
