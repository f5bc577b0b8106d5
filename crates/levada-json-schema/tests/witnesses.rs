//! Pairs that may look compatible and are not, each with an instance that the writer's schema takes and the reader's
//! does not. Where Confluent's registry calls them compatible, the crate's documentation says so.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_json_schema::{Policy, incompatibilities, parse};

/// `what keeps them apart | writer | reader | witness`. `D` stands for `"$schema"` of draft 2020-12, `D4` for draft 4.
const CASES: &str = include_str!("witnesses.txt");

#[test]
fn every_pair_has_its_witness_and_is_called_incompatible() {
    let mut count = 0;
    for line in CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [expected, writer, reader, witness] = parts[..] else { panic!("four columns: {line}") };
        let [writer, reader] = [writer, reader].map(|text| {
            let latest = text.replace("{D,", r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","#);
            latest.replace("{D4,", r#"{"$schema":"http://json-schema.org/draft-04/schema#","#)
        });
        let (writer, reader) = (parse(&writer, &[]).unwrap(), parse(&reader, &[]).unwrap());
        assert_eq!(writer.validate(witness), Ok(()), "{line}");
        assert!(reader.validate(witness).is_err(), "{line}");
        let found = incompatibilities(&reader, &writer, Policy::Strict).unwrap();
        let found: Vec<String> =
            found.iter().map(|difference| format!("{} {}", difference.kind, difference.path)).collect();
        assert!(found.iter().any(|difference| difference == expected), "{line}\n{found:?}");
        count += 1;
    }
    assert!(count >= 30, "{count}");
}
