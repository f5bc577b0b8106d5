//! Every operator (`tests/matrix/operators`) over rows that only come, rows that are taken back and rows that take the
//! place of others (`inputs`), with NULLs, late rows and one key for most of them (`data`), in one partition and in
//! three, with kills on the way. What each comes to in the end is in `expected`, as it was looked at and found right;
//! `cargo xtask flink-diff` compares it with what Apache Flink comes to. `LEVADA_GOLDEN=write` writes what there is.

use super::{broker::START_MS, rig::Rig};
use levada_model::record::{BatchBuilder, NewRecord};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix");
/// Records with and without keys; those of a key that ends have no value. The last one has no such ends: what they mean
/// for earlier times depends on when they come.
const TOPICS: [&str; 5] = ["input", "other", "input_keyed", "other_keyed", "rates"];
/// What begins a line of the data behind which the broker is killed.
const RESTART: &str = "-- restart";
/// Lines of the data that are sent at a time.
const BATCH_LINES: usize = 15;

/// A query, with the names of its columns in a line before it.
struct Operator {
    name: String,
    columns: String,
    query: String,
}

impl Operator {
    fn all() -> Vec<Self> {
        let mut found: Vec<PathBuf> =
            fs::read_dir(Path::new(FOLDER).join("operators")).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        let read = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap();
            let (columns, query) = text.strip_prefix("-- ").unwrap().split_once('\n').unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap();
            Self { name: name.to_owned(), columns: columns.to_owned(), query: query.trim().to_owned() }
        };
        found.iter().map(read).collect()
    }

    /// Whether its rows appear as time goes on, which a query that is answered once does not wait for.
    fn waits_for_time(&self) -> bool {
        self.query.contains("INTERVAL") || self.query.contains("SYSTEM_TIME")
    }

    fn table(&self) -> String {
        format!("r_{}", self.name)
    }

    /// A query for its rows, each with how often it is there, so that there is a key whatever the operator's is.
    fn counted(&self) -> String {
        let Self { columns, query, .. } = self;
        format!("SELECT {columns}, COUNT(*) AS times FROM ({query}) AS o GROUP BY {columns}")
    }
}

/// Rows of the data in topics, and how many there are in each partition.
struct Feeder {
    partitions: i32,
    sent: BTreeMap<(&'static str, i32), u64>,
}

impl Feeder {
    /// Sends lines of the data, a batch to each partition.
    async fn send(&mut self, rig: &Rig, lines: &[&str]) {
        let mut batches: BTreeMap<(&str, i32), BatchBuilder> = BTreeMap::new();
        for line in lines {
            let line: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
            let (table, row) = line.first_key_value().unwrap();
            let id = row["id"].as_i64().unwrap();
            let (key, value) = (json!({ "id": id }).to_string(), row.to_string());
            let is_gone = row["gone"].as_bool().unwrap();
            let (log, keyed) = (table.clone(), format!("{table}_keyed"));
            let mut records = vec![(log, None, Some(&value)), (keyed, Some(&key), (!is_gone).then_some(&value))];
            if table == "other" && !is_gone {
                records.push(("rates".to_owned(), Some(&key), Some(&value)));
            }
            for (topic, key, value) in records {
                let topic = TOPICS.into_iter().find(|known| *known == topic).unwrap();
                let place = (topic, i32::try_from(id).unwrap() % self.partitions);
                let (key, value) = (key.map(String::as_bytes), value.map(String::as_bytes));
                let record = NewRecord { timestamp: START_MS, key, value, headers: &[] };
                batches.entry(place).or_default().push(&record);
                *self.sent.entry(place).or_default() += 1;
            }
        }
        for ((topic, partition), batch) in batches {
            rig.base().send(topic, partition, batch.finish(), None).await.unwrap();
        }
    }

    /// The setting that asks for all of it.
    fn read_after(&self) -> String {
        let place = |(place, count): (&(&str, i32), &u64)| format!("{}:{}:{}", place.0, place.1, count - 1);
        self.sent.iter().map(place).collect::<Vec<_>>().join(",")
    }

