//! Hands the version of the rdkafka crate, as locked, to the program that reports it.

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let version =
        lock.split("name = \"rdkafka\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("?");
    println!("cargo::rustc-env=RDKAFKA_VERSION={version}");
}
