//! Our side: `bench/sql`, a program that runs one query on the operators of streaming SQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::{Files, Outcome, ask, measured};
use crate::levada_rig;

const PACKAGE: &str = "levada-sql-bench";

/// The program.
pub(super) struct Levada {
    binary: PathBuf,
}

impl Levada {
    /// Builds it, or takes one that is there.
    pub(super) fn new(binary: Option<&Path>) -> Result<Self> {
        let binary = match binary {
            Some(path) => path.canonicalize()?,
            // Beside the broker, so that what both stand on is built once, with the same features.
            None => levada_rig::build_named(
                PACKAGE,
                &["--release", "--package", "levada", "--package", PACKAGE, "--bin", PACKAGE],
            )?,
        };
        Ok(Self { binary })
    }

    /// Measures a query.
    pub(super) fn measure(&self, query: &str, rounds: usize, files: &Files) -> Outcome {
        Outcome::of(measured(rounds, || self.ask(query, files)))
    }

    fn ask(&self, query: &str, files: &Files) -> Result<Value> {
        let mut command = Command::new(&self.binary);
        command.env("RUST_BACKTRACE", "0");
        command.arg("--events").arg(&files.events).arg("--tables").arg(&files.tables);
        command.arg("--query").arg(Files::query(query)).arg("--check").arg(Files::check(query));
        command.arg("--snapshot").arg(files.folder.join("snapshot"));
        ask("levada", &mut command, &files.folder)
    }
}
