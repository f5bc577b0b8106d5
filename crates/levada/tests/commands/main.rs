//! The commands as they are typed, against the server as it is started: processes, files and loopback.

#[cfg(test)]
mod broker;
#[cfg(test)]
mod consumer_group;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sql;

use broker::{Broker, levada, levada_fails, lines};
use std::io::{BufRead as _, BufReader, Write as _};

#[test]
fn records_come_back_as_they_went_in_under_every_codec() {
    let broker = Broker::start(&[]);
    broker.run(&["topic", "create", "orders", "--partitions", "3"]);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let input: String = (0..500).map(|number| format!("{codec}-{number}\tvalue {number} of {codec}\n")).collect();
        let said =
            broker.feed(&["produce", "orders", "--format", "key-value", "--compression", codec], input.as_bytes());
        assert_eq!(said, "produced 500 records to `orders`\n");
    }
    let read = broker.run(&["consume", "orders", "--from-beginning", "--exit-at-end", "--format", "key-value"]);
    let mut read = lines(&read);
    read.sort_unstable();
    let mut expected: Vec<String> = ["none", "gzip", "snappy", "lz4", "zstd"]
        .iter()
        .flat_map(|codec| (0..500).map(move |number| format!("{codec}-{number}\tvalue {number} of {codec}")))
        .collect();
    expected.sort_unstable();
    assert_eq!(read, expected);
}

