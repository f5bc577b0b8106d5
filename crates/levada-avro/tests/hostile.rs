//! Texts from strangers: whatever they are, they cost little and never the process.

use levada_avro::datum::{Decoder, Limits, decode, encode};
use levada_avro::{
    CompatibilityError, INCOMPATIBILITIES_MAX, Problem, Reference, Validation, incompatibilities, parse, parse_with,
};
use levada_model::{Rng, SeededRng};

const RICH: &str = r#"{"type":"record","name":"a.b.Order","doc":"é \" \\","aliases":["Old"],"fields":[
    {"name":"id","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},"default":"\u00ff"},
    {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
        {"name":"next","type":["null","Line"],"default":null},{"name":"n","type":"int","default":-1.5e3}]}},"default":[]},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"],"default":"A"},"order":"ignore"},
    {"name":"key","type":{"type":"fixed","name":"Key","size":16}},
    {"name":"m","type":{"type":"map","values":["null","a.b.Order","double"]},"default":{}}],"x":{"y":[1,true,null]}}"#;

fn below(rng: &SeededRng, limit: usize) -> usize {
    usize::try_from(rng.next_u64()).expect("64 bits") % limit.max(1)
}

#[test]
fn mutated_and_cut_schemas_are_read_or_refused() {
    let rng = SeededRng::new(7);
    let original = parse(RICH, &[]).unwrap();
    let pieces =
        ["{", "}", "[", "]", ",", "\"", ":", "null", "\"type\"", "\"record\"", "1e999", "\\u", "a.b.Order", "é"];
    let (mut read, mut compatible) = (0, 0);
    for _ in 0..10_000 {
        let mut text: Vec<char> = RICH.chars().collect();
        for _ in 0..1 + below(&rng, 2) {
            let at = below(&rng, text.len());
            match below(&rng, 4) {
                0 => text.truncate(at),
                1 => drop(text.splice(at..(at + below(&rng, 9)).min(text.len()), [])),
                2 => drop(text.splice(at..at, pieces[below(&rng, pieces.len())].chars())),
                _ => {
                    let end = (at + below(&rng, 40)).min(text.len());
                    let copy: Vec<char> = text[at..end].to_vec();
                    let to = below(&rng, text.len());
                    text.splice(to..to, copy);
                }
            }
            text.push(' ');
        }
        let text: String = text.into_iter().collect();
        let Ok(schema) = parse_with(&text, &[], Validation::NewSchema).or_else(|_| parse(&text, &[])) else { continue };
        read += 1;
        let again = parse(schema.canonical(), &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(again.canonical(), schema.canonical());
        assert_eq!(parse(&schema.normalized(), &[]).unwrap().normalized(), schema.normalized());
        compatible += usize::from(incompatibilities(&schema, &original).is_ok_and(|found| found.is_empty()));
    }
    assert!(read > 200 && compatible > 30, "{read} were schemas, {compatible} compatible");
}

#[test]
fn nesting_is_refused_before_it_is_followed() {
    let nested = format!("{}\"int\"{}", "{\"type\":\"array\",\"items\":".repeat(100_000), "}".repeat(100_000));
    assert!(parse(&nested, &[]).unwrap_err().to_string().contains("nested deeper than 300"));
    // Flat in the text, deep in the line: each is printed where the one before it uses it.
    let chain: Vec<String> = (0..1_000)
        .map(|i| {
            format!(r#"{{"type":"record","name":"R{i}","fields":[{{"name":"f","type":"R{}"}}]}}"#, (i + 1) % 1_000)
        })
        .collect();
    let error = parse(&format!("[{}]", chain.join(",")), &[]).unwrap_err();
    assert_eq!(*error.problem, Problem::TooDeep { limit: 300 });
}

#[test]
fn the_deepest_schemas_and_values_need_little_stack() {
    const STACK_BYTES: usize = 1 << 20;
    let run = || {
        let nested = |depth: usize, inner: &str| {
            format!("{}{inner}{}", r#"{"type":"array","items":"#.repeat(depth), "}".repeat(depth))
        };
        let deepest = nested(300, "\"int\"");
        let schema = parse_with(&deepest, &[], Validation::NewSchema).unwrap();
        assert_eq!(schema.canonical(), deepest);
        assert_eq!(schema.normalized(), deepest);
        assert!(schema.fingerprint().is_ok());
        let other = parse(&nested(300, "\"string\""), &[]).unwrap();
        assert_eq!(incompatibilities(&schema, &other).unwrap().len(), 1);
        assert!(decode(&schema, &[2; 600], &Limits::default()).unwrap_err().to_string().contains("deeper than 250"));
        assert!(parse(&nested(301, "\"int\""), &[]).is_err());
        let records = |depth: usize| {
            let opened: String = (0..depth)
                .map(|i| format!(r#"{{"type":"record","name":"R{i}","fields":[{{"name":"f","type":"#))
                .collect();
            format!("{opened}\"int\"{}", "}]}".repeat(depth))
        };
        let schema = parse(&records(100), &[]).unwrap();
        assert_eq!(parse(schema.canonical(), &[]).unwrap().normalized(), schema.normalized());
        let value = decode(&schema, &[2], &Limits::default()).unwrap();
        assert_eq!(encode(&schema, &value).unwrap(), [2]);
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_schema_has_limits() {
    let references = vec![Reference { name: "r", text: "\"int\"" }; 1_001];
    assert_eq!(parse("\"int\"", &references).unwrap_err().to_string(), "references exceed the limit of 1000");
    let long = format!("\"int\"{}", " ".repeat(8 << 20));
    assert_eq!(parse(&long, &[]).unwrap_err().to_string(), "bytes of text exceed the limit of 8388608");
    let longs = [Reference { name: "r", text: &long }];
    assert_eq!(parse("\"int\"", &longs).unwrap_err().to_string(), "bytes of references exceed the limit of 8388608");
    let fields: Vec<String> = (0..200_001).map(|i| format!(r#"{{"name":"f{i}","type":"int"}}"#)).collect();
    let wide = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
    assert!(parse(&wide, &[]).unwrap_err().to_string().starts_with("types exceed the limit of 200000"));
}

#[test]
fn a_chain_of_references_is_left_as_names() {
    let texts: Vec<String> = (0..900)
        .map(|i| match i {
            0 => r#"{"type":"record","name":"R0","fields":[]}"#.to_owned(),
            _ => format!(r#"{{"type":"record","name":"R{i}","fields":[{{"name":"f","type":"R{}"}}]}}"#, i - 1),
        })
        .collect();
    let references: Vec<Reference<'_>> = texts.iter().map(|text| Reference { name: "r", text }).collect();
    let schema = parse("[\"null\",\"R899\"]", &references).unwrap();
    assert_eq!(schema.canonical(), "[\"null\",\"R899\"]");
    assert_eq!(schema.resolved().unwrap_err(), Problem::TooDeep { limit: 300 });
    assert!(schema.parsing_canonical_form().is_err());
    assert!(incompatibilities(&schema, &schema).unwrap().is_empty());
}

#[test]
fn cycles_of_different_lengths_cost_steps_and_no_stack() {
    let cycle = |length: usize| {
        let records: Vec<String> = (0..length)
            .map(|i| format!(r#"{{"type":"record","name":"R{i}","aliases":["x.R{i}"],"fields":[{{"name":"f","type":["null","R{}"]}}]}}"#, (i + 1) % length))
            .collect();
        // Each is printed before it is used, from the last to the first.
        let text = format!("[{}]", records.into_iter().rev().collect::<Vec<_>>().join(","));
        let text = text.replace("\"fields\"", "\"doc\":\"d\",\"fields\"");
        parse(&text, &[]).unwrap()
    };
    let (left, right) = (cycle(67), cycle(61));
    let found = incompatibilities(&left, &right).unwrap();
    assert!(!found.is_empty());
}

#[test]
fn a_lattice_does_not_multiply() {
    let lattice = |inner: &str| {
        let mut text = String::new();
        for i in 0..40 {
            text.push_str(&format!(r#"{{"type":"record","name":"R{i}","fields":[{{"name":"a","type":"#));
        }
        text.push_str(inner);
        for i in (0..40).rev() {
            let back = if i == 39 { inner.to_owned() } else { format!("\"R{}\"", i + 1) };
            text.push_str(&format!(r#"}},{{"name":"b","type":{back}}}]}}"#));
        }
        parse(&text, &[]).unwrap()
    };
    let (ints, strings) = (lattice("\"int\""), lattice("\"string\""));
    assert!(incompatibilities(&ints, &ints).unwrap().is_empty());
    assert_eq!(incompatibilities(&ints, &strings).unwrap().len(), INCOMPATIBILITIES_MAX);
}

#[test]
fn large_unions_end_at_the_limit_of_steps() {
    let union = |prefix: &str| {
        let branches: Vec<String> =
            (0..3_000).map(|i| format!(r#"{{"type":"fixed","name":"{prefix}{i}","size":1}}"#)).collect();
        parse(&format!("[{}]", branches.join(",")), &[]).unwrap()
    };
    let error = incompatibilities(&union("A"), &union("B")).unwrap_err();
    assert!(matches!(error, CompatibilityError::TooComplex { .. }));
}

#[test]
fn defaults_in_circles_are_refused() {
    let text = r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R","default":{}}]}"#;
    let error = parse_with(text, &[], Validation::NewSchema).unwrap_err();
    assert!(matches!(*error.problem, Problem::DefaultsTooComplex { .. }));
    let schema = parse(text, &[]).unwrap();
    let empty = parse(r#"{"type":"record","name":"R","fields":[]}"#, &[]).unwrap();
    assert!(Decoder::new(&schema, &empty).decode(&[], &Limits::default()).is_err());
    assert!(decode(&schema, &[], &Limits::default()).is_err());
}

#[test]
fn many_choices_and_many_values_do_not_multiply() {
    // By the square, each of these would take minutes.
    const COUNT: usize = 60_000;
    let symbols: Vec<String> = (0..COUNT).map(|i| format!("\"S{i}\"")).collect();
    let text = format!(r#"{{"type":"array","items":{{"type":"enum","name":"E","symbols":[{}]}}}}"#, symbols.join(","));
    let (schema, reader) = (parse(&text, &[]).unwrap(), parse(&text, &[]).unwrap());
    let last = serde_json::Value::Array(vec![format!("S{}", COUNT - 1).into(); COUNT]);
    let bytes = encode(&schema, &last).unwrap();
    assert_eq!(Decoder::new(&reader, &schema).decode(&bytes, &Limits::default()).unwrap(), last);
    assert!(incompatibilities(&reader, &schema).unwrap().is_empty());

    let fields: Vec<String> = (0..COUNT).map(|i| format!(r#"{{"name":"f{i}","type":"double"}}"#)).collect();
    let members: Vec<String> = (0..COUNT).rev().map(|i| format!(r#""f{i}":1"#)).collect();
    let inner = format!(r#"{{"type":"record","name":"I","fields":[{}]}}"#, fields.join(","));
    let outer = format!(
        r#"{{"type":"record","name":"O","fields":[{{"name":"i","type":{inner},"default":{{{}}}}}]}}"#,
        members.join(",")
    );
    let schema = parse(&outer, &[]).unwrap();
    assert!(schema.normalized().contains(r#""f59999":1.0"#));
    assert!(incompatibilities(&schema, &schema).unwrap().is_empty());
    let error = parse_with(&outer, &[], Validation::NewSchema).unwrap_err();
    assert!(matches!(*error.problem, Problem::DefaultsTooComplex { .. }));
    let empty = parse(r#"{"type":"record","name":"O","fields":[]}"#, &[]).unwrap();
    assert!(Decoder::new(&schema, &empty).decode(&[], &Limits::default()).is_err());
}

#[test]
fn random_bytes_are_read_or_refused() {
    let rng = SeededRng::new(11);
    let schema = parse(RICH, &[]).unwrap();
    let other = parse(&RICH.replace("\"name\":\"m\"", "\"name\":\"gone\""), &[]).unwrap();
    let limits = Limits { value_bytes_max: 1 << 20 };
    let (mut read, mut resolved) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = vec![0; below(&rng, 60)];
        rng.fill(&mut bytes);
        for byte in &mut bytes {
            // Small numbers lead further.
            *byte %= [4, 16, 255, 255][below(&rng, 4)];
        }
        read += usize::from(decode(&schema, &bytes, &limits).is_ok());
        resolved += usize::from(Decoder::new(&other, &schema).decode(&bytes, &limits).is_ok());
    }
    assert!(read < 20_000 && resolved >= read, "{read} and {resolved}");
    // A count without bytes behind it: what it would take is counted first.
    let nulls = parse(r#"{"type":"array","items":"null"}"#, &[]).unwrap();
    let many = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert!(decode(&nulls, &many, &limits).unwrap_err().to_string().contains("more memory"));
    let bytes = parse("\"bytes\"", &[]).unwrap();
    assert!(decode(&bytes, &many, &limits).unwrap_err().to_string().contains("ends early"));
}
