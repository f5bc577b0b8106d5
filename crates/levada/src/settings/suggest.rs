//! The nearest known name to one that was mistyped.

/// `; did you mean …?`, or where to find the known names.
pub(crate) fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; `levada serve --print-config` lists the keys".to_owned(),
    }
}

/// The name within a third of its length in edits of `text`, if there is one.
pub(crate) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
    let wanted = plain(text);
    names
        .map(|name| (distance(&wanted, &plain(name)), name))
        .filter(|(edits, name)| *edits <= (name.len() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

/// Insertions, deletions and replacements that lead from `left` to `right`.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, symbol) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut last = index + 1;
        let mut next = vec![last];
        for (other, above) in right.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(symbol != *other);
            diagonal = *above;
            last = replaced.min(above + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (left, right, edits) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("http", "htp", 1), ("ab", "ba", 2)]
        {
            assert_eq!(distance(left, right), edits, "{left} {right}");
            assert_eq!(distance(right, left), edits, "{right} {left}");
        }
    }

    #[test]
    fn suggests_what_is_near_and_nothing_else() {
        let names = || ["data-dir", "kafka", "num.partitions"].into_iter();
        assert_eq!(nearest("datadir", names()), Some("data-dir"));
        assert_eq!(nearest("data_dir", names()), Some("data-dir"));
        assert_eq!(nearest("Kafak", names()), None);
        assert_eq!(nearest("kafk", names()), Some("kafka"));
        assert_eq!(nearest("num-partition", names()), Some("num.partitions"));
        assert_eq!(nearest("zookeeper", names()), None);
    }
}