#[test]
fn json_carries_a_topic_over_with_everything_in_it() {
    let broker = Broker::start(&[]);
    let input = concat!(
        r#"{"timestamp":1700000000000,"key":"k","value":"v","headers":[{"key":"h","value":"1"},{"key":"h","value":"2"},{"key":"n","value":null}]}"#,
        "\n",
        r#"{"timestamp":1700000000001,"key":null,"value":null}"#,
        "\n",
        r#"{"timestamp":1700000000002,"key":"","value":"","headers":[{"key":"raw","value":null,"value_base64":"/wA="}]}"#,
        "\n",
        r#"{"timestamp":1700000000003,"key":null,"key_base64":"/w==","value":null,"value_base64":"gIGC"}"#,
        "\n"
    );
    // Old timestamps fall to retention.
    broker.run(&["topic", "create", "first", "--partitions", "1", "--config", "retention.ms=-1"]);
    broker.run(&["topic", "create", "second", "--partitions", "1", "--config", "retention.ms=-1"]);
    broker.feed(&["produce", "first", "--format", "json"], input.as_bytes());
    let first = broker.run(&["consume", "first", "--from-beginning", "--exit-at-end", "--format", "json"]);
    broker.feed(&["produce", "second", "--format", "json"], first.as_bytes());
    let second = broker.run(&["consume", "second", "--from-beginning", "--exit-at-end", "--format", "json"]);
    assert_eq!(first, second);
    assert_eq!(lines(&first).len(), 4);
    assert_eq!(
        lines(&first)[0],
        r#"{"partition":0,"offset":0,"timestamp":1700000000000,"key":"k","value":"v","headers":[{"key":"h","value":"1"},{"key":"h","value":"2"},{"key":"n","value":null}]}"#
    );
    assert!(lines(&first)[3].contains(r#""key_base64":"/w==","value":null,"value_base64":"gIGC""#), "{first}");
    let as_json = ["consume", "first", "--from-beginning", "--exit-at-end", "--output", "json"];
    assert_eq!(broker.run(&as_json), first);
    let from = ["consume", "first", "--from", "2023-11-14T22:13:20.002Z", "--exit-at-end", "--format", "json"];
    assert_eq!(lines(&broker.run(&from)).len(), 2);
}

#[test]
fn topics_and_settings_are_shown_as_they_were_made() {
    let broker = Broker::start(&[]);
    let create = ["topic", "create", "t", "--partitions", "2", "--config", "retention.ms=7d"];
    assert_eq!(broker.run(&create), "created topic `t` with 2 partitions\n");
    assert_eq!(broker.run(&["topic", "create", "t", "--if-not-exists"]), "topic `t` is there already\n");
    broker.run(&["config", "set", "--topic", "t", "max.message.bytes=2MiB", "cleanup.policy=compact"]);
    broker.run(&["topic", "alter", "t", "--partitions", "3", "--unset", "retention.ms"]);
    let described = broker.json(&["topic", "describe", "t"]);
    assert_eq!(described[0]["partitions"].as_array().unwrap().len(), 3);
    let settings = described[0]["settings"].to_string();
    assert!(settings.contains(r#""name":"max.message.bytes","source":"topic","value":"2097152""#), "{settings}");
    assert!(!settings.contains("retention.ms"), "{settings}");
    let note = described[0]["notes"][0].as_str().unwrap();
    assert!(note.contains("of each key only the last record stays"), "{note}");
    assert_eq!(broker.run(&["topic", "list"]), "TOPIC  PARTITIONS  COPIES\nt               3       1\n");
    assert_eq!(broker.run(&["topic", "delete", "t"]), "deleted topic `t`\n");
    assert_eq!(broker.json(&["topic", "list"]), serde_json::json!([]));
    assert_eq!(broker.json(&["cluster", "info"])["brokers"][0]["address"], broker.address.as_str());
}

#[test]
fn offsets_of_a_group_are_moved_and_deleted() {
    let broker = Broker::start(&[]);
    broker.run(&["topic", "create", "t", "--partitions", "1"]);
    broker.feed(&["produce", "t"], "x\n".repeat(10).as_bytes());
    let reset = |place: &[&str]| {
        let plan = broker.json(&[&["group", "reset-offsets", "g", "--topic", "t"], place].concat());
        plan["offsets"][0]["to"].as_i64().unwrap()
    };
    assert_eq!(reset(&["--to-latest"]), 10);
    assert_eq!(broker.json(&["group", "list"]), serde_json::json!([]), "a plan changes nothing");
    assert_eq!(reset(&["--to-offset", "4", "--execute"]), 4);
    assert_eq!(reset(&["--shift-by", "-1", "--execute"]), 3);
    assert_eq!(reset(&["--to-time", "1h", "--execute"]), 0);
    assert_eq!(reset(&["--shift-by", "99", "--execute"]), 10);
    broker.feed(&["produce", "t"], b"more\n");
    let described = broker.json(&["group", "describe", "g"]);
    assert_eq!(described["offsets"][0]["committed"], 10);
    assert_eq!(described["offsets"][0]["lag"], 1);
    assert_eq!(broker.run(&["group", "delete", "g"]), "deleted group `g`\n");
    let error = broker.fails(&["group", "describe", "g"]);
    assert!(error.contains("group `g`: GROUP_ID_NOT_FOUND"), "{error}");
}

#[test]
fn members_of_a_group_share_a_topic_and_go_on_where_it_was() {
    let broker = Broker::start(&[]);
    broker.run(&["topic", "create", "t", "--partitions", "4"]);
    let numbers = |range: std::ops::Range<u32>| range.map(|number| format!("{number}\t{number}\n")).collect::<String>();
    broker.feed(&["produce", "t", "--format", "key-value"], numbers(0..1_000).as_bytes());
    let first = broker.run(&["consume", "t", "--group", "g", "--from-beginning", "--max-messages", "300"]);
    let mut members =
        [broker.spawn(&["consume", "t", "--group", "g"]), broker.spawn(&["consume", "t", "--group", "g"])];
    broker.wait_for(&["group", "describe", "g"], |group| group["members"].as_array().is_some_and(|all| all.len() == 2));
    broker.feed(&["produce", "t", "--format", "key-value"], numbers(1_000..1_500).as_bytes());
    broker.wait_for(&["group", "describe", "g"], |group| {
        let offsets = group["offsets"].as_array().cloned().unwrap_or_default();
        offsets.len() == 4 && offsets.iter().all(|offset| offset["lag"] == 0)
    });
    let mut read: Vec<u32> = lines(&first).iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(read.len(), 300);
    for member in &mut members {
        broker::signal(member, "INT");
        let lines = BufReader::new(member.stdout.take().unwrap()).lines();
        read.extend(lines.map(|line| line.unwrap().parse::<u32>().unwrap()));
        assert!(member.wait().unwrap().success());
    }
    read.sort_unstable();
    assert_eq!(read, (0..1_500).collect::<Vec<u32>>());
    assert_eq!(broker.json(&["group", "describe", "g"])["state"], "Empty", "its members said goodbye");
}

#[test]
fn errors_name_the_thing_and_say_what_to_try() {
    let broker = Broker::start(&[]);
    let error = broker.fails(&["consume", "missing"]);
    assert!(error.contains("topic `missing`: UNKNOWN_TOPIC_OR_PARTITION"), "{error}");
    assert!(error.contains("try: `levada topic list`"), "{error}");
    let error = broker.fails(&["topic", "create", "t", "--config", "retention.mss=1"]);
    assert!(error.contains("INVALID_CONFIG") && error.contains("retention.mss"), "{error}");
    let error = broker.fails(&["topic", "create", "t", "--replication-factor", "3"]);
    assert!(error.contains("INVALID_REPLICATION_FACTOR"), "{error}");
    let error = levada_fails(&["topic", "list", "--bootstrap-server", "127.0.0.1:1", "--timeout", "1s"]);
    assert!(error.contains("cannot connect to `127.0.0.1:1`") && error.contains("`levada serve`"), "{error}");
    let error = levada_fails(&["topic", "list", "--bootstrap-server", "nowhere"]);
    assert!(error.contains("`nowhere` is not an address"), "{error}");
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let broker = Broker::start(&[]);
    let dir = broker.data_dir();
    let error = levada_fails(&[
        "serve",
        "--data-dir",
        &dir,
        "--kafka",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--registry",
        "off",
        "--sql",
        "off",
    ]);
    assert!(error.contains("is in use by another levada"), "{error}");
}

#[test]
fn settings_that_do_not_hold_are_refused_before_anything_starts() {
    let error = levada_fails(&["serve", "--set", "num.partition=3"]);
    assert!(error.contains("unknown key `num.partition`") && error.contains("`num.partitions`"), "{error}");
    let error = levada_fails(&["serve", "--set", "num.partitions=many"]);
    assert!(error.contains("`num.partitions`") && error.contains("`many` is not a whole number"), "{error}");
    let error = levada_fails(&["serve", "--kafka", "0.0.0.0:0"]);
    assert!(error.contains("--allow-anonymous"), "{error}");
    let shown = levada(&["serve", "--print-config", "--set", "num.partitions=7"]);
    assert!(shown.contains("\"num.partitions\" = 7  # command line"), "{shown}");
}

#[test]
fn settings_of_the_file_reach_the_broker() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "num.partitions = 5\n\"log.retention.ms\" = \"3d\"").unwrap();
    let broker = Broker::start(&["--config", file.path().to_str().unwrap()]);
    assert_eq!(broker.run(&["topic", "create", "t"]), "created topic `t` with 5 partitions\n");
    let shown = broker.json(&["config", "get", "--topic", "t", "retention.ms"]);
    assert_eq!(shown[0]["value"], "259200000");
}

#[test]
fn a_stopped_brokers_files_are_verified_and_dumped() {
    let mut broker = Broker::start(&[]);
    broker.run(&["topic", "create", "t", "--partitions", "1"]);
    broker.feed(&["produce", "t", "--compression", "zstd"], "x\n".repeat(100).as_bytes());
    let dir = broker.data_dir();
    let error = levada_fails(&["log", "verify", "--data-dir", &dir]);
    assert!(error.contains("in use by a running broker"), "{error}");
    broker.stop();
    let verify = ["log", "verify", "t", "--records", "--output", "json", "--data-dir", &dir];
    let verified: serde_json::Value = serde_json::from_str(&levada(&verify)).unwrap();
    let part = &verified["partitions"][0];
    assert_eq!(
        (&part["records"], &part["end_offset"], &part["journal_batches"]),
        (&100.into(), &100.into(), &0.into())
    );
    assert_eq!((&verified["journal"]["clean"], &verified["journal"]["batches"]), (&true.into(), &0.into()));
    let dumped = levada(&["log", "dump", "t-0", "--records", "--data-dir", &dir]);
    assert_eq!(lines(&dumped).len(), 100);
    broker::flip_a_byte(&dir, "t-0");
    let error = levada_fails(&["log", "verify", "--data-dir", &dir]);
    assert!(error.contains("checksum") || error.contains("defect"), "{error}");
}

#[test]
fn a_damaged_partition_is_repaired_when_the_loss_is_accepted() {
    let mut broker = Broker::start(&[]);
    broker.run(&["topic", "create", "t", "--partitions", "1"]);
    broker.feed(&["produce", "t", "--batch-size", "100"], "0123456789\n".repeat(100).as_bytes());
    let dir = broker.data_dir();
    let repair = ["log", "repair", "t-0", "--data-dir", &dir];
    assert!(levada_fails(&repair).contains("in use"));
    broker.stop();
    assert!(levada(&repair).contains("is sound"));
    broker::cut_a_segment(&dir, "t-0");
    let refused = levada_fails(&repair);
    assert!(refused.contains("--accept-loss"), "{refused}");
    // A start in between leaves it as it is.
    broker.start_again();
    broker.stop();
    let accepted = ["log", "repair", "t-0", "--accept-loss", "--output", "json", "--data-dir", &dir];
    let repaired: serde_json::Value = serde_json::from_str(&levada(&accepted)).unwrap();
    let lost_from = repaired["lost_from"].as_i64().unwrap();
    assert_eq!((&repaired["cut"], &repaired["lost_to"]), (&true.into(), &100.into()));
    assert!((1..100).contains(&lost_from));
    broker.start_again();
    broker.feed(&["produce", "t"], b"after\n");
    broker.wait_for_records("t", 101);
    let consumed = broker.run(&["consume", "t", "--from-beginning", "--exit-at-end"]);
    assert_eq!(lines(&consumed).len(), usize::try_from(lost_from).unwrap() + 1);
    assert_eq!(lines(&consumed).last(), Some(&"after"));
}

#[test]
fn what_only_the_journal_of_a_killed_broker_holds_is_verified_and_dumped() {
    let mut broker = Broker::start(&[]);
    broker.run(&["topic", "create", "t", "--partitions", "1"]);
    let dir = broker.data_dir();
    // In the way of the partition's directory: nothing comes to a segment.
    let place = std::path::Path::new(&dir).join("logs/t-0");
    std::fs::write(&place, "").unwrap();
    broker.feed(&["produce", "t"], "x\n".repeat(100).as_bytes());
    broker.kill();
    levada_log::Disk::remove_file(&levada_log::disk::RealDisk, &place).unwrap();
    let before = broker::files_in(&dir);
    let verify = ["log", "verify", "--output", "json", "--data-dir", &dir];
    let verified: serde_json::Value = serde_json::from_str(&levada(&verify)).unwrap();
    let part = &verified["partitions"][0];
    assert_eq!((&part["topic"], &part["segments"], &part["journal_end_offset"]), (&"t".into(), &0.into(), &100.into()));
    assert_eq!((&verified["journal"]["clean"], &verified["journal"]["torn_bytes"]), (&false.into(), &0.into()));
    assert_eq!(verified["journal"]["batches"], part["journal_batches"]);
    assert!(levada(&["log", "verify", "--data-dir", &dir]).contains("up to 100"));
    assert_eq!(lines(&levada(&["log", "dump", "t-0", "--records", "--data-dir", &dir])).len(), 100);
    let dumped = levada(&["log", "dump", "t-0", "--output", "json", "--data-dir", &dir]);
    let dumped: serde_json::Value = serde_json::from_str(&dumped).unwrap();
    assert_eq!((&dumped[0]["base_offset"], &dumped[0]["segment"]), (&0.into(), &serde_json::Value::Null));
    assert!(broker::files_in(&dir) == before, "nothing was changed");
    broker.start_again();
    broker.wait_for_records("t", 100);
}

#[test]
fn produce_goes_on_over_a_kill_without_loss_or_repeat() {
    let mut broker = Broker::start(&[]);
    broker.run(&["topic", "create", "t", "--partitions", "2"]);
    let mut producer = broker.spawn(&["produce", "t", "--format", "key-value"]);
    let mut input = producer.stdin.take().unwrap();
    for number in 0..2_000 {
        writeln!(input, "{number}\t{number}").unwrap();
    }
    input.flush().unwrap();
    broker.wait_for_records("t", 2_000);
    broker.kill();
    for number in 2_000..4_000 {
        writeln!(input, "{number}\t{number}").unwrap();
    }
    broker.start_again();
    drop(input);
    assert!(producer.wait().unwrap().success());
    let read = broker.run(&["consume", "t", "--from-beginning", "--exit-at-end"]);
    let mut numbers: Vec<u32> = lines(&read).iter().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..4_000).collect::<Vec<u32>>());
}

