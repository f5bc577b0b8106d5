//! What is in the tables.

use super::{Datum, Row};
use crate::{
    pg_catalog::{Facts, Known, NAMESPACES, OWNER_OID, PUBLIC, Placed, RelationKind, TYPES, format_type, pg_type},
    types::Type,
};

const HEAP: i64 = 2;
const BTREE: i64 = 403;
const DATABASE: i64 = 5;

/// Tables that may have rows.
pub(super) const FILLED: [&str; 22] = [
    "pg_namespace",
    "pg_class",
    "pg_attribute",
    "pg_type",
    "pg_constraint",
    "pg_index",
    "pg_database",
    "pg_roles",
    "pg_user",
    "pg_am",
    "pg_tablespace",
    "pg_settings",
    "pg_tables",
    "pg_views",
    "pg_indexes",
    "pg_stat_user_tables",
    "schemata",
    "tables",
    "columns",
    "views",
    "table_constraints",
    "key_column_usage",
];

/// The rows of a table; none of those that are always empty here.
pub(super) fn of(table: &str, facts: &Facts) -> Vec<Row> {
    match table {
        "pg_namespace" => NAMESPACES.iter().map(|(oid, name)| namespace(*oid, name)).collect(),
        "pg_class" => facts.relations.iter().flat_map(classes).collect(),
        "pg_attribute" => facts.relations.iter().flat_map(attributes).collect(),
        "pg_type" => types(),
        "pg_constraint" => facts.with_key().map(constraint).collect(),
        "pg_index" => facts.with_key().map(index).collect(),
        "pg_database" => vec![database(facts)],
        "pg_roles" => vec![vec![
            ("oid", OWNER_OID.into()),
            ("rolname", facts.user().into()),
            ("rolinherit", true.into()),
            ("rolcanlogin", true.into()),
            ("rolconnlimit", Datum::Int(-1)),
        ]],
        "pg_user" => vec![vec![("usename", facts.user().into()), ("usesysid", OWNER_OID.into())]],
        "pg_am" => vec![
            vec![("oid", HEAP.into()), ("amname", "heap".into()), ("amtype", "t".into())],
            vec![("oid", BTREE.into()), ("amname", "btree".into()), ("amtype", "i".into())],
        ],
        "pg_tablespace" => vec![vec![("oid", 1663_i64.into()), ("spcname", "pg_default".into())]],
        "pg_settings" => facts.settings().map(|(name, value)| setting(name, value)).collect(),
        "pg_tables" => facts.relations.iter().filter(|it| !it.is_view()).map(table_row).collect(),
        "pg_views" => facts.relations.iter().filter(|it| it.is_view()).map(view_row).collect(),
        "pg_indexes" => facts.with_key().map(index_row).collect(),
        "pg_stat_user_tables" => facts.relations.iter().filter(|it| !it.is_view()).map(stat_row).collect(),
        "schemata" => NAMESPACES.iter().map(|(_, name)| schema(name, facts)).collect(),
        "tables" => facts.relations.iter().map(|it| standard_table(it, facts)).collect(),
        "columns" => facts.relations.iter().flat_map(|it| standard_columns(it, facts)).collect(),
        "views" => facts.relations.iter().filter(|it| it.is_view()).map(|it| standard_view(it, facts)).collect(),
        "table_constraints" => facts.with_key().map(|it| standard_constraint(it, facts)).collect(),
        "key_column_usage" => facts.with_key().flat_map(|it| standard_key(it, facts)).collect(),
        _ => Vec::new(),
    }
}

fn namespace(oid: i64, name: &'static str) -> Row {
    vec![("oid", oid.into()), ("nspname", name.into()), ("nspowner", OWNER_OID.into())]
}

/// A relation, and the index that its primary key is taken for.
fn classes(it: &Placed) -> Vec<Row> {
    let common = |oid: i64, name: String, kind: &'static str, access: i64, columns: usize| {
        vec![
            ("oid", oid.into()),
            ("relname", name.into()),
            ("relnamespace", PUBLIC.into()),
            ("relowner", OWNER_OID.into()),
            ("relam", access.into()),
            ("reltuples", Datum::Float(-1.0)),
            ("relpersistence", "p".into()),
            ("relkind", kind.into()),
            ("relnatts", count(columns)),
            ("relispopulated", true.into()),
            ("relreplident", "d".into()),
        ]
    };
    let columns = it.relation.attributes.len();
    let (kind, access) = if it.is_view() { ("v", 0) } else { ("r", HEAP) };
    let mut own = common(it.oid, it.relation.name.clone(), kind, access, columns);
    own.push(("relhasindex", it.has_key().into()));
    let index = it.has_key().then(|| common(it.index, it.key_name(), "i", BTREE, it.relation.primary_key.len()));
    std::iter::once(own).chain(index).collect()
}

