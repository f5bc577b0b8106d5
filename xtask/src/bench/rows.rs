//! What was measured and what it is held to, as a table of a page.

use std::fmt::{self, Write as _};

/// One figure.
pub(super) struct Row {
    what: String,
    reached: String,
    wanted: &'static str,
    is_met: Option<bool>,
}

impl Row {
    pub(super) fn new(
        what: impl Into<String>,
        reached: String,
        wanted: &'static str,
        is_met: impl Into<Option<bool>>,
    ) -> Self {
        Self { what: what.into(), reached, wanted, is_met: is_met.into() }
    }

    /// A figure that is held to nothing.
    pub(super) fn plain(what: impl Into<String>, reached: String) -> Self {
        Self::new(what, reached, "", None)
    }
}

/// What the machine is, and all rows.
pub(super) fn write(page: &mut String, machine: Vec<(&'static str, String)>, rows: &[Row]) -> fmt::Result {
    writeln!(page, "| | |\n|---|---|")?;
    for (name, value) in machine {
        writeln!(page, "| {name} | {value} |")?;
    }
    writeln!(page, "\n| | reached | wanted | |\n|---|---|---|---|")?;
    for Row { what, reached, wanted, is_met } in rows {
        let verdict = match is_met {
            None => "",
            Some(true) => "met",
            Some(false) => "**missed**",
        };
        writeln!(page, "| {what} | {reached} | {wanted} | {verdict} |")?;
    }
    Ok(())
}
