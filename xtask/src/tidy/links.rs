//! Links between the papers lead somewhere: the file is there, and the heading where one is named.

use super::tree::folder_of;
use super::{Problem, Tree};

pub(super) fn check(tree: &Tree, problems: &mut Vec<Problem>) {
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with(".md")) {
        for (index, line) in prose(text) {
            for link in targets(line) {
                if let Some(reason) = broken(tree, path, link) {
                    problems.push(Problem::at(path, index, format!("link `{link}`: {reason}")));
                }
            }
        }
    }
}

/// Lines outside fenced code, with their indices.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    })
}

/// What stands in the parentheses of `[…](…)`, code spans left out.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    let mut in_code = false;
    while let Some(index) = rest.find(['`', ']']) {
        let (_, after) = rest.split_at(index + 1);
        if rest.as_bytes().get(index) == Some(&b'`') {
            in_code = !in_code;
        } else if !in_code
            && let Some(open) = after.strip_prefix('(')
            && let Some((target, _)) = open.split_once(')')
        {
            found.push(target.split(' ').next().unwrap_or(target));
        }
        rest = after;
    }
    found
}

fn broken(tree: &Tree, from: &str, link: &str) -> Option<String> {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let Some(path) = (if file.is_empty() { Some(from.to_owned()) } else { resolve(folder_of(from), file) }) else {
        return Some("leads out of the repository".to_owned());
    };
    if !tree.exists(&path) {
        return Some(format!("there is no `{path}`"));
    }
    let anchor = anchor.filter(|_| path.ends_with(".md"))?;
    let text = tree.text(&path)?;
    let is_there = prose(text).any(|(_, line)| line.starts_with('#') && slug(line) == anchor);
    (!is_there).then(|| format!("`{path}` has no heading `{anchor}`"))
}

fn resolve(folder: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A heading's anchor, as the usual renderers make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .collect()
}
