//! [`Session`]: somebody who asks over a connection that lasts, one statement after the other.

pub(crate) mod relations;

use crate::{Refusal, RefusalKind, execute::Outcome, read_after::Offsets, service::Service, settings::Settings};
use levada_model::Str;
use levada_sql::{Answer, Query, Signature, Value, pg_catalog, query::ReadAfter, types::Type};
use levada_sql_syntax::{Parsed, Statement, ast, bind};
use levada_stream::{Caller, Principal};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// Somebody who asks. Clones are the same person with settings of their own.
#[derive(Clone, Debug)]
pub struct Session {
    service: Arc<Service>,
    caller: Caller,
    settings: Settings,
    read_after: Offsets,
}

impl Session {
    /// Somebody at `peer`, whose program calls itself `client_id`.
    #[must_use]
    pub fn new(service: Arc<Service>, peer: SocketAddr, client_id: &str) -> Self {
        let (client_id, client_host) = (Str::from(client_id.to_owned()), Str::from(format!("/{}", peer.ip())));
        let caller = Caller { principal: Principal::anonymous(), client_id, client_host };
        Self { service, caller, settings: Settings::default(), read_after: Offsets::default() }
    }

    /// Resolves when the service ends.
    pub async fn closed(&self) {
        self.service.closed().await;
    }

    /// Sets everything back that was set with `SET 'key' = 'value'`.
    pub fn reset(&mut self) {
        self.settings = Settings::default();
    }

    /// What following queries must have read; where that is nothing, what `sql.read-after` says.
    pub fn set_read_after(&mut self, read_after: Offsets) {
        self.read_after = read_after;
    }

    /// Carries out a statement with `values` in the places of its parameters; an answer takes room for as long as it is
    /// kept. A query that must have read something waits for it, so long at most. Where this is dropped, a query ends;
    /// what changes something is done wholly.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn execute(
        &mut self,
        mut parsed: Parsed,
        values: Vec<Value>,
        wait: Duration,
    ) -> Result<(Outcome, Option<Room>), Refusal> {
        let Self { caller, mut settings, read_after, .. } = self.clone();
        if let Statement::Query(query) = parsed.statement {
            let work = move |service: Arc<Service>| async move {
                let read_after = match read_after.0.is_empty() {
                    true => settings.read_after(service.sleep()),
                    false => {
                        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
                        ReadAfter::new(read_after.0, wait_ms, service.sleep())
                    }
                };
                service.answer_after(query, &values, &caller, read_after).await
            };
            let (answer, room) = self.service.apart_while_asked(work).await??;
            return Ok((Outcome::Rows(answer), Some(room)));
        }
        if !values.is_empty() {
            put_in(&mut parsed, &values)?;
        }
        let work = move |service: Arc<Service>| async move {
            let outcome = service.carry_out(parsed, &mut settings, &caller).await;
            (outcome, settings)
        };
        let (outcome, settings) = self.service.apart(work).await?;
        self.settings = settings;
        Ok((outcome?, None))
    }

    /// What a statement takes and gives, where the types of some parameters are given; no columns: it gives no rows.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn signature(&self, parsed: &Parsed, given: Vec<Option<Type>>) -> Result<Described, Refusal> {
        let nothing = Described { parameters: Vec::new(), columns: None };
        match &parsed.statement {
            Statement::Query(query) => {
                let Signature { parameters, columns } = self.of_query(query.clone(), given).await?;
                Ok(Described { parameters, columns: Some(columns) })
            }
            Statement::Insert(insert) => {
                let Signature { parameters, .. } = self.of_query(insert.query.clone(), given).await?;
                Ok(Described { parameters, ..nothing })
            }
            // What they show is quickly had, and changes nothing.
            Statement::Show(_) | Statement::Describe(_) | Statement::Explain(_) | Statement::Set(None) => {
                let (outcome, _) = self.clone().execute(parsed.clone(), Vec::new(), Duration::ZERO).await?;
                let Outcome::Rows(answer) = outcome else { return Ok(nothing) };
                Ok(Described { columns: Some(answer.columns().to_vec()), ..nothing })
            }
            statement => {
                let count = levada_sql_syntax::parameter_count(statement);
                let parameters = (0..count).map(|at| given.get(at).cloned().flatten().unwrap_or(Type::String));
                Ok(Described { parameters: parameters.collect(), ..nothing })
            }
        }
    }

    /// Planning takes room as answering does: nothing ends it half way.
    async fn of_query(&self, query: Box<ast::Query>, given: Vec<Option<Type>>) -> Result<Signature, Refusal> {
        let caller = self.caller.clone();
        let work = move |service: Arc<Service>| async move {
            let _room = service.room()?;
            Ok(service.query_of(query, &caller)?.signature(&given)?)
        };
        self.service.apart_while_asked(work).await?
    }

    /// Answers a query over the tables that tell what there is, as `PostgreSQL` has them.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn catalog(
        &self,
        sql: String,
        values: Vec<Value>,
        environment: pg_catalog::Environment,
    ) -> Result<(Answer, Room), Refusal> {
        let caller = self.caller.clone();
        let work = move |service: Arc<Service>| async move {
            let room = Room(service.room()?);
            let catalog = pg_catalog::Catalog { environment, relations: service.relations(&caller) };
            Ok((pg_catalog::answer(&catalog, &sql, &values, service.state_size_max()).await?, room))
        };
        self.service.apart_while_asked(work).await?
    }

    /// What such a query takes and gives.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn catalog_signature(
        &self,
        sql: String,
        given: Vec<Option<Type>>,
        environment: pg_catalog::Environment,
    ) -> Result<Described, Refusal> {
        let caller = self.caller.clone();
        let work = move |service: Arc<Service>| async move {
            let _room = service.room()?;
            let catalog = pg_catalog::Catalog { environment, relations: service.relations(&caller) };
            Ok::<_, Refusal>(pg_catalog::signature(&catalog, &sql, &given).await?)
        };
        let Signature { parameters, columns } = self.service.apart_while_asked(work).await??;
        Ok(Described { parameters, columns: Some(columns) })
    }
}

