//! `levada serve`: the options, and the wiring of store, broker and listeners.

mod registry;
#[cfg(feature = "sql")]
mod schemas;
#[cfg(feature = "sql")]
mod sql;
#[cfg(not(feature = "sql"))]
#[path = "serve/without_sql.rs"]
mod sql;
mod wiring;

use crate::{
    output::{Format, Output},
    settings::{Settings, Source},
};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Options of `levada serve`. Each overrides the environment variable and the key of the same name.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where everything is kept; created where it is missing [default: ./levada-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where Kafka clients connect; port 0 picks a free one [default: 127.0.0.1:9092]
    #[arg(long, value_name = "ADDR")]
    kafka: Option<String>,
    /// Where health and metrics are served over HTTP; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Where the schema registry is served; port 0 picks a free one, `off` serves none [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    registry: Option<String>,
    /// Where SQL is served over HTTP; port 0 picks a free one, `off` runs none [default: 127.0.0.1:8088]
    #[arg(long, value_name = "ADDR", hide = cfg!(not(feature = "sql")))]
    sql: Option<String>,
    /// Where SQL is served to clients of PostgreSQL, usually at port 5432; port 0 picks a free one, `off` serves none
    /// [default: off]
    #[arg(long, value_name = "ADDR", hide = cfg!(not(feature = "sql")))]
    pgwire: Option<String>,
    /// The address that clients are told to connect to, for brokers behind NAT or in a container
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Accept clients from other machines without authentication
    #[arg(long)]
    allow_anonymous: bool,
    /// The configuration file [default: levada.toml, where it exists]
    #[arg(long, value_name = "FILE", env = "LEVADA_CONFIG")]
    config: Option<PathBuf>,
    /// Set any key of the configuration file; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Replay two days of real flights as a live stream on topic `flights`
    #[arg(long)]
    demo: bool,
    /// Print the settings and where each comes from, then exit
    #[arg(long)]
    print_config: bool,
}

/// Read from the working directory where no other file is named.
const DEFAULT_FILE: &str = "levada.toml";

impl ServeArgs {
    /// The settings that these options, the environment and the configuration file add up to.
    ///
    /// # Errors
    /// Names the file, variable or option that does not hold.
    pub(crate) fn settings(&self, environment: impl Iterator<Item = (String, String)>) -> anyhow::Result<Settings> {
        let mut settings = Settings::defaults();
        match &self.config {
            Some(file) => settings.read_file(file)?,
            None if Path::new(DEFAULT_FILE).exists() => settings.read_file(Path::new(DEFAULT_FILE))?,
            None => {}
        }
        settings.read_environment(environment)?;
        for pair in &self.set {
            let (key, value) =
                pair.split_once('=').with_context(|| format!("`--set {pair}` has no `=`; write `--set KEY=VALUE`"))?;
            settings.set(key, value, Source::Flag)?;
        }
        let texts = [
            ("data-dir", &self.data_dir),
            ("kafka", &self.kafka),
            ("http", &self.http),
            ("registry", &self.registry),
            ("sql", &self.sql),
            ("pgwire", &self.pgwire),
            ("advertise", &self.advertise),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                settings.set(key, value, Source::Flag)?;
            }
        }
        for (key, given) in [("allow-anonymous", self.allow_anonymous), ("demo", self.demo)] {
            if given {
                settings.set(key, "true", Source::Flag)?;
            }
        }
        Ok(settings)
    }
}

/// Runs the broker until it is told to stop.
///
/// # Errors
/// What keeps it from starting or from stopping cleanly.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let settings = args.settings(std::env::vars())?;
    if args.print_config {
        let mut output = Output::new(Format::Table);
        output.bytes(settings.render().as_bytes())?;
        return Ok(output.flush()?);
    }
    wiring::serve(&settings)
}
