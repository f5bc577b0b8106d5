//! What an answer has to have: whoever wrote something reads it, also behind statements that have to read it first.

use crate::{Refusal, RefusalKind, catalog::State, service::Service};
use levada_model::TopicName;
use levada_sql::{
    query::ReadAfter,
    statement::{Positions, Progress},
};
use levada_stream::Caller;
use std::{collections::BTreeSet, str::FromStr};
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

/// Reads a span as Flink writes them: a number, and `ms`, `s` or `min`; milliseconds where nothing is said.
pub(crate) fn span_ms(text: &str) -> Result<u32, Refusal> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "" | "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        _ => None,
    };
    let span = number.parse::<u32>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
    span.filter(|span| (0..=TIMEOUT_MAX_MS).contains(span)).ok_or_else(|| {
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
#[derive(Debug, PartialEq, Eq)]
struct Step {
    statement: String,
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
        caller: &Caller,
    ) -> Result<(), Refusal> {
        if read_after.offsets.is_empty() {
            return Ok(());
        }
        let mut wanted = read_after.offsets.clone();
        for Step { statement, inputs, output } in self.steps(topics, caller)? {
            if !wanted.keys().any(|(topic, _)| inputs.contains(topic.as_str())) {
                continue;
            }
            let running = self.running(&statement).filter(|running| !running.has_ended()).ok_or_else(|| {
                let message = format!("statement `{statement}`, which writes `{output}`, does not run");
                Refusal::new(RefusalKind::Busy, message).with_hint(format!("START STATEMENT `{statement}`"))
            })?;
            let read = |progress: &Progress| progress.is_recovered.then(|| progress.read.clone());
            until(&mut running.watch(), &wanted, read_after, read).await?;
            for (partition, last) in self.last_offsets(&output, caller)? {
                let wanted = wanted.entry(partition).or_insert(last);
                *wanted = last.max(*wanted);
            }
        }
        Ok(())
    }

    /// The statements that write these topics, each behind those that write what it reads.
    fn steps(&self, topics: BTreeSet<String>, caller: &Caller) -> Result<Vec<Step>, Refusal> {
        let catalog = self.catalog();
        let mut steps = Vec::new();
        for (name, entry) in &catalog.statements {
            let Some(insert) = entry.insert.as_deref().filter(|_| entry.state() != State::Dropping) else { continue };
            let statement = self.statement(name, insert, &catalog, caller)?;
            let inputs = statement.tables.values().filter_map(|table| table.topic()).map(str::to_owned).collect();
            let Some(output) = statement.sink.topic().map(str::to_owned) else { continue };
            steps.push(Step { statement: name.clone(), inputs, output });
        }
        Ok(in_order(steps, topics))
    }

    /// The last offset of each partition of a topic that is not empty.
    fn last_offsets(&self, topic: &str, caller: &Caller) -> Result<Positions, Refusal> {
        let topic = self.handle().topic(caller, topic)?;
        let inputs = self.handle().inputs(caller, &[topic.name])?;
        let last = inputs.partitions().iter().zip(inputs.end()).filter(|(_, end)| *end > 0);
        Ok(last.map(|(it, end)| ((it.topic.clone(), it.partition), end - 1)).collect())
    }
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

/// Those of `steps` that are behind these topics, each behind those that write what it reads.
fn in_order(mut steps: Vec<Step>, topics: BTreeSet<String>) -> Vec<Step> {
    // From the topics back to what they come from; a circle is gone round once.
    let (mut wanted, mut found) = (topics, Vec::new());
    loop {
        let (writers, others): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| wanted.contains(&step.output));
        if writers.is_empty() {
            break;
        }
        wanted = writers.iter().flat_map(|step| step.inputs.iter().cloned()).collect();
        found.push(writers);
        steps = others;
    }
    let mut found: Vec<Step> = found.into_iter().rev().flatten().collect();
    let mut ordered = Vec::with_capacity(found.len());
    while !found.is_empty() {
        let is_next = |step: &Step| !found.iter().any(|other| other != step && step.inputs.contains(&other.output));
        let next = found.iter().position(is_next).unwrap_or(0);
        ordered.push(found.remove(next));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn step(statement: &str, inputs: &[&str], output: &str) -> Step {
        let inputs = inputs.iter().map(|it| (*it).to_owned()).collect();
        Step { statement: statement.to_owned(), inputs, output: output.to_owned() }
    }

    #[test]
    fn statements_come_behind_those_that_write_what_they_read() {
        let ordered = |steps: Vec<Step>, topic: &str| {
            let steps = in_order(steps, [topic.to_owned()].into());
            steps.into_iter().map(|step| step.statement).collect::<Vec<_>>()
        };
        let chain = || {
            vec![
                step("last", &["b", "a"], "c"),
                step("middle", &["a"], "b"),
                step("first", &["orders"], "a"),
                step("another", &["orders"], "d"),
            ]
        };
        assert_eq!(ordered(chain(), "c"), ["first", "middle", "last"]);
        assert_eq!(ordered(chain(), "a"), ["first"]);
        assert!(ordered(chain(), "orders").is_empty());
        let mut circle = ordered(vec![step("x", &["a"], "b"), step("y", &["b"], "a")], "a");
        circle.sort();
        assert_eq!(circle, ["x", "y"]);
    }
}
