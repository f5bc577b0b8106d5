//! What an answer has to have: whoever wrote something reads it, also behind statements that have to read it first.

use crate::{
    Refusal, RefusalKind,
    catalog::{Catalog, State, StatementEntry},
    service::{Service, owner},
    views,
};
use levada_model::TopicName;
use levada_sql::{
    query::ReadAfter,
    statement::{Positions, Progress},
};
use levada_sql_syntax::{Insert, ast};
use levada_stream::Caller;
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};
use tokio::sync::watch;

/// Partitions that a setting names.
const PARTITIONS_MAX: usize = 1_000;
/// How long is waited where nothing is said.
pub(crate) const TIMEOUT_MS: u32 = 10_000;
/// How long is waited at most.
const TIMEOUT_MAX_MS: u32 = 600_000;

/// Reads `topic:partition:offset` and more of them, separated by commas.
pub(crate) fn offsets(text: &str) -> Result<Positions, Refusal> {
    let malformed = || {
        let refusal = Refusal::invalid(format!("`{text}` is no list of offsets"));
        refusal.with_hint("write 'topic:partition:offset', several of them separated by commas")
    };
    let mut offsets = Positions::new();
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let mut parts = one.rsplitn(3, ':');
        let (offset, partition, topic) = (parts.next(), parts.next(), parts.next());
        let (Some(offset), Some(partition), Some(topic)) = (offset, partition, topic) else { return Err(malformed()) };
        let (Ok(offset), Ok(partition)) = (offset.parse::<i64>(), partition.parse::<i32>()) else {
            return Err(malformed());
        };
        let topic = TopicName::new(topic).map_err(|error| Refusal::invalid(error.to_string()))?;
        if offset < 0 || partition < 0 {
            return Err(malformed());
        }
        let last = offsets.entry((topic, partition)).or_insert(offset);
        *last = offset.max(*last);
    }
    if offsets.len() > PARTITIONS_MAX {
        return Err(Refusal::invalid(format!("{PARTITIONS_MAX} offsets can be waited for at most")));
    }
    Ok(offsets)
}

/// Offsets as they are written.
pub(crate) fn text(offsets: &Positions) -> String {
    let one = |((topic, partition), offset): (&(TopicName, i32), &i64)| format!("{topic}:{partition}:{offset}");
    offsets.iter().map(one).collect::<Vec<_>>().join(",")
}

/// Reads how long is waited, as Flink writes spans.
pub(crate) fn span_ms(text: &str) -> Result<u32, Refusal> {
    let span = levada_model::span_ms(text).and_then(|span| u32::try_from(span).ok());
    span.filter(|span| *span <= TIMEOUT_MAX_MS).ok_or_else(|| {
        let refusal = Refusal::invalid(format!("`{text}` is no time to wait: 10 min is the longest"));
        refusal.with_hint("write '500 ms', '10 s' or '1 min'")
    })
}

/// Offsets that are to be read, by topic and partition, as `topic:partition:offset`, several with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets(pub(crate) Positions);

impl FromStr for Offsets {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        offsets(text).map(Self)
    }
}

/// A statement on the way from what was written to what is asked.
#[derive(Debug, PartialEq)]
struct Step {
    statement: String,
    /// In whose name it reads.
    owner: Caller,
    /// The topics that it reads.
    inputs: BTreeSet<String>,
    /// The topic that it writes.
    output: String,
}

