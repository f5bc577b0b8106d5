//! What expressions come to, as Flink's documentation and behaviour have it; in batch and, the same, in a stream.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use datafusion::{
    arrow::{
        array::{ArrayRef, Int32Array, RecordBatch},
        datatypes::{DataType, Field, Schema},
        util::display::{ArrayFormatter, FormatOptions},
    },
    sql::sqlparser::ast,
};
use levada_sql::{
    changes::Changes,
    epoch::Time,
    plan::{PlanError, Planner, Table},
    types::Type,
};
use levada_sql_syntax as syntax;
use std::sync::Arc;

mod functions {
    mod hostile;
    mod names;
}

fn query(sql: &str) -> Box<ast::Query> {
    let syntax::Statement::Query(query) = syntax::parse_statement(sql).unwrap().statement else { panic!("{sql}") };
    query
}

fn one_row() -> RecordBatch {
    let schema =
        Schema::new(vec![Field::new("one", DataType::Int32, true), Field::new("nothing", DataType::Int32, true)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1])), Arc::new(Int32Array::from(vec![None]))];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn planner(rows: Vec<RecordBatch>) -> Planner {
    Planner::new(vec![Table { name: "t".to_owned(), schema: one_row().schema(), rows, upsert_key: None }]).unwrap()
}

fn shown(batch: &RecordBatch) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let text = ArrayFormatter::try_new(batch.column(0).as_ref(), &options).unwrap().value(0).to_string();
    format!("{text} {}", Type::of(batch.schema().field(0)).unwrap())
}

