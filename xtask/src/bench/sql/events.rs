//! Nexmark's events: people, their auctions, and bids, from a seed, in one file that both sides read whole before any
//! clock starts.
//!
//! ```text
//! "LVNX0001" · count u64 · events
//! event: table u8 (person 0, auction 1, bid 2) · its columns as `bench/sql/tables.sql` has them:
//!        BIGINT and TIMESTAMP(3) i64, STRING size u16 and UTF-8; all numbers little-endian
//! ```
//!
//! Source: the proportions, ids and distributions of the generator of <https://github.com/nexmark/nexmark> with its
//! settings as they come, 10,000 events a second.

use std::io::{self, Write};

use levada_model::{Rng as _, SeededRng};

const MAGIC: &[u8; 8] = b"LVNX0001";
/// Of every 50 events the first is a person, the next three are auctions.
const PERSONS: u64 = 1;
const AUCTIONS: u64 = 3;
const ALL: u64 = 50;
/// Ids begin here.
pub(crate) const FIRST_ID: u64 = 1_000;
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;
/// So many ids may be named before their person or auction comes.
const LEAD: u64 = 10;
/// The first of so many is hot: an auction, a seller; of bidders the second.
const HOT_OF: u64 = 100;
const PERSONS_ACTIVE: u64 = 1_000;
const AUCTIONS_IN_FLIGHT: u64 = 100;
/// The time of the first event, 2024-01-01 12:00:00, and how many come in a millisecond.
pub(crate) const START_MS: u64 = 1_704_110_400_000;
pub(crate) const PER_MS: u64 = 10;

const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: u64 = 10_000;

/// Writes so many events; the same for the same seed.
pub(crate) fn write(count: u64, seed: u64, to: &mut impl Write) -> io::Result<()> {
    to.write_all(MAGIC)?;
    to.write_all(&count.to_le_bytes())?;
    rows(count, seed).try_for_each(|row| to.write_all(&row))
}

/// So many events, each as its row; the same for the same seed.
pub(crate) fn rows(count: u64, seed: u64) -> impl Iterator<Item = Row> {
    let generator = Generator::new(seed);
    (0..count).map(move |event| generator.row(event))
}

struct Generator {
    rng: SeededRng,
    hot_urls: Vec<String>,
    /// Of each channel that is not hot: its address, which is the same in all bids.
    urls: Vec<String>,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let mut generator = Self { rng: SeededRng::new(seed), hot_urls: Vec::new(), urls: Vec::new() };
        generator.hot_urls = HOT_CHANNELS.iter().map(|_| generator.url()).collect();
        generator.urls = (0..CHANNELS).map(|channel| generator.url_of(channel)).collect();
        generator
    }

    /// The row of an event.
    fn row(&self, event: u64) -> Row {
        let at_ms = START_MS + event / PER_MS;
        match event % ALL {
            at if at < PERSONS => self.person(event, at_ms),
            at if at < PERSONS + AUCTIONS => self.auction(event, at_ms),
            _ => self.bid(event, at_ms),
        }
    }

    fn person(&self, event: u64, at_ms: u64) -> Row {
        let name = format!("{} {}", self.one_of(&FIRST_NAMES), self.one_of(&LAST_NAMES));
        let email = format!("{}@{}.com", self.words(7), self.words(5));
        let card: Vec<String> = (0..4).map(|_| format!("{:04}", self.below(10_000))).collect();
        let (card, city, state) = (card.join(" "), self.one_of(&CITIES), self.one_of(&STATES));
        let size = 8 + name.len() + email.len() + card.len() + city.len() + state.len();
        let mut row = Row::of(0);
        row.number(FIRST_ID + last_person(event));
        for text in [name.as_str(), &email, &card, city, state] {
            row.text(text);
        }
        row.number(at_ms);
        row.text(&self.extra(size, 200));
        row
    }

    fn auction(&self, event: u64, at_ms: u64) -> Row {
        let last = last_person(event);
        let seller = if self.below(4) > 0 { last / HOT_OF * HOT_OF } else { self.any_person(event) };
        let category = FIRST_CATEGORY + self.below(CATEGORIES);
        let first_bid = self.price();
        // As long, on average, as it takes until all auctions in flight are others.
        let span_ms = AUCTIONS_IN_FLIGHT * ALL / AUCTIONS / PER_MS;
        let expires_ms = at_ms + 1 + self.below((2 * span_ms).max(1));
        let (name, description) = (self.words(20), self.words(100));
        let reserve = first_bid + self.price();
        let size = 8 + name.len() + description.len() + 40;
        let mut row = Row::of(1);
        row.number(FIRST_ID + last_auction(event));
        row.text(&name);
        row.text(&description);
        for number in [first_bid, reserve, at_ms, expires_ms, FIRST_ID + seller, category] {
            row.number(number);
        }
        row.text(&self.extra(size, 500));
        row
    }

    fn bid(&self, event: u64, at_ms: u64) -> Row {
        let last = last_auction(event);
        let auction = if self.below(2) > 0 {
            last / HOT_OF * HOT_OF
        } else {
            let first = last.saturating_sub(AUCTIONS_IN_FLIGHT);
            first + self.below(last - first + 1 + LEAD)
        };
        let bidder = if self.below(4) > 0 { last_person(event) / HOT_OF * HOT_OF + 1 } else { self.any_person(event) };
        let price = self.price();
        let mut row = Row::of(2);
        for number in [FIRST_ID + auction, FIRST_ID + bidder, price] {
            row.number(number);
        }
        if self.below(2) > 0 {
            let hot = self.index(HOT_CHANNELS.len());
            row.text(HOT_CHANNELS[hot]);
            row.text(&self.hot_urls[hot]);
        } else {
            let channel = self.index(self.urls.len());
            row.text(&format!("channel-{channel}"));
            row.text(&self.urls[channel]);
        }
        row.number(at_ms);
        row.text(&self.extra(32, 100));
        row
    }

    fn below(&self, end: u64) -> u64 {
        self.rng.next_u64() % end
    }

    fn index(&self, end: usize) -> usize {
        usize::try_from(self.below(u64::try_from(end).expect("a length is no more"))).expect("it is below a length")
    }

    fn one_of<'a>(&self, texts: &[&'a str]) -> &'a str {
        texts[self.index(texts.len())]
    }

    /// Somebody active, or about to come.
    fn any_person(&self, event: u64) -> u64 {
        let count = last_person(event) + 1;
        let active = count.min(PERSONS_ACTIVE);
        count - active + self.below(active + LEAD)
    }

    /// From 1.00 to 1,000,000.00, small ones as often as large ones.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range"
    )]
    fn price(&self) -> u64 {
        let random = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        (10_f64.powf(random * 6.0) * 100.0).round() as u64
    }

    /// Letters and spaces, less than `size_max` of them.
    fn words(&self, size_max: u64) -> String {
        let size = 3 + self.below(size_max - 3);
        let text: String = (0..size).map(|_| if self.below(13) == 0 { ' ' } else { self.letter() }).collect();
        text.trim().to_owned()
    }

    fn letter(&self) -> char {
        char::from(b'a' + u8::try_from(self.below(26)).expect("a letter's number"))
    }

    /// What brings a row of this size to that of the average.
    fn extra(&self, size: usize, average: usize) -> String {
        let missing = average.saturating_sub(size);
        let spread = missing / 5;
        let size = missing - spread + if spread == 0 { 0 } else { self.index(2 * spread) };
        (0..size).map(|_| self.letter()).collect()
    }

    fn url(&self) -> String {
        let part = || (0..3 + self.below(2)).map(|_| self.letter()).collect::<String>();
        format!("https://www.nexmark.com/{}/{}/{}/item.htm?query=1", part(), part(), part())
    }

    fn url_of(&self, channel: u64) -> String {
        let url = self.url();
        if self.below(10) > 0 { format!("{url}&channel_id={}", channel.reverse_bits() >> 33) } else { url }
    }
}

