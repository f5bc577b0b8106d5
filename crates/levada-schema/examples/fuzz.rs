//! Throws mutated schemas and data at the three languages for as long as it is told to, and ends badly where one costs
//! more than an error: a panic, a stack that overflows, or seconds.
//!
//! ```text
//! cargo run --release --package levada-schema --example fuzz -- [SECONDS] [SEED]
//! ```
//!
//! What is tried lies in a file before it is tried, so that it is there also when the process is not any more.
#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use levada_model::{Clock as _, SystemClock};
use levada_schema::{CompatibilityPolicy, Parsed, Resolved, SchemaType};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// As much as the threads of a server have.
const STACK_SIZE: usize = 2 << 20;
/// Nothing may take longer.
const SPAN_MAX: Duration = Duration::from_secs(5);
const CORPUS_MAX: usize = 3_000;
/// No text grows beyond what a registry takes.
const TEXT_SIZE_MAX: usize = 1 << 20;

const AVRO: &[&str] = &[
    r#"{"type":"record","name":"A","namespace":"a.b","aliases":["B"],"fields":[{"name":"x","type":["null",{"type":"map","values":"long"}],"default":null,"order":"ignore"},{"name":"y","type":{"type":"array","items":{"type":"fixed","name":"F","size":12}}},{"name":"z","type":["A","a.b.F"]}]}"#,
    r#"{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}"#,
    r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#,
    r#"["int",{"type":"long","logicalType":"timestamp-millis"},{"type":"string","confluent:tags":["PII"]}]"#,
];
const JSON: &[&str] = &[
    r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://a/b","type":"object","properties":{"a":{"type":["string","null"],"minLength":1,"pattern":"^a+$"},"b":{"$ref":"#/$defs/B"}},"required":["a"],"additionalProperties":false,"$defs":{"B":{"type":"array","prefixItems":[{"const":1}],"items":{"enum":[1,"x"]},"minItems":1,"uniqueItems":true}}}"##,
    r##"{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"n":{"oneOf":[{"type":"integer","multipleOf":2},{"type":"array","items":{"$ref":"#/definitions/n"}}]}},"allOf":[{"$ref":"#/definitions/n"}],"if":{"minimum":3},"then":{"maximum":9},"else":false}"##,
    r#"{"$schema":"http://json-schema.org/draft-04/schema#","type":"number","minimum":0,"exclusiveMinimum":true,"not":{"enum":[1.5]}}"#,
    r#"{"type":"object","patternProperties":{"^x-":{"type":"string"}},"propertyNames":{"maxLength":9},"dependentRequired":{"a":["b"]},"unevaluatedProperties":{"type":"boolean"},"minProperties":1}"#,
];
const PROTOBUF: &[&str] = &[
    "syntax = \"proto3\"; package a.b; import \"google/protobuf/timestamp.proto\"; message A { int32 x = 1; repeated B b = 2; map<string, bytes> m = 3; oneof o { string s = 4; google.protobuf.Timestamp t = 5; } reserved 9 to 12; message B { optional double d = 1 [json_name = \"dd\"]; } enum E { ZERO = 0; ONE = 1; } } service S { rpc Do (A) returns (stream A); }",
    "syntax = \"proto2\"; message A { required string x = 1 [default = \"q\"]; optional group G = 2 { optional int64 y = 1; } extensions 100 to 199; } extend A { optional bool e = 100; }",
    "syntax = \"proto3\"; message A { fixed32 f = 1; repeated sint64 s = 2 [packed = false, deprecated = true]; enum E { option allow_alias = true; A0 = 0; B0 = 0; } E e = 3; }",
];
const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\u{10ffff}",
    "\"type\"",
    "\"default\"",
    "\"$ref\":\"#\"",
    "\"$dynamicRef\"",
    "\"allOf\":[",
    "\"items\":{",
    "\"fields\":[",
    "\"pattern\":\"(a*)*$\"",
    "\"maxLength\":4294967296",
    "message A {",
    "oneof o {",
    "map<",
    "= 536870911;",
    "extend ",
    "reserved 1 to max;",
    "option (x).y = {",
    "import public \"a.proto\";",
    "/*",
    "//",
    "\"logicalType\":\"decimal\"",
    "\"size\":2147483647",
    "\"precision\":0",
    "\"multipleOf\":1e-300",
    "\"const\":",
    "(?=",
    "{1000}",
];
const DATA: &[&str] =
    &["{}", "null", "[]", "1", "\"x\"", r#"{"x":{"map":{"a":1}},"y":[],"z":null}"#, r#"{"a":"a","b":[1]}"#];

/// A generator of numbers that a seed decides: `splitmix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which may be 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> Option<&'a T> {
        of.get(self.below(of.len())).copied()
    }
}

