//! Texts from strangers: whatever they are, they cost little and never the process.
#![expect(clippy::unwrap_used, reason = "it is a test, and so are the functions that help it")]

use levada_sql_syntax::{SyntaxError, is_complete, limits, parse_script, parse_statement};
use proptest::prelude::*;

/// As much as the threads of a server have, or less.
const STACK_SIZE: usize = 2 << 20;

/// Parses on a small stack, and does there what others do with what comes out.
fn try_all(texts: Vec<String>) -> Vec<Result<(), SyntaxError>> {
    let run = move || texts.iter().map(|text| try_one(text)).collect();
    std::thread::Builder::new().stack_size(STACK_SIZE).spawn(run).unwrap().join().unwrap()
}

fn try_one(text: &str) -> Result<(), SyntaxError> {
    let is_complete = is_complete(text);
    let parsed = parse_script(text).inspect_err(|error| {
        assert!(error.render(text).contains('^'));
        assert!(!is_complete || !error.message.contains("has no end"));
    })?;
    for parsed in &parsed {
        let printed = parsed.statement.to_string();
        match parse_statement(&printed) {
            Ok(again) => assert_eq!(again.statement.to_string(), printed),
            Err(error) => assert!(is_limit(&error), "{}", error.render(&printed)),
        }
        assert_eq!(parsed.statement.clone(), parsed.statement);
        drop(format!("{:?}", parsed.statement));
    }
    Ok(())
}

/// What is printed has some brackets that were not there, and can come to be beyond what may nest.
fn is_limit(error: &SyntaxError) -> bool {
    ["deeper", "operators", "is larger than"].iter().any(|text| error.message.contains(text))
}