impl Service {
    /// Waits until the statements that write these topics have read what an answer has to have.
    ///
    /// Where one reads what another writes, it has to read all that the other has written by then.
    pub(crate) async fn behind_statements(
        &self,
        topics: BTreeSet<String>,
        read_after: &mut ReadAfter,
    ) -> Result<(), Refusal> {
        if read_after.offsets.is_empty() {
            return Ok(());
        }
        // What those before them have written.
        let mut written = BTreeSet::new();
        for Step { statement, owner, inputs, output } in steps(&self.catalog(), topics) {
            let mut wanted = read_after.offsets.clone();
            wanted.retain(|(topic, _), _| inputs.contains(topic.as_str()));
            for topic in inputs.intersection(&written) {
                for (partition, last) in self.last_offsets(topic, &owner)? {
                    let wanted = wanted.entry(partition).or_insert(last);
                    *wanted = last.max(*wanted);
                }
            }
            if wanted.is_empty() {
                continue;
            }
            let running = self.running(&statement).filter(|running| !running.has_ended()).ok_or_else(|| {
                let message = format!("statement `{statement}`, which writes `{output}`, does not run");
                Refusal::new(RefusalKind::Busy, message).with_hint(format!("START STATEMENT `{statement}`"))
            })?;
            let read = |progress: &Progress| progress.is_recovered.then(|| progress.read.clone());
            until(&mut running.watch(), &wanted, read_after, read).await?;
            written.insert(output);
        }
        Ok(())
    }

    /// The last offset of each partition of a topic that is not empty.
    fn last_offsets(&self, topic: &str, caller: &Caller) -> Result<Positions, Refusal> {
        let topic = self.handle().topic(caller, topic)?;
        let inputs = self.handle().inputs(caller, &[topic.name])?;
        let last = inputs.partitions().iter().zip(inputs.end()).filter(|(_, end)| *end > 0);
        Ok(last.map(|(it, end)| ((it.topic.clone(), it.partition), end - 1)).collect())
    }
}

/// The statements that these topics come from, each behind those that write what it reads.
fn steps(catalog: &Catalog, topics: BTreeSet<String>) -> Vec<Step> {
    let mut writers: BTreeMap<&str, Vec<(&String, &StatementEntry, &Insert)>> = BTreeMap::new();
    for (name, entry) in catalog.statements.iter().filter(|(_, entry)| entry.state() != State::Dropping) {
        let Some(insert) = entry.insert.as_deref() else { continue };
        if let Some(topic) = catalog.sink(name, insert).and_then(|sink| sink.topic()) {
            writers.entry(topic).or_default().push((name, entry, insert));
        }
    }
    // From the topics back to what they come from; a circle is gone round once.
    let (mut wanted, mut found) = (topics, Vec::new());
    while !wanted.is_empty() {
        let mut before = BTreeSet::new();
        for topic in std::mem::take(&mut wanted) {
            for (name, entry, insert) in writers.remove(topic.as_str()).unwrap_or_default() {
                let inputs = topics_of(catalog, &insert.query);
                before.extend(inputs.iter().cloned());
                let owner = owner(&entry.definition.owner);
                found.push(Step { statement: name.clone(), owner, inputs, output: topic.clone() });
            }
        }
        wanted = before;
    }
    in_order(found)
}

/// The topics that a query reads; none where what it names means nothing any more, and it cannot run.
pub(crate) fn topics_of(catalog: &Catalog, query: &ast::Query) -> BTreeSet<String> {
    let mut query = query.clone();
    let names = match views::expand(&mut query, &catalog.view_queries()).and_then(|()| views::names(&query)) {
        Ok(names) => names,
        Err(_) => return BTreeSet::new(),
    };
    let topic = |name: &String| match catalog.tables.get(name) {
        Some(entry) => entry.table.topic().map(str::to_owned),
        // A topic that was not declared.
        None => (!names.with.contains(name)).then(|| name.clone()),
    };
    names.tables.keys().filter_map(topic).collect()
}

/// Waits until something that is watched has these offsets; `read` says up to where it has read, if it has.
pub(crate) async fn until<T>(
    watched: &mut watch::Receiver<T>,
    offsets: &Positions,
    read_after: &mut ReadAfter,
    read: impl Fn(&T) -> Option<Positions>,
) -> Result<(), Refusal> {
    loop {
        let read = read(&watched.borrow_and_update());
        let missing = match &read {
            Some(read) => ReadAfter::missing(offsets, read),
            None => offsets.iter().next().map(|(partition, offset)| (partition.clone(), *offset)),
        };
        let Some(missing) = missing else { return Ok(()) };
        let mut is_gone = false;
        read_after.wait(missing, async { is_gone = watched.changed().await.is_err() }).await?;
        if is_gone {
            return Err(Refusal::internal("a statement ended meanwhile"));
        }
    }
}

