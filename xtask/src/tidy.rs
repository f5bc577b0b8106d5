//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy hold. It is a test,
//! too, so that `cargo test --workspace` keeps them. Drift of generated code is `codegen`'s own test.

mod arrows;
mod handlers;
mod links;
mod reach;
mod sizes;
mod text;
mod tree;

use std::fmt;
use std::path::Path;

use anyhow::{Result, ensure};
use tree::Tree;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: String,
    /// Counted from 1, where the problem is on a line.
    line: Option<usize>,
    message: String,
}

impl Problem {
    fn new(path: &str, message: String) -> Self {
        Self { path: path.to_owned(), line: None, message }
    }

    fn at(path: &str, line_index: usize, message: String) -> Self {
        Self { path: path.to_owned(), line: Some(line_index + 1), message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// Checks the repository and prints what is wrong.
pub(crate) fn run() -> Result<()> {
    let tree = repository()?;
    let problems = check(&tree);
    for problem in &problems {
        println!("{problem}");
    }
    ensure!(problems.is_empty(), "{} rules broken", problems.len());
    println!("tidy: {} files", tree.count());
    Ok(())
}

fn repository() -> Result<Tree> {
    Tree::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
}

fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    arrows::check(tree, &mut problems);
    sizes::check(tree, &mut problems);
    handlers::check(tree, &mut problems);
    reach::check(tree, &mut problems);
    links::check(tree, &mut problems);
    text::check(tree, &mut problems);
    problems.sort();
    problems
}

#[cfg(test)]
mod tests;
