use super::*;

fn texts(script: &str) -> Vec<&str> {
    split(script).unwrap().into_iter().map(|piece| &script[piece.bytes]).collect()
}

#[test]
fn a_script_is_cut_at_semicolons_and_nowhere_else() {
    let script = "-- first; not a statement\nSELECT ';', `a;b` /* ; */ FROM t ; ;\r\nSHOW TABLES";
    assert_eq!(texts(script), ["SELECT ';', `a;b` /* ; */ FROM t", "SHOW TABLES"]);
}

#[test]
fn places_are_those_of_the_whole_text() {
    let pieces = split("SELECT 'é';\n  SHOW TABLES;").unwrap();
    assert_eq!(pieces[1].span.start, Position { line: 2, column: 3 });
    assert_eq!(pieces[1].span.end, Position { line: 2, column: 14 });
}

#[test]
fn a_statement_set_is_one_statement() {
    let set =
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END FROM t; INSERT INTO b SELECT 1; END";
    assert_eq!(texts(&format!("{set}; SHOW VIEWS;")), [set, "SHOW VIEWS"]);
    let set = "begin statement set; insert into a select 1; end";
    assert_eq!(texts(&format!("{set};")), [set]);
    assert_eq!(texts("BEGIN; SHOW VIEWS;"), ["BEGIN", "SHOW VIEWS"]);
}

#[test]
fn a_prompt_waits_for_the_end_of_a_statement() {
    for open in
        ["", "SELECT 1", "SELECT ';", "SELECT `;", "SELECT 1 /* ;", "SELECT 1 -- ;", "BEGIN STATEMENT SET; INSERT;"]
    {
        assert!(!is_complete(open), "{open}");
    }
    for ended in
        [";", "SELECT 1;", "SELECT 1; -- done", "SELECT 1 ? 2;", "BEGIN STATEMENT SET; INSERT; END;", "SELECT '\\';"]
    {
        assert!(is_complete(ended), "{ended}");
    }
}

#[test]
fn what_is_not_closed_is_said_with_where_it_begins() {
    let error = split("SELECT\n 'abc").err().unwrap();
    assert_eq!(error.position, Position { line: 2, column: 2 });
    assert!(split("/* abc").err().unwrap().message.contains("comment"));
    assert!(split("SELECT `abc").err().unwrap().message.contains("backtick"));
}

#[test]
fn too_many_statements_are_refused() {
    assert!(split(&"SHOW TABLES;".repeat(1_000)).is_ok());
    assert!(split(&"SHOW TABLES;".repeat(1_001)).is_err());
    assert!(split(&format!("BEGIN STATEMENT SET;{}", "INSERT;".repeat(1_000))).is_err());
    assert!(split(&" ".repeat((1 << 20) + 1)).is_err());
}

#[test]
fn a_hint_is_refused_where_there_is_no_table() {
    assert!(split("SELECT /*+ STATE_TTL('a' = '1d') */ 1").is_err());
    assert!(split("SELECT * FROM t /*+ OPTIONS('a') */").is_err());
    assert!(split("SELECT * FROM t /*+ OPTIONS('a' = 'b') */").is_ok());
}