/// A schema that was understood.
struct Sound {
    schema_type: SchemaType,
    text: String,
    parsed: Arc<Parsed>,
}

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let span = Duration::from_secs(arguments.first().copied().unwrap_or(60));
    let seed = arguments.get(1).copied().unwrap_or_else(|| u64::from(std::process::id()));
    let file = std::env::temp_dir().join("levada-fuzz-last.txt");
    println!("seed {seed}, {} s; what is tried lies in {}", span.as_secs(), file.display());
    let runner = std::thread::Builder::new().stack_size(STACK_SIZE).spawn(move || run(span, seed, &file));
    match runner.map(std::thread::JoinHandle::join) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn run(span: Duration, seed: u64, file: &std::path::Path) -> bool {
    let mut dice = Dice(seed);
    let mut corpus: Vec<Sound> = Vec::new();
    for (schema_type, texts) in seeds() {
        for text in texts {
            match Parsed::parse(schema_type, text, &[]) {
                Ok(parsed) => corpus.push(Sound { schema_type, text: (*text).to_owned(), parsed: Arc::new(parsed) }),
                Err(error) => {
                    println!("a seed is not understood: {error}: {text}");
                    return false;
                }
            }
        }
    }
    let begun = SystemClock.monotonic();
    let (mut tried, mut understood, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    while SystemClock.monotonic().saturating_sub(begun) < span {
        let (schema_type, text) = mutated(&mut dice, &corpus);
        let with = dice.below(corpus.len());
        let Some(other) = corpus.get(with) else { return false };
        let tried_now = format!("{schema_type:?}\n{text}\n--- beside\n{:?}\n{}\n", other.schema_type, other.text);
        if std::fs::write(file, &tried_now).is_err() {
            println!("cannot write {}", file.display());
            return false;
        }
        let started = SystemClock.monotonic();
        let outcome = catch_unwind(AssertUnwindSafe(|| try_one(&mut dice, schema_type, &text, other)));
        let took = SystemClock.monotonic().saturating_sub(started);
        slowest = slowest.max(took);
        tried += 1;
        let wrong = match outcome {
            Err(_) => Some("it panicked".to_owned()),
            Ok(Err(wrong)) => Some(wrong),
            Ok(Ok(_)) if took > SPAN_MAX => Some(format!("it took {:.1} s", took.as_secs_f64())),
            Ok(Ok(parsed)) => {
                if let Some(parsed) = parsed {
                    understood += 1;
                    let sound = Sound { schema_type, text, parsed: Arc::new(parsed) };
                    if corpus.len() < CORPUS_MAX {
                        corpus.push(sound);
                    } else {
                        let at = dice.below(corpus.len());
                        corpus[at] = sound;
                    }
                }
                None
            }
        };
        if let Some(wrong) = wrong {
            println!("after {tried} tries: {wrong}\n{tried_now}");
            return false;
        }
    }
    println!("{tried} tried, {understood} understood, the slowest took {} ms: nothing wrong", slowest.as_millis());
    true
}

const fn seeds() -> [(SchemaType, &'static [&'static str]); 3] {
    [(SchemaType::Avro, AVRO), (SchemaType::Json, JSON), (SchemaType::Protobuf, PROTOBUF)]
}

