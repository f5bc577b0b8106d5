//! `EXPLAIN`: the operators of a plan as a tree, how they change, what they remember, and what becomes of late rows.
//!
//! What is shown was noted when the dataflow was built, by the operators themselves.

use crate::{
    Query, Statement, StatementError, Table,
    operator::{
        Operator,
        describe::{Description, Memory, listed, names},
    },
    plan::{Plan, Source},
    statement::{LateRows, check_readable, planner},
    table::Changelog,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Where a node's rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    Source(usize),
    Node(usize),
}

/// An operator of a dataflow, as it was added.
#[derive(Debug)]
pub(crate) struct Noted {
    description: Description,
    inputs: Vec<Feed>,
    is_append_only: bool,
}

impl Noted {
    pub(crate) fn new(operator: &dyn Operator, inputs: Vec<Feed>, is_append_only: bool) -> Self {
        Self { description: operator.describe(), inputs, is_append_only }
    }
}

/// The operators of a dataflow, by their numbers, and which gives the result.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) nodes: Vec<Noted>,
    pub(crate) root: Feed,
    /// Of each source: whether the last row of each key counts.
    pub(crate) is_upsert: Vec<bool>,
}

impl Notes {
    /// Which operators there are and how they are connected, line by line.
    pub(crate) fn kinds(&self) -> String {
        let line =
            |node: &Noted| format!("{} {:?} {}\n", node.description.name, node.inputs, mode(node.is_append_only));
        self.nodes.iter().map(line).collect()
    }
}

/// An operator that waits for watermarks, in words.
pub(crate) struct Waiting {
    /// What it is, and what it does first.
    pub(crate) operator: String,
    /// The tables whose watermark it waits for.
    pub(crate) tables: Vec<String>,
}

impl Plan {
    /// Its operators, by their numbers; of those that wait for no watermark without tables.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let waiting = |node: &Noted| {
            let sources = match &node.description.memory {
                Memory::Windows { sources, .. } | Memory::Times { sources, .. } | Memory::Versions { sources, .. } => {
                    sources.as_slice()
                }
                Memory::Nothing | Memory::Bounded(_) | Memory::Unbounded(_) => &[],
            };
            Waiting { operator: titled(&node.description), tables: self.tables_of(sources) }
        };
        self.notes.nodes.iter().map(waiting).collect()
    }

    fn tables_of(&self, sources: &[usize]) -> Vec<String> {
        let tables: BTreeSet<String> = sources.iter().map(|source| self.sources[*source].table.clone()).collect();
        tables.into_iter().collect()
    }
}

/// What an operator is, and what it does first.
fn titled(it: &Description) -> String {
    let first = it.details.first().map_or_else(String::new, |(key, value)| format!("({key}=[{value}])"));
    format!("{}{first}", it.name)
}

const INSERTS: &str = "[I]";
const RETRACTS: &str = "[I,UB,UA,D]";
const UPSERTS: &str = "[I,UA,D]";

const fn mode(is_append_only: bool) -> &'static str {
    if is_append_only { INSERTS } else { RETRACTS }
}

impl Statement {
    /// How it is run, line by line.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn explain(&self) -> Result<Vec<String>, StatementError> {
        let plan = self.plan()?;
        let Table { name, schema, primary_key, changelog, .. } = &*self.sink;
        let wanted = self.wanted_columns()?;
        let fields = wanted.iter().map(|at| schema.field(*at).name().clone());
        let mut sink = Description::new("Sink", Memory::Nothing).with("table", [name.clone()]).with("fields", fields);
        let mut writes = mode(plan.is_append_only);
        if *changelog == Changelog::Upsert {
            sink = sink.with("key", primary_key.iter().map(|at| schema.field(*at).name().clone()));
            writes = if plan.is_append_only { INSERTS } else { UPSERTS };
        }
        Ok(Explanation { plan: &plan, tables: &self.tables, late_rows: &self.late_rows }.lines(Some(shown(
            &sink,
            &sink.details,
            writes,
        ))))
    }
}

impl Query {
    /// How it is kept up to date for whoever watches it, line by line.
    ///
    /// # Errors
    /// [`StatementError::Plan`].
    pub fn explain(&self) -> Result<Vec<String>, StatementError> {
        let plan = planner(&self.tables)?.streaming(&self.query)?;
        check_readable(&plan.sources, &self.tables)?;
        Ok(Explanation { plan: &plan, tables: &self.tables, late_rows: &LateRows::Drop }.lines(None))
    }
}

struct Explanation<'a> {
    plan: &'a Plan,
    tables: &'a BTreeMap<String, Arc<Table>>,
    late_rows: &'a LateRows,
}