#[test]
fn consume_follows_over_a_restart_and_ends_quietly_when_interrupted() {
    let mut broker = Broker::start(&[]);
    broker.run(&["topic", "create", "t", "--partitions", "1"]);
    let mut consumer = broker.spawn(&["consume", "t", "--from-beginning"]);
    let mut read = BufReader::new(consumer.stdout.take().unwrap()).lines();
    broker.feed(&["produce", "t"], b"before\n");
    assert_eq!(read.next().unwrap().unwrap(), "before");
    broker.kill();
    broker.start_again();
    broker.feed(&["produce", "t"], b"after\n");
    assert_eq!(read.next().unwrap().unwrap(), "after");
    broker::signal(&consumer, "INT");
    assert!(consumer.wait().unwrap().success());
}

#[test]
fn consume_ends_quietly_when_its_reader_goes_though_nothing_comes() {
    let broker = Broker::start(&[]);
    broker.run(&["topic", "create", "t", "--partitions", "1"]);
    broker.feed(&["produce", "t"], b"one\n");
    let mut consumer = broker.spawn(&["consume", "t", "--from-beginning"]);
    let mut read = BufReader::new(consumer.stdout.take().unwrap()).lines();
    assert_eq!(read.next().unwrap().unwrap(), "one");
    drop(read);
    assert!(consumer.wait().unwrap().success());
}

