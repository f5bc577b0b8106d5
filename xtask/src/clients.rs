//! `xtask clients`: real, unmodified clients of Kafka, of the schema registry and of PostgreSQL against a freshly
//! started broker each. This file picks what runs and decides what counts as failure; `clients/README.md` has the
//! stories they tell.

mod install;
mod report;
mod roster;
mod story;
mod suite;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::broker::Recipe;
use crate::cache::Cache;
use crate::kafka_rig::Jars;
use crate::levada_rig;
pub(crate) use install::Toolbox;
use report::{Outcome, Row};
use roster::{Client, Runtime};
use story::{Judged, Restart};

/// Options of `xtask clients`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Runs only these clients
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    only: Vec<String>,
    /// Runs only the clients of the schema registry
    #[arg(long, conflicts_with_all = ["only", "against"])]
    registry: bool,
    /// Runs only the clients of PostgreSQL
    #[arg(long, conflicts_with_all = ["only", "registry", "against"])]
    sql: bool,
    /// The broker under test
    #[arg(long, value_enum, default_value_t = Against::Levada)]
    against: Against,
    /// A Levada binary, instead of building one
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
    /// Restarts the broker by SIGKILL where a story asks for a restart
    #[arg(long)]
    kill: bool,
    /// Writes what ran into docs/compatibility.md: all tables, or with `--registry` or `--sql` that one
    #[arg(long)]
    write_docs: bool,
    /// Runs kafka-python's own integration suite instead of the stories
    #[arg(long, conflicts_with_all = ["only", "registry", "sql", "write_docs", "ci"])]
    kafka_python_suite: bool,
    /// Fails unless Java, Go, Node and Python all ran
    #[arg(long)]
    ci: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Against {
    Levada,
    Kafka,
}

/// Runs the stories, prints the table, and fails when a step failed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let clients = chosen(args)?;
    let toolbox = Toolbox::new(Cache::open()?)?;
    let recipe = recipe(args, toolbox.cache())?;
    if args.kafka_python_suite {
        return suite::run(&toolbox, &recipe);
    }
    let scratch = tempfile::Builder::new().prefix("levada-clients-").tempdir()?;
    let mut rows = Vec::new();
    for client in &clients {
        let restart = if args.kill { Restart::Kill } else { Restart::Clean };
        let row = run_client(client, &toolbox, &recipe, restart, scratch.path());
        report::print_row(&row);
        rows.push(row);
    }
    println!("\n{}", report::table(&rows));
    if args.write_docs {
        ensure!(args.only.is_empty(), "`--write-docs` wants every client: leave out `--only`");
        ensure!(args.against == Against::Levada, "`--write-docs` tells of Levada: leave out `--against`");
        let path = toolbox.repository().join("docs/compatibility.md");
        for judged in ran(args) {
            report::write_docs(&path, *judged, &rows)?;
        }
    }
    let failed: Vec<&str> = rows.iter().filter(|row| row.failed()).map(|row| row.client).collect();
    if !failed.is_empty() {
        let kept = scratch.keep();
        bail!("against {recipe}, failed: {}; data and logs are kept in `{}`", failed.join(", "), kept.display());
    }
    if args.ci {
        for judged in ran(args) {
            check_runtimes(*judged, &clients, &rows)?;
        }
    }
    Ok(())
}

/// Whose clients are to run as a whole.
const fn ran(args: &Args) -> &'static [Judged] {
    match (args.registry, args.sql) {
        (true, _) => &[Judged::Registry],
        (false, true) => &[Judged::Sql],
        (false, false) => &[Judged::Broker, Judged::Registry, Judged::Sql],
    }
}

fn chosen(args: &Args) -> Result<Vec<Client>> {
    let all = roster::clients();
    for name in &args.only {
        let names = || all.iter().map(|client| client.name).collect::<Vec<_>>().join(", ");
        ensure!(all.iter().any(|client| client.name == name), "no client is named `{name}`; there are {}", names());
    }
    let is_named = |client: &Client| args.only.is_empty() || args.only.iter().any(|name| name == client.name);
    Ok(all.into_iter().filter(|client| ran(args).contains(&client.plot.judged) && is_named(client)).collect())
}

fn recipe(args: &Args, cache: &Cache) -> Result<Recipe> {
    match args.against {
        Against::Kafka => Ok(Recipe::Kafka(Jars::fetch(cache)?)),
        Against::Levada => Ok(Recipe::Levada(match &args.levada {
            Some(path) => path.canonicalize().with_context(|| format!("no binary at `{}`", path.display()))?,
            None => levada_rig::build()?,
        })),
    }
}

fn run_client(client: &Client, toolbox: &Toolbox, recipe: &Recipe, restart: Restart, scratch: &Path) -> Row {
    let unserved = client.plot.judged != Judged::Broker && matches!(recipe, Recipe::Kafka(_));
    let missing = || toolbox.missing(client);
    let outcome = match unserved.then(|| format!("{recipe} has no {}", client.plot.judged)).or_else(missing) {
        Some(reason) => Outcome::NotRun(reason),
        None => match tell_story(client, toolbox, recipe, restart, scratch) {
            Ok(told) => Outcome::Told(told),
            Err(error) => Outcome::Broken(format!("{error:#}")),
        },
    };
    Row { client: client.name, judged: client.plot.judged, outcome }
}

fn tell_story(
    client: &Client,
    toolbox: &Toolbox,
    recipe: &Recipe,
    restart: Restart,
    scratch: &Path,
) -> Result<story::Told> {
    let command = (client.prepare)(toolbox)?;
    let folder = scratch.join(client.name);
    fs::create_dir_all(&folder)?;
    let mut broker = recipe.start_with(&folder, client.plot.settings)?;
    let told = story::tell(client.name, client.plot, command, &mut broker, restart, &folder)?;
    broker.stop()?;
    if !told.failed() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(told)
}

/// The runtimes without which continuous integration has proved too little.
const fn required(judged: Judged) -> &'static [Runtime] {
    match judged {
        Judged::Broker | Judged::Registry => &[Runtime::Java, Runtime::Go, Runtime::Node, Runtime::Python],
        Judged::Sql => &[Runtime::Native, Runtime::Python, Runtime::Java],
    }
}

fn check_runtimes(judged: Judged, clients: &[Client], rows: &[Row]) -> Result<()> {
    let told = clients.iter().zip(rows).filter(|(_, row)| matches!(row.outcome, Outcome::Told(_)));
    let ran: BTreeSet<Runtime> =
        told.filter(|(_, row)| row.judged == judged).map(|(client, _)| client.runtime).collect();
    let absent: Vec<String> = required(judged)
        .iter()
        .filter(|runtime| !ran.contains(runtime))
        .map(|runtime| format!("{runtime:?}"))
        .collect();
    ensure!(absent.is_empty(), "no client of the {judged} ran in: {}", absent.join(", "));
    Ok(())
}