/// Room that an answer takes: there are so many at once.
#[derive(Debug)]
pub struct Room(#[expect(dead_code, reason = "what counts is that it is given back")] OwnedSemaphorePermit);

/// What a statement takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The types of its parameters.
    pub parameters: Vec<Type>,
    /// The columns of its rows; none where it gives no rows.
    pub columns: Option<Vec<levada_sql::query::Column>>,
}

/// Writes values into a statement whose text is kept.
fn put_in(parsed: &mut Parsed, values: &[Value]) -> Result<(), Refusal> {
    let literal = |(at, value): (usize, &Value)| match value.literal()? {
        Some(literal) => Ok(Some(literal)),
        None => {
            let message = format!("no literal means the value of ${}", at + 1);
            Err(Refusal::invalid(message).with_hint("give it as text, and CAST it in the statement"))
        }
    };
    let literals = values.iter().enumerate().map(literal).collect::<Result<Vec<_>, Refusal>>()?;
    bind(&mut parsed.statement, &literals);
    parsed.text = parsed.statement.to_string();
    Ok(())
}

impl Service {
    async fn answer_after(
        &self,
        query: Box<ast::Query>,
        values: &[Value],
        caller: &Caller,
        read_after: ReadAfter,
    ) -> Result<(Answer, Room), Refusal> {
        if self.is_closing() {
            return Err(Refusal::new(RefusalKind::Busy, "the server is shutting down"));
        }
        let room = Room(self.room()?);
        let query: Query = self.query_of(query, caller)?;
        let (answer, _) = self.rows_of(&query, values, read_after, caller).await?;
        Ok((answer, room))
    }
}
