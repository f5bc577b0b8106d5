//! From a query to the operators that keep its answer up to date.

mod expressions;
mod functions;
pub(crate) mod growth;
mod hidden;
mod marks;
mod names;
mod rules;
mod session;
mod streaming;
mod temporal;
mod variance;
mod windows;

pub(crate) use expressions::physical;
pub(crate) use functions::{averages, text_of};
pub use session::{Planner, Table, function_names};
pub(crate) use session::{collected, tables_of};
pub use streaming::{Plan, Source};

use datafusion::error::DataFusionError;

/// Why a query is not run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It means nothing: a name that does not exist, types that do not fit.
    #[error("{}", plain(.0))]
    Meaning(#[from] DataFusionError),
    /// The answer takes more memory than it may.
    #[error("the answer takes more than {limit} bytes (`sql.state.bytes.max`): ask for less")]
    AnswerTooLarge {
        /// How much it may take.
        limit: usize,
    },
    /// It is not supported.
    #[error("{what} is not supported{}", hint.as_ref().map_or(String::new(), |hint| format!("; {hint}")))]
    Unsupported {
        /// What.
        what: String,
        /// What to write instead.
        hint: Option<&'static str>,
    },
}

/// What is wrong, without where in the planner it was noticed.
fn plain(error: &DataFusionError) -> String {
    let text = error.strip_backtrace().replace(['\n', '\t'], " ");
    let mut rest = text.as_str();
    for prefix in [
        "Error during planning: ",
        "Schema error: ",
        "type_coercion caused by ",
        "SQL error: ",
        "Optimizer rule 'simplify_expressions' failed caused by ",
        "Arrow error: ",
        "Internal error: ",
    ] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    let rest = rest.split("This issue was likely caused by a bug").next().unwrap_or(rest);
    // One for each form that a function has: what it says of a type is of the form that is meant.
    let rest = match rest.split_once(" failed to match any signature, errors: ") {
        Some((_, all)) => {
            let mut forms = all.split(",Error during planning: ");
            forms.clone().find(|form| form.contains(" requires ")).or_else(|| forms.next()).unwrap_or(all)
        }
        None => rest,
    };
    let rest = rest.strip_prefix("Error during planning: ").unwrap_or(rest);
    let rest = match rest.split_once(" user-defined coercion failed with: ") {
        Some((_, rest)) => rest.strip_prefix("Error during planning: ").unwrap_or(rest),
        None => rest,
    };
    let rest = rest.split(" No function matches the given name").next().unwrap_or(rest);
    // Its second half lists functions by the types that they would take.
    rest.split("  Candidate functions:").next().unwrap_or(rest).trim_end_matches(['.', ' ']).to_owned()
}

impl PlanError {
    pub(crate) fn unsupported(what: impl Into<String>, hint: Option<&'static str>) -> Self {
        Self::Unsupported { what: what.into(), hint }
    }
}
