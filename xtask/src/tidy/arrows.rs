//! The one direction in which crates depend on each other. The table is `ARCHITECTURE.md`'s code map.

use super::{Problem, Tree};

/// Each crate with those of ours that it may depend on. `levada`, the binary, wires all of them.
const ARROWS: [(&str, &[&str]); 20] = [
    ("levada-model", &[]),
    ("levada-avro", &["levada-tags"]),
    ("levada-compress", &["levada-model"]),
    ("levada-json-schema", &["levada-tags"]),
    ("levada-protocol", &["levada-model"]),
    ("levada-log", &["levada-model", "levada-compress"]),
    ("levada-store", &["levada-log", "levada-model", "levada-compress"]),
    ("levada-schema", &["levada-avro", "levada-json-schema", "levada-protobuf", "levada-tags"]),
    ("levada-registry", &["levada-broker", "levada-schema", "levada-model"]),
    ("levada-schema-client", &["levada-schema", "levada-model"]),
    (
        "levada-sql",
        &["levada-sql-syntax", "levada-stream", "levada-model", "levada-avro", "levada-json-schema", "levada-protobuf"],
    ),
    ("levada-sql-server", &["levada-sql", "levada-sql-syntax", "levada-stream", "levada-model"]),
    ("levada-sql-syntax", &[]),
    ("levada-pgwire", &["levada-sql-server", "levada-sql", "levada-sql-syntax", "levada-model"]),
    ("levada-broker", &["levada-store", "levada-model", "levada-compress"]),
    ("levada-stream", &["levada-broker", "levada-store", "levada-model", "levada-compress"]),
    ("levada-kafka", &["levada-broker", "levada-protocol", "levada-model"]),
    ("levada-client", &["levada-protocol", "levada-model", "levada-compress"]),
    ("levada-protobuf", &["levada-tags"]),
    ("levada-tags", &[]),
];
const BINARY: &str = "levada";

pub(super) fn check(tree: &Tree, problems: &mut Vec<Problem>) {
    for (path, text) in tree.files() {
        let Some(rest) = path.strip_prefix("crates/") else { continue };
        let Some(name) = rest.strip_suffix("/Cargo.toml") else { continue };
        if name == BINARY || name.contains('/') {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
            problems.push(Problem::new(path, format!("`{name}` is not in tidy's table of crates")));
            continue;
        };
        let manifest: toml::Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(error) => {
                problems.push(Problem::new(path, format!("not TOML: {}", error.message())));
                continue;
            }
        };
        for dependency in dependencies(&manifest) {
            if dependency.starts_with("levada") && !allowed.contains(&dependency.as_str()) {
                problems.push(Problem::new(path, format!("`{name}` may not depend on `{dependency}`")));
            }
        }
    }
}

/// What the crate is built with; tests may look anywhere.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let mut tables = vec![manifest.get("dependencies"), manifest.get("build-dependencies")];
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        tables.extend(targets.values().map(|target| target.get("dependencies")));
    }
    let tables = tables.into_iter().flatten().filter_map(toml::Value::as_table);
    tables
        .flat_map(|table| table.iter())
        .map(|(key, value)| match value.get("package").and_then(toml::Value::as_str) {
            Some(package) => package.to_owned(),
            None => key.clone(),
        })
        .collect()
}
