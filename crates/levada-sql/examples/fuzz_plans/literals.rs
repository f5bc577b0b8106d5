//! Literals from the ends of each type, names of types, and patterns of every sort.

use super::tables::Kind;
use crate::mutation::Dice;

fn one_of(dice: &mut Dice, of: &[&str]) -> String {
    of[dice.below(of.len())].to_owned()
}

pub(crate) fn type_name(dice: &mut Dice, kind: Kind) -> String {
    let names: &[&str] = match kind {
        Kind::Boolean => &["BOOLEAN"],
        Kind::TinyInt => &["TINYINT"],
        Kind::SmallInt => &["SMALLINT"],
        Kind::Int => &["INT"],
        Kind::BigInt => &["BIGINT"],
        Kind::Float => &["FLOAT"],
        Kind::Double => &["DOUBLE"],
        Kind::Decimal => &["DECIMAL(10, 2)", "DECIMAL(38, 0)", "DECIMAL(38, 18)", "DECIMAL(1, 0)", "DECIMAL(38, 38)"],
        Kind::Text => &["STRING", "STRING", "VARCHAR(3)", "CHAR(2)"],
        Kind::Bytes => &["BYTES"],
        Kind::Date => &["DATE"],
        Kind::Time => &["TIME(3)"],
        Kind::Timestamp => &["TIMESTAMP(3)", "TIMESTAMP(0)", "TIMESTAMP(6)", "TIMESTAMP(9)"],
        Kind::Ltz => &["TIMESTAMP_LTZ(3)"],
        Kind::Array => &["ARRAY<INT>"],
        Kind::Row => &["ROW<p INT, q STRING>"],
    };
    one_of(dice, names)
}

fn whole(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::TinyInt => &["CAST(1 AS TINYINT)", "CAST(127 AS TINYINT)", "CAST(-128 AS TINYINT)"],
        Kind::SmallInt => &["CAST(1 AS SMALLINT)", "CAST(32767 AS SMALLINT)", "CAST(-32768 AS SMALLINT)"],
        Kind::Int => &["0", "1", "2", "-1", "7", "100", "2147483647", "CAST('-2147483648' AS INT)", "-2147483647"],
        _ => &[
            "CAST(0 AS BIGINT)",
            "CAST(1 AS BIGINT)",
            "CAST(-1 AS BIGINT)",
            "3000000000",
            "9223372036854775807",
            "-9223372036854775807",
            "CAST('-9223372036854775808' AS BIGINT)",
            "-9223372036854775808",
        ],
    }
}

pub(crate) fn literal(dice: &mut Dice, kind: Kind) -> String {
    if dice.below(8) == 0 {
        return format!("CAST(NULL AS {})", type_name(dice, kind));
    }
    let all: &[&str] = match kind {
        Kind::Boolean => &["TRUE", "FALSE"],
        Kind::TinyInt | Kind::SmallInt | Kind::Int | Kind::BigInt => whole(kind),
        Kind::Float => &["CAST(1.5 AS FLOAT)", "CAST(0 AS FLOAT)", "CAST(16777217 AS FLOAT)"],
        Kind::Double => &[
            "CAST(1.5 AS DOUBLE)",
            "CAST(0 AS DOUBLE)",
            "CAST(-1 AS DOUBLE)",
            "1e308",
            "1e-308",
            "-2.5E0",
            "CAST(9223372036854775807 AS DOUBLE)",
            "CAST(0.1 AS DOUBLE)",
        ],
        Kind::Decimal => &[
            "1.50",
            "0.01",
            "-0.5",
            "0.0",
            "99999999999999999999999999999999999999",
            "-99999999999999999999999999999999999999",
            "0.99999999999999999999999999999999999999",
            "9999999999999999999.999999999999999999",
            "CAST(1 AS DECIMAL(38, 18))",
            "999999999999999999999999999999999999999",
        ],
        Kind::Text => &[
            "''",
            "'a'",
            "'g1'",
            "' x '",
            "'åé'",
            "'\u{1d11e}'",
            "'12'",
            "'-9223372036854775808'",
            "'2020-02-29'",
            "'a,b,,c'",
            "','",
            "'%'",
            "'it''s'",
            "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'",
        ],
        Kind::Bytes => &["X'00ff'", "X''"],
        Kind::Date => &["DATE '2020-02-29'", "DATE '0001-01-01'", "DATE '9999-12-31'", "DATE '1969-12-31'"],
        Kind::Timestamp => &[
            "TIMESTAMP '2020-02-29 12:34:56.789'",
            "TIMESTAMP '0001-01-01 00:00:00'",
            "TIMESTAMP '9999-12-31 23:59:59.999'",
            "TIMESTAMP '1969-12-31 23:59:59.999999999'",
            "TIMESTAMP '2262-04-11 23:47:16.854775807'",
            "TO_TIMESTAMP('2027-01-15 08:00:00')",
        ],
        Kind::Ltz => &[
            "TO_TIMESTAMP_LTZ(0, 3)",
            "TO_TIMESTAMP_LTZ(253402300799999, 3)",
            "TO_TIMESTAMP_LTZ(-62135596800, 0)",
            "TO_TIMESTAMP_LTZ(9223372036854775807, 3)",
            "TO_TIMESTAMP_LTZ(1800000000, 0)",
        ],
        // There are columns of these, but no literals.
        Kind::Time | Kind::Array | Kind::Row => return format!("CAST(NULL AS {})", type_name(dice, kind)),
    };
    one_of(dice, all)
}

