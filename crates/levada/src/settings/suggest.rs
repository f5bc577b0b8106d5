//! The nearest known name to one that was mistyped.

/// `; did you mean …?`, or where to find the known names.
pub(crate) fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; `levada serve --print-config` lists the keys".to_owned(),
    }
}

/// The name that is nearest to `text`, if any is near; `-`, `_` and `.` are alike.
pub(crate) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
    let names: Vec<(String, &str)> = names.map(|name| (plain(name), name)).collect();
    let near = levada_model::nearest(&plain(text), names.iter().map(|(plain, _)| plain.as_str()))?;
    names.iter().find(|(plain, _)| plain == near).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
