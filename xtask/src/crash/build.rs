//! Builds the broker that is hurt: the development profile with fault points and without SQL, which no fault touches,
//! and a bug where one is planted.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Planted;
use crate::levada_rig;

/// The feature with which every disk call is counted.
const FAULT_INJECTION: &str = "fault-injection";

/// Builds and answers a copy of the binary in `folder`, which no other build replaces.
pub(super) fn levada(folder: &Path, planted: Option<Planted>) -> Result<PathBuf> {
    let mut features = FAULT_INJECTION.to_owned();
    if let Some(planted) = planted {
        features = format!("{features},{}", planted.feature());
    }
    eprintln!("building levada with {features}");
    let built = levada_rig::build_with(&["--quiet", "--no-default-features", "--features", &features])?;
    let copy = folder.join("levada");
    fs::copy(&built, &copy).with_context(|| format!("cannot copy `{}`", built.display()))?;
    Ok(copy)
}
