//! The functions that queries of the catalog call: those that only PostgreSQL has, and those of the planner beneath
//! that come to little, whatever they are given. Arrays are texts, as `{1,2}`, and so are vectors, as `1 2`.

mod arrays;

pub(super) use arrays::PLACES_MAX;

use super::{Facts, NAMESPACES, OWNER_OID, PgError, Placed, TYPES, format_type};
use datafusion::{
    arrow::{
        array::{Array as _, AsArray as _, BooleanArray, Int64Array, StringArray},
        compute::cast,
        datatypes::DataType,
    },
    error::DataFusionError,
    execution::{SessionStateBuilder, SessionStateDefaults},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility},
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    Text,
    Number,
    Truth,
}

/// A function's arguments, as texts.
type Args<'a> = &'a [Option<&'a str>];
type Found = Result<Option<String>, PgError>;
type Body = fn(&Facts, Args<'_>) -> Found;

const FUNCTIONS: [(&str, Gives, Body); 73] = [
    ("pg_table_is_visible", Gives::Truth, yes),
    ("pg_type_is_visible", Gives::Truth, yes),
    ("pg_function_is_visible", Gives::Truth, yes),
    ("pg_operator_is_visible", Gives::Truth, yes),
    ("pg_collation_is_visible", Gives::Truth, yes),
    ("pg_statistics_obj_is_visible", Gives::Truth, yes),
    ("has_table_privilege", Gives::Truth, yes),
    ("has_column_privilege", Gives::Truth, yes),
    ("has_any_column_privilege", Gives::Truth, yes),
    ("has_schema_privilege", Gives::Truth, yes),
    ("has_database_privilege", Gives::Truth, yes),
    ("pg_has_role", Gives::Truth, yes),
    ("pg_is_other_temp_schema", Gives::Truth, no),
    ("pg_is_in_recovery", Gives::Truth, no),
    ("pg_relation_is_publishable", Gives::Truth, no),
    ("pg_my_temp_schema", Gives::Number, |_, _| Ok(Some("0".to_owned()))),
    ("pg_backend_pid", Gives::Number, |facts, _| Ok(Some(facts.environment.backend.to_string()))),
    ("pg_get_expr", Gives::Text, none),
    ("pg_get_partkeydef", Gives::Text, none),
    ("pg_get_statisticsobjdef_columns", Gives::Text, none),
    ("pg_get_triggerdef", Gives::Text, none),
    ("pg_get_ruledef", Gives::Text, none),
    ("pg_get_functiondef", Gives::Text, none),
    ("pg_get_function_result", Gives::Text, none),
    ("pg_get_function_arguments", Gives::Text, none),
    ("pg_get_function_identity_arguments", Gives::Text, none),
    ("pg_get_function_sqlbody", Gives::Text, none),
    ("pg_get_serial_sequence", Gives::Text, none),
    ("obj_description", Gives::Text, none),
    ("col_description", Gives::Text, none),
    ("shobj_description", Gives::Text, none),
    ("pg_tablespace_location", Gives::Text, none),
    ("pg_relation_size", Gives::Number, none),
    ("pg_table_size", Gives::Number, none),
    ("pg_total_relation_size", Gives::Number, none),
    ("pg_database_size", Gives::Number, none),
    ("pg_size_pretty", Gives::Text, |_, args| Ok(args.first().copied().flatten().map(|size| format!("{size} bytes")))),
    ("pg_encoding_to_char", Gives::Text, |_, args| {
        Ok(given(args, 0).filter(|it| *it == "6").map(|_| "UTF8".to_owned()))
    }),
    ("pg_get_userbyid", Gives::Text, |facts, args| Ok(Some(user_by_id(facts, args)))),
    ("pg_get_viewdef", Gives::Text, |facts, args| {
        Ok(relation(facts, args).and_then(|it| it.relation.definition.clone()))
    }),
    ("pg_get_indexdef", Gives::Text, |facts, args| Ok(index(facts, args))),
    ("pg_get_constraintdef", Gives::Text, |facts, args| Ok(constraint(facts, args))),
    ("format_type", Gives::Text, |_, args| Ok(number(args, 0).map(|oid| format_type(oid, number(args, 1))))),
    ("version", Gives::Text, |facts, _| Ok(Some(facts.environment.version.clone()))),
    ("current_schema", Gives::Text, |_, _| Ok(Some("public".to_owned()))),
    ("current_schemas", Gives::Text, |_, args| Ok(Some(schemas(args)))),
    ("current_database", Gives::Text, |facts, _| Ok(Some(facts.database().to_owned()))),
    ("current_catalog", Gives::Text, |facts, _| Ok(Some(facts.database().to_owned()))),
    ("current_user", Gives::Text, |facts, _| Ok(Some(facts.user().to_owned()))),
    ("session_user", Gives::Text, |facts, _| Ok(Some(facts.user().to_owned()))),
    ("current_role", Gives::Text, |facts, _| Ok(Some(facts.user().to_owned()))),
    ("current_setting", Gives::Text, current_setting),
    ("quote_ident", Gives::Text, |_, args| Ok(given(args, 0).map(quote_ident))),
    ("array_to_string", Gives::Text, |_, args| arrays::to_string(args)),
    ("array_remove", Gives::Text, |_, args| Ok(arrays::remove(args))),
    ("array_upper", Gives::Number, |_, args| Ok(given(args, 0).and_then(arrays::upper))),
    ("array_length", Gives::Number, |_, args| Ok(given(args, 0).and_then(arrays::length))),
    ("pg_any", Gives::Truth, |_, args| Ok(arrays::any(args))),
    ("pg_element", Gives::Text, |_, args| Ok(arrays::element(args))),
    ("pg_places", Gives::Number, |_, args| arrays::places(args)),
    ("pg_place", Gives::Text, |_, args| Ok(arrays::place(args))),
    ("pg_nth", Gives::Text, |_, args| Ok(arrays::nth(args).map(|(element, _)| element.to_owned()))),
    ("pg_subscript", Gives::Number, |_, args| arrays::subscript(args)),
    ("pg_field", Gives::Number, |_, args| arrays::field(args)),
    ("pg_pattern", Gives::Text, |_, args| pattern(args)),
    // `a || b` and `replace` are put in terms of these, which are bounded.
    ("pg_concat", Gives::Text, |_, args| concat(args)),
    ("pg_replace", Gives::Text, |_, args| replace(args)),
    ("pg_array", Gives::Text, |_, args| Ok(Some(format!("{{{}}}", given(args, 0).unwrap_or_default())))),
    ("regclass_oid", Gives::Number, regclass_oid),
    ("regclass_name", Gives::Text, |facts, args| Ok(regclass_name(facts, args))),
    ("regtype_oid", Gives::Number, regtype_oid),
    ("to_regtype", Gives::Number, |_, args| Ok(given(args, 0).and_then(type_named))),
    ("to_regclass", Gives::Number, |facts, args| Ok(given(args, 0).and_then(|name| oid_of(facts, name)))),
];

/// The largest text that is made of others, in bytes.
const TEXT_SIZE_MAX: usize = 1 << 20;
/// The most that a function comes to for so many rows as are looked at at once.
const TEXTS_SIZE_MAX: usize = 16 << 20;

/// Functions of the planner beneath that come to no more than they are given.
const SCALARS: [&str; 41] = [
    "abs",
    "ascii",
    "bit_length",
    "btrim",
    "ceil",
    "char_length",
    "character_length",
    "coalesce",
    "current_date",
    "current_time",
    "current_timestamp",
    "date_part",
    "date_trunc",
    "floor",
    "greatest",
    "initcap",
    "least",
    "left",
    "length",
    "lower",
    "ltrim",
    "mod",
    "now",
    "nullif",
    "octet_length",
    "position",
    "power",
    "regexp_like",
    "reverse",
    "right",
    "round",
    "rtrim",
    "sign",
    "signum",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "trim",
    "upper",
];
/// Those over many rows, whose memory is counted.
const AGGREGATES: [&str; 11] = [
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "first_value",
    "last_value",
    "max",
    "min",
    "string_agg",
    "sum",
];
const WINDOWS: [&str; 5] = ["dense_rank", "lag", "lead", "rank", "row_number"];

/// Whether a query of the catalog may call it.
pub(super) fn may_be_called(name: &str) -> bool {
    let mut known = SCALARS.iter().chain(&AGGREGATES).chain(&WINDOWS);
    has_function(name) || known.any(|known| known.eq_ignore_ascii_case(name))
}

/// A session's functions of the planner beneath.
pub(super) fn with_functions(state: SessionStateBuilder) -> SessionStateBuilder {
    let mut scalars = SessionStateDefaults::default_scalar_functions();
    scalars.retain(|it| is_any(&SCALARS, it.name(), it.aliases()));
    let mut aggregates = SessionStateDefaults::default_aggregate_functions();
    aggregates.retain(|it| is_any(&AGGREGATES, it.name(), it.aliases()));
    let mut windows = SessionStateDefaults::default_window_functions();
    windows.retain(|it| is_any(&WINDOWS, it.name(), it.aliases()));
    let mut tables = SessionStateDefaults::default_table_functions();
    tables.retain(|it| it.name() == "generate_series");
    state
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(scalars)
        .with_aggregate_functions(aggregates)
        .with_window_functions(windows)
        .with_table_function_list(tables)
}

fn is_any(known: &[&str], name: &str, aliases: &[String]) -> bool {
    known.contains(&name) || aliases.iter().any(|alias| known.contains(&alias.as_str()))
}

/// Whether there is such a function.
pub(super) fn has_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, ..)| known.eq_ignore_ascii_case(name))
}

