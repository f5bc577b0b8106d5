//! One statement: read, and carried out, whichever way it came.

use crate::{
    connection::{Broken, Connection},
    out::Transaction,
    problem::Problem,
    statement::{Discarded, Own, Whose, whose},
};
use levada_sql::{Answer, Value, pg_catalog::Environment, query::Column, types::Type};
use levada_sql_server::{Outcome, Room};
use levada_sql_syntax::{self as syntax, DropObject, Fragment, Lexeme, ObjectKind, PARAMETERS_MAX, Parsed, fragments};
use std::collections::BTreeSet;

/// What a word or a sign of a statement takes when it was read, in bytes, roughly.
const LEXEME_SIZE: usize = 256;

/// A statement that was read.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) kind: Kind,
    /// The text that its places are in.
    text: String,
    /// How many characters of what was sent stand before it.
    start: usize,
    /// The numbers of its parameters.
    parameters: BTreeSet<usize>,
    /// What it takes, in bytes, roughly.
    size: usize,
}

/// What is done about it.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Own(Own),
    Catalogs,
    Ours(Box<Parsed>),
}

/// Whether `$1` may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameters {
    Allowed,
    Refused,
}

/// What a statement came to.
pub(crate) enum Came {
    /// It is done; what was done may be told.
    Done { tag: String, notice: Option<String> },
    /// Rows, and the room that they take.
    Rows { answer: Answer, room: Option<Room>, tag: Tag },
}

/// What is said behind rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Select,
    Show,
    Explain,
}

impl Tag {
    pub(crate) fn text(self, row_count: usize) -> String {
        match self {
            Self::Select => format!("SELECT {row_count}"),
            Self::Show => "SHOW".to_owned(),
            Self::Explain => "EXPLAIN".to_owned(),
        }
    }
}

/// Cuts a text into statements that are still to be read.
pub(crate) fn cut(text: &str) -> Result<Vec<Fragment>, Problem> {
    fragments(text).map_err(|error| Problem::syntax(error, text, 0))
}

impl Statement {
    /// Reads a statement of the text `whole`.
    pub(crate) fn read(fragment: Fragment, whole: &str, parameters: Parameters) -> Result<Self, Problem> {
        let start = crate::problem::offset(whole, fragment.start);
        let used = fragment.lexemes.iter().filter_map(parameter).collect();
        let size = 2 * fragment.text.len() + fragment.lexemes.len() * LEXEME_SIZE;
        let (kind, text) = match whose(&fragment)? {
            Whose::Own(own) => (Kind::Own(own), fragment.text),
            Whose::Catalogs => (Kind::Catalogs, fragment.text),
            Whose::Ours => {
                let text = fragment.in_backticks;
                let parsed = match parameters {
                    Parameters::Allowed => syntax::parse_prepared(&text).map(|parsed| parsed.map(Box::new)),
                    Parameters::Refused => syntax::parse_statement(&text).map(|parsed| Some(Box::new(parsed))),
                };
                match parsed.map_err(|error| Problem::syntax(error, &text, start))? {
                    Some(parsed) => (Kind::Ours(parsed), text),
                    None => return Err(Problem::new("42601", "there is no statement")),
                }
            }
        };
        Ok(Self { kind, text, start, parameters: used, size })
    }

    pub(crate) const fn parameters(&self) -> &BTreeSet<usize> {
        &self.parameters
    }

    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// A refusal of it, with its place in what was sent.
    fn refused(&self, refusal: levada_sql_server::Refusal) -> Problem {
        Problem::refused(refusal, &self.text, self.start)
    }

    /// Whether it goes on in a transaction in which a statement was refused.
    fn ends_failure(&self) -> bool {
        matches!(self.kind, Kind::Own(Own::Commit | Own::Rollback | Own::RollbackTo))
    }
}

/// The number of a parameter, if it is one.
fn parameter(lexeme: &Lexeme) -> Option<usize> {
    let (Lexeme::Word(word) | Lexeme::Sign(word)) = lexeme else { return None };
    word.strip_prefix('$')?.parse().ok().filter(|number| (1..=PARAMETERS_MAX).contains(number))
}

/// Whether a statement of ours changes nothing.
fn is_read(statement: &syntax::Statement) -> bool {
    use syntax::Statement as S;
    matches!(statement, S::Query(_) | S::Show(_) | S::Describe(_) | S::Explain(_) | S::Set(_) | S::Reset(_))
}

