//! kafka-python's own integration suite, from its source package, against one broker. Every test that does not
//! pass needs its reason in `clients/kafka-python-suite/reasons.toml`; a reason that explains nothing is a
//! failure, too, so that the list cannot outlive its causes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::install::Toolbox;
use crate::broker::Recipe;
use crate::process::{Process, append_to, tail};

const VERSION: &str = "3.0.12";
/// The release of Kafka that the suite takes the broker for.
const KAFKA_VERSION: &str = "4.3.1";
/// What the suite sets where it starts a broker itself.
const SETTINGS: [(&str, &str); 1] = [("group.min.session.timeout.ms", "500")];
const SUITE_LIMIT: Duration = Duration::from_secs(900);

/// What became of one test.
#[derive(Debug, Deserialize)]
struct Tested {
    test: String,
    outcome: Outcome,
    #[serde(default)]
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// Tests that may be repeated get this many attempts.
const ATTEMPTS: usize = 4;

/// Reasons by the broker they hold for; a name that ends in `*` stands for all that begin so.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reasons {
    /// Tests that a fault of the client itself lets fail now and then: they are repeated until they pass, and
    /// fail like any other where they never do.
    repeated: BTreeMap<String, String>,
    any: BTreeMap<String, String>,
    levada: BTreeMap<String, String>,
    kafka: BTreeMap<String, String>,
}

/// Runs the suite and prints each test that does not pass, with its reason.
///
/// # Errors
/// When a test fails without a reason, or a reason explains nothing.
pub(crate) fn run(toolbox: &Toolbox, recipe: &Recipe) -> Result<()> {
    let path = toolbox.repository().join("clients/kafka-python-suite/reasons.toml");
    let reasons: Reasons = toml::from_str(&fs::read_to_string(&path)?)?;
    let own = match recipe {
        Recipe::Kafka(_) => reasons.kafka,
        Recipe::Levada(_) => reasons.levada,
    };
    let explained: BTreeMap<String, String> = reasons.any.into_iter().chain(own).collect();
    let scratch = tempfile::Builder::new().prefix("levada-suite-").tempdir()?;
    let package = toolbox.kafka_python_sources(VERSION)?;
    let mut broker = recipe.start_with(scratch.path(), &SETTINGS)?;
    let uri = format!("kafka://{}", broker.bootstrap());
    let suite = Suite { toolbox, package, scratch: scratch.path(), uri };
    let mut tests = suite.attempt(&[ALL_TESTS.to_owned()])?;
    for _ in 1..ATTEMPTS {
        let again = to_repeat(&tests, &explained, &reasons.repeated);
        if again.is_empty() {
            break;
        }
        for test in &again {
            println!("once more: {test}");
        }
        merge(&mut tests, suite.attempt(&again)?);
    }
    if let Some(status) = broker.exited()? {
        bail!("the broker exited: {status}");
    }
    broker.stop()?;
    judge(&tests, &explained, recipe)
}

const ALL_TESTS: &str = "test/integration";

/// The suite's sources, and the broker they are run against.
struct Suite<'a> {
    toolbox: &'a Toolbox,
    package: PathBuf,
    scratch: &'a Path,
    uri: String,
}

impl Suite<'_> {
    /// Runs `tests`, by their names, and answers what became of each.
    fn attempt(&self, tests: &[String]) -> Result<Vec<Tested>> {
        let (results, log) = (self.scratch.join("results.jsonl"), self.scratch.join("pytest.log"));
        if results.exists() {
            fs::remove_file(&results)?;
        }
        let mut command = self.pytest(tests, &results);
        command.stdin(Stdio::null()).stdout(append_to(&log)?).stderr(append_to(&log)?);
        let status = Process::spawn("pytest", &mut command)?.wait(SUITE_LIMIT)?;
        let tests = read_results(&results).with_context(|| {
            format!("pytest, {status}, left no results; the end of its output:\n{}", tail(&log, 30))
        })?;
        ensure!(!tests.is_empty(), "pytest ran no test; the end of its output:\n{}", tail(&log, 30));
        Ok(tests)
    }

    fn pytest(&self, tests: &[String], results: &Path) -> Command {
        let plugin = self.toolbox.repository().join("clients/kafka-python-suite");
        let mut command = Command::new(self.package.join("venv/bin/python3"));
        command.current_dir(self.package.join(format!("kafka_python-{VERSION}")));
        command.args(["-m", "pytest", "-p", "suite", "-p", "no:cacheprovider", "--tb=short", "-q"]);
        command.args(["--timeout=120", "--timeout-method=signal"]).args(tests);
        command.env("PYTHONPATH", format!(".:{}", plugin.display())).env("PYTHONDONTWRITEBYTECODE", "1");
        // The suite insists on a folder with a Kafka to start; it starts none with `KAFKA_URI`.
        command.env("KAFKA_ROOT", self.scratch).env("KAFKA_VERSION", KAFKA_VERSION).env("KAFKA_URI", &self.uri);
        command.env("SUITE_RESULTS", results);
        command
    }
}