#[test]
fn the_demo_shows_real_events_at_once() {
    let broker = Broker::start(&["--demo"]);
    broker.wait_for_records("flights", 500);
    let read = broker.run(&["consume", "flights", "--from-beginning", "--max-messages", "300"]);
    let events: Vec<serde_json::Value> = lines(&read).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 300);
    assert!(events.iter().all(|event| event["flight"].is_string() && event["miles"].is_number()));
    // It goes on.
    broker.wait_for_records("flights", 510);
}

#[test]
fn many_records_over_few_keys_shrink_to_the_last_of_each_while_producers_go_on() {
    let settings = tempfile::NamedTempFile::new().unwrap();
    let text =
        "checkpoint-interval = \"200ms\"\n\"log.cleaner.backoff.ms\" = \"100ms\"\n\"file.delete.delay.ms\" = \"0s\"\n";
    std::fs::write(settings.path(), text).unwrap();
    let mut broker = Broker::start(&["--config", settings.path().to_str().unwrap()]);
    let compacted = ["--config", "cleanup.policy=compact", "--config", "segment.bytes=1MiB"];
    broker.run(&[&["topic", "create", "state", "--partitions", "1"], &compacted[..]].concat());
    let value = |round: usize, key: usize| format!("key-{key}\tvalue {round} of {key} {}\n", "x".repeat(80));
    let rounds = |range: std::ops::Range<usize>| -> String {
        range.flat_map(|round| (0..40).map(move |key| value(round, key))).collect()
    };
    let produce = ["produce", "state", "--format", "key-value", "--compression"];
    broker.feed(&[&produce[..], &["lz4"]].concat(), rounds(0..800).as_bytes());
    broker.feed(&[&produce[..], &["none"]].concat(), rounds(800..1_400).as_bytes());
    // One more goes on while the rest is compacted.
    let mut producer = broker.spawn(&[&produce[..], &["zstd"]].concat());
    let mut stdin = producer.stdin.take().unwrap();
    let consume = ["consume", "state", "--from-beginning", "--exit-at-end", "--format", "key-value"];
    let mut shown = String::new();
    for round in 1_400..1_700 {
        stdin.write_all(rounds(round..round + 1).as_bytes()).unwrap();
        if round % 10 == 0 {
            shown = broker.run(&consume);
        }
        if round > 1_450 && lines(&shown).len() < 20_000 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    stdin.write_all(rounds(2_000..2_001).as_bytes()).unwrap();
    drop(stdin);
    assert!(producer.wait().unwrap().success());
    let last = |shown: &str| {
        let pairs = shown.lines().filter_map(|line| line.split_once('\t'));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<std::collections::BTreeMap<_, _>>()
    };
    let expected = last(&rounds(2_000..2_001));
    let check = |broker: &Broker| {
        let shown = broker.run(&consume);
        assert!(lines(&shown).len() < 20_000, "{} of 60000 records are left", lines(&shown).len());
        assert_eq!(last(&shown), expected);
    };
    check(&broker);
    broker.kill();
    broker.start_again();
    check(&broker);
    broker.stop();
    let verified = levada(&["log", "verify", "state", "--data-dir", &broker.data_dir()]);
    assert!(verified.contains("state"), "{verified}");
}
