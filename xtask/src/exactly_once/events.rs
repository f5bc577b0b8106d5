//! Events of orders and payments, a function of their numbers, and what statements make of them.

use std::collections::BTreeMap;

use levada_model::calendar::date_of;
use serde_json::{Value, json};

/// When the first order comes, in milliseconds since 1970: the start of a window.
const START_MS: i64 = 1_800_000_000_000;
/// Between two orders.
const STEP_MS: i64 = 20;
const CUSTOMERS: u64 = 97;
/// A payment counts for its order within this time.
const WITHIN_MS: i64 = 60_000;
/// Payments come up to so much later.
const DELAY_MAX_MS: u64 = 80_000;
const WINDOW_MS: i64 = 10_000;
/// Between the last event and those that close all windows.
const CLOSING_MS: i64 = 86_400_000;
/// So many orders and payments close them: each partition gets some.
const CLOSING_COUNT: u64 = 60;

/// A record: its topic, its key and its value.
#[derive(Debug)]
pub(super) struct Event {
    at_ms: i64,
    pub(super) topic: &'static str,
    pub(super) key: u64,
    pub(super) value: Value,
}

/// Order `id` at a time.
fn order(id: u64, at_ms: i64) -> Event {
    Event { at_ms, topic: "orders", key: id, value: json!({ "id": id, "customer": id % CUSTOMERS, "at": text(at_ms) }) }
}

fn payment(id: u64, at_ms: i64) -> Event {
    let value = json!({ "order_id": id, "customer": id % CUSTOMERS, "amount": amount(id), "at": text(at_ms) });
    Event { at_ms, topic: "payments", key: id, value }
}

fn amount(id: u64) -> u64 {
    id * 31 % 1_000
}

fn ordered_at(id: u64) -> i64 {
    START_MS + signed(id) * STEP_MS
}

fn paid_at(id: u64) -> i64 {
    ordered_at(id) + signed(id.wrapping_mul(7_919) % DELAY_MAX_MS)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time as JSON has it for SQL.
fn text(at_ms: i64) -> String {
    let (days, of_day) = (at_ms.div_euclid(86_400_000), at_ms.rem_euclid(86_400_000));
    let (year, month, day) = date_of(days);
    let (hour, minute, second, milli) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// `count` orders and their payments, by time.
pub(super) fn events(count: u64) -> Vec<Event> {
    let of = |id: u64| [order(id, ordered_at(id)), payment(id, paid_at(id))];
    let mut events: Vec<Event> = (0..count).flat_map(of).collect();
    events.sort_by_key(|event| event.at_ms);
    events
}

/// Orders, each paid at once, long behind all others.
pub(super) fn closing(count: u64) -> Vec<Event> {
    let at_ms = ordered_at(count) + CLOSING_MS;
    (count..count + CLOSING_COUNT).flat_map(|id| [order(id, at_ms), payment(id, at_ms)]).collect()
}

/// The tables, and the statements that are watched.
pub(super) const SCRIPT: &str = "
    CREATE TABLE orders (id BIGINT, customer BIGINT, `at` TIMESTAMP_LTZ(3),
      WATERMARK FOR `at` AS `at` - INTERVAL '10' MINUTE) WITH ('format' = 'json');
    CREATE TABLE payments (order_id BIGINT, customer BIGINT, amount BIGINT, `at` TIMESTAMP_LTZ(3),
      WATERMARK FOR `at` AS `at` - INTERVAL '10' MINUTE) WITH ('format' = 'json');
    CREATE TABLE matched (id BIGINT, customer BIGINT, amount BIGINT, `at` TIMESTAMP_LTZ(3),
      WATERMARK FOR `at` AS `at` - INTERVAL '10' MINUTE) WITH ('format' = 'json');
    CREATE TABLE sums (window_end TIMESTAMP(3), customer BIGINT, n BIGINT, total BIGINT) WITH ('format' = 'json');
    CREATE TABLE sides (window_end TIMESTAMP(3), customer BIGINT, n BIGINT, total BIGINT) WITH ('format' = 'json');
    SET 'pipeline.name' = 'match';
    INSERT INTO matched SELECT o.id, o.customer, p.amount, o.`at` FROM orders AS o JOIN payments AS p
      ON o.id = p.order_id AND p.`at` BETWEEN o.`at` AND o.`at` + INTERVAL '1' MINUTE;
    SET 'pipeline.name' = 'sum';
    INSERT INTO sums SELECT window_end, customer, COUNT(*), SUM(amount)
      FROM TABLE(TUMBLE(TABLE matched, DESCRIPTOR(`at`), INTERVAL '10' SECOND))
      GROUP BY window_start, window_end, customer;
    SET 'pipeline.name' = 'sides';
    INSERT INTO sides SELECT o.window_end, o.customer, o.n, p.total
      FROM (SELECT window_start, window_end, customer, COUNT(*) AS n
            FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(`at`), INTERVAL '10' SECOND))
            GROUP BY window_start, window_end, customer) AS o
      JOIN (SELECT window_start, window_end, customer, SUM(amount) AS total
            FROM TABLE(TUMBLE(TABLE payments, DESCRIPTOR(`at`), INTERVAL '10' SECOND))
            GROUP BY window_start, window_end, customer) AS p
      ON o.window_start = p.window_start AND o.window_end = p.window_end AND o.customer = p.customer";