fn tag(statement: &syntax::Statement) -> &'static str {
    use syntax::Statement as S;
    match statement {
        S::Query(_) => "SELECT",
        // Rows come later, and are not counted.
        S::Insert(_) | S::StatementSet(_) => "INSERT 0 0",
        S::CreateTable(_) => "CREATE TABLE",
        S::CreateView(_) => "CREATE VIEW",
        S::CreateMaterializedTable(_) => "CREATE MATERIALIZED TABLE",
        S::Drop(DropObject { kind: ObjectKind::Table, .. }) => "DROP TABLE",
        S::Drop(DropObject { kind: ObjectKind::View, .. }) => "DROP VIEW",
        S::Drop(DropObject { kind: ObjectKind::MaterializedTable, .. }) => "DROP MATERIALIZED TABLE",
        S::Drop(DropObject { kind: ObjectKind::Statement, .. }) => "DROP STATEMENT",
        S::StartStatement(_) => "START STATEMENT",
        S::StopStatement(_) => "STOP STATEMENT",
        S::Show(_) | S::Describe(_) => "SHOW",
        S::Explain(_) => "EXPLAIN",
        S::Set(_) => "SET",
        S::Reset(_) => "RESET",
    }
}

impl Connection {
    /// Refuses what may not come where the transaction is.
    pub(crate) fn check(&self, statement: &Statement) -> Result<(), Problem> {
        match (self.transaction, &statement.kind) {
            (Transaction::Failed, _) if !statement.ends_failure() => {
                let message = "a statement of this transaction was refused, and nothing more is done in it";
                Err(Problem::new("25P02", message).with_hint("ROLLBACK ends it"))
            }
            (Transaction::Open, Kind::Ours(parsed)) if !is_read(&parsed.statement) => {
                let message =
                    format!("{} is not done in a transaction", tag(&parsed.statement).trim_end_matches(" 0 0"));
                let hint = "COMMIT first, and let each statement stand for itself (autocommit)";
                Err(Problem::new("25001", message).with_hint(hint))
            }
            (_, Kind::Ours(parsed)) if self.settings.is_read_only() && !is_read(&parsed.statement) => {
                let done = tag(&parsed.statement).trim_end_matches(" 0 0");
                let problem =
                    Problem::new("25006", format!("{done} is not done: `default_transaction_read_only` is on"));
                Err(problem.with_hint("SET default_transaction_read_only = off"))
            }
            _ => Ok(()),
        }
    }

    /// Carries out a statement with values in the places of its parameters.
    pub(crate) async fn run(&mut self, statement: &Statement, values: Vec<Value>) -> Result<Came, Broken> {
        self.check(statement)?;
        match &statement.kind {
            Kind::Own(own) => Ok(self.own(own)?),
            Kind::Catalogs => {
                let (session, environment) = (self.session.clone(), self.environment());
                let asked = session.catalog(statement.text.clone(), values, environment);
                let (answer, room) = self.stoppable(asked).await?.map_err(|refusal| statement.refused(refusal))?;
                Ok(Came::Rows { answer, room: Some(room), tag: Tag::Select })
            }
            Kind::Ours(parsed) => {
                let mut session = self.session.clone();
                session.set_read_after(self.settings.read_after());
                let wait = self.settings.read_after_wait();
                let tag = tag(&parsed.statement);
                let done = match is_read(&parsed.statement) {
                    true => {
                        let executed = session.execute(Parsed::clone(parsed), values, wait);
                        self.stoppable(executed).await?
                    }
                    // What changes something is done wholly.
                    false => session.execute(Parsed::clone(parsed), values, wait).await,
                };
                let (outcome, room) = done.map_err(|refusal| statement.refused(refusal))?;
                self.session = session;
                Ok(match outcome {
                    Outcome::Rows(answer) => {
                        let tag = match tag {
                            "SELECT" => Tag::Select,
                            "EXPLAIN" => Tag::Explain,
                            _ => Tag::Show,
                        };
                        Came::Rows { answer, room, tag }
                    }
                    Outcome::Done { message } => Came::Done { tag: tag.to_owned(), notice: Some(message) },
                    Outcome::Inserted { row_count, .. } => {
                        Came::Done { tag: format!("INSERT 0 {row_count}"), notice: None }
                    }
                    Outcome::Statement { name } => {
                        Came::Done { tag: tag.to_owned(), notice: Some(format!("statement `{name}` runs")) }
                    }
                })
            }
        }
    }

    /// What a statement takes and gives.
    pub(crate) async fn describe(
        &mut self,
        statement: &Statement,
        given: Vec<Option<Type>>,
    ) -> Result<levada_sql_server::Described, Broken> {
        self.stop.begin(self.settings.statement_timeout());
        let session = self.session.clone();
        let described = match &statement.kind {
            Kind::Own(own) => {
                return Ok(levada_sql_server::Described { parameters: Vec::new(), columns: self.columns_of(own)? });
            }
            Kind::Catalogs => {
                let asked = session.catalog_signature(statement.text.clone(), given, self.environment());
                self.stoppable(asked).await?
            }
            Kind::Ours(parsed) => self.stoppable(session.signature(parsed, given)).await?,
        };
        Ok(described.map_err(|refusal| statement.refused(refusal))?)
    }

