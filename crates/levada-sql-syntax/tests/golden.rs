//! Scripts and what they come to: statements printed again, or the error with a caret under its place.
//!
//! A script of `tests/golden/*.sql` has cases with an empty line between. `LEVADA_GOLDEN=write cargo test` writes what
//! comes out; read what changed before you commit it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "it is a test, and so are the functions that help it")]

use levada_sql_syntax::{Statement, SyntaxError, WindowFunction, ast, parse_script, window_function};
use std::{fmt::Write as _, ops::ControlFlow, path::Path};

#[test]
fn scripts_come_to_what_is_expected() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let is_written = std::env::var("LEVADA_GOLDEN").is_ok_and(|value| value == "write");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    assert!(!paths.is_empty());
    let mut wrong = Vec::new();
    for path in paths {
        let script = std::fs::read_to_string(&path).unwrap();
        let found: String = script.split("\n\n").filter(|case| !case.trim().is_empty()).map(outcome).collect();
        let expected = path.with_extension("out");
        if is_written {
            std::fs::write(&expected, &found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

/// The case, and what it comes to.
fn outcome(case: &str) -> String {
    let case = case.trim_matches('\n');
    let mut out = String::new();
    for line in case.lines() {
        writeln!(out, "> {line}").unwrap();
    }
    match parse_script(case) {
        Err(error) => writeln!(out, "{}", error.render(case)).unwrap(),
        Ok(parsed) => {
            for parsed in parsed {
                let printed = parsed.statement.to_string();
                writeln!(out, "{printed}").unwrap();
                windows(&parsed.statement, &mut out);
                assert_is_read_again(&printed);
            }
        }
    }
    out.push('\n');
    out
}

/// What is printed comes to the same.
fn assert_is_read_again(printed: &str) {
    let again = parse_script(printed).unwrap_or_else(|error| panic!("{}", error.render(printed)));
    let again: Vec<String> = again.iter().map(|parsed| parsed.statement.to_string()).collect();
    assert_eq!(again, [printed]);
}

fn windows(statement: &Statement, out: &mut String) {
    struct Windows(Vec<Result<WindowFunction, SyntaxError>>);
    impl ast::Visitor for Windows {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &ast::TableFactor) -> ControlFlow<()> {
            self.0.extend(window_function(factor));
            ControlFlow::Continue(())
        }
    }
    let query = match statement {
        Statement::Query(query) => query,
        Statement::Insert(insert) => &insert.query,
        _ => return,
    };
    let mut found = Windows(Vec::new());
    assert!(ast::Visit::visit(query.as_ref(), &mut found).is_continue());
    for window in found.0 {
        let window = window.unwrap();
        let alias = window.alias.map(|alias| format!(" as {alias}")).unwrap_or_default();
        let (table, column, offset) = (window.table, window.time_column, window.offset_ms);
        writeln!(out, "  window over {table} by {column}{alias}: {}, offset {offset} ms", kind(&window.kind)).unwrap();
        if !window.options.is_empty() {
            writeln!(out, "    with {:?}", window.options).unwrap();
        }
    }
}

/// Without the places of names.
fn kind(kind: &levada_sql_syntax::WindowKind) -> String {
    match kind {
        levada_sql_syntax::WindowKind::Session { gap_ms, partition_by } => {
            let keys: Vec<String> = partition_by.iter().map(ToString::to_string).collect();
            format!("Session {{ gap_ms: {gap_ms}, partition_by: [{}] }}", keys.join(", "))
        }
        other => format!("{other:?}"),
    }
}
