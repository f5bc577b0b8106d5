//! `levada sql`: statements from the command line, from a file, or as somebody types them.

mod live;
mod prompt;
mod remote;
mod show;

use crate::units;
use anyhow::Context as _;
use levada_sql_syntax::{Parsed, Statement, parse_script};
use remote::{Failure, Remote};
use show::Screen;
use std::{io::IsTerminal as _, path::PathBuf, time::Duration};

/// How answers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people
    #[default]
    Table,
    /// JSON, a line for each row
    Json,
    /// Values separated by commas, under a line with the columns' names
    Csv,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  levada sql
  levada sql -e \"SET 'execution.runtime-mode' = 'batch'; SELECT COUNT(*) FROM orders\"
  levada sql -f tables.sql")]
pub(crate) struct Sql {
    /// Where SQL is served
    #[arg(long, value_name = "HOST:PORT", env = "LEVADA_SQL_SERVER", default_value = "127.0.0.1:8088")]
    server: String,
    /// Statements to carry out, separated by semicolons; without them and without a file there is a prompt
    #[arg(short = 'e', long, value_name = "SQL", conflicts_with = "file")]
    execute: Option<String>,
    /// A file with statements
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How answers are shown
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    /// How long to watch a query in streaming mode; until ctrl-C where nothing is said
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    timeout: Option<Duration>,
}

impl Sql {
    /// Does what was asked.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.context("cannot start the runtime")?;
        let screen = Screen::new(self.output);
        let mut session = Session { remote: Remote::new(&self.server), screen, timeout: self.timeout };
        let text = match (&self.execute, &self.file) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(file)) => {
                let read = std::fs::read_to_string(file);
                Some(read.with_context(|| format!("cannot read `{}`", file.display()))?)
            }
            (None, None) => None,
        };
        let done = match text {
            Some(text) => runtime.block_on(session.carry_out(&text)).map_err(|failure| failure.shown(&text)),
            None if std::io::stdin().is_terminal() => prompt::run(&mut session, &runtime),
            None => {
                let text = std::io::read_to_string(std::io::stdin()).context("cannot read what comes on stdin")?;
                runtime.block_on(session.carry_out(&text)).map_err(|failure| failure.shown(&text))
            }
        };
        // A server that does not answer must not keep the process.
        runtime.shutdown_background();
        done
    }
}

/// Carries out statements at the SQL server `server`.
pub(crate) async fn carry_out(server: &str, sql: &str) -> anyhow::Result<()> {
    let answer = Remote::new(server).execute(sql).await.map_err(|failure| failure.shown(sql))?;
    answer.error.map_or(Ok(()), |failure| Err(failure.shown(sql)))
}

/// Somebody's statements, one after the other.
struct Session {
    remote: Remote,
    screen: Screen,
    timeout: Option<Duration>,
}

impl Session {
    /// Carries out all statements of a text, up to the first that fails.
    async fn carry_out(&mut self, text: &str) -> Result<(), Failure> {
        for parsed in parse_script(text)? {
            self.one(&parsed).await?;
        }
        Ok(())
    }

    async fn one(&mut self, parsed: &Parsed) -> Result<(), Failure> {
        let sql = in_place(parsed);
        if matches!(parsed.statement, Statement::Query(_)) && !self.remote.is_batch() {
            let watched = self.remote.watch(&sql).await?;
            return live::show(watched, &mut self.screen, self.timeout).await;
        }
        let answer = tokio::select! {
            answer = self.remote.execute(&sql) => answer?,
            _ = tokio::signal::ctrl_c() => return Err(Failure::plain("given up; the server may still carry it out")),
        };
        for outcome in &answer.results {
            self.screen.outcome(outcome)?;
        }
        answer.error.map_or(Ok(()), Err)
    }
}

/// A statement's text where it is in the whole, so that the server names places in the whole.
fn in_place(parsed: &Parsed) -> String {
    let start = parsed.span.start;
    let times = |count: u64| usize::try_from(count.saturating_sub(1)).unwrap_or(0);
    format!("{}{}{}", "\n".repeat(times(start.line)), " ".repeat(times(start.column)), parsed.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_stays_where_it_is_in_the_text() {
        let parsed = parse_script("SELECT 1;\n  SELECT a\nFROM t").unwrap();
        assert_eq!(in_place(&parsed[1]), "\n  SELECT a\nFROM t");
    }
}
