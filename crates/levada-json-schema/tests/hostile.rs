//! Whatever is sent, it costs an answer or an error: no panic, no overflow of the stack, no endless work.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_json_schema::{Policy, TooComplex, differences, parse};
use levada_model::{Rng, SeededRng};
use std::time::Duration;

const SEEDS: [&str; 4] = [
    r##"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://a/b","type":"object","properties":{"a":{"$ref":"#/definitions/x"},"b":{"type":["string","null"],"pattern":"^(a|b)+$","maxLength":5},"c":{"oneOf":[{"const":1},{"enum":["x",2.5e1]}]}},"required":["a"],"additionalProperties":{"type":"array","items":[{"minimum":-1.5}],"additionalItems":false},"definitions":{"x":{"not":{"type":"null"},"properties":{"self":{"$ref":"#"}}}}}"##,
    r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$defs":{"n":{"$anchor":"n","type":"number","multipleOf":0.1}},"prefixItems":[{"$ref":"#n"}],"contains":{"$ref":"#/$defs/n"},"minContains":2,"unevaluatedItems":false,"dependentSchemas":{"a":{"required":["b"]}},"if":{"type":"string"},"then":{"minLength":1},"else":true}"##,
    r##"{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveAnchor":true,"anyOf":[{"items":{"$recursiveRef":"#"}},{"patternProperties":{"^x-":true},"unevaluatedProperties":{"type":"integer"}}]}"##,
    r##"{"$schema":"http://json-schema.org/draft-04/schema#","id":"x","type":"integer","minimum":1,"exclusiveMinimum":true,"dependencies":{"a":["b"],"c":{"minProperties":2}}}"##,
];

