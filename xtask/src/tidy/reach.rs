//! Every Rust file is reached by a `mod` from a crate's root: a file that is not compiled is not there.

use std::collections::BTreeSet;

use super::tree::folder_of;
use super::{Problem, Tree};

pub(super) fn check(tree: &Tree, problems: &mut Vec<Problem>) {
    let mut reached = BTreeSet::new();
    for (path, _) in tree.files().filter(|(path, _)| path.ends_with(".rs")) {
        if is_root(tree, path) {
            follow(tree, path, folder_of(path), &mut reached);
        }
    }
    for (path, _) in tree.files().filter(|(path, _)| path.ends_with(".rs")) {
        if in_package(tree, path) && !reached.contains(path) {
            problems.push(Problem::new(path, "no `mod` reaches this file".to_owned()));
        }
    }
}

/// Whether cargo compiles this file by itself.
fn is_root(tree: &Tree, path: &str) -> bool {
    let folder = folder_of(path);
    let package = match folder.rsplit_once('/') {
        Some((package, "src")) => {
            return ["lib.rs", "main.rs"].iter().any(|name| path == format!("{package}/src/{name}"));
        }
        Some((package, "tests" | "benches" | "examples")) => package,
        // A test of several files.
        Some((tests, _)) if path == format!("{folder}/main.rs") && tests.ends_with("/tests") => folder_of(tests),
        Some((package, "bin")) => package.strip_suffix("/src").unwrap_or(package),
        _ => folder,
    };
    let is_build = path == format!("{folder}/build.rs");
    tree.text(&format!("{package}/Cargo.toml")).is_some() && (package != folder || is_build)
}

fn in_package(tree: &Tree, path: &str) -> bool {
    let mut folder = folder_of(path);
    while !folder.is_empty() {
        if tree.text(&format!("{folder}/Cargo.toml")).is_some() {
            return true;
        }
        folder = folder_of(folder);
    }
    false
}

/// Marks `path` and what its `mod` lines name; `children` is where its modules' files lie.
fn follow(tree: &Tree, path: &str, children: &str, reached: &mut BTreeSet<String>) {
    let Some(text) = tree.text(path) else { return };
    if !reached.insert(path.to_owned()) {
        return;
    }
    let mut explicit = None;
    // The folders of the inline modules that are open, with the indentation that closes each.
    let mut inline: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let indentation = line.len() - line.trim_start().len();
        let line = line.trim();
        if line == "}" && inline.last().is_some_and(|(opened, _)| *opened == indentation) {
            inline.pop();
        }
        if let Some(quoted) = line.strip_prefix("#[path = \"") {
            explicit = quoted.split('"').next().map(str::to_owned);
            continue;
        }
        let folder = inline.last().map_or(children, |(_, folder)| folder.as_str());
        match module(line) {
            Some(Module::File(name)) => {
                let candidates = match explicit.take() {
                    Some(file) => vec![(format!("{}/{file}", folder_of(path)), format!("{folder}/{name}"))],
                    None => vec![
                        (format!("{folder}/{name}.rs"), format!("{folder}/{name}")),
                        (format!("{folder}/{name}/mod.rs"), format!("{folder}/{name}")),
                    ],
                };
                for (file, below) in candidates {
                    follow(tree, &file, &below, reached);
                }
            }
            Some(Module::Inline(name)) => inline.push((indentation, format!("{folder}/{name}"))),
            None => {}
        }
    }
}

enum Module<'a> {
    File(&'a str),
    Inline(&'a str),
}

/// Reads `mod name;` and `mod name {`, whatever its visibility.
fn module(line: &str) -> Option<Module<'_>> {
    let (before, rest) = line.split_once("mod ")?;
    let before = before.trim();
    let is_visibility = before.is_empty() || before == "pub" || before.starts_with("pub(") && before.ends_with(')');
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_visibility {
        None
    } else if let Some(name) = rest.strip_suffix(';').filter(|name| is_name(name)) {
        Some(Module::File(name))
    } else {
        rest.strip_suffix(" {").filter(|name| is_name(name)).map(Module::Inline)
    }
}
