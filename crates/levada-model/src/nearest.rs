//! The known name that is nearest to one that was mistyped, for error messages.

/// Longer names are near nothing: they are not worth the comparison.
const LENGTH_MAX: usize = 256;

/// The name that comes from `written` by the fewest edits, where these are no more than a third of its letters; letters
/// count as alike in either case.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > LENGTH_MAX {
        return None;
    }
    let wanted = written.to_lowercase();
    let known = names.into_iter().filter(|name| name.len() <= LENGTH_MAX);
    let (edits, name) = known.map(|name| (distance(&wanted, &name.to_lowercase()), name)).min()?;
    (edits <= (name.len() / 3).max(1)).then_some(name)
}

/// Insertions, deletions and replacements that lead from `left` to `right`.
#[must_use]
pub fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut last = index + 1;
        let mut next = vec![last];
        for (other, above) in right.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(letter != *other);
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
    fn only_what_is_near_is_named() {
        let names = || ["orders", "customers", "pipeline.name"].into_iter();
        assert_eq!(nearest("ordrs", names()), Some("orders"));
        assert_eq!(nearest("Customer", names()), Some("customers"));
        assert_eq!(nearest("pipline.name", names()), Some("pipeline.name"));
        assert_eq!(nearest("payments", names()), None);
        assert_eq!(nearest("", []), None);
        assert_eq!(nearest(&"o".repeat(1_000), names()), None);
    }
}