fn mutated(rng: &SeededRng, seed: &str) -> String {
    let mut bytes = seed.as_bytes().to_vec();
    let below = |limit: usize| usize::try_from(rng.next_u64() >> 11).unwrap() % limit.max(1);
    for _ in 0..=below(4) {
        let (at, to) = (below(bytes.len()), below(bytes.len()));
        match below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at.min(to)..at.max(to).min(at.min(to) + 20))),
            2 => bytes.insert(at, b"{}[]\",:#/0e$\\"[below(13)]),
            3 if !bytes.is_empty() => bytes[at] = b"{}[]\",:#/0e$\\"[below(13)],
            4 => {
                let piece: Vec<u8> = bytes[at.min(to)..at.max(to)].to_vec();
                let place = below(bytes.len());
                bytes.splice(place..place, piece);
            }
            _ if bytes.len() > 1 => bytes.swap(at, to),
            _ => {}
        }
        if bytes.is_empty() {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn thousands_of_mutations_never_panic() {
    let rng = SeededRng::new(42);
    let originals: Vec<_> = SEEDS.iter().map(|seed| parse(seed, &[]).unwrap()).collect();
    let (mut refused, mut taken) = (0, 0);
    for round in 0..6_000 {
        let index = round % SEEDS.len();
        let text = mutated(&rng, SEEDS[index]);
        match parse(&text, &[]) {
            Ok(schema) => {
                taken += 1;
                for original in &originals {
                    assert!(differences(original, &schema, Policy::Lenient).is_ok(), "{text}");
                    assert!(differences(&schema, original, Policy::Strict).is_ok(), "{text}");
                }
                let verdicts = SEEDS.map(|seed| schema.validate(seed).is_ok());
                assert_eq!(verdicts, SEEDS.map(|seed| parse(schema.canonical(), &[]).unwrap().validate(seed).is_ok()));
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(refused > 1_000 && taken > 300, "{refused} refused, {taken} taken");
}

#[test]
fn every_truncation_is_refused() {
    for seed in SEEDS {
        for end in (1..seed.len()).filter(|end| seed.is_char_boundary(*end)) {
            assert!(parse(&seed[..end], &[]).is_err());
        }
    }
}

/// Runs on a stack as small as a test's or a runtime's, and says how long it took.
fn timed<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "the test is of how long it takes")]
    let start = std::time::Instant::now();
    let result = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
    (result, start.elapsed())
}

#[test]
fn schemas_that_share_and_recurse_are_compared_in_time() {
    // Every definition is an alternative of every other, and of its own items.
    let tangle = |kind: &str| {
        let all: Vec<String> = (0..25).map(|index| format!(r##"{{"$ref":"#/definitions/d{index}"}}"##)).collect();
        let all = all.join(",");
        let each: Vec<String> = (0..25)
            .map(|index| {
                format!(r#""d{index}":{{"type":"object","properties":{{"p{index}":{{"anyOf":[{all}]}},"q":{{"type":"{kind}"}}}},"required":["p{index}"]}}"#)
            })
            .collect();
        format!(r##"{{"anyOf":[{all}],"definitions":{{{}}}}}"##, each.join(","))
    };
    let (texts, mut slowest) = ([tangle("string"), tangle("integer")], Duration::ZERO);
    for (one, other) in [(0, 0), (0, 1), (1, 0)] {
        let (one, other) = (texts[one].clone(), texts[other].clone());
        let (found, took) = timed(move || {
            let (one, other) = (parse(&one, &[]).unwrap(), parse(&other, &[]).unwrap());
            (differences(&one, &other, Policy::Strict), one.canonical() == other.canonical())
        });
        slowest = slowest.max(took);
        match found {
            (Ok(found), is_same) => assert_eq!(found.is_empty(), is_same),
            (Err(TooComplex), is_same) => assert!(!is_same, "a schema is compared with itself"),
        }
    }
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
}

#[test]
fn the_deepest_schemas_fit_a_small_stack() {
    let nested = |key: &str, leaf: &str| format!("{}{leaf}{}", format!(r#"{{"{key}":"#).repeat(99), "}".repeat(99));
    let listed = |key: &str, leaf: &str| format!("{}{leaf}{}", format!(r#"{{"{key}":["#).repeat(49), "]}".repeat(49));
    for (one, other) in [
        (nested("additionalProperties", r#"{"type":"string"}"#), nested("additionalProperties", r#"{"type":"null"}"#)),
        (nested("items", r#"{"type":"string"}"#), nested("items", r#"{"type":"null"}"#)),
        (nested("items", "true"), nested("additionalProperties", "false")),
        (listed("anyOf", r#"{"type":"string"}"#), listed("anyOf", r#"{"type":"null"}"#)),
        (listed("allOf", r#"{"minLength":1}"#), listed("oneOf", r#"{"minLength":2}"#)),
    ] {
        let ((), took) = timed(move || {
            let (one, other) = (parse(&one, &[]), parse(&other, &[]));
            let (Ok(one), Ok(other)) = (one, other) else { return };
            assert_ne!(differences(&one, &other, Policy::Strict), Ok(Vec::new()));
            let instance = format!("{}1{}", r#"{"a":"#.repeat(99), "}".repeat(99));
            assert!(
                one.validate(&instance).is_err() || other.validate(&instance).is_err() || one.validate("[]").is_ok()
            );
        });
        assert!(took < Duration::from_secs(20));
    }
    // A list of types, each of which is a property of the one before.
    let chain: Vec<String> = (0..300)
        .map(|index| format!(r##""d{index}":{{"properties":{{"next":{{"$ref":"#/definitions/d{}"}}}}}}"##, index + 1))
        .collect();
    let text = |leaf: &str| {
        format!(r##"{{"$ref":"#/definitions/d0","definitions":{{{},"d300":{{"type":"{leaf}"}}}}}}"##, chain.join(","))
    };
    let (one, other) = (text("string"), text("null"));
    let (found, _) =
        timed(move || differences(&parse(&one, &[]).unwrap(), &parse(&other, &[]).unwrap(), Policy::Strict));
    assert_eq!(found, Err(TooComplex));
}