/// The tests that failed without a reason, and may be repeated.
fn to_repeat(
    tests: &[Tested],
    explained: &BTreeMap<String, String>,
    repeated: &BTreeMap<String, String>,
) -> Vec<String> {
    let is_in = |patterns: &BTreeMap<String, String>, test: &Tested| {
        patterns.keys().any(|pattern| explains(pattern, &test.test))
    };
    let failed = tests.iter().filter(|test| test.outcome == Outcome::Failed);
    failed.filter(|test| !is_in(explained, test) && is_in(repeated, test)).map(|test| test.test.clone()).collect()
}

/// What became of tests that were repeated takes the place of what was before.
fn merge(tests: &mut [Tested], repeated: Vec<Tested>) {
    for new in repeated {
        if let Some(old) = tests.iter_mut().find(|old| old.test == new.test) {
            *old = new;
        }
    }
}

fn read_results(path: &PathBuf) -> Result<Vec<Tested>> {
    let text = fs::read_to_string(path)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn judge(tests: &[Tested], reasons: &BTreeMap<String, String>, recipe: &Recipe) -> Result<()> {
    let passed = tests.iter().filter(|test| test.outcome == Outcome::Passed).count();
    let mut unexplained = Vec::new();
    for test in tests.iter().filter(|test| test.outcome != Outcome::Passed) {
        let word = if test.outcome == Outcome::Failed { "failed" } else { "skipped" };
        match reasons.iter().find(|(pattern, _)| explains(pattern, &test.test)) {
            Some((_, reason)) => println!("{word}: {}: {reason}", test.test),
            None => {
                println!("{word} WITHOUT A REASON: {}: {}", test.test, test.detail.lines().next().unwrap_or_default());
                unexplained.push(test.test.as_str());
            }
        }
    }
    println!("\nkafka-python {VERSION}, its own suite against {recipe}: {passed} of {} passed", tests.len());
    let idle: Vec<&str> = reasons.keys().map(String::as_str).filter(|pattern| explains_none(pattern, tests)).collect();
    ensure!(unexplained.is_empty(), "no reason is given for: {}", unexplained.join(", "));
    ensure!(idle.is_empty(), "these reasons explain nothing any more: {}", idle.join(", "));
    Ok(())
}

fn explains_none(pattern: &str, tests: &[Tested]) -> bool {
    !tests.iter().any(|test| test.outcome != Outcome::Passed && explains(pattern, &test.test))
}

fn explains(pattern: &str, test: &str) -> bool {
    let name = test.strip_prefix("test/integration/").unwrap_or(test);
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(test: &str, outcome: Outcome) -> Tested {
        Tested { test: format!("test/integration/{test}"), outcome, detail: String::new() }
    }

    fn reasons(patterns: &[&str]) -> BTreeMap<String, String> {
        patterns.iter().map(|pattern| ((*pattern).to_owned(), "because".to_owned())).collect()
    }

    #[test]
    fn a_failure_needs_a_reason_and_a_reason_needs_a_failure() {
        let recipe = Recipe::Levada(PathBuf::new());
        let tests = [tested("a.py::one", Outcome::Passed), tested("a.py::two[x]", Outcome::Failed)];
        assert!(judge(&tests, &reasons(&["a.py::two*"]), &recipe).is_ok());
        assert!(judge(&tests, &reasons(&[]), &recipe).is_err());
        assert!(judge(&tests, &reasons(&["a.py::two*", "a.py::one"]), &recipe).is_err());
    }

    #[test]
    fn a_repeated_test_counts_as_it_ended() {
        let mut tests = vec![tested("a.py::one", Outcome::Failed), tested("b.py::two", Outcome::Failed)];
        let again = to_repeat(&tests, &reasons(&[]), &reasons(&["a.py::*"]));
        assert_eq!(again, ["test/integration/a.py::one"]);
        assert!(to_repeat(&tests, &reasons(&["a.py::one"]), &reasons(&["a.py::*"])).is_empty());
        merge(&mut tests, vec![tested("a.py::one", Outcome::Passed)]);
        assert_eq!((tests[0].outcome, tests[1].outcome), (Outcome::Passed, Outcome::Failed));
    }

    #[test]
    fn a_skipped_test_needs_a_reason() {
        let recipe = Recipe::Levada(PathBuf::new());
        assert!(judge(&[tested("a.py::one", Outcome::Skipped)], &reasons(&[]), &recipe).is_err());
    }
}