/// Steps, each behind those that write what it reads.
fn in_order(mut steps: Vec<Step>) -> Vec<Step> {
    let mut ordered = Vec::with_capacity(steps.len());
    while !steps.is_empty() {
        let is_next = |step: &Step| !steps.iter().any(|other| other != step && step.inputs.contains(&other.output));
        let next = steps.iter().position(is_next).unwrap_or(0);
        ordered.push(steps.remove(next));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Definition, Key, Kind, Record};

    #[test]
    fn offsets_and_spans_are_read_and_bounded() {
        let read = offsets("orders:0:5, a.b-c:12:7,orders:0:3").unwrap();
        assert_eq!(text(&read), "a.b-c:12:7,orders:0:5");
        for bad in ["orders", "orders:0", "orders:0:x", "orders:-1:3", "orders:0:-3", "a/b:0:1", ":0:1"] {
            assert!(offsets(bad).is_err(), "{bad}");
        }
        assert_eq!(offsets(" ").unwrap(), Positions::new());
        let many: Vec<String> = (0..=PARTITIONS_MAX).map(|partition| format!("t:{partition}:1")).collect();
        assert!(offsets(&many.join(",")).is_err());
        for (text, span) in [("500 ms", 500), ("10s", 10_000), ("10 min", 600_000), ("7", 7)] {
            assert_eq!(span_ms(text).unwrap(), span);
        }
        for bad in ["", "s", "-1 s", "11 min", "9999999999999999 min", "1 h"] {
            assert!(span_ms(bad).is_err(), "{bad}");
        }
    }

    fn catalog(sql: &[(&str, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (name, sql) in sql {
            let kind = match sql.split(' ').nth(1) {
                Some("TABLE") => Kind::Table,
                Some("VIEW") => Kind::View,
                _ => Kind::Statement,
            };
            let key = Key { kind, name: (*name).to_owned() };
            catalog
                .apply(&Record { key, value: Some(Definition::of((*sql).to_owned(), "User:ada".to_owned(), 0)) })
                .unwrap();
        }
        catalog
    }

    #[test]
    fn statements_come_behind_those_that_write_what_they_read() {
        let mut all = vec![
            ("c", "CREATE TABLE c (x INT) WITH ('topic' = 'the-c')"),
            ("b", "CREATE TABLE b (x INT)"),
            ("a", "CREATE TABLE a (x INT)"),
            ("d", "CREATE TABLE d (x INT)"),
            ("both", "CREATE VIEW both AS SELECT x FROM b UNION ALL SELECT x FROM a"),
            ("last", "INSERT INTO c SELECT x FROM both"),
            ("middle", "INSERT INTO b WITH w AS (SELECT x FROM a) SELECT x FROM w"),
            ("first", "INSERT INTO a SELECT CAST(key AS INT) FROM orders"),
            ("another", "INSERT INTO d SELECT x FROM gone"),
        ];
        let ordered = |all: &[(&str, &str)], topic: &str| {
            let steps = steps(&catalog(all), [topic.to_owned()].into());
            steps.into_iter().map(|step| step.statement).collect::<Vec<_>>()
        };
        assert_eq!(ordered(&all, "the-c"), ["first", "middle", "last"]);
        assert_eq!(ordered(&all, "a"), ["first"]);
        assert!(ordered(&all, "orders").is_empty());
        // A circle.
        all.push(("back", "INSERT INTO a SELECT x FROM c"));
        let mut circle = ordered(&all, "the-c");
        circle.sort();
        assert_eq!(circle, ["back", "first", "last", "middle"]);
    }
}
