//! `cargo xtask diff`: Apache Kafka as the judge. Both brokers are asked the same things, and what they answer is
//! compared field by field; `exceptions.txt` says where they may differ. Kafka's answers are kept in `xtask/golden`,
//! so that they can be compared with where there is no Java.

mod boundaries;
mod compare;
mod exceptions;
mod golden;
mod records;
mod runner;
mod scenarios;
mod script;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::broker::Recipe;
use crate::cache::Cache;
use crate::kafka_rig::{Jars, VERSION};
use crate::levada_rig;
use compare::{Difference, Side, compare};
use exceptions::Exceptions;
use golden::Golden;
use runner::{Outcome, Runner, bind, tree};
use script::{Scenario, Step};
use wire::{Variables, Wire};

/// From what the recorded requests follow.
const SEED: u64 = 431;
/// How many examples of one difference are shown.
const EXAMPLES: usize = 12;
/// Characters of an answer that are shown.
const SHOWN_SIZE_MAX: usize = 300;

/// Options of `xtask diff`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compares with Kafka's recorded answers, without running Kafka
    #[arg(long, conflicts_with_all = ["record", "show"])]
    replay: bool,
    /// Records Kafka's answers anew, without running Levada
    #[arg(long, conflicts_with = "show")]
    record: bool,
    /// Prints the steps of a scenario with Kafka's recorded answers
    #[arg(long, value_name = "SCENARIO")]
    show: Option<String>,
    /// Another release of Kafka, to see what is new in it: what is recorded is the usual one's
    #[arg(long, value_name = "VERSION", default_value = VERSION, conflicts_with_all = ["replay", "record", "show"])]
    kafka_version: String,
    /// Only these scenarios
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    only: Vec<String>,
    /// The seed of what is chosen at random; what is recorded has its own
    #[arg(long, default_value_t = SEED, conflicts_with_all = ["replay", "record", "show"])]
    seed: u64,
    /// A Levada binary, instead of building one
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
}

/// Compares, records or shows.
pub(crate) fn run(args: &Args) -> Result<()> {
    let wire = Wire::load()?;
    let exceptions = Exceptions::load()?;
    let mut scenarios = scenarios::all(&wire, args.seed)?;
    if let Some(name) = &args.show {
        return show(&wire, &scenarios, name);
    }
    for name in &args.only {
        ensure!(scenarios.iter().any(|scenario| scenario.name == *name), "there is no scenario `{name}`");
    }
    let is_partial = !args.only.is_empty();
    scenarios.retain(|scenario| !is_partial || args.only.contains(&scenario.name));
    let scratch = tempfile::Builder::new().prefix("levada-diff-").tempdir()?;
    let golden = Golden::open();
    let kafka = if args.replay {
        let outcomes = scenarios.iter().map(|scenario| golden.read(scenario)).collect::<Result<Vec<_>>>()?;
        Walked { outcomes, failures: 0 }
    } else {
        let recipe = Recipe::Kafka(Jars::fetch_release(&Cache::open()?, &args.kafka_version)?);
        walk(&wire, &scenarios, &recipe, &scratch.path().join("kafka"))?
    };
    if args.record {
        for (scenario, outcomes) in scenarios.iter().zip(&kafka.outcomes) {
            golden.write(scenario, outcomes)?;
        }
        ensure!(kafka.failures == 0, "{} scenarios were not recorded", kafka.failures);
        return if is_partial { Ok(()) } else { golden.remove_others(&scenarios) };
    }
    let binary = match &args.levada {
        Some(path) => path.canonicalize().with_context(|| format!("no binary at `{}`", path.display()))?,
        None => levada_rig::build()?,
    };
    let levada = walk(&wire, &scenarios, &Recipe::Levada(binary), &scratch.path().join("levada"))?;
    judge(&wire, &scenarios, [&kafka.outcomes, &levada.outcomes], &exceptions, is_partial)?;
    ensure!(kafka.failures + levada.failures == 0, "not all scenarios were gone through");
    Ok(())
}

/// What came of all scenarios; nothing of those that the broker did not get through.
struct Walked {
    outcomes: Vec<Vec<Outcome>>,
    failures: usize,
}

/// Walks a fresh broker through all scenarios.
fn walk(wire: &Wire, scenarios: &[Scenario], recipe: &Recipe, folder: &Path) -> Result<Walked> {
    let mut broker = recipe.start(folder)?;
    let started = Instant::now();
    let mut runner = Runner::new(wire, &broker.bootstrap())?;
    let mut outcomes = Vec::with_capacity(scenarios.len());
    let mut failures = 0;
    for scenario in scenarios {
        outcomes.push(runner.run(scenario).unwrap_or_else(|error| {
            println!("{recipe} did not get through: {error:#}");
            failures += 1;
            Vec::new()
        }));
    }
    drop(runner);
    if let Some(status) = broker.exited()? {
        bail!("{recipe} exited: {status}");
    }
    broker.stop()?;
    let steps: usize = outcomes.iter().map(Vec::len).sum();
    println!("{recipe}: {steps} steps in {:.1} s", started.elapsed().as_secs_f64());
    Ok(Walked { outcomes, failures })
}

/// A difference with where it was found.
struct Found {
    place: String,
    difference: Difference,
}