fn attributes(it: &Placed) -> Vec<Row> {
    let attribute = |(at, attribute): (usize, &crate::pg_catalog::Attribute)| {
        let of = pg_type(&attribute.of.value);
        vec![
            ("attrelid", it.oid.into()),
            ("attname", attribute.name.as_str().into()),
            ("atttypid", of.oid.into()),
            ("attstattarget", Datum::Int(-1)),
            ("attlen", i64::from(of.size).into()),
            ("attnum", count(at + 1)),
            ("attcacheoff", Datum::Int(-1)),
            ("atttypmod", i64::from(of.modifier).into()),
            ("attstorage", "p".into()),
            ("attalign", "i".into()),
            ("attnotnull", (!attribute.of.is_nullable || it.relation.primary_key.contains(&at)).into()),
            ("attislocal", true.into()),
        ]
    };
    it.relation.attributes.iter().enumerate().map(attribute).collect()
}

fn types() -> Vec<Row> {
    let row = |known: &Known| {
        vec![
            ("oid", known.oid.into()),
            ("typname", known.name.into()),
            ("typnamespace", NAMESPACES[0].0.into()),
            ("typowner", OWNER_OID.into()),
            ("typlen", i64::from(known.size).into()),
            ("typtype", if known.category == "X" { "p" } else { "b" }.into()),
            ("typcategory", known.category.into()),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typarray", known.array.into()),
            ("typinput", format!("{}in", known.name).into()),
            ("typoutput", format!("{}out", known.name).into()),
            ("typtypmod", Datum::Int(-1)),
        ]
    };
    let array = |known: &Known| {
        vec![
            ("oid", known.array.into()),
            ("typname", format!("_{}", known.name).into()),
            ("typnamespace", NAMESPACES[0].0.into()),
            ("typowner", OWNER_OID.into()),
            ("typlen", Datum::Int(-1)),
            ("typtype", "b".into()),
            ("typcategory", "A".into()),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typelem", known.oid.into()),
            ("typinput", "array_in".into()),
            ("typoutput", "array_out".into()),
            ("typtypmod", Datum::Int(-1)),
        ]
    };
    TYPES.iter().map(row).chain(TYPES.iter().filter(|known| known.array != 0).map(array)).collect()
}

fn constraint(it: &Placed) -> Row {
    vec![
        ("oid", (it.index + 1).into()),
        ("conname", it.key_name().into()),
        ("connamespace", PUBLIC.into()),
        ("contype", "p".into()),
        ("convalidated", true.into()),
        ("conrelid", it.oid.into()),
        ("conindid", it.index.into()),
        ("conislocal", true.into()),
        ("connoinherit", true.into()),
        ("conkey", format!("{{{}}}", it.key_numbers(",")).into()),
    ]
}

fn index(it: &Placed) -> Row {
    let columns = count(it.relation.primary_key.len());
    vec![
        ("indexrelid", it.index.into()),
        ("indrelid", it.oid.into()),
        ("indnatts", columns.clone()),
        ("indnkeyatts", columns),
        ("indisunique", true.into()),
        ("indisprimary", true.into()),
        ("indimmediate", true.into()),
        ("indisvalid", true.into()),
        ("indisready", true.into()),
        ("indislive", true.into()),
        ("indkey", it.key_numbers(" ").into()),
        // Each column as it is, smallest first.
        ("indoption", vec!["0"; it.relation.primary_key.len()].join(" ").into()),
    ]
}

