//! No file outgrows one sitting. Functions are clippy's (`too_many_lines`).

use super::{Problem, Tree};

/// Lines of code a file, its inline tests, comments and blank lines left out.
const CODE_LINES_MAX: usize = 500;
/// Lines a file, everything counted; tests too.
const LINES_MAX: usize = 800;
/// Characters a line.
const WIDTH_MAX: usize = 120;

pub(super) fn check(tree: &Tree, problems: &mut Vec<Problem>) {
    for (path, text) in tree.rust() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            problems.push(Problem::new(path, format!("{lines} lines; a file has at most {LINES_MAX}")));
        }
        let code = code_lines(text);
        if code > CODE_LINES_MAX && !is_test(path) {
            problems.push(Problem::new(path, format!("{code} lines of code; a file has at most {CODE_LINES_MAX}")));
        }
        for (index, line) in text.lines().enumerate() {
            let width = line.chars().count();
            if width > WIDTH_MAX && !cannot_be_broken(line) {
                problems.push(Problem::at(path, index, format!("{width} characters; a line has at most {WIDTH_MAX}")));
            }
        }
    }
}

/// A string, a link or a row of a table stays on its line.
fn cannot_be_broken(line: &str) -> bool {
    line.contains('"') || line.contains("://") || line.trim_start().starts_with("//! |")
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Lines up to the inline tests that hold more than a comment.
fn code_lines(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{')) {
            break;
        }
        if !line.is_empty() && !line.starts_with("//") {
            count += 1;
        }
    }
    count
}
