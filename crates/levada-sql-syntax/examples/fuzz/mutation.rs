//! Texts that are changed at random, as a seed decides it. Whatever throws SQL at something shares it.

use levada_sql_syntax::limits;

const TOKENS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ",",
    ";",
    ".",
    "'",
    "`",
    "\"",
    "--",
    "/*",
    "*/",
    "/*+ OPTIONS('a'='b') */",
    "-",
    "=>",
    "''",
    "'\\'",
    "`a`",
    "$rowtime",
    "\u{10ffff}",
    "\0",
    "1e999",
    "0x1",
    "X'",
    "U&'\\0041'",
    " NOT ",
    " AND ",
    " OR ",
    " IS DISTINCT FROM ",
    " BETWEEN SYMMETRIC ",
    " CASE WHEN ",
    " END ",
    " CAST(a AS ",
    " ARRAY<",
    " ROW<a ",
    " MAP[",
    " ARRAY[",
    " INTERVAL '1' ",
    " DAY TO SECOND(3) ",
    " TABLE t ",
    " TABLE(TUMBLE(",
    " SELECT * FROM (",
    " POSITION(",
    " EXTRACT(",
    " TRIM(",
    " EXISTS (",
    " UNION ALL SELECT 1",
    " FOR SYSTEM_TIME AS OF ",
    " LATERAL ",
    " UNNEST(",
    " WITH x AS (",
    " OVER (",
    " FILTER (WHERE ",
    " EXPLAIN ",
    " EXECUTE STATEMENT SET BEGIN ",
    " BEGIN STATEMENT SET; ",
    " PRIMARY KEY ",
    " WATERMARK FOR ",
    " METADATA ",
];

/// A generator of numbers that a seed decides: `splitmix64`.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which may be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

/// A text of the corpus, changed in some places.
pub(crate) fn mutated(dice: &mut Dice, corpus: &[String]) -> String {
    let base = dice.below(corpus.len());
    let mut text = corpus.get(base).cloned().unwrap_or_default().into_bytes();
    for _ in 0..=dice.below(3) {
        let place = dice.below(text.len());
        let end = (place + dice.below(30)).min(text.len());
        let token = TOKENS[dice.below(TOKENS.len())];
        match dice.below(7) {
            0 => drop(text.drain(place..end)),
            1 => {
                let part = text.get(place..end).unwrap_or_default().repeat(1 + dice.below(100));
                text.splice(place..place, part);
            }
            2 => {
                let times = if dice.below(10) == 0 { 1 + dice.below(3_000) } else { 1 };
                text.splice(place..place, token.as_bytes().repeat(times));
            }
            3 => drop(text.splice(place..end, token.bytes())),
            4 => {
                let other = dice.below(corpus.len());
                let other = corpus.get(other).map(String::as_bytes).unwrap_or_default();
                let from = dice.below(other.len());
                let until = (from + dice.below(80)).min(other.len());
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
        text.truncate(limits::TEXT_SIZE_MAX);
    }
    String::from_utf8_lossy(&text).into_owned()
}