fn database(facts: &Facts) -> Row {
    vec![
        ("oid", DATABASE.into()),
        ("datname", facts.database().into()),
        ("datdba", OWNER_OID.into()),
        ("encoding", 6_i64.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", Datum::Int(-1)),
        ("dattablespace", 1663_i64.into()),
        ("datcollate", "C".into()),
        ("datctype", "C".into()),
    ]
}

fn setting(name: &str, value: &str) -> Row {
    vec![
        ("name", name.into()),
        ("setting", value.into()),
        ("context", "user".into()),
        ("vartype", "string".into()),
        ("source", "session".into()),
    ]
}

fn table_row(it: &Placed) -> Row {
    vec![
        ("schemaname", "public".into()),
        ("tablename", it.relation.name.as_str().into()),
        ("tableowner", it.relation.owner.as_str().into()),
        ("hasindexes", it.has_key().into()),
    ]
}

fn view_row(it: &Placed) -> Row {
    let mut row = vec![
        ("schemaname", "public".into()),
        ("viewname", it.relation.name.as_str().into()),
        ("viewowner", it.relation.owner.as_str().into()),
    ];
    row.extend(it.relation.definition.as_deref().map(|text| ("definition", text.into())));
    row
}

fn index_row(it: &Placed) -> Row {
    vec![
        ("schemaname", "public".into()),
        ("tablename", it.relation.name.as_str().into()),
        ("indexname", it.key_name().into()),
        ("indexdef", it.index_text().into()),
    ]
}

fn stat_row(it: &Placed) -> Row {
    vec![("relid", it.oid.into()), ("schemaname", "public".into()), ("relname", it.relation.name.as_str().into())]
}

fn schema(name: &'static str, facts: &Facts) -> Row {
    vec![("catalog_name", facts.database().into()), ("schema_name", name.into()), ("schema_owner", facts.user().into())]
}

fn standard_name(it: &Placed, facts: &Facts) -> Row {
    vec![
        ("table_catalog", facts.database().into()),
        ("table_schema", "public".into()),
        ("table_name", it.relation.name.as_str().into()),
    ]
}

fn standard_table(it: &Placed, facts: &Facts) -> Row {
    let mut row = standard_name(it, facts);
    let (kind, takes_rows) = match it.relation.kind {
        RelationKind::View => ("VIEW", "NO"),
        RelationKind::Table => ("BASE TABLE", "YES"),
        RelationKind::Topic => ("BASE TABLE", "NO"),
    };
    row.extend([("table_type", kind.into()), ("is_insertable_into", takes_rows.into()), ("is_typed", "NO".into())]);
    row
}

fn standard_columns(it: &Placed, facts: &Facts) -> Vec<Row> {
    let column = |(at, attribute): (usize, &crate::pg_catalog::Attribute)| {
        let of = pg_type(&attribute.of.value);
        let is_nullable = attribute.of.is_nullable && !it.relation.primary_key.contains(&at);
        let known = TYPES.iter().find(|known| known.oid == of.oid).map_or("", |known| known.name);
        let mut row = standard_name(it, facts);
        row.extend([
            ("column_name", attribute.name.as_str().into()),
            ("ordinal_position", count(at + 1)),
            ("is_nullable", if is_nullable { "YES" } else { "NO" }.into()),
            ("data_type", format_type(i64::from(of.oid), None).into()),
            ("udt_catalog", facts.database().into()),
            ("udt_schema", "pg_catalog".into()),
            ("udt_name", known.into()),
            ("is_identity", "NO".into()),
            ("is_generated", "NEVER".into()),
            ("is_updatable", "NO".into()),
        ]);
        row.extend(lengths(&attribute.of.value));
        row
    };
    it.relation.attributes.iter().enumerate().map(column).collect()
}

/// What the standard says of a type's lengths and digits.
fn lengths(of: &Type) -> Row {
    let number = |precision: i64, radix: i64| {
        vec![("numeric_precision", precision.into()), ("numeric_precision_radix", radix.into())]
    };
    let scaled = |precision: i64, radix: i64, scale: i64| {
        let mut row = number(precision, radix);
        row.push(("numeric_scale", scale.into()));
        row
    };
    match of {
        Type::TinyInt | Type::SmallInt => scaled(16, 2, 0),
        Type::Int => scaled(32, 2, 0),
        Type::BigInt => scaled(64, 2, 0),
        Type::Float => number(24, 2),
        Type::Double => number(53, 2),
        Type::Decimal { precision, scale } => scaled(i64::from(*precision), 10, i64::from(*scale)),
        Type::Char(length) | Type::Varchar(length) => vec![("character_maximum_length", (*length).into())],
        Type::Date => vec![("datetime_precision", 0_i64.into())],
        Type::Time(digits) | Type::Timestamp(digits) | Type::TimestampLtz(digits) => {
            vec![("datetime_precision", i64::from((*digits).min(6)).into())]
        }
        _ => Vec::new(),
    }
}

fn standard_view(it: &Placed, facts: &Facts) -> Row {
    let mut row = standard_name(it, facts);
    row.extend(it.relation.definition.as_deref().map(|text| ("view_definition", text.into())));
    row.extend([("check_option", "NONE".into()), ("is_updatable", "NO".into()), ("is_insertable_into", "NO".into())]);
    row
}

fn standard_constraint(it: &Placed, facts: &Facts) -> Row {
    let mut row = constraint_name(it, facts);
    row.extend([
        ("constraint_type", "PRIMARY KEY".into()),
        ("is_deferrable", "NO".into()),
        ("initially_deferred", "NO".into()),
        ("enforced", "NO".into()),
    ]);
    row
}

fn constraint_name(it: &Placed, facts: &Facts) -> Row {
    let mut row = standard_name(it, facts);
    row.extend([
        ("constraint_catalog", facts.database().into()),
        ("constraint_schema", "public".into()),
        ("constraint_name", it.key_name().into()),
    ]);
    row
}

fn standard_key(it: &Placed, facts: &Facts) -> Vec<Row> {
    let column = |(at, name): (usize, &str)| {
        let mut row = constraint_name(it, facts);
        row.extend([("column_name", name.into()), ("ordinal_position", count(at + 1))]);
        row
    };
    it.key_columns().enumerate().map(column).collect()
}

fn count(number: usize) -> Datum {
    Datum::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
