//! How fast JSON is decoded: rows a second on one core, for bids as Nexmark has them.
//!
//! `cargo run --release -p levada-sql --example json_decode`

use levada_sql::format::{Columns, Format, FormatError, JsonOptions, decoder};
use levada_sql::types::Type;
use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

const RECORDS: usize = 20_000;
const BATCH: usize = 2_000;
const ROUNDS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let records: Vec<String> = (0..RECORDS).map(bid).collect();
    let bytes = records.iter().map(String::len).sum::<usize>() / RECORDS;
    let (two, seven) = (measure(&records, vec![0, 2])? / 1e6, measure(&records, (0..7).collect())? / 1e6);
    let mut out = std::io::stdout().lock();
    writeln!(out, "records of {bytes} bytes")?;
    writeln!(out, "2 of 7 columns: {two:.2} M rows/s")?;
    writeln!(out, "7 of 7 columns: {seven:.2} M rows/s")?;
    Ok(())
}

fn fields() -> arrow::datatypes::Fields {
    let types = [
        ("auction", Type::BigInt),
        ("bidder", Type::BigInt),
        ("price", Type::BigInt),
        ("channel", Type::String),
        ("url", Type::String),
        ("dateTime", Type::Timestamp(3)),
        ("extra", Type::String),
    ];
    types.into_iter().map(|(name, of)| of.nullable().field(name)).collect()
}

/// The best of several rounds: what else runs on the machine only slows it down.
fn measure(records: &[String], wanted: Vec<usize>) -> Result<f64, Box<dyn Error>> {
    let columns = Columns { fields: fields(), wanted };
    let mut decoder = decoder(&Format::Json(JsonOptions::default()), &columns).map_err(|error: FormatError| error)?;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let start = Instant::now();
        for batch in records.chunks(BATCH) {
            for record in batch {
                decoder.decode(Some(record.as_bytes()))?;
            }
            black_box(decoder.finish()?);
        }
        best = best.min(start.elapsed());
    }
    Ok(records.len() as f64 / best.as_secs_f64())
}

fn bid(number: usize) -> String {
    let mix = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (auction, bidder, price) = (1_000 + mix % 100_000, 1_000 + (mix >> 20) % 1_000, 100 + (mix >> 30) % 10_000_000);
    let channel = ["Google", "Facebook", "Baidu", "Apple", "channel-4711"][number % 5];
    let extra: String =
        (0..40).map(|at| char::from(b'a' + u8::try_from((mix >> at) % 26).unwrap_or_default())).collect();
    format!(
        "{{\"auction\":{auction},\"bidder\":{bidder},\"price\":{price},\"channel\":\"{channel}\",\
         \"url\":\"https://www.nexmark.com/item.htm?query=1&channel_id={:07}\",\
         \"dateTime\":\"2024-03-{:02} {:02}:{:02}:{:02}.{:03}\",\"extra\":\"{extra}\"}}",
        mix % 10_000_000,
        1 + number % 28,
        number % 24,
        number / 60 % 60,
        number % 60,
        number % 1_000,
    )
}
