//! [`ReadAfter`]: who wrote something, and wants to see it in what they ask next.
//!
//! A query that reads a topic waits until its cut has the offset. One that reads what statements write waits until
//! they have read it, through any number of statements, and until what they wrote of it is in the cut.

use crate::{Refusal, RefusalKind, service::Service};
use levada_model::{Offset, PartitionIndex, TopicName};
use levada_sql::Query;
use levada_stream::{Caller, Inputs};
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    time::Duration,
};

/// Offsets that are to be read, by topic and partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadAfter(BTreeMap<(TopicName, PartitionIndex), Offset>);

/// So many may be named.
const OFFSETS_MAX: usize = 1_000;
/// So often it is looked whether a statement or a cut is that far.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

impl FromStr for ReadAfter {
    type Err = Refusal;

    /// Reads `topic:partition:offset`, several with commas between; nothing is nothing.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut offsets = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || {
                let refusal = Refusal::invalid(format!("`{part}` names no offset of a topic's partition"));
                refusal.with_hint("write topic:partition:offset, several with commas between")
            };
            let mut words = part.rsplitn(3, ':');
            let offset: Offset = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
            let partition: PartitionIndex = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
            let topic = words.next().and_then(|word| TopicName::new(word).ok()).ok_or_else(wrong)?;
            if offset < 0 || partition < 0 {
                return Err(wrong());
            }
            let known = offsets.entry((topic, partition)).or_insert(offset);
            *known = offset.max(*known);
            if offsets.len() > OFFSETS_MAX {
                return Err(Refusal::invalid(format!("more than {OFFSETS_MAX} offsets are named")));
            }
        }
        Ok(Self(offsets))
    }
}

/// For each partition the first offset that need not be read.
type Wanted = BTreeMap<(TopicName, PartitionIndex), Offset>;

/// What is waited for.
struct Waiting<'a> {
    caller: &'a Caller,
    wanted: Wanted,
    /// Topics whose ends are wanted since all that leads to them had been read.
    ended: BTreeSet<String>,
}

/// How far a topic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Nothing of what is wanted leads to it.
    Apart,
    /// What is wanted is in it, with all that statements made of it.
    Whole,
    Behind,
}

impl Service {
    /// Waits until what a query reads has these offsets.
    pub(super) async fn wait_until_read(
        &self,
        query: &Query,
        read_after: &ReadAfter,
        caller: &Caller,
        wait: Duration,
    ) -> Result<(), Refusal> {
        if read_after.0.is_empty() {
            return Ok(());
        }
        let topics: BTreeSet<&String> = query.tables.values().map(|table| &table.topic).collect();
        let wanted = read_after.0.iter().map(|(place, offset)| (place.clone(), offset + 1)).collect();
        let mut waiting = Waiting { caller, wanted, ended: BTreeSet::new() };
        let sleep = self.surroundings(caller).sleep;
        let mut deadline = sleep(wait);
        loop {
            let mut known = BTreeMap::new();
            let mut standing = Standing::Apart;
            for topic in &topics {
                standing = standing.max(self.standing(topic, &mut waiting, &mut known)?);
            }
            if standing != Standing::Behind {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = &mut deadline => break,
                () = sleep(LOOK_INTERVAL) => {}
            }
        }
        let message = format!("what is to be read (`levada.read_after`) is not there after {} ms", wait.as_millis());
        let hint =
            "a transaction may be open, a statement stopped, or an offset wrong; SET statement_timeout waits longer";
        Err(Refusal::new(RefusalKind::Busy, message).with_hint(hint))
    }

    /// How far a topic is: first what leads to it, then itself, since each is there before the next reads it.
    fn standing(
        &self,
        topic: &str,
        waiting: &mut Waiting<'_>,
        known: &mut BTreeMap<String, Standing>,
    ) -> Result<Standing, Refusal> {
        if let Some(known) = known.get(topic) {
            return Ok(*known);
        }
        // Statements in a circle wait for nobody.
        known.insert(topic.to_owned(), Standing::Apart);
        let mut standing = Standing::Apart;
        let writers = self.writers_of(topic);
        for statement in &writers {
            for source in self.sources_of(statement, waiting.caller)? {
                let of_source = self.standing(&source, waiting, known)?;
                let has_read =
                    || self.running(statement).is_some_and(|it| covers(&it.progress().read, &source, waiting));
                standing = standing.max(match of_source {
                    Standing::Whole if !has_read() => Standing::Behind,
                    other => other,
                });
            }
        }
        if standing == Standing::Whole && waiting.ended.insert(topic.to_owned()) {
            self.want_end(topic, waiting)?;
        }
        if standing != Standing::Behind && waiting.wanted.keys().any(|(name, _)| name.as_str() == topic) {
            standing = if self.is_cut_beyond(topic, waiting)? { Standing::Whole } else { Standing::Behind };
        }
        known.insert(topic.to_owned(), standing);
        Ok(standing)
    }