/// Compares what the two answered and says in what they differ.
fn judge(
    wire: &Wire,
    scenarios: &[Scenario],
    sides: [&[Vec<Outcome>]; 2],
    exceptions: &Exceptions,
    is_partial: bool,
) -> Result<()> {
    let mut found: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let mut steps = 0;
    for ((scenario, kafka), levada) in scenarios.iter().zip(sides[0]).zip(sides[1]) {
        if kafka.is_empty() || levada.is_empty() {
            continue;
        }
        steps += scenario.steps.len();
        for one in differences(wire, scenario, [kafka, levada], exceptions)? {
            found.entry(shape(&one.difference.path)).or_default().push(one);
        }
    }
    let count: usize = found.values().map(Vec::len).sum();
    let stale = if is_partial { Vec::new() } else { exceptions.stale() };
    println!("{} scenarios, {steps} steps, {count} differences", scenarios.len());
    print!("{}", report(&found)?);
    for line in &stale {
        println!("xtask/src/diff/exceptions.txt:{line}: nothing needed this exception");
    }
    ensure!(count == 0 && stale.is_empty(), "{count} differences, {} stale exceptions", stale.len());
    Ok(())
}

fn differences(
    wire: &Wire,
    scenario: &Scenario,
    sides: [&[Outcome]; 2],
    exceptions: &Exceptions,
) -> Result<Vec<Found>> {
    let (mut kafka_variables, mut levada_variables) = (Variables::new(), Variables::new());
    let mut found = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        let place = || format!("{} step {index}: {}", scenario.name, step.line());
        let [Some(kafka), Some(levada)] = sides.map(|side| side.get(index)) else {
            bail!("{}: nothing came of it", place())
        };
        let api = step.api.name();
        let differences = match (kafka, levada) {
            (Outcome::Answer(kafka), Outcome::Answer(levada)) => {
                let kafka = tree(wire, step, kafka)?;
                let levada = tree(wire, step, levada)?;
                bind(step, &kafka, &mut kafka_variables);
                bind(step, &levada, &mut levada_variables);
                let kafka = Side { tree: &kafka, variables: &kafka_variables };
                let levada = Side { tree: &levada, variables: &levada_variables };
                compare(api, step.version, kafka, levada, exceptions)
            }
            (kafka, levada) if kafka == levada => Vec::new(),
            (kafka, levada) => {
                let kafka = Some(outcome(wire, step, kafka)?);
                vec![Difference { path: api.to_owned(), kafka, levada: Some(outcome(wire, step, levada)?) }]
            }
        };
        found.extend(differences.into_iter().map(|difference| Found { place: place(), difference }));
    }
    Ok(found)
}

fn outcome(wire: &Wire, step: &Step, outcome: &Outcome) -> Result<Value> {
    Ok(match outcome {
        Outcome::Answer(answer) => tree(wire, step, answer)?,
        Outcome::Closed => Value::from("closed"),
        Outcome::Silence => Value::from("silence"),
    })
}

/// A path without the places and keys of elements.
fn shape(path: &str) -> String {
    let mut shape = String::new();
    let mut depth = 0;
    for letter in path.chars() {
        depth -= i32::from(letter == ']');
        if depth == 0 {
            shape.push(letter);
        }
        depth += i32::from(letter == '[');
    }
    shape
}

/// Every field that differs, with how often, and an example of each pair of answers.
fn report(found: &BTreeMap<String, Vec<Found>>) -> Result<String> {
    let mut text = String::new();
    for (shape, all) in found {
        writeln!(text, "\n{shape}: {} times", all.len())?;
        let mut pairs: BTreeMap<(String, String), (&Found, usize)> = BTreeMap::new();
        for one in all {
            let side = |value: &Option<Value>| {
                let text = value.as_ref().map_or("nothing".to_owned(), Value::to_string);
                text.chars().take(SHOWN_SIZE_MAX).collect::<String>()
            };
            let pair = (side(&one.difference.kafka), side(&one.difference.levada));
            pairs.entry(pair).or_insert((one, 0)).1 += 1;
        }
        for ((kafka, levada), (Found { place, difference }, count)) in pairs.iter().take(EXAMPLES) {
            writeln!(text, "  {count} times: kafka {kafka}, levada {levada}\n    {place}\n    {}", difference.path)?;
        }
    }
    Ok(text)
}

fn show(wire: &Wire, scenarios: &[Scenario], name: &str) -> Result<()> {
    let scenario = scenarios.iter().find(|scenario| scenario.name == name);
    let scenario = scenario.with_context(|| format!("there is no scenario `{name}`"))?;
    for (index, (step, kafka)) in scenario.steps.iter().zip(Golden::open().read(scenario)?).enumerate() {
        println!("{index} {}\n  asked  {}\n  kafka  {}", step.line(), step.body, outcome(wire, step, &kafka)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_answers_are_those_of_the_scenarios() {
        let scenarios = scenarios::all(&Wire::load().unwrap(), SEED).unwrap();
        for scenario in &scenarios {
            Golden::open().read(scenario).unwrap();
        }
    }

    #[test]
    fn a_shape_has_no_places() {
        assert_eq!(shape("A.b[1].c[x[y]].d"), "A.b[].c[].d");
    }
}
