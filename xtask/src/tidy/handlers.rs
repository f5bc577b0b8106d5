//! Each handler's file opens with what it answers: the API key and the versions.

use super::{Problem, Tree};

const FOLDER: &str = "crates/levada-kafka/src/handlers/";

pub(super) fn check(tree: &Tree, problems: &mut Vec<Problem>) {
    for (path, text) in tree.rust() {
        let Some(name) = path.strip_prefix(FOLDER) else { continue };
        if name.contains('/') {
            continue;
        }
        let header: String =
            text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join(" ").to_lowercase();
        if !names_number_after(&header, "key ") {
            problems.push(Problem::new(path, "the header does not name the API key, as `key 0`".to_owned()));
        }
        if !names_number_after(&header, "version ") && !names_number_after(&header, "versions ") {
            problems.push(Problem::new(path, "the header does not name the versions, as `versions 3-13`".to_owned()));
        }
    }
}

fn names_number_after(header: &str, word: &str) -> bool {
    header.match_indices(word).any(|(index, _)| {
        let rest = header.get(index + word.len()..).unwrap_or_default();
        rest.trim_start_matches('`').starts_with(|first: char| first.is_ascii_digit())
    })
}