/// Everything that a registry does with a schema, and a broker with data.
fn try_one(dice: &mut Dice, schema_type: SchemaType, text: &str, other: &Sound) -> Result<Option<Parsed>, String> {
    let references = [Resolved { name: "a.proto".to_owned(), text: other.text.as_str().into() }];
    let referenced = if dice.below(8) == 0 { &references[..] } else { &[] };
    let Ok(parsed) = Parsed::parse(schema_type, text, referenced) else { return Ok(None) };
    for normalized in [false, true] {
        let kept = parsed.text(normalized);
        match Parsed::parse(schema_type, &kept, referenced) {
            Err(error) => return Err(format!("what was kept is not understood: {error}: {kept}")),
            Ok(again) if again.text(normalized) != kept => {
                return Err(format!("what was kept is kept otherwise: {kept} and {}", again.text(normalized)));
            }
            Ok(_) => {}
        }
    }
    for policy in [CompatibilityPolicy::Strict, CompatibilityPolicy::Lenient] {
        drop(Parsed::incompatibilities((&parsed, "new"), (&other.parsed, "old"), policy));
        drop(Parsed::incompatibilities((&other.parsed, "old"), (&parsed, "new"), policy));
        let itself = Parsed::incompatibilities((&parsed, "new"), (&parsed, "old"), policy);
        let is_judged = !itself.iter().any(|message| message.contains("too") || message.contains("steps"));
        if is_judged && !itself.is_empty() {
            return Err(format!("it is not compatible with itself: {itself:?}"));
        }
    }
    let json = dice.one_of(DATA).unwrap_or("{}");
    let mut bytes = Vec::new();
    if parsed.write_json(json, None, &mut bytes).is_err() {
        bytes = (0..dice.below(40)).map(|_| u8::try_from(dice.next() & 0xff).unwrap_or(0)).collect();
    }
    if let Ok(data) = parsed.data(None, &bytes) {
        let shown = parsed.to_json(&data);
        if parsed.check(&data).is_ok() && shown.is_err() {
            return Err(format!("data that are sound cannot be shown: {shown:?}"));
        }
    }
    Ok(Some(parsed))
}

/// A text of the corpus, changed in some places.
fn mutated(dice: &mut Dice, corpus: &[Sound]) -> (SchemaType, String) {
    let at = dice.below(corpus.len());
    let Some(base) = corpus.get(at) else { return (SchemaType::Avro, String::new()) };
    let mut text = base.text.clone().into_bytes();
    for _ in 0..=dice.below(4) {
        let place = dice.below(text.len());
        let end = (place + dice.below(40)).min(text.len());
        match dice.below(7) {
            0 => drop(text.drain(place..end)),
            1 => {
                let part = text.get(place..end).unwrap_or_default().repeat(1 + dice.below(300));
                text.splice(place..place, part);
            }
            2 => {
                let token = dice.one_of(TOKENS).unwrap_or_default();
                let times = if dice.below(10) == 0 { 1 + dice.below(5_000) } else { 1 };
                text.splice(place..place, token.as_bytes().repeat(times));
            }
            3 => {
                let token = dice.one_of(TOKENS).unwrap_or_default();
                text.splice(place..end, token.bytes());
            }
            4 => {
                let other = corpus.get(dice.below(corpus.len())).map(|other| other.text.as_bytes()).unwrap_or_default();
                let from = dice.below(other.len());
                let until = (from + dice.below(120)).min(other.len());
                text.splice(place..end, other.get(from..until).unwrap_or_default().iter().copied());
            }
            5 => {
                if let Some(byte) = text.get_mut(place) {
                    *byte = u8::try_from(dice.next() & 0x7f).unwrap_or(0);
                }
            }
            _ => {
                let part: Vec<u8> = text.get(place..end).unwrap_or_default().to_vec();
                let place = dice.below(text.len());
                text.splice(place..place, part);
            }
        }
        text.truncate(TEXT_SIZE_MAX);
    }
    (base.schema_type, String::from_utf8_lossy(&text).into_owned())
}