/// Value and type.
fn value(expression: &str) -> String {
    let query = query(&format!("SELECT {expression} AS v FROM t"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime.block_on(planner(vec![one_row()]).batch(&query, &[], 1 << 30));
    let batch = shown(&batches.unwrap_or_else(|error| panic!("{expression}: {error}")).1[0]);
    let mut plan = planner(Vec::new()).streaming(&query).unwrap();
    let columns = one_row().project(&plan.sources[0].columns).unwrap();
    plan.dataflow.push(0, &Changes::inserted(columns)).unwrap();
    let stream = plan.dataflow.end_epoch(&Time::default()).unwrap();
    assert_eq!(shown(stream[0][0].rows()), batch, "{expression}");
    batch
}

/// Why it has no value.
fn failed(expression: &str) -> String {
    let query = query(&format!("SELECT {expression} AS v FROM t"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batch = runtime.block_on(planner(vec![one_row()]).batch(&query, &[], 1 << 30));
    batch.map(drop).expect_err(expression).to_string()
}

fn failed_in_a_stream(expression: &str) -> String {
    let mut plan = planner(Vec::new()).streaming(&query(&format!("SELECT {expression} AS v FROM t"))).unwrap();
    let columns = one_row().project(&plan.sources[0].columns).unwrap();
    let pushed = plan.dataflow.push(0, &Changes::inserted(columns));
    pushed.and_then(|()| plan.dataflow.end_epoch(&Time::default())).map(drop).expect_err(expression).to_string()
}

fn refused(sql: &str) -> String {
    let error: PlanError = planner(Vec::new()).logical(&query(sql)).unwrap_err();
    error.to_string()
}

#[test]
fn expressions_have_flinks_values_and_types() {
    for (expression, expected) in [
        ("1", "1 INT"),
        ("3000000000", "3000000000 BIGINT"),
        ("1.50", "1.50 DECIMAL(3, 2)"),
        ("7 / 2", "3 INT"),
        ("-7 / 2", "-3 INT"),
        ("7 % 4", "3 INT"),
        ("one + 1", "2 INT"),
        ("one + nothing", "NULL INT"),
        ("one + CAST(1 AS BIGINT)", "2 BIGINT"),
        ("CAST('12' AS INT)", "12 INT"),
        ("CAST(12 AS STRING)", "12 STRING"),
        ("CAST(1.55 AS DECIMAL(10, 1))", "1.6 DECIMAL(10, 1)"),
        ("CAST(7 AS DOUBLE) / 2", "3.5 DOUBLE"),
        ("TRY_CAST('x' AS INT)", "NULL INT"),
        ("ABS(-3)", "3 INT"),
        ("SQRT(CAST(4 AS DOUBLE))", "2.0 DOUBLE"),
        ("1.5 * 2.25", "3.375 DECIMAL(6, 3)"),
        ("1.5 + 2.25", "3.75 DECIMAL(4, 2)"),
        ("UPPER('ab')", "AB STRING"),
        ("CHARACTER_LENGTH('')", "0 INT"),
        ("BTRIM('  x ')", "x STRING"),
        ("LOWER('AB')", "ab STRING"),
        ("CHAR_LENGTH('åb')", "2 INT"),
        ("'a' || 'b'", "ab STRING"),
        ("REPLACE('hello', 'l', 'L')", "heLLo STRING"),
        ("SUBSTRING('hello' FROM 2 FOR 3)", "ell STRING"),
        ("SUBSTRING('hello', 2)", "ello STRING"),
        ("TRIM('  x ')", "x STRING"),
        ("LTRIM('  x')", "x STRING"),
        ("RTRIM('x  ')", "x STRING"),
        ("COALESCE(nothing, 2)", "2 INT"),
        ("NULLIF(1, 1)", "NULL INT"),
        ("CASE WHEN one > 0 THEN 'yes' ELSE 'no' END", "yes STRING"),
        ("CASE one WHEN 2 THEN 'two' END", "NULL STRING"),
        ("one BETWEEN 1 AND 3", "true BOOLEAN"),
        ("one IN (1, 2)", "true BOOLEAN"),
        ("nothing IS NULL", "true BOOLEAN"),
        ("nothing IS NOT DISTINCT FROM NULL", "true BOOLEAN"),
        ("'hello' LIKE 'h%o'", "true BOOLEAN"),
        ("NOT (one = 1)", "false BOOLEAN"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

const LTZ: &str = "TO_TIMESTAMP_LTZ(1521528271, 0)";

#[test]
fn times_are_cut_off_as_flink_does_it() {
    for (call, expected) in [
        ("FLOOR(TIMESTAMP '2018-03-20 06:44:31' TO SECOND)", "2018-03-20T06:44:31"),
        ("FLOOR(TIMESTAMP '2018-03-20 06:44:31' TO MINUTE)", "2018-03-20T06:44:00"),
        ("FLOOR(TIMESTAMP '2018-03-20 06:44:31' TO HOUR)", "2018-03-20T06:00:00"),
        ("FLOOR(TIMESTAMP '2018-03-20 06:44:31' TO DAY)", "2018-03-20T00:00:00"),
        ("FLOOR(TIMESTAMP '2021-03-01 00:00:00' TO WEEK)", "2021-02-28T00:00:00"),
        ("FLOOR(TIMESTAMP '2018-04-01 06:44:31' TO MONTH)", "2018-04-01T00:00:00"),
        ("FLOOR(TIMESTAMP '2021-03-21 00:00:00' TO QUARTER)", "2021-01-01T00:00:00"),
        ("FLOOR(TIMESTAMP '2018-01-02 21:00:01' TO YEAR)", "2018-01-01T00:00:00"),
        ("FLOOR(TIMESTAMP '2018-01-02 21:00:01' TO DECADE)", "2010-01-01T00:00:00"),
        ("FLOOR(TIMESTAMP '2018-01-02 21:00:01' TO CENTURY)", "2001-01-01T00:00:00"),
        ("FLOOR(TIMESTAMP '2018-01-02 21:00:01' TO MILLENNIUM)", "2001-01-01T00:00:00"),
        ("CEIL(TIMESTAMP '2018-03-20 06:44:31' TO HOUR)", "2018-03-20T07:00:00"),
        ("CEIL(TIMESTAMP '2018-03-20 06:00:00' TO HOUR)", "2018-03-20T06:00:00"),
        ("CEIL(TIMESTAMP '2018-03-31 00:00:01' TO DAY)", "2018-04-01T00:00:00"),
        ("CEIL(TIMESTAMP '2021-03-01 00:00:00' TO WEEK)", "2021-03-07T00:00:00"),
        ("CEIL(TIMESTAMP '2018-03-01 21:00:01' TO MONTH)", "2018-03-01T00:00:00"),
        ("CEIL(TIMESTAMP '2018-12-02 00:00:00' TO MONTH)", "2019-01-01T00:00:00"),
        ("CEIL(TIMESTAMP '2018-01-01 21:00:01' TO YEAR)", "2018-01-01T00:00:00"),
        ("CEIL(TIMESTAMP '2018-01-02 21:00:01' TO YEAR)", "2019-01-01T00:00:00"),
        ("CEIL(TIMESTAMP '2021-03-21 00:00:00' TO QUARTER)", "2021-04-01T00:00:00"),
        ("CEIL(TIMESTAMP '2018-10-21 00:00:00' TO QUARTER)", "2019-01-01T00:00:00"),
        ("CEIL(TIMESTAMP '1999-01-01 00:00:00' TO DECADE)", "2000-01-01T00:00:00"),
        ("CEIL(TIMESTAMP '1999-01-01 00:00:00' TO CENTURY)", "2001-01-01T00:00:00"),
        ("CEIL(TIMESTAMP '2018-01-02 21:00:01' TO MILLENNIUM)", "3001-01-01T00:00:00"),
        // Before 1970.
        ("FLOOR(TIMESTAMP '1969-12-31 23:59:58.5' TO SECOND)", "1969-12-31T23:59:58"),
    ] {
        assert_eq!(value(call), format!("{expected} TIMESTAMP(6)"), "{call}");
    }
    for (call, expected) in [
        ("FLOOR(DATE '2021-02-27' TO DAY)", "2021-02-27"),
        ("CEIL(DATE '2021-02-27' TO DAY)", "2021-02-28"),
        ("FLOOR(DATE '2021-03-01' TO WEEK)", "2021-02-28"),
        ("CEIL(DATE '2018-01-02' TO DECADE)", "2020-01-01"),
        ("FLOOR(DATE '2018-04-02' TO CENTURY)", "2001-01-01"),
    ] {
        assert_eq!(value(call), format!("{expected} DATE"), "{call}");
    }
    assert_eq!(value(&format!("FLOOR({LTZ} TO DAY)")), "2018-03-20T00:00:00Z TIMESTAMP_LTZ(3)");
    assert_eq!(value(&format!("CEIL({LTZ} TO HOUR)")), "2018-03-20T07:00:00Z TIMESTAMP_LTZ(3)");
}

#[test]
fn parts_of_times_are_numbered_as_flink_does_it() {
    let ts = "TIMESTAMP '2018-05-06 07:08:09.123456'";
    for (unit, expected) in [
        ("MILLENNIUM", 3),
        ("CENTURY", 21),
        ("DECADE", 201),
        ("YEAR", 2018),
        ("QUARTER", 2),
        ("MONTH", 5),
        ("WEEK", 18),
        ("DAY", 6),
        ("DOY", 126),
        ("DOW", 1),
        ("ISODOW", 7),
        ("HOUR", 7),
        ("MINUTE", 8),
        ("SECOND", 9),
        ("MILLISECOND", 123),
        ("MICROSECOND", 123_456),
        ("NANOSECOND", 123_456_000),
        ("EPOCH", 1_525_590_489),
    ] {
        assert_eq!(value(&format!("EXTRACT({unit} FROM {ts})")), format!("{expected} BIGINT"), "{unit}");
    }
    for (day, year, of_week) in
        [("1969-12-28", 1969, 7), ("1969-12-29", 1970, 1), ("2006-01-01", 2005, 7), ("2005-01-02", 2004, 7)]
    {
        assert_eq!(value(&format!("EXTRACT(ISOYEAR FROM DATE '{day}')")), format!("{year} BIGINT"), "{day}");
        assert_eq!(value(&format!("EXTRACT(ISODOW FROM DATE '{day}')")), format!("{of_week} BIGINT"), "{day}");
    }
    for (call, expected) in [
        ("YEAR(DATE '2016-04-12')", "2016"),
        ("QUARTER(DATE '2016-04-12')", "2"),
        ("DAYOFWEEK(DATE '2016-04-12')", "3"),
        ("hour(TIMESTAMP '2016-04-12 13:14:15')", "13"),
        ("DAYOFYEAR(DATE '2016-12-31')", "366"),
        ("EXTRACT(HOUR FROM TO_TIMESTAMP_LTZ(one * 3600000, 3))", "1"),
        ("EXTRACT(DAY FROM TO_TIMESTAMP_LTZ(nothing, 3))", "NULL"),
    ] {
        assert_eq!(value(call), format!("{expected} BIGINT"), "{call}");
    }
}

#[test]
fn times_are_added_and_subtracted_as_flink_does_it() {
    for (call, expected) in [
        ("TIMESTAMPADD(HOUR, +8, TIMESTAMP '2017-11-29 10:58:58.998')", "2017-11-29T18:58:58.998 TIMESTAMP(6)"),
        ("TIMESTAMPADD(MONTH, one, TIMESTAMP '2020-01-31 10:00:00')", "2020-02-29T10:00:00 TIMESTAMP(6)"),
        ("TIMESTAMPADD(QUARTER, -1, DATE '2020-05-31')", "2020-02-29 DATE"),
        ("TIMESTAMPADD(YEAR, 1, DATE '2020-02-29')", "2021-02-28 DATE"),
        ("TIMESTAMPADD(WEEK, one, DATE '2020-02-29')", "2020-03-07 DATE"),
        ("TIMESTAMPADD(DAY, nothing, DATE '2020-02-29')", "NULL DATE"),
        ("TIMESTAMPADD(MINUTE, 1, TO_TIMESTAMP_LTZ(one, 0))", "1970-01-01T00:01:01Z TIMESTAMP_LTZ(3)"),
        ("TIMESTAMPDIFF(DAY, TIMESTAMP '2003-01-02 10:00:00', TIMESTAMP '2003-01-03 10:00:00')", "1 INT"),
        ("TIMESTAMPDIFF(DAY, TIMESTAMP '2003-01-02 10:00:00', DATE '2003-01-03')", "0 INT"),
        ("TIMESTAMPDIFF(HOUR, TIMESTAMP '2003-01-03 10:00:00', TIMESTAMP '2003-01-02 09:59:59')", "-24 INT"),
        ("TIMESTAMPDIFF(MONTH, DATE '2020-01-31', DATE '2020-02-29')", "1 INT"),
        ("TIMESTAMPDIFF(MONTH, TIMESTAMP '2020-01-15 12:00:00', TIMESTAMP '2020-03-15 11:59:59')", "1 INT"),
        ("TIMESTAMPDIFF(MONTH, TIMESTAMP '2020-03-15 12:00:00', TIMESTAMP '2020-01-16 12:00:00')", "-1 INT"),
        ("TIMESTAMPDIFF(QUARTER, DATE '2020-01-01', DATE '2020-12-31')", "3 INT"),
        ("TIMESTAMPDIFF(YEAR, DATE '2000-02-29', DATE '2020-02-28')", "19 INT"),
        ("TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(one, 0), TO_TIMESTAMP_LTZ(61000, 3))", "60 INT"),
    ] {
        assert_eq!(value(call), expected, "{call}");
    }
    for call in [
        "TIMESTAMPADD(YEAR, one * 6000000, DATE '2020-02-29')",
        "TIMESTAMPADD(DAY, -2147483647, DATE '1960-01-01')",
        "TIMESTAMPADD(MONTH, CAST(9000000000000000000 AS BIGINT), DATE '1960-01-01')",
    ] {
        let error = failed(call);
        assert!(error.contains("a time is beyond what functions of time can have"), "{call}: {error}");
    }
}

#[test]
fn times_are_written_and_read_as_flink_does_it() {
    let ts = "TIMESTAMP '2018-03-04 05:06:07.089'";
    for (pattern, expected) in [
        ("yyyy-MM-dd HH:mm:ss.SSS", "2018-03-04 05:06:07.089"),
        ("yyyyMMdd", "20180304"),
        ("d.M.yy H''Uhr''", "4.3.18 5Uhr"),
        ("''''uuuu''T''SS", "''2018T08"),
    ] {
        let written = value(&format!("DATE_FORMAT({ts}, '{pattern}')"));
        assert_eq!(written, format!("{} STRING", expected.replace("''", "'")), "{pattern}");
    }
    assert_eq!(value(&format!("DATE_FORMAT({LTZ}, 'HH:mm')")), "06:44 STRING");
    for (text, expected) in [
        ("1970-01-01 00:00:00.123456789", "1970-01-01T00:00:00.123"),
        ("2020-1-2", "2020-01-02T00:00:00"),
        ("2020-1-2 3:4:5.", "2020-01-02T03:04:05"),
        ("2021-02-31 10:00:00", "2021-02-28T10:00:00"),
        ("2020-12-31 24:00:00", "2021-01-01T00:00:00"),
        ("2020-12-31 24:00:01", "NULL"),
        ("2020-12-32", "NULL"),
        ("2020-12-31T10:00:00", "NULL"),
        ("2020-12-31 10:00:00 ", "NULL"),
        ("invalid value", "NULL"),
        ("+999999999-12-31 23:59:59", "NULL"),
        ("+292278995-01-01", "NULL"),
    ] {
        assert_eq!(value(&format!("TO_TIMESTAMP('{text}')")), format!("{expected} TIMESTAMP(3)"), "{text}");
    }
    for (call, expected) in [
        ("TO_TIMESTAMP_LTZ(one, 0)", "1970-01-01T00:00:01Z"),
        ("TO_TIMESTAMP_LTZ(-1, 3)", "1969-12-31T23:59:59.999Z"),
        ("TO_TIMESTAMP_LTZ(253402300800, 0)", "NULL"),
    ] {
        assert_eq!(value(call), format!("{expected} TIMESTAMP_LTZ(3)"), "{call}");
    }
}

#[test]
fn functions_of_numbers_have_flinks_values_and_types() {
    for (expression, expected) in [
        ("CEIL(1.2)", "2 DECIMAL(2, 0)"),
        ("CEILING(-1.2)", "-1 DECIMAL(2, 0)"),
        ("CEIL(CAST(1.2 AS DOUBLE))", "2.0 DOUBLE"),
        ("CEIL(7)", "7 INT"),
        ("FLOOR(1.5)", "1 DECIMAL(2, 0)"),
        ("FLOOR(-1.5)", "-2 DECIMAL(2, 0)"),
        ("FLOOR(nothing)", "NULL INT"),
        ("ROUND(2.5)", "3 DECIMAL(2, 0)"),
        ("ROUND(-2.5)", "-3 DECIMAL(2, 0)"),
        ("ROUND(2.345, 2)", "2.35 DECIMAL(4, 2)"),
        ("ROUND(2.345, 5)", "2.345 DECIMAL(4, 3)"),
        ("ROUND(1999.5, -3)", "2000 DECIMAL(5, 0)"),
        ("ROUND(1250, -2)", "1300 INT"),
        ("ROUND(-1250, -2)", "-1300 INT"),
        ("ROUND(12, 3)", "12 INT"),
        ("ROUND(2147483647, -1)", "-2147483646 INT"),
        ("ROUND(1, nothing)", "NULL INT"),
        ("ROUND(CAST(1.005 AS DOUBLE), 2)", "1.01 DOUBLE"),
        ("ROUND(CAST(-0.5 AS DOUBLE))", "-1.0 DOUBLE"),
        ("TRUNCATE(42.349, 2)", "42.34 DECIMAL(5, 2)"),
        ("TRUNCATE(-1.99)", "-1 DECIMAL(2, 0)"),
        ("TRUNCATE(1999, -2)", "1900 INT"),
        ("TRUNCATE(CAST(42.349 AS DOUBLE), 2)", "42.34 DOUBLE"),
        ("MOD(7, 4)", "3 INT"),
        ("MOD(-7, 4)", "-3 INT"),
        ("MOD(7, nothing)", "NULL INT"),
        ("MOD(CAST(3000000007 AS BIGINT), 10)", "7 INT"),
        ("MOD(-7, CAST(4 AS BIGINT))", "-3 BIGINT"),
        ("SIGN(-3)", "-1 INT"),
        ("SIGN(-2.50)", "-1.00 DECIMAL(3, 2)"),
        ("SIGN(CAST(0 AS DOUBLE))", "0.0 DOUBLE"),
        ("EXP(0)", "1.0 DOUBLE"),
        ("LN(1)", "0.0 DOUBLE"),
        ("LOG10(1000)", "3.0 DOUBLE"),
        ("LOG10(nothing)", "NULL DOUBLE"),
        ("POWER(2, 10)", "1024.0 DOUBLE"),
        ("POWER(2.5, 2)", "6.25 DOUBLE"),
        ("GREATEST(1, 3, 2)", "3 INT"),
        ("GREATEST(1, nothing, 2)", "NULL INT"),
        ("GREATEST('a', 'c', 'b')", "c STRING"),
        ("LEAST(2, CAST(1 AS BIGINT))", "1 BIGINT"),
        ("LEAST(nothing, 1)", "NULL INT"),
        ("LEAST(1.5, 2.5)", "1.5 DECIMAL(2, 1)"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn functions_of_texts_have_flinks_values_and_types() {
    for (expression, expected) in [
        ("CONCAT('a', 'b', 'c')", "abc STRING"),
        ("CONCAT('a', CAST(nothing AS STRING))", "NULL STRING"),
        ("CONCAT_WS('-', 'a', NULL, '', 'b')", "a--b STRING"),
        ("CONCAT_WS(NULL, 'a', 'b')", "NULL STRING"),
        ("'a' || CAST(nothing AS STRING)", "NULL STRING"),
        ("LEFT('åbc', 2)", "åb STRING"),
        ("LEFT('abc', -1)", " STRING"),
        ("LEFT('abc', 9)", "abc STRING"),
        ("RIGHT('abc', 2)", "bc STRING"),
        ("RIGHT('abc', 0)", " STRING"),
        ("LPAD('hi', 5, '??')", "???hi STRING"),
        ("LPAD('hi', 1, '?')", "h STRING"),
        ("LPAD('hi', -1, '?')", "NULL STRING"),
        ("LPAD('hi', 5, '')", "NULL STRING"),
        ("RPAD('hi', 5, 'ab')", "hiaba STRING"),
        ("RPAD('hi', 0, 'ab')", " STRING"),
        ("REPEAT('ab', 3)", "ababab STRING"),
        ("REPEAT('ab', -1)", " STRING"),
        ("REVERSE('åbc')", "cbå STRING"),
        ("INITCAP('heLLo wORLD 1st é-été')", "Hello World 1st é-éTé STRING"),
        ("POSITION('l' IN 'hello')", "3 INT"),
        ("POSITION('x' IN 'hello')", "0 INT"),
        ("POSITION('' IN 'hello')", "1 INT"),
        ("LOCATE('l', 'hello')", "3 INT"),
        ("LOCATE('l', 'hello', 4)", "4 INT"),
        ("LOCATE('l', 'hello', -4)", "3 INT"),
        ("LOCATE('l', 'hello', 9)", "0 INT"),
        ("LOCATE('l', 'hello', nothing)", "NULL INT"),
        ("INSTR('åhello', 'l')", "4 INT"),
        ("SPLIT_INDEX('a,b,,c', ',', 1)", "b STRING"),
        ("SPLIT_INDEX('a,b,,c', ',', 2)", " STRING"),
        ("SPLIT_INDEX('a,b', ',', 2)", "NULL STRING"),
        ("SPLIT_INDEX('a,b', ',', -1)", "NULL STRING"),
        ("SPLIT_INDEX('', ',', 0)", "NULL STRING"),
        ("SPLIT_INDEX('a--b', '--', 1)", "b STRING"),
        ("REGEXP_REPLACE('foobar', 'oo|ar', '')", "fb STRING"),
        ("REGEXP_REPLACE('a1b22', '[0-9]+', '$0')", "a$0b$0 STRING"),
        ("REGEXP_REPLACE('abc', 'x*', '-')", "-a-b-c- STRING"),
        ("REGEXP_REPLACE('baac', 'a*', 'X')", "XbXXcX STRING"),
        ("REGEXP_REPLACE('{a-z}', '[\\w-z]', '')", "{} STRING"),
        ("REPLACE('abab', 'ab', '-')", "-- STRING"),
        ("REPLACE('åb', '', '-')", "-å-b- STRING"),
        ("REPLACE('ab', CAST(nothing AS STRING), '-')", "NULL STRING"),
        ("'a' || CAST(nothing AS STRING)", "NULL STRING"),
        ("'a' || NULL", "NULL STRING"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "bar STRING"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)')", "foothebar STRING"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 3)", "NULL STRING"),
        ("REGEXP_EXTRACT('foothebar', 'x')", "NULL STRING"),
        ("IF(one = 1, 'yes', 'no')", "yes STRING"),
        ("IF(nothing = 1, 'yes', 'no')", "no STRING"),
        ("IF(one > 1, 1, CAST(2 AS BIGINT))", "2 BIGINT"),
        ("IFNULL(nothing, 5)", "5 INT"),
        ("IFNULL(one, 5)", "1 INT"),
        ("MD5('abc')", "900150983cd24fb0d6963f7d28e17f72 STRING"),
        ("SHA256('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad STRING"),
        ("MD5(CAST(nothing AS STRING))", "NULL STRING"),
        ("nothing IS DISTINCT FROM one", "true BOOLEAN"),
        ("one IS DISTINCT FROM 1", "false BOOLEAN"),
        ("'hello' NOT LIKE '_x%'", "true BOOLEAN"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn what_would_mean_something_else_than_in_flink_is_refused() {
    for (expression, what) in [
        ("ROUND(1.5, one)", "a number, not computed"),
        ("ROUND(CAST(1 AS FLOAT))", "cast it to DOUBLE"),
        ("ROUND('a')", "a number"),
        ("MOD(1.5, 2)", "MOD takes two whole numbers, not DECIMAL(2, 1) and INT"),
        ("GREATEST(1, 1.5)", "GREATEST compares INT with DECIMAL(2, 1)"),
        ("GREATEST(1, 'a')", "GREATEST compares INT with STRING"),
        ("CONCAT('a', 1)", "argument 2 of CONCAT is INT, and is to be STRING"),
        ("1 || 'a'", "`||` joins texts"),
        ("LEFT('abc', CAST(1 AS BIGINT))", "argument 2 of LEFT is BIGINT, and is to be INT"),
        ("LPAD('a', 3)", "LPAD takes 3 arguments, and gets 2"),
        ("LOCATE('a')", "LOCATE takes 2 to 3 arguments, and gets 1"),
        ("REGEXP_REPLACE('a', '(?i)a', 'b')", "groups that begin with `(?`"),
        ("REGEXP_EXTRACT('a', 'a$')", "`$` is not supported"),
        ("IF(1, 2, 3)", "a condition, and not INT"),
        ("IF(TRUE, 2, 'a')", "IF gives INT or STRING"),
        ("IFNULL(1, 'a')", "IFNULL gives INT or STRING"),
        ("'a' SIMILAR TO 'b'", "SIMILAR TO"),
        ("'a' LIKE '!%' ESCAPE '!'", "ESCAPE"),
        ("UUID()", "UUID is not supported: a replay would come to other values"),
        ("RAND(one)", "RAND is not supported"),
        ("FIRST_VALUE(one)", "first_value"),
        ("VAR_POP(one)", "VAR_POP of INT is not supported, whose result Flink cuts off; cast it to DOUBLE"),
        ("VAR_POP(DISTINCT CAST(one AS DOUBLE))", "DISTINCT"),
    ] {
        let error = syntax::parse_statement(&format!("SELECT {expression} FROM t"))
            .map_or_else(|error| error.to_string(), |_| refused(&format!("SELECT {expression} FROM t")));
        assert!(error.to_lowercase().contains(&what.to_lowercase()), "{expression}: {error}");
    }
}

#[test]
fn texts_that_would_take_all_memory_are_not_computed() {
    let large = "REPEAT(CAST(one AS STRING), 10000000)";
    for (expression, name, size) in [
        ("REPEAT('abc', 2000000000)".to_owned(), "REPEAT", 6_000_000_000_i64),
        (format!("CONCAT({large}, {large})"), "CONCAT", 20_000_000),
        (format!("{large} || {large}"), "CONCAT", 20_000_000),
        (format!("CONCAT_WS({large}, 'a', 'b', 'c')"), "CONCAT_WS", 20_000_003),
        (format!("REPLACE('a1a1', 'a', {large})"), "REPLACE", 20_000_002),
        (format!("REPLACE('ab', '', {large})"), "REPLACE", 30_000_002),
        (format!("REGEXP_REPLACE('abc', 'x*', {large})"), "REGEXP_REPLACE", 40_000_003),
        ("LPAD('a', one + 20000000, 'é')".to_owned(), "LPAD", 20_000_001),
        ("RPAD('a', one + 9999999, 'é')".to_owned(), "RPAD", 19_999_999),
    ] {
        let error = failed(&expression);
        let expected = format!("{name} gives a text of {size} bytes, and 16777216 are the most");
        assert!(error.contains(&expected), "{expression}: {error}");
    }
}

#[test]
fn what_has_no_meaning_is_refused_with_what_to_write() {
    let error = refused("SELECT one FROM tt");
    assert!(error.contains("there is no table `tt`; did you mean `t`?"), "{error}");
    let error = refused("SELECT oen FROM t");
    assert!(error.contains("oen") && error.contains("one"), "{error}");
    let error = refused("SELECT sha512('a') FROM t");
    assert!(error.to_lowercase().contains("sha512"), "{error}");
    let error = refused("SELECT CAST(CONCAT('2020-01-0', '1') AS TIMESTAMP(3)) FROM t");
    let wanted = "a cast from STRING to TIMESTAMP(3) is not supported; write TO_TIMESTAMP(text), and cast that";
    assert!(error.contains(wanted), "{error}");
    for (expression, what) in [
        ("CAST(TIMESTAMP '2020-02-29 01:02:03.5' AS STRING)", "write its text at once"),
        ("1.5 % 2", "a remainder of decimals is not supported; cast one side to DOUBLE"),
        ("SUBSTRING('hello', -2)", "SUBSTRING from a place that is computed, or below 1 is not supported"),
        ("SUBSTRING('hello', one)", "SUBSTRING from a place"),
        ("'a' LIKE 'a\\%'", "LIKE with such a pattern is not supported"),
        ("FLOOR(DATE '2020-01-01' TO HOUR)", "FLOOR TO with HOUR is not supported for DATE"),
        ("EXTRACT(HOUR FROM DATE '2020-01-01')", "EXTRACT FROM with HOUR is not supported"),
        ("TIMESTAMPADD(FORTNIGHT, 1, DATE '2020-01-01')", "`FORTNIGHT` is no unit of time"),
        ("TIMESTAMPDIFF(MILLISECOND, DATE '2020-01-01', DATE '2020-01-01')", "TIMESTAMPDIFF with MILLISECOND"),
        ("DATE_FORMAT(TIMESTAMP '2020-01-01 00:00:00', 'YYYY')", "`YYYY` in the format `YYYY` is not supported"),
        ("DATE_FORMAT('2020-01-01', 'yyyy')", "DATE_FORMAT is not supported for"),
        ("TO_TIMESTAMP_LTZ(1, 6)", "the precision of TO_TIMESTAMP_LTZ is 0 for seconds or 3"),
    ] {
        let error = refused(&format!("SELECT {expression} FROM t"));
        assert!(error.to_lowercase().contains(&what.to_lowercase()), "{expression}: {error}");
    }
    let error = refused("SELECT one FROM t WHERE one = (SELECT one FROM t)");
    assert!(error.contains("several rows"), "{error}");
}

#[test]
fn casts_of_texts_read_as_in_flink() {
    for (expression, expected) in [
        ("CAST('1.5' AS DOUBLE)", "1.5 DOUBLE"),
        ("CAST(' -2e3d ' AS DOUBLE)", "-2000.0 DOUBLE"),
        ("CAST('0.1' AS FLOAT)", "0.1 FLOAT"),
        ("CAST('Infinity' AS DOUBLE)", "inf DOUBLE"),
        ("CAST('12.345' AS DECIMAL(10, 2))", "12.35 DECIMAL(10, 2)"),
        ("CAST(' -1e2 ' AS DECIMAL(10, 2))", "-100.00 DECIMAL(10, 2)"),
        ("CAST('12345' AS DECIMAL(3, 0))", "NULL DECIMAL(3, 0)"),
        ("CAST('TRUE' AS BOOLEAN)", "true BOOLEAN"),
        ("CAST('n' AS BOOLEAN)", "false BOOLEAN"),
        ("TRY_CAST(' n ' AS BOOLEAN)", "NULL BOOLEAN"),
        ("CAST(' 12.9 ' AS INT)", "12 INT"),
        ("TRY_CAST('maybe' AS BOOLEAN)", "NULL BOOLEAN"),
        ("TRY_CAST('1,5' AS DOUBLE)", "NULL DOUBLE"),
        ("TRY_CAST('x' AS DECIMAL(3, 1))", "NULL DECIMAL(3, 1)"),
        ("CAST(CAST(nothing AS STRING) AS DOUBLE)", "NULL DOUBLE"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
    for (expression, expected) in [
        ("CAST('1,5' AS DOUBLE)", "`1,5` is no DOUBLE: TRY_CAST gives NULL instead"),
        ("CAST('' AS FLOAT)", "`` is no FLOAT"),
        ("CAST('much' AS DECIMAL(4, 2))", "`much` is no DECIMAL(4, 2)"),
        ("CAST('maybe' AS BOOLEAN)", "`maybe` is no BOOLEAN"),
        ("CAST(REPEAT('x', 1000) AS DOUBLE)", "x…` is no DOUBLE"),
    ] {
        for error in [failed(expression), failed_in_a_stream(expression)] {
            assert!(error.contains(expected), "{expression}: {error}");
        }
    }
}

#[test]
fn numbers_with_an_exponent_are_doubles() {
    for (expression, expected) in [
        ("1e9", "1000000000.0 DOUBLE"),
        ("1.5E-3", "0.0015 DOUBLE"),
        ("-2e0 * one", "-2.0 DOUBLE"),
        ("CAST(70355186 AS DOUBLE) / 1e9", "0.070355186 DOUBLE"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn casts_to_text_write_as_in_flink() {
    for (expression, expected) in [
        ("CAST(one = 1 AS STRING)", "TRUE STRING"),
        ("CAST(one = 2 AS STRING)", "FALSE STRING"),
        ("CAST(CAST(one AS DOUBLE) / 3 AS STRING)", "0.3333333333333333 STRING"),
        ("CAST(CAST(one AS DOUBLE) * 12345678 AS STRING)", "1.2345678E7 STRING"),
        ("CAST(CAST(one AS FLOAT) / 3 AS STRING)", "0.33333334 STRING"),
        ("CAST(CAST(one AS DECIMAL(10, 3)) AS STRING)", "1.000 STRING"),
        ("CAST(-0.05 * one AS STRING)", "-0.05 STRING"),
        ("CAST(TO_TIMESTAMP('2020-02-29 01:02:03.5') AS STRING)", "2020-02-29 01:02:03.500 STRING"),
        ("CAST(TO_TIMESTAMP_LTZ(-1, 3) AS STRING)", "1969-12-31 23:59:59.999 STRING"),
        ("CAST(CAST(nothing AS DOUBLE) AS STRING)", "NULL STRING"),
        (
            "CAST(CAST('0000-01-01 00:00:00' AS TIMESTAMP(6)) AS TIMESTAMP_LTZ(6))",
            "0000-01-01T00:00:00Z TIMESTAMP_LTZ(6)",
        ),
        ("CAST('9999-12-31 23:59:59.999999' AS TIMESTAMP(6))", "9999-12-31T23:59:59.999999 TIMESTAMP(6)"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn casts_between_numbers_cut_off_as_in_java() {
    for (expression, expected) in [
        ("CAST(CAST(one AS DOUBLE) * -1.9 AS INT)", "-1 INT"),
        ("CAST(CAST(one AS DOUBLE) * 1e10 AS INT)", "2147483647 INT"),
        ("CAST(CAST(one AS DOUBLE) * -1e30 AS BIGINT)", "-9223372036854775808 BIGINT"),
        ("CAST(CAST(one AS DOUBLE) * 300 AS TINYINT)", "44 TINYINT"),
        ("CAST(CAST('NaN' AS DOUBLE) AS INT)", "0 INT"),
        ("CAST(CAST(one AS DOUBLE) / 3 AS DECIMAL(5, 3))", "0.333 DECIMAL(5, 3)"),
        ("CAST(CAST('0.1' AS FLOAT) AS DECIMAL(20, 17))", "0.10000000149011612 DECIMAL(20, 17)"),
        ("CAST(CAST(one AS DOUBLE) * 1e5 AS DECIMAL(5, 2))", "NULL DECIMAL(5, 2)"),
        ("CAST(one - 1 AS BOOLEAN)", "false BOOLEAN"),
        ("CAST(one AS BOOLEAN)", "true BOOLEAN"),
        ("CAST(TIMESTAMP '1969-12-31 23:59:59.9999' AS TIMESTAMP(3))", "1969-12-31T23:59:59.999 TIMESTAMP(3)"),
        ("CAST(TIMESTAMP '2020-01-01 00:00:00.5' AS TIMESTAMP_LTZ(3))", "2020-01-01T00:00:00.500Z TIMESTAMP_LTZ(3)"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
    assert!(failed("CAST(CAST('NaN' AS DOUBLE) AS DECIMAL(5, 2))").contains("`NaN` is no DECIMAL(5, 2)"));
}

#[test]
fn decimals_are_divided_as_in_flink() {
    for (expression, expected) in [
        ("10.00 / 3", "3.3333333333333 DECIMAL(15, 13)"),
        ("one / -0.3", "-3.333333 DECIMAL(17, 6)"),
        ("CAST(one AS DECIMAL(14, 2)) / CAST(8 AS DECIMAL(12, 2))", "0.125000000000000 DECIMAL(29, 15)"),
        ("CAST(one AS DECIMAL(38, 2)) / CAST(3 AS DECIMAL(38, 2))", "0.333333 DECIMAL(38, 6)"),
        ("1.5 / nothing", "NULL DECIMAL(13, 12)"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
    assert!(failed("1.5 / (one - 1)").contains("a decimal is divided by zero"));
}