pub(crate) fn interval(dice: &mut Dice) -> String {
    let all = [
        "INTERVAL '1' SECOND",
        "INTERVAL '0' SECOND",
        "INTERVAL '1' DAY",
        "INTERVAL '1' MONTH",
        "INTERVAL '13' MONTH",
        "INTERVAL '-1' YEAR",
        "INTERVAL '9999' YEAR",
        "INTERVAL '99' DAY",
        "INTERVAL '0.001' SECOND",
        "INTERVAL '106751991167' DAY",
        "INTERVAL '178956970' YEAR",
        "INTERVAL '2147483647' MONTH",
    ];
    one_of(dice, &all)
}

pub(crate) fn like(dice: &mut Dice) -> String {
    let all = ["%", "_", "", "g%", "%1", "%a%b%c%d%", "_%_", "å%", "%''%", "%\\_%", "[a-z]%", "(%"];
    match dice.below(12) {
        0 => "%a".repeat(dice.below(2_000)),
        1 => "_".repeat(dice.below(5_000)),
        _ => one_of(dice, &all),
    }
}

/// Regular expressions, hostile ones among them.
pub(crate) fn pattern(dice: &mut Dice) -> String {
    let all = [
        "a",
        "",
        "a*",
        "(a*)*b",
        "(a|aa)+",
        "(a+)+\\z",
        "a*b|a",
        "[a-z]+",
        "[^,]*",
        "x*?",
        "\\d+",
        "\\w*\\s",
        "^",
        "a|",
        "(a){0}",
        "a{1000}",
        "(a{100}){100}",
        "((a{10}){10}){10}",
        "(?:a|b){2,3}?",
        "[a-",
        "(",
        ")",
        "a**",
        "\\",
        "$",
        "\\b",
        "(?i)a",
        "(a)\\1",
        "[[:alpha:]]",
        "\u{1d11e}",
        ".{0,500}.{0,500}",
        "a{2147483648}",
        "[\\s\\d-x]",
    ];
    match dice.below(12) {
        0 => "(".repeat(dice.below(400)) + "a" + &")".repeat(dice.below(400)),
        1 => {
            let depth = dice.below(300);
            "(".repeat(depth) + "a" + &")*".repeat(depth)
        }
        2 => "a?".repeat(dice.below(2_000)) + "a",
        _ => one_of(dice, &all),
    }
}

/// Formats of `DATE_FORMAT`.
pub(crate) fn format(dice: &mut Dice) -> String {
    let all = [
        "yyyy-MM-dd",
        "yyyy-MM-dd HH:mm:ss.SSS",
        "HH",
        "",
        "yyyyMMdd''T''HHmmss",
        "YYYY",
        "SSSSSSSSS",
        "G",
        "''",
        "yy",
        "D",
        "MMMM",
        "é",
    ];
    match dice.below(10) {
        0 => "yyyy".repeat(dice.below(2_000)),
        _ => one_of(dice, &all),
    }
}
