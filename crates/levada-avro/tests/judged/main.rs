//! Random pairs of schemas, judged as Apache Avro's own Java judged them: `cargo xtask avro-judge` ran it, and keeps of
//! each of its verdicts 16 bits in `testdata/verdicts.bin`. A verdict is both canonical lines, whether they are valid
//! as new schemas, all incompatibilities with their paths and messages, in order, and what becomes of a value.

mod pairs;
mod values;
mod verdict;

use levada_avro::datum::{Decoder, Limits, decode, encode};
use levada_avro::{incompatibilities, parse};
use levada_model::SeededRng;

const VERDICTS: &[u8] = include_bytes!("../../testdata/verdicts.bin");

#[test]
fn schemas_are_judged_as_java_judges_them() {
    let golden: Vec<u16> = VERDICTS.chunks_exact(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]])).collect();
    assert!(golden.len() >= 100_000, "{} verdicts", golden.len());
    let replayed = golden.get(..REPLAYED.min(golden.len())).unwrap_or_default();
    let mut counts = [0_usize; 4];
    let mut read = 0;
    for (number, &golden) in (0_u64..).zip(replayed) {
        let pair = pairs::pair(number);
        let verdict = verdict::verdict(number, &pair);
        assert_eq!(verdict::digest(&verdict), golden, "pair {number}: {pair:?}: {verdict}");
        let (verdict, value) = verdict.rsplit_once('\t').expect("four columns");
        read += usize::from(value != "-" && value != "unreadable");
        let kind = match verdict.rsplit('\t').next() {
            Some("compatible") => 0,
            Some("-") => 1,
            Some("incomparable") => 2,
            _ => 3,
        };
        counts[kind] += 1;
    }
    let [compatible, invalid, incomparable, incompatible] = counts;
    let told = format!(
        "{compatible} compatible, {incompatible} not, {incomparable} incomparable, {invalid} invalid, {read} read"
    );
    assert!(compatible * 4 > replayed.len() && incompatible * 4 > replayed.len(), "{told}");
    assert!(incomparable > 10 && invalid * 4 < replayed.len() && read * 5 > replayed.len(), "{told}");
}

/// How many verdicts are replayed: not all in a debug build, which takes half a minute for so many.
const REPLAYED: usize = if cfg!(debug_assertions) { 40_000 } else { usize::MAX };
/// Pairs whose values are written and read: fewer in a debug build, which takes seconds for so many.
const READ_PAIRS: u64 = if cfg!(debug_assertions) { 10_000 } else { 110_000 };

#[test]
fn what_is_compatible_is_read_whatever_the_value() {
    let mut read = 0;
    for number in 0..READ_PAIRS {
        let pair = pairs::pair(number);
        let (Ok(reader), Ok(writer)) = (parse(&pair.reader, &[]), parse(&pair.writer, &[])) else { continue };
        let is_compatible = incompatibilities(&reader, &writer).is_ok_and(|found| found.is_empty());
        let mut own = Decoder::new(&writer, &writer);
        let mut resolving = Decoder::new(&reader, &writer);
        for seed in 0..4 {
            let rng = SeededRng::new(number * 4 + seed);
            let Some(value) = values::value(&writer, writer.root(), &rng, 12) else { continue };
            let told = || format!("pair {number}: {pair:?}: {value}");
            let bytes = encode(&writer, &value).unwrap_or_else(|error| panic!("{}: {error}", told()));
            assert_eq!(own.decode(&bytes, &Limits::default()).unwrap(), value, "{}", told());
            let resolved = resolving.decode(&bytes, &Limits::default());
            if is_compatible && verdict::has_valid_defaults(&pair) {
                let resolved = resolved.unwrap_or_else(|error| panic!("{}: {error}", told()));
                // What came of it is a value of the reader.
                let again = encode(&reader, &resolved).unwrap_or_else(|error| panic!("{}: {error}", told()));
                assert_eq!(decode(&reader, &again, &Limits::default()).unwrap(), resolved, "{}", told());
                read += 1;
            }
        }
    }
    assert!(read > READ_PAIRS, "{read} values were read");
}