/// The statements' names.
pub(super) const STATEMENTS: [&str; 3] = ["match", "sum", "sides"];

/// A window's end, and a customer.
type Key = (i64, u64);

fn key(at_ms: i64, id: u64) -> Key {
    (at_ms.div_euclid(WINDOW_MS) * WINDOW_MS + WINDOW_MS, id % CUSTOMERS)
}

/// What each topic has in the end, as rows of text; windows that only the closing events are in are not among it.
pub(super) fn expected(count: u64) -> BTreeMap<&'static str, BTreeMap<String, u64>> {
    let (mut sums, mut ordered, mut paid) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let add = |to: &mut BTreeMap<Key, (u64, u64)>, key: Key, amount: u64| {
        let (n, total) = to.entry(key).or_default();
        (*n, *total) = (*n + 1, *total + amount);
    };
    for id in 0..count {
        if paid_at(id) - ordered_at(id) <= WITHIN_MS {
            add(&mut sums, key(ordered_at(id), id), amount(id));
        }
        add(&mut ordered, key(ordered_at(id), id), 0);
        add(&mut paid, key(paid_at(id), id), amount(id));
    }
    let row = |(end, customer): Key, n: u64, total: u64| (format!("{} {customer} {n} {total}", text(end)), 1);
    let sums = sums.into_iter().map(|(key, (n, total))| row(key, n, total)).collect();
    let both = ordered.into_iter().filter_map(|(key, (n, _))| Some((key, n, paid.get(&key)?.1)));
    BTreeMap::from([("sums", sums), ("sides", both.map(|(key, n, total)| row(key, n, total)).collect())])
}

/// A row of a statement's topic as [`expected`] has it.
pub(super) fn shown(row: &Value) -> Option<String> {
    let number = |name: &str| row.get(name).and_then(Value::as_u64);
    // Seconds without a fraction, as JSON has TIMESTAMP(3).
    let end = row.get("window_end").and_then(Value::as_str)?;
    let end = if end.contains('.') { format!("{end}Z") } else { format!("{end}.000Z") };
    Some(format!("{end} {} {} {}", number("customer")?, number("n")?, number("total")?))
}

#[cfg(test)]
mod tests {
    use super::{events, expected, shown, text};
    use serde_json::json;

    #[test]
    fn times_are_written_as_sql_reads_them() {
        assert_eq!(text(0), "1970-01-01 00:00:00.000Z");
        assert_eq!(text(951_782_399_999), "2000-02-28 23:59:59.999Z");
        assert_eq!(text(951_868_800_000), "2000-03-01 00:00:00.000Z");
    }

    #[test]
    fn the_sums_are_of_all_orders_that_were_paid_in_time() {
        let all = expected(2_000);
        let orders: u64 = all["sides"].keys().map(|row| row.split(' ').nth(3).unwrap().parse::<u64>().unwrap()).sum();
        assert!(orders <= 2_000 && orders > 1_000, "{orders}");
        let matched: u64 = all["sums"].keys().map(|row| row.split(' ').nth(3).unwrap().parse::<u64>().unwrap()).sum();
        assert!((1_400..1_600).contains(&matched), "three in four: {matched}");
        let row = json!({ "window_end": "2027-01-15 08:00:10", "customer": 1, "n": 5, "total": 9 });
        assert_eq!(shown(&row).unwrap(), "2027-01-15 08:00:10.000Z 1 5 9");
        assert_eq!(events(10).len(), 20);
    }
}