/// All functions, over these facts.
pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let function = |&(name, gives, body): &(&'static str, Gives, Body)| {
        let signature = TypeSignature::OneOf(vec![TypeSignature::VariadicAny, TypeSignature::Nullary]);
        let signature = Signature::new(signature, Volatility::Stable);
        ScalarUDF::new_from_impl(Told { name, gives, body, facts: Arc::clone(facts), signature })
    };
    FUNCTIONS.iter().map(function).collect()
}

/// A function over facts.
struct Told {
    name: &'static str,
    gives: Gives,
    body: Body,
    facts: Arc<Facts>,
    signature: Signature,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for Told {}

impl Hash for Told {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Told {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, PgError> {
        Ok(match self.gives {
            Gives::Text => DataType::Utf8,
            Gives::Number => DataType::Int64,
            Gives::Truth => DataType::Boolean,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, PgError> {
        let rows = args.number_rows;
        let texts = |value: ColumnarValue| Ok(cast(&value.into_array(rows)?, &DataType::Utf8)?);
        let columns = args.args.into_iter().map(texts).collect::<Result<Vec<_>, PgError>>()?;
        let mut size = 0;
        let found = (0..rows).map(|row| {
            let texts = columns.iter().map(|column| column.as_string::<i32>());
            let cells: Vec<_> = texts.map(|texts| texts.is_valid(row).then(|| texts.value(row))).collect();
            let found = (self.body)(&self.facts, &cells)?;
            size += found.as_ref().map_or(0, String::len);
            if size > TEXTS_SIZE_MAX {
                return Err(too_large());
            }
            Ok(found)
        });
        let found = found.collect::<Result<Vec<_>, PgError>>()?;
        Ok(ColumnarValue::Array(match self.gives {
            Gives::Text => Arc::new(StringArray::from(found)),
            Gives::Number => Arc::new(Int64Array::from_iter(found.iter().map(|it| it.as_ref()?.parse::<i64>().ok()))),
            Gives::Truth => Arc::new(BooleanArray::from_iter(found.iter().map(|it| Some(it.as_ref()? == "true")))),
        }))
    }
}

fn yes(_: &Facts, _: Args<'_>) -> Found {
    Ok(Some("true".to_owned()))
}

fn no(_: &Facts, _: Args<'_>) -> Found {
    Ok(Some("false".to_owned()))
}

fn none(_: &Facts, _: Args<'_>) -> Found {
    Ok(None)
}

fn given<'a>(args: Args<'a>, at: usize) -> Option<&'a str> {
    args.get(at).copied().flatten()
}

fn number(args: Args<'_>, at: usize) -> Option<i64> {
    given(args, at)?.parse().ok()
}

fn relation<'a>(facts: &'a Facts, args: Args<'_>) -> Option<&'a Placed> {
    let oid = number(args, 0)?;
    facts.relations.iter().find(|it| it.oid == oid)
}

fn user_by_id(facts: &Facts, args: Args<'_>) -> String {
    match number(args, 0) {
        Some(OWNER_OID) => facts.user().to_owned(),
        other => format!("unknown (OID={})", other.unwrap_or_default()),
    }
}

fn index(facts: &Facts, args: Args<'_>) -> Option<String> {
    let oid = number(args, 0)?;
    let it = facts.with_key().find(|it| it.index == oid)?;
    match number(args, 1) {
        None | Some(0) => Some(it.index_text()),
        Some(column) => it.key_columns().nth(usize::try_from(column - 1).ok()?).map(str::to_owned),
    }
}

fn constraint(facts: &Facts, args: Args<'_>) -> Option<String> {
    let oid = number(args, 0)?;
    let it = facts.with_key().find(|it| it.index + 1 == oid)?;
    Some(format!("PRIMARY KEY ({}) NOT ENFORCED", it.key_columns().collect::<Vec<_>>().join(", ")))
}

fn schemas(args: Args<'_>) -> String {
    if given(args, 0) == Some("true") { "{pg_catalog,public}" } else { "{public}" }.to_owned()
}

fn current_setting(facts: &Facts, args: Args<'_>) -> Found {
    let Some(name) = given(args, 0) else { return Ok(None) };
    let found = facts.settings().find(|(known, _)| known.eq_ignore_ascii_case(name));
    match found {
        Some((_, value)) => Ok(Some(value.to_owned())),
        None if given(args, 1) == Some("true") => Ok(None),
        None => Err(DataFusionError::Plan(format!("there is no setting `{name}`"))),
    }
}

fn quote_ident(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_plain && !name.starts_with(|first: char| first.is_ascii_digit()) && !name.is_empty() {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn concat(args: Args<'_>) -> Found {
    let (Some(a), Some(b)) = (given(args, 0), given(args, 1)) else { return Ok(None) };
    check_size(a.len() + b.len())?;
    Ok(Some(format!("{a}{b}")))
}

fn replace(args: Args<'_>) -> Found {
    let (Some(text), Some(from), Some(to)) = (given(args, 0), given(args, 1), given(args, 2)) else { return Ok(None) };
    if from.is_empty() {
        return Ok(Some(text.to_owned()));
    }
    check_size(text.len() + text.matches(from).count().saturating_mul(to.len()))?;
    Ok(Some(text.replace(from, to)))
}

/// Refuses a text before it is made.
fn check_size(size: usize) -> Result<(), PgError> {
    match size > TEXT_SIZE_MAX {
        true => Err(too_large()),
        false => Ok(()),
    }
}

fn too_large() -> PgError {
    DataFusionError::Plan("a query of the catalog comes to texts that are too large".to_owned())
}

/// A pattern of `LIKE`, with backslashes in the place of another sign that takes a sign for what it is.
fn pattern(args: Args<'_>) -> Found {
    let (Some(pattern), Some(escape)) = (given(args, 0), given(args, 1)) else { return Ok(None) };
    let mut escapes = escape.chars();
    let (escape, None) = (escapes.next(), escapes.next()) else {
        return Err(DataFusionError::Plan("ESCAPE takes one character, or none".to_owned()));
    };
    check_size(pattern.len().saturating_mul(2))?;
    let (mut written, mut signs) = (String::with_capacity(pattern.len()), pattern.chars());
    while let Some(sign) = signs.next() {
        let is_escaped = Some(sign) == escape;
        let sign = if is_escaped { signs.next() } else { Some(sign) };
        let Some(sign) = sign else {
            return Err(DataFusionError::Plan("the pattern of LIKE ends with its ESCAPE".to_owned()));
        };
        if is_escaped || sign == '\\' {
            written.push('\\');
        }
        written.push(sign);
    }
    Ok(Some(written))
}

/// Tables of the catalog whose numbers clients ask for.
const OWN: [(&str, i64); 8] = [
    ("pg_class", 1259),
    ("pg_type", 1247),
    ("pg_attribute", 1249),
    ("pg_proc", 1255),
    ("pg_namespace", 2615),
    ("pg_constraint", 2606),
    ("pg_database", 1262),
    ("pg_roles", 1260),
];

fn oid_of(facts: &Facts, name: &str) -> Option<String> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(name.to_owned());
    }
    let schema = NAMESPACES.iter().find_map(|(_, schema)| name.strip_prefix(schema)?.strip_prefix('.'));
    let name = schema.unwrap_or(name).trim_matches('"');
    let own = OWN.iter().find(|(known, _)| *known == name).map(|(_, oid)| *oid);
    let small = name.to_ascii_lowercase();
    let named = |name: &str| facts.relations.iter().find(|it| it.relation.name == name).map(|it| it.oid);
    own.or_else(|| named(name)).or_else(|| named(&small)).map(|oid| oid.to_string())
}

fn regclass_oid(facts: &Facts, args: Args<'_>) -> Found {
    let Some(name) = given(args, 0) else { return Ok(None) };
    match oid_of(facts, name) {
        Some(oid) => Ok(Some(oid)),
        None => Err(DataFusionError::Plan(format!("relation `{name}` does not exist"))),
    }
}

fn regclass_name(facts: &Facts, args: Args<'_>) -> Option<String> {
    let oid = number(args, 0)?;
    let own = OWN.iter().find(|(_, known)| *known == oid).map(|(name, _)| (*name).to_owned());
    let relation = facts.relations.iter().find(|it| it.oid == oid).map(|it| quote_ident(&it.relation.name));
    let index = facts.with_key().find(|it| it.index == oid).map(|it| quote_ident(&it.key_name()));
    Some(own.or(relation).or(index).unwrap_or_else(|| oid.to_string()))
}

fn regtype_oid(_: &Facts, args: Args<'_>) -> Found {
    let Some(name) = given(args, 0) else { return Ok(None) };
    match type_named(name) {
        Some(oid) => Ok(Some(oid)),
        None => Err(DataFusionError::Plan(format!("type `{name}` does not exist"))),
    }
}

fn type_named(name: &str) -> Option<String> {
    let plain = name.strip_prefix("pg_catalog.").unwrap_or(name).trim_matches('"');
    let known = TYPES.iter().find(|known| known.name == plain || known.written == plain);
    known.map(|known| known.oid.to_string())
}
