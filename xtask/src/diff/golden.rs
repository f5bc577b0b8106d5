//! Apache Kafka's recorded answers: one small file a scenario.
//!
//! ```text
//! zstd of: for each step
//!   4  fingerprint of the step
//!   1  0: silence, 1: closed, 2: an answer
//!   4  size, if an answer
//!   …  the body of the response, as it came
//! ```
//! Numbers are big-endian.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use levada_model::batch::Codec;

use super::runner::Outcome;
use super::script::{Scenario, Step};

const SIZE_MAX: usize = 64 << 20;
const SILENCE: u8 = 0;
const CLOSED: u8 = 1;
const ANSWER: u8 = 2;

/// The folder of the files.
pub(super) struct Golden {
    folder: PathBuf,
}

impl Golden {
    /// The folder in the repository.
    pub(super) fn open() -> Self {
        Self { folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("golden") }
    }

    fn file(&self, scenario: &Scenario) -> PathBuf {
        self.folder.join(format!("{}.zst", scenario.name))
    }

    /// Keeps what came of `scenario`.
    pub(super) fn write(&self, scenario: &Scenario, outcomes: &[Outcome]) -> Result<()> {
        let mut bytes = Vec::new();
        for (step, outcome) in scenario.steps.iter().zip(outcomes) {
            bytes.extend(step.fingerprint().to_be_bytes());
            match outcome {
                Outcome::Silence => bytes.push(SILENCE),
                Outcome::Closed => bytes.push(CLOSED),
                Outcome::Answer(answer) => {
                    bytes.push(ANSWER);
                    bytes.extend(u32::try_from(answer.len())?.to_be_bytes());
                    bytes.extend(answer);
                }
            }
        }
        fs::create_dir_all(&self.folder)?;
        fs::write(self.file(scenario), levada_compress::compress(Codec::Zstd, &bytes)?)?;
        Ok(())
    }

    /// What came of `scenario` when it was recorded.
    ///
    /// # Errors
    /// When it was not, or was another scenario then.
    pub(super) fn read(&self, scenario: &Scenario) -> Result<Vec<Outcome>> {
        let path = self.file(scenario);
        let hint = "`cargo xtask diff --record` makes it anew";
        let packed = fs::read(&path).with_context(|| format!("cannot read `{}`; {hint}", path.display()))?;
        let bytes = levada_compress::decompress(Codec::Zstd, &packed, SIZE_MAX)?;
        let mut rest: &[u8] = &bytes;
        let mut outcomes = Vec::with_capacity(scenario.steps.len());
        for step in &scenario.steps {
            let outcome = next(&mut rest, step).with_context(|| format!("`{}`; {hint}", path.display()))?;
            outcomes.push(outcome);
        }
        ensure!(rest.is_empty(), "`{}` has more steps; {hint}", path.display());
        Ok(outcomes)
    }

    /// Removes the files of scenarios that are no more.
    pub(super) fn remove_others(&self, scenarios: &[Scenario]) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if !scenarios.iter().any(|scenario| self.file(scenario) == path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn next(rest: &mut &[u8], step: &Step) -> Result<Outcome> {
    let mut take = |size: usize| {
        let (taken, after) = rest.split_at_checked(size).context("the file ends early")?;
        *rest = after;
        anyhow::Ok(taken)
    };
    let fingerprint = u32::from_be_bytes(take(4)?.try_into()?);
    ensure!(fingerprint == step.fingerprint(), "it was recorded for another step than `{}`", step.line());
    Ok(match take(1)? {
        [SILENCE] => Outcome::Silence,
        [CLOSED] => Outcome::Closed,
        [ANSWER] => {
            let size = u32::from_be_bytes(take(4)?.try_into()?);
            Outcome::Answer(take(usize::try_from(size)?)?.to_vec())
        }
        other => bail!("no outcome is {other:?}"),
    })
}