    fn columns_of(&self, own: &Own) -> Result<Option<Vec<Column>>, Problem> {
        let names: Vec<&str> = match own {
            Own::Show(None) => vec!["name", "setting"],
            Own::Show(Some(name)) => vec![self.settings.find(name)?.0],
            _ => return Ok(None),
        };
        let column = |name: &str| Column { name: name.to_owned(), of: Type::String };
        Ok(Some(names.into_iter().map(column).collect()))
    }

    /// What the catalog tells a client of itself.
    fn environment(&self) -> Environment {
        let settings = self.settings.all().iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Environment {
            user: self.user.clone(),
            database: self.database.clone(),
            version: format!("PostgreSQL {}", self.settings.get("server_version")),
            backend: self.backend,
            settings: settings.collect(),
        }
    }

    fn own(&mut self, own: &Own) -> Result<Came, Problem> {
        let mut notice = None;
        let tag = match own {
            Own::Begin => {
                match self.transaction {
                    Transaction::None => self.transaction = Transaction::Open,
                    _ => notice = Some("a transaction is open already".to_owned()),
                }
                "BEGIN"
            }
            Own::Commit | Own::Rollback => {
                let before = std::mem::take(&mut self.transaction);
                if before == Transaction::None {
                    notice = Some("no transaction is open".to_owned());
                }
                self.portals.clear();
                if *own == Own::Commit && before != Transaction::Failed { "COMMIT" } else { "ROLLBACK" }
            }
            Own::Savepoint | Own::Release | Own::RollbackTo if self.transaction == Transaction::None => {
                return Err(Problem::new("25P01", "there are savepoints in transactions alone").with_hint("BEGIN"));
            }
            Own::Savepoint => "SAVEPOINT",
            Own::Release => "RELEASE",
            Own::RollbackTo => {
                self.transaction = Transaction::Open;
                "ROLLBACK"
            }
            Own::Characteristics => {
                if self.transaction == Transaction::None {
                    notice = Some("it says something of transactions, and none is open".to_owned());
                }
                "SET"
            }
            Own::Set { name, value } => {
                let told: Vec<&'static str> = match value {
                    Some(value) => self.settings.set(name, value)?.into_iter().collect(),
                    None => self.settings.reset(Some(name))?,
                };
                self.tell(&told);
                "SET"
            }
            Own::Reset(name) => {
                let told = self.settings.reset(name.as_deref())?;
                self.tell(&told);
                "RESET"
            }
            Own::Show(name) => return self.show(name.as_deref()),
            Own::Discard(Discarded::All) if self.transaction != Transaction::None => {
                return Err(Problem::new("25001", "DISCARD ALL is not done in a transaction"));
            }
            Own::Discard(Discarded::All) => {
                let told = self.settings.reset(None)?;
                self.tell(&told);
                self.session.reset();
                self.prepared.clear();
                self.portals.clear();
                "DISCARD ALL"
            }
            // Of these a connection has none.
            Own::Discard(Discarded::Plans) => "DISCARD PLANS",
            Own::Discard(Discarded::Sequences) => "DISCARD SEQUENCES",
            Own::Discard(Discarded::Temp) => "DISCARD TEMP",
            Own::Deallocate(None) => {
                self.prepared.clear();
                "DEALLOCATE ALL"
            }
            Own::Deallocate(Some(name)) => match self.prepared.remove(name) {
                Some(_) => "DEALLOCATE",
                None => return Err(Problem::new("26000", format!("there is no prepared statement `{name}`"))),
            },
        };
        Ok(Came::Done { tag: tag.to_owned(), notice })
    }

    fn tell(&mut self, names: &[&'static str]) {
        for name in names {
            self.io.out.setting(name, self.settings.get(name));
        }
    }

    fn show(&self, name: Option<&str>) -> Result<Came, Problem> {
        let text = |text: &str| Some(text.to_owned());
        let answer = match name {
            Some(name) => {
                let (name, value) = self.settings.find(name)?;
                Answer::texts(&[name], &[vec![text(value)]])
            }
            None => {
                let all = self.settings.all().iter();
                let rows: Vec<_> = all.map(|(name, value)| vec![text(name), text(value)]).collect();
                Answer::texts(&["name", "setting"], &rows)
            }
        };
        let answer = answer.map_err(|error| Problem::new("XX000", error.to_string()))?;
        Ok(Came::Rows { answer, room: None, tag: Tag::Show })
    }
}