    /// From now on all that a topic has is wanted.
    fn want_end(&self, topic: &str, waiting: &mut Waiting<'_>) -> Result<(), Refusal> {
        let inputs = self.inputs_of(topic, waiting.caller)?;
        for (it, end) in inputs.partitions().iter().zip(inputs.end()) {
            let wanted = waiting.wanted.entry((it.topic.clone(), it.partition)).or_insert(end);
            *wanted = end.max(*wanted);
        }
        Ok(())
    }

    fn is_cut_beyond(&self, topic: &str, waiting: &Waiting<'_>) -> Result<bool, Refusal> {
        let inputs = self.inputs_of(topic, waiting.caller)?;
        let Some(cut) = inputs.cut(&inputs.start()) else { return Ok(false) };
        let read = inputs.partitions().iter().zip(cut);
        let read: Wanted = read.map(|(it, cut)| ((it.topic.clone(), it.partition), cut)).collect();
        let unknown = |place: &&(TopicName, PartitionIndex)| place.0.as_str() == topic && !read.contains_key(*place);
        if let Some((_, partition)) = waiting.wanted.keys().find(unknown) {
            let message = format!("topic `{topic}` has no partition {partition}, which is to be read");
            return Err(Refusal::invalid(message).with_hint("SET levada.read_after = ''"));
        }
        Ok(covers(&read, topic, waiting))
    }

    fn inputs_of(&self, topic: &str, caller: &Caller) -> Result<Inputs, Refusal> {
        let name = self.handle().topic(caller, topic)?.name;
        Ok(self.handle().inputs(caller, &[name])?)
    }

    /// The statements that write a topic.
    fn writers_of(&self, topic: &str) -> Vec<String> {
        let catalog = self.catalog();
        let writes = |insert: &levada_sql_syntax::Insert| {
            let sink = levada_sql::table::name_of(&insert.table).ok()?;
            Some(catalog.tables.get(&sink)?.table.topic == topic)
        };
        let statements = catalog.statements.iter();
        let writers = statements.filter(|(_, entry)| entry.insert.as_deref().and_then(writes) == Some(true));
        writers.map(|(name, _)| name.clone()).collect()
    }

    /// The topics that a statement reads.
    fn sources_of(&self, statement: &str, caller: &Caller) -> Result<BTreeSet<String>, Refusal> {
        let catalog = self.catalog();
        let insert = catalog.statements.get(statement).and_then(|entry| entry.insert.clone());
        let Some(insert) = insert else { return Ok(BTreeSet::new()) };
        let query = self.query_of(insert.query.clone(), caller)?;
        Ok(query.tables.values().map(|table| table.topic.clone()).collect())
    }
}

/// Whether all that is wanted of a topic was read.
fn covers(read: &Wanted, topic: &str, waiting: &Waiting<'_>) -> bool {
    let mut wanted = waiting.wanted.iter().filter(|((name, _), _)| name.as_str() == topic);
    wanted.all(|(place, offset)| read.get(place).copied().unwrap_or(0) >= *offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_and_the_last_of_a_partition_counts() {
        let read: ReadAfter = "a:0:5, b.c-d:12:0,a:0:3".parse().unwrap();
        let place = |topic: &str, partition| (TopicName::new(topic).unwrap(), partition);
        assert_eq!(read.0, BTreeMap::from([(place("a", 0), 5), (place("b.c-d", 12), 0)]));
        assert_eq!("".parse::<ReadAfter>().unwrap(), ReadAfter::default());
        for wrong in ["a", "a:0", "a:0:-1", "a:x:1", ":0:1", "a b:0:1"] {
            assert!(wrong.parse::<ReadAfter>().is_err(), "{wrong}");
        }
        let many: Vec<String> = (0..=OFFSETS_MAX).map(|partition| format!("a:{partition}:0")).collect();
        assert!(many.join(",").parse::<ReadAfter>().is_err());
    }
}
