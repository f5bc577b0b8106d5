//! What no text of ours holds: a path of the machine it was written on.

use super::{Problem, Tree};

/// Where people's files lie. Split, so that this file holds none of them.
const FOLDERS: [(&str, &str); 5] = [("/", "home/"), ("/", "root/"), ("/", "work/"), ("/", "Users/"), ("/tmp/", "h/")];

pub(super) fn check(tree: &Tree, problems: &mut Vec<Problem>) {
    for (path, text) in tree.files() {
        for (index, line) in text.lines().enumerate() {
            for (head, tail) in FOLDERS {
                let folder = format!("{head}{tail}");
                if names(line, &folder) {
                    problems.push(Problem::at(path, index, format!("a path of somebody's machine: `{folder}…`")));
                }
            }
        }
    }
}

/// Whether `folder` begins a path in `line`, rather than lying within a longer one.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(index, _)| {
        let before = line.get(..index).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric() && !"._-/}~".contains(before))
    })
}