/// The number of the last person at an event, or of the one that it is.
const fn last_person(event: u64) -> u64 {
    event / ALL
}

/// The number of the last auction at an event, or of the one that it is.
fn last_auction(event: u64) -> u64 {
    let (block, at) = (event / ALL, event % ALL);
    match at.checked_sub(PERSONS) {
        Some(nth) => block * AUCTIONS + nth.min(AUCTIONS - 1),
        None => (block * AUCTIONS).saturating_sub(1),
    }
}

/// The bytes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row(Vec<u8>);

impl Row {
    fn of(table: u8) -> Self {
        Self(vec![table])
    }

    fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.extend(u16::try_from(text.len()).expect("texts are short").to_le_bytes());
        self.0.extend(text.as_bytes());
    }
}

impl std::ops::Deref for Row {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(count: u64, seed: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(count, seed, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_seed_gives_the_same_events_again_and_another_others() {
        assert_eq!(written(500, 7), written(500, 7));
        assert_ne!(written(500, 7), written(500, 8));
        assert!(written(1_000, 7)[16..].starts_with(&written(500, 7)[16..]));
    }

    #[test]
    fn of_fifty_events_one_is_a_person_and_three_are_auctions() {
        let generator = Generator::new(1);
        let mut counts = [0; 3];
        (0..5_000).for_each(|event| counts[usize::from(generator.row(event).0[0])] += 1);
        assert_eq!(counts, [100, 300, 4_600]);
    }

    #[test]
    fn ids_count_up_and_bids_name_auctions_in_flight() {
        let generator = Generator::new(1);
        let number = |row: &Row, at: usize| u64::from_le_bytes(row.0[at..at + 8].try_into().unwrap());
        let rows: Vec<Row> = (0..50_000).map(|event| generator.row(event)).collect();
        let of = |table: u8| rows.iter().filter(move |row| row.0[0] == table);
        assert!(of(0).zip(FIRST_ID..).all(|(row, id)| number(row, 1) == id));
        assert!(of(1).zip(FIRST_ID..).all(|(row, id)| number(row, 1) == id));
        let auctions = u64::try_from(of(1).count()).unwrap();
        assert!(of(2).all(|row| (FIRST_ID..FIRST_ID + auctions + LEAD).contains(&number(row, 1))));
        let hot = of(2).filter(|row| (number(row, 1) - FIRST_ID).is_multiple_of(HOT_OF)).count();
        assert!((of(2).count() / 2..of(2).count() * 6 / 10).contains(&hot), "{hot}");
        assert!(of(2).all(|row| (100..=100_000_000).contains(&number(row, 17))));
    }
}