    /// What an operator makes of all of it, which may take a while where all of them begin anew.
    async fn rows(&self, rig: &Rig, operator: &Operator) -> Vec<String> {
        let path = format!("/v1/views/{}?timeout=1min&read_after={}", operator.table(), self.read_after());
        loop {
            match rig.ask("GET", &path, None).await {
                (200, answer) => return texts(answer["rows"].as_array().unwrap()),
                (status, answer) => assert_eq!(status, 503, "{}: {answer}", operator.name),
            }
        }
    }
}

/// Rows as lines in an order of their own.
fn texts(rows: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    lines.sort();
    lines
}

/// What each operator comes to, or why it is refused.
type Results = BTreeMap<String, Result<Vec<String>, String>>;

async fn results(input: &str, data: &str, partitions: i32) -> Results {
    let mut rig = Rig::new().await;
    for topic in TOPICS {
        let policy: &[(&str, &str)] =
            if ["input", "other"].contains(&topic) { &[] } else { &[("cleanup.policy", "compact")] };
        rig.base().create(topic, partitions, policy).await;
    }
    rig.sql(&fs::read_to_string(format!("{FOLDER}/inputs/{input}.sql")).unwrap()).await;
    let (mut results, mut running) = (Results::new(), Vec::new());
    for operator in Operator::all() {
        let create = format!("CREATE MATERIALIZED TABLE {} AS {}", operator.table(), operator.counted());
        match rig.answer(&create).await {
            (200, _) => running.push(operator),
            (_, refused) => {
                let why = refused["error"]["message"].as_str().unwrap().to_owned();
                results.insert(operator.name, Err(why));
            }
        }
    }
    let mut feeder = Feeder { partitions, sent: BTreeMap::new() };
    let data_text = fs::read_to_string(format!("{FOLDER}/data/{data}.jsonl")).unwrap();
    let lines: Vec<&str> = data_text.lines().collect();
    for stage in lines.chunk_by(|line, next| !line.starts_with(RESTART) && !next.starts_with(RESTART)) {
        let Some(when) = stage[0].strip_prefix(RESTART) else {
            for some in stage.chunks(BATCH_LINES) {
                feeder.send(&rig, some).await;
            }
            continue;
        };
        let is_read = !when.is_empty();
        if is_read {
            for operator in &running {
                feeder.rows(&rig, operator).await;
            }
        }
        if is_read || partitions > 1 {
            rig = rig.after_kill().await;
        }
    }
    for operator in running {
        let rows = feeder.rows(&rig, &operator).await;
        assert!(!rows.is_empty(), "{input}, {data}, {}: a cell of the matrix is empty", operator.name);
        if partitions > 1 && !operator.waits_for_time() {
            let batch = texts(&rig.rows(&operator.counted()).await);
            assert_eq!(rows, batch, "{input}, {data}, {}: batch differs", operator.name);
        }
        results.insert(operator.name, Ok(rows));
    }
    results
}

/// As it is written in `expected`.
fn page(results: &Results) -> String {
    let mut page = String::new();
    for (name, result) in results {
        writeln!(page, "-- {name}").unwrap();
        match result {
            Ok(rows) => rows.iter().for_each(|row| writeln!(page, "{row}").unwrap()),
            Err(why) => writeln!(page, "refused: {why}").unwrap(),
        }
    }
    page
}

async fn matrix(input: &str, data: &str) {
    let one = results(input, data, 1).await;
    let three = results(input, data, 3).await;
    for (name, rows) in &one {
        assert_eq!(rows, &three[name], "{input}, {data}, {name}: one partition and three");
    }
    let (path, page) = (format!("{FOLDER}/expected/{input}-{data}.out"), page(&one));
    if std::env::var("LEVADA_GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(&path, &page).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(page.lines().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>(), "{path}");
}

macro_rules! cells {
    ($($name:ident: $input:literal, $data:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            matrix($input, $data).await;
        }
    )*};
}

cells! {
    rows_that_only_come_with_nulls: "append", "nulls";
    rows_that_only_come_late: "append", "late";
    rows_that_only_come_of_one_key: "append", "skew";
    rows_that_are_taken_back_with_nulls: "retract", "nulls";
    rows_that_are_taken_back_late: "retract", "late";
    rows_that_are_taken_back_of_one_key: "retract", "skew";
    rows_that_take_the_place_of_others_with_nulls: "upsert", "nulls";
    rows_that_take_the_place_of_others_late: "upsert", "late";
    rows_that_take_the_place_of_others_of_one_key: "upsert", "skew";
}

#[test]
fn taken_back_or_replaced_the_same_rows_are_left() {
    let read = |input: &str, data: &str| fs::read_to_string(format!("{FOLDER}/expected/{input}-{data}.out")).unwrap();
    let timed: BTreeSet<String> =
        Operator::all().into_iter().filter(Operator::waits_for_time).map(|operator| operator.name).collect();
    for data in ["nulls", "late", "skew"] {
        let sections = |page: &str| -> BTreeMap<String, String> {
            let all = page.split("-- ").filter_map(|section| section.split_once('\n'));
            let untimed = all.filter(|(name, _)| !timed.contains(*name));
            untimed.map(|(name, rows)| (name.to_owned(), rows.to_owned())).collect()
        };
        let (retract, upsert) = (sections(&read("retract", data)), sections(&read("upsert", data)));
        assert!(retract.len() > 15);
        assert_eq!(retract, upsert, "{data}");
    }
}