impl Explanation<'_> {
    fn lines(&self, sink: Option<String>) -> Vec<String> {
        let mut lines = vec!["== Optimized Physical Plan ==".to_owned()];
        let root = self.plan.notes.root;
        match sink {
            None => self.tree(root, ["", ""], &mut BTreeMap::new(), &mut lines),
            Some(sink) => {
                lines.push(sink);
                self.tree(root, ["+- ", "   "], &mut BTreeMap::new(), &mut lines);
            }
        }
        lines.extend([String::new(), "== State ==".to_owned()]);
        lines.extend(self.memories());
        lines.extend([String::new(), "== Late Rows ==".to_owned()]);
        lines.extend(self.late());
        lines
    }

    /// Adds a node and what feeds it, with `first` before its line and `rest` before those of what feeds it. One that
    /// several read is there once, and has a number from then on.
    fn tree(
        &self,
        feed: Feed,
        [first, rest]: [&str; 2],
        numbers: &mut BTreeMap<usize, usize>,
        lines: &mut Vec<String>,
    ) {
        let node = match feed {
            Feed::Source(source) => {
                lines.push(format!("{first}{}", self.scan(source)));
                return;
            }
            Feed::Node(node) => node,
        };
        if let Some(number) = numbers.get(&node) {
            lines.push(format!("{first}Reused(reference_id=[{number}])"));
            return;
        }
        let nodes = &self.plan.notes.nodes;
        let Noted { description, inputs, is_append_only } = &nodes[node];
        let mut line = format!("{first}{}", shown(description, &description.details, mode(*is_append_only)));
        if nodes.iter().flat_map(|it| &it.inputs).filter(|input| **input == feed).count() > 1 {
            let number = numbers.len() + 1;
            numbers.insert(node, number);
            line = format!("{line}(reuse_id=[{number}])");
        }
        lines.push(line);
        for (place, input) in inputs.iter().enumerate() {
            let (branch, beside) = if place + 1 < inputs.len() { (":- ", ":  ") } else { ("+- ", "   ") };
            self.tree(*input, [&format!("{rest}{branch}"), &format!("{rest}{beside}")], numbers, lines);
        }
    }

    fn scan(&self, source: usize) -> String {
        let Source { table, columns, schema } = &self.plan.sources[source];
        let mut scan = Description::new("TableSourceScan", Memory::Nothing)
            .with("table", [table.clone()])
            .with("fields", names(schema));
        let watermark = self.tables.get(table).and_then(|table| table.watermark);
        if let Some(watermark) = watermark.filter(|watermark| columns.contains(&watermark.column)) {
            let place = columns.iter().filter(|column| **column < watermark.column).count();
            scan = scan.with("watermark", [format!("{}{}", schema.field(place).name(), lag(watermark.delay_ms))]);
        }
        shown(&scan, &scan.details, if self.plan.notes.is_upsert[source] { UPSERTS } else { INSERTS })
    }

    /// Operators that remember anything, by what they are and what they do first.
    fn remembering(&self) -> impl Iterator<Item = (String, &Memory)> {
        let noted = self.plan.notes.nodes.iter().map(|node| &node.description);
        noted.filter(|it| it.memory != Memory::Nothing).map(|it| (titled(it), &it.memory))
    }

    fn memories(&self) -> Vec<String> {
        let line = |(name, memory): (String, &Memory)| match memory {
            Memory::Nothing => name,
            Memory::Bounded(what) => format!("{name} remembers {what}"),
            Memory::Unbounded(what) | Memory::Versions { what, .. } => {
                format!("{name} remembers {what}; this grows without bound, and stops at sql.state.bytes.max")
            }
            Memory::Windows { what, sources } | Memory::Times { what, sources } => {
                format!("{name} remembers {what} until the watermark of {} has passed it", self.named(sources))
            }
        };
        let lines: Vec<String> = self.remembering().map(line).collect();
        if lines.is_empty() { vec!["nothing is remembered".to_owned()] } else { lines }
    }

    fn late(&self) -> Vec<String> {
        let line = |(name, memory): (String, &Memory)| {
            let (does, sources) = match memory {
                Memory::Windows { sources, .. } => ("leaves out", sources),
                Memory::Times { sources, .. } | Memory::Versions { sources, .. } => {
                    ("joins with what it remembers still", sources)
                }
                _ => return None,
            };
            let does = match self.late_rows {
                LateRows::Drop => format!("{does}, and counts as late,"),
                LateRows::Topic(topic) => format!("{does}, counts as late, and writes to topic `{topic}`"),
            };
            let sources = self.named(sources);
            Some(format!("{name} {does} rows of what the watermark of {sources} has passed"))
        };
        let lines: Vec<String> = self.remembering().filter_map(line).collect();
        if lines.is_empty() { vec!["no row is late: nothing waits for a watermark".to_owned()] } else { lines }
    }

    fn named(&self, sources: &[usize]) -> String {
        listed(&self.plan.tables_of(sources))
    }
}

fn shown(it: &Description, details: &[(&'static str, String)], mode: &str) -> String {
    let details = details.iter().map(|(key, value)| format!("{key}=[{value}], "));
    format!("{}({}changelogMode={mode})", it.name, details.collect::<String>())
}

/// ` - INTERVAL …`, where a watermark lags.
fn lag(delay_ms: i64) -> String {
    match (delay_ms / 1_000, delay_ms % 1_000) {
        (0, 0) => String::new(),
        (seconds, 0) => format!(" - INTERVAL '{seconds}' SECOND"),
        (seconds, rest) => format!(" - INTERVAL '{seconds}.{rest:03}' SECOND"),
    }
}
