//! `docs/compatibility.md` says what is served.
//!
//! To write the table anew: `LEVADA_WRITE_DOCS=1 cargo test -p levada-kafka --test compatibility`.

use levada_kafka::{TABLE_MARKERS, compatibility_table};

#[test]
fn the_table_of_apis_in_the_docs_is_what_the_code_serves() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = TABLE_MARKERS;
    let (before, rest) = text.split_once(begin).expect("the docs have the first marker");
    let (_, after) = rest.split_once(end).expect("the docs have the second marker");
    let expected = format!("{before}{begin}\n{}{end}{after}", compatibility_table());
    if std::env::var_os("LEVADA_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "the table is out of date: see this test's head");
}
