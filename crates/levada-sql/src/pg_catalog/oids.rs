//! PostgreSQL's types, by their numbers, and which of them stands for which of ours.

use crate::types::Type;

/// A type of PostgreSQL with what is known of a column of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PgType {
    /// Its number.
    pub oid: u32,
    /// Bytes of a value; −1 where they vary.
    pub size: i16,
    /// A length, or digits, as PostgreSQL packs them; −1 where nothing is said.
    pub modifier: i32,
}

/// Numbers of types.
pub mod oid {
    /// `boolean`.
    pub const BOOL: u32 = 16;
    /// `bytea`.
    pub const BYTEA: u32 = 17;
    /// `name`.
    pub const NAME: u32 = 19;
    /// `bigint`.
    pub const INT8: u32 = 20;
    /// `smallint`.
    pub const INT2: u32 = 21;
    /// `integer`.
    pub const INT4: u32 = 23;
    /// `text`.
    pub const TEXT: u32 = 25;
    /// `oid`.
    pub const OID: u32 = 26;
    /// `json`.
    pub const JSON: u32 = 114;
    /// `real`.
    pub const FLOAT4: u32 = 700;
    /// `double precision`.
    pub const FLOAT8: u32 = 701;
    /// What has no type yet.
    pub const UNKNOWN: u32 = 705;
    /// `character(n)`.
    pub const BPCHAR: u32 = 1042;
    /// `character varying(n)`.
    pub const VARCHAR: u32 = 1043;
    /// `date`.
    pub const DATE: u32 = 1082;
    /// `time`.
    pub const TIME: u32 = 1083;
    /// `timestamp`.
    pub const TIMESTAMP: u32 = 1114;
    /// `timestamp with time zone`.
    pub const TIMESTAMPTZ: u32 = 1184;
    /// `numeric`.
    pub const NUMERIC: u32 = 1700;
}

/// Its number, name, the name that people write, size, category, and the number of its array type.
pub(super) struct Known {
    pub(super) oid: u32,
    pub(super) name: &'static str,
    pub(super) written: &'static str,
    pub(super) size: i16,
    pub(super) category: &'static str,
    pub(super) array: u32,
}

const fn known(
    oid: u32,
    name: &'static str,
    written: &'static str,
    size: i16,
    category: &'static str,
    array: u32,
) -> Known {
    Known { oid, name, written, size, category, array }
}

/// The types that there are.
pub(super) const TYPES: [Known; 20] = [
    known(oid::BOOL, "bool", "boolean", 1, "B", 1000),
    known(oid::BYTEA, "bytea", "bytea", -1, "U", 1001),
    known(18, "char", "\"char\"", 1, "Z", 1002),
    known(oid::NAME, "name", "name", 64, "S", 1003),
    known(oid::INT8, "int8", "bigint", 8, "N", 1016),
    known(oid::INT2, "int2", "smallint", 2, "N", 1005),
    known(oid::INT4, "int4", "integer", 4, "N", 1007),
    known(oid::TEXT, "text", "text", -1, "S", 1009),
    known(oid::OID, "oid", "oid", 4, "N", 1028),
    known(oid::JSON, "json", "json", -1, "U", 199),
    known(oid::FLOAT4, "float4", "real", 4, "N", 1021),
    known(oid::FLOAT8, "float8", "double precision", 8, "N", 1022),
    known(oid::UNKNOWN, "unknown", "unknown", -2, "X", 0),
    known(oid::BPCHAR, "bpchar", "character", -1, "S", 1014),
    known(oid::VARCHAR, "varchar", "character varying", -1, "S", 1015),
    known(oid::DATE, "date", "date", 4, "D", 1182),
    known(oid::TIME, "time", "time without time zone", 8, "D", 1183),
    known(oid::TIMESTAMP, "timestamp", "timestamp without time zone", 8, "D", 1115),
    known(oid::TIMESTAMPTZ, "timestamptz", "timestamp with time zone", 8, "D", 1185),
    known(oid::NUMERIC, "numeric", "numeric", -1, "N", 1231),
];

/// Digits of a second's fraction that PostgreSQL has.
const FRACTION_MAX: u8 = 6;

/// The type that stands for one of ours: one that PostgreSQL lacks is `json`.
#[must_use]
pub fn pg_type(of: &Type) -> PgType {
    let length = |length: u32| i32::try_from(length).map_or(-1, |length| length.saturating_add(4));
    let fraction = |digits: u8| i32::from(digits.min(FRACTION_MAX));
    let (oid, modifier) = match of {
        Type::Boolean => (oid::BOOL, -1),
        Type::TinyInt | Type::SmallInt => (oid::INT2, -1),
        Type::Int => (oid::INT4, -1),
        Type::BigInt => (oid::INT8, -1),
        Type::Float => (oid::FLOAT4, -1),
        Type::Double => (oid::FLOAT8, -1),
        Type::Decimal { precision, scale } => (oid::NUMERIC, ((i32::from(*precision) << 16) | i32::from(*scale)) + 4),
        Type::Char(characters) => (oid::BPCHAR, length(*characters)),
        Type::Varchar(characters) => (oid::VARCHAR, length(*characters)),
        Type::String => (oid::TEXT, -1),
        Type::Binary(_) | Type::Varbinary(_) | Type::Bytes => (oid::BYTEA, -1),
        Type::Date => (oid::DATE, -1),
        Type::Time(digits) => (oid::TIME, fraction(*digits)),
        Type::Timestamp(digits) => (oid::TIMESTAMP, fraction(*digits)),
        Type::TimestampLtz(digits) => (oid::TIMESTAMPTZ, fraction(*digits)),
        Type::Array(_) | Type::Map(..) | Type::Row(_) => (oid::JSON, -1),
    };
    let size = TYPES.iter().find(|known| known.oid == oid).map_or(-1, |known| known.size);
    PgType { oid, size, modifier }
}

/// How people write a type.
pub(super) fn format_type(oid: i64, modifier: Option<i64>) -> String {
    let Some(known) = TYPES.iter().find(|known| i64::from(known.oid) == oid) else {
        let element = TYPES.iter().find(|known| known.array != 0 && i64::from(known.array) == oid);
        return element.map_or_else(|| "???".to_owned(), |known| format!("{}[]", known.written));
    };
    let Some(modifier) = modifier.filter(|modifier| *modifier >= 0) else { return known.written.to_owned() };
    match known.oid {
        oid::BPCHAR | oid::VARCHAR => format!("{}({})", known.written, modifier - 4),
        oid::NUMERIC => format!("numeric({},{})", (modifier - 4) >> 16, (modifier - 4) & 0xffff),
        oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            let (name, zone) = known.written.split_once(' ').unwrap_or((known.written, ""));
            format!("{name}({modifier}) {zone}")
        }
        _ => known.written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_postgresql_writes_them() {
        let written = |of: Type| {
            let PgType { oid, modifier, .. } = pg_type(&of);
            format_type(i64::from(oid), Some(i64::from(modifier)))
        };
        assert_eq!(written(Type::Decimal { precision: 10, scale: 2 }), "numeric(10,2)");
        assert_eq!(written(Type::Varchar(20)), "character varying(20)");
        assert_eq!(written(Type::TimestampLtz(9)), "timestamp(6) with time zone");
        assert_eq!(written(Type::String), "text");
        assert_eq!(written(Type::Array(Box::new(Type::Int.nullable()))), "json");
        assert_eq!((format_type(1007, None), format_type(5, None)), ("integer[]".to_owned(), "???".to_owned()));
    }
}
