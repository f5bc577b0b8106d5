//! Every documented kind of difference, by a pair of schemas that shows it, with its place and its verdict.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_json_schema::{Difference, Kind, Policy, differences, incompatibilities, parse, reserved_differences};
use std::collections::BTreeSet;

/// `kind | path | writer | reader`. `D` stands for `"$schema"` of draft 2020-12.
const CASES: &str = include_str!("kinds.txt");

struct Case<'a> {
    kind: &'a str,
    path: &'a str,
    writer: String,
    reader: String,
}

fn cases() -> Vec<Case<'static>> {
    let latest = r#""$schema":"https://json-schema.org/draft/2020-12/schema""#;
    let lines = CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let [kind, path, writer, reader] = parts[..] else { panic!("four columns: {line}") };
            let [writer, reader] = [writer, reader].map(|text| text.replace("{D,", &format!("{{{latest},")));
            Case { kind, path, writer, reader }
        })
        .collect()
}

fn kind(name: &str) -> Kind {
    Kind::ALL.iter().copied().find(|kind| kind.name() == name).unwrap_or_else(|| panic!("no kind {name}"))
}

#[test]
fn every_kind_is_found_where_it_is_and_judged_as_documented() {
    for case in cases() {
        let (writer, reader) = (parse(&case.writer, &[]).unwrap(), parse(&case.reader, &[]).unwrap());
        let kind = kind(case.kind);
        for policy in [Policy::Strict, Policy::Lenient] {
            let found = differences(&reader, &writer, policy).unwrap();
            let expected = Difference { kind, path: case.path.to_owned() };
            assert!(found.contains(&expected), "{expected:?} is not in {found:#?}\n{}\n{}", case.writer, case.reader);
            let incompatible = incompatibilities(&reader, &writer, policy).unwrap();
            let is_compatible = kind.is_compatible(policy);
            assert_eq!(incompatible.is_empty(), is_compatible, "{policy:?} {} {incompatible:#?}", case.kind);
            assert_eq!(incompatible.contains(&expected), !is_compatible);
        }
    }
}

#[test]
fn every_kind_has_a_case() {
    let shown: BTreeSet<&str> = cases().iter().map(|case| case.kind).collect();
    let not_of_schemas = ["RESERVED_PROPERTY_REMOVED", "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY"];
    let never = ["PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"];
    for kind in Kind::ALL {
        let is_left_out = not_of_schemas.contains(&kind.name()) || never.contains(&kind.name());
        assert_eq!(shown.contains(kind.name()), !is_left_out, "{kind}");
    }
}

#[test]
fn a_schema_has_no_differences_from_itself() {
    for case in cases() {
        for text in [&case.writer, &case.reader] {
            let (one, other) = (parse(text, &[]).unwrap(), parse(text, &[]).unwrap());
            assert_eq!(differences(&one, &other, Policy::Strict).unwrap(), [], "{text}");
        }
    }
}

#[test]
fn reserved_properties_stay_reserved_and_unused() {
    let reader = parse(r#"{"properties":{"a":true,"b":true}}"#, &[]).unwrap();
    let found = reserved_differences(&reader, &["b", "c"], &["c", "d"]);
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            r#"{errorType:"RESERVED_PROPERTY_REMOVED", description:"At path 'd' a property that was reserved no longer is"}"#,
            r##"{errorType:"RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY", description:"At path '#/properties/b' the schema describes a property that is reserved"}"##,
        ]
    );
    assert!(found.iter().all(|difference| !difference.kind.is_compatible(Policy::Lenient)));
}