fn nested(before: &str, open: &str, middle: &str, close: &str, times: usize) -> String {
    format!("{before}{}{middle}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn what_nests_is_refused_once_it_is_too_deep() {
    let kinds = [
        ("SELECT ", "(", "1", ")"),
        ("SELECT ", "f(", "1", ")"),
        ("SELECT ", "NOT ", "a", ""),
        ("SELECT ", "- ", "a", ""),
        ("SELECT ", "CASE WHEN ", "a", " THEN 1 END"),
        ("SELECT ", "CAST(", "a", " AS INT)"),
        ("SELECT ", "a[", "1", "]"),
        ("SELECT ", "ARRAY[", "1", "]"),
        ("SELECT ", "MAP[1, ", "1", "]"),
        ("SELECT ", "EXISTS (SELECT ", "1", ")"),
        ("SELECT ", "a IN (SELECT ", "1", ")"),
        ("SELECT ", "a BETWEEN SYMMETRIC 1 AND (", "1", ")"),
        ("", "SELECT * FROM (", "SELECT 1", ") AS t"),
        ("SELECT * FROM ", "(", "a JOIN b ON TRUE", ")"),
        ("", "(", "SELECT 1", ")"),
        ("", "WITH a AS (", "SELECT 1", ") SELECT 1"),
        ("SELECT CAST(a AS ", "ARRAY<", "INT", ">"),
        ("SELECT CAST(a AS ", "ROW<a ", "INT", ">"),
        ("", "EXPLAIN ", "SELECT 1", ""),
    ];
    let mut texts = Vec::new();
    for (before, open, middle, close) in kinds {
        texts.extend([1, 5, 20, 24, 62, 101, 5_000].map(|times| nested(before, open, middle, close, times)));
        // Where there is no end, the parser beneath tries most.
        texts.extend([15, 40, 62, 5_000].map(|times| nested(before, open, "", "", times)));
    }
    let outcomes = try_all(texts);
    assert!(outcomes.iter().any(Result::is_ok));
    for outcome in outcomes.chunks(11) {
        assert!(outcome[6].is_err() && outcome[10].is_err());
    }
}

#[test]
fn what_is_long_is_refused_once_it_is_too_long() {
    let chains =
        ["a OR ", "a = 1 AND ", "a + ", "a || ", "a IS DISTINCT FROM ", "a.", "SELECT 1 UNION ALL ", "a IS NULL AND "];
    let mut texts = Vec::new();
    for chain in chains {
        let begins = if chain.starts_with("SELECT") { "" } else { "SELECT " };
        let ends = if chain.starts_with("SELECT") { "SELECT 1" } else { "a" };
        texts.extend([10, 200, 256, 50_000].map(|times| format!("{begins}{}{ends}", chain.repeat(times))));
    }
    for part in [" IS NULL", " BETWEEN 1 AND 2", " IN (1)", " LIKE 'x'", " COLLATE x", "::INT", " PIVOT (x)"] {
        texts.extend([10, 200, 256, 50_000].map(|times| format!("SELECT a{}", part.repeat(times))));
    }
    let (list, join) = (vec!["1"; 10_001].join(", "), " JOIN t ON TRUE".repeat(10_000));
    texts.push(format!("SELECT a IN ({list})"));
    texts.push(format!("SELECT * FROM t{join}"));
    texts.push(format!("SELECT * FROM t{}", " JOIN t".repeat(50_000)));
    texts.push(format!("VALUES {}", vec!["(1)"; 10_001].join(", ")));
    texts.push(format!("SELECT a{}", "[1]".repeat(10_000)));
    texts.push("/*".repeat(100_000));
    texts.push("'".repeat(limits::TEXT_SIZE_MAX - 1));
    texts.push("a".repeat(limits::TEXT_SIZE_MAX));
    texts.push(";".repeat(limits::TEXT_SIZE_MAX));
    texts.push("\n".repeat(limits::TEXT_SIZE_MAX));
    texts.push("SELECT 1 /*+ OPTIONS('a'='b') */ ".repeat(1_000));
    let outcomes = try_all(texts);
    for outcome in outcomes.chunks(4).take(15) {
        assert!(outcome[3].is_err());
    }
}

#[test]
fn a_list_may_be_as_long_as_its_limit() {
    let list = vec!["1"; limits::LIST_MAX].join(", ");
    assert!(parse_statement(&format!("SELECT a IN ({list})")).is_ok());
    let rows = vec!["(1, 'x')"; limits::LIST_MAX].join(", ");
    assert!(parse_statement(&format!("INSERT INTO t VALUES {rows}")).is_ok());
}

#[test]
fn a_chain_may_be_as_long_as_its_limit() {
    let chain = |operators: usize| format!("SELECT a{}", " + a".repeat(operators));
    assert_eq!(try_all(vec![chain(limits::OPERATORS_MAX - 6)]), [Ok(())]);
    assert!(parse_statement(&chain(limits::OPERATORS_MAX + 1)).is_err());
}

/// Words of the language, so that something comes of it.
fn word() -> impl Strategy<Value = String> {
    let words = "SELECT FROM WHERE GROUP BY ORDER a b t * , ( ) [ ] < > = <> + - . ; 'x' `q` 1 1.5 AS JOIN ON LEFT CASE \
                 WHEN THEN END CAST INT ARRAY MAP ROW INTERVAL MINUTE TO SECOND TABLE TUMBLE DESCRIPTOR => INSERT INTO \
                 VALUES CREATE VIEW MATERIALIZED WITH NOT NULL AND OR IN BETWEEN SYMMETRIC IS DISTINCT LIKE UNION ALL \
                 EXISTS EXPLAIN SET BEGIN STATEMENT EXECUTE DROP SHOW PRIMARY KEY ENFORCED WATERMARK FOR METADATA \
                 TIMESTAMP DATE OVER PARTITION ROWS PRECEDING LIMIT FETCH POSITION TRIM EXTRACT FLOOR SUBSTRING \
                 /*+ OPTIONS('a'='b') */ -- /* */ ' ` \" $ é \0 SYSTEM_TIME OF LATERAL UNNEST GROUPING SETS";
    prop_oneof![
        8 => prop::sample::select(words.split_whitespace().map(str::to_owned).collect::<Vec<_>>()),
        1 => ".{0,6}",
        1 => Just("\n".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        drop(try_one(&text));
    }

    #[test]
    fn any_words_are_read_or_refused(words in prop::collection::vec(word(), 0..40), begins in 0_usize..5) {
        let begins = ["", "SELECT ", "SELECT * FROM ", "CREATE TABLE t (", "INSERT INTO t "][begins];
        drop(try_one(&format!("{begins}{}", words.join(" "))));
    }
}
