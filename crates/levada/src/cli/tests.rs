use super::*;
use clap::CommandFactory as _;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_commands_of_the_contract_parse() {
    for line in [
        "levada serve --data-dir d --kafka 127.0.0.1:0 --http 127.0.0.1:0 --config f --demo",
        "levada serve --advertise example:9092 --allow-anonymous --set num.partitions=3",
        "levada topic create t --partitions 3 --replication-factor 1 --config retention.ms=7d --if-not-exists",
        "levada topic list --internal --output json",
        "levada topic describe",
        "levada topic describe a b --bootstrap-server h:1,h:2",
        "levada topic alter t --partitions 4 --config a=b --unset c",
        "levada topic delete a b --if-exists",
        "levada produce t --format key-value --key k --header a=b --partition 0 --compression zstd --acks all",
        "levada consume t --from-beginning --max-messages 3 --format json",
        "levada consume t --offset -5 --partition 0 --partition 1 --exit-at-end",
        "levada consume t --from 10m --read-committed",
        "levada consume t --group g --from-beginning",
        "levada group list",
        "levada group describe g",
        "levada group reset-offsets g --topic t:0,1 --topic u --shift-by -3 --execute",
        "levada group delete g h",
        "levada cluster info",
        "levada config get --topic t retention.ms",
        "levada config set --broker 1 a=b --unset c",
        "levada log verify t u-0 --records --data-dir d",
        "levada log dump t-0 --from-offset 3 --max-batches 2 --records",
        "levada bench produce t --records 10 --size 1KiB --rate 5 --compression lz4",
        "levada bench consume t",
        "levada bench latency t --rate 100",
        "levada completions fish",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for line in [
        "levada consume t --from-beginning --offset 3",
        "levada consume t --group g --partition 0",
        "levada topic create t --partitions 0",
        "levada topic create t --config retention.ms=soon",
        "levada group reset-offsets g --topic t",
        "levada group reset-offsets g --to-latest",
        "levada group reset-offsets g --topic t --to-latest --to-earliest",
        "levada config get retention.ms",
        "levada config set --topic t",
        "levada config set --topic t --broker 1 a=b",
        "levada produce t --compression brotli",
        "levada produce t --acks 2",
        "levada produce t --linger 5",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
