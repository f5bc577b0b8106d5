//! PostgreSQL's catalog: what there is, as clients of PostgreSQL ask for it.
//!
//! Such queries are PostgreSQL's own dialect over tables that are made for the one question: [`tables`] fills them,
//! [`rewrite`] puts into terms of the planner what only PostgreSQL has, and [`functions`] are those that such queries
//! call. Nothing here reads a topic.

mod functions;
mod oids;
mod rewrite;
mod tables;

pub use oids::{PgType, oid, pg_type};

use crate::{
    StatementError,
    answer::Answer,
    plan::{PlanError, collected, growth},
    query::{Column, columns},
    types::{Item, Type},
    value::{self, Signature, Value},
};
use datafusion::{
    catalog::{CatalogProvider as _, MemoryCatalogProvider},
    error::DataFusionError,
    execution::{
        SessionStateBuilder,
        config::SessionConfig,
        context::SessionContext,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        runtime_env::RuntimeEnvBuilder,
    },
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast},
    sql::parser::Statement,
};
use oids::{Known, TYPES, format_type};
use std::{collections::BTreeMap, sync::Arc};
use twox_hash::XxHash3_64;

/// What a client is told of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The user's name.
    pub user: String,
    /// The database's name.
    pub database: String,
    /// What `version()` says.
    pub version: String,
    /// The number of the connection.
    pub backend: i32,
    /// Settings of the connection.
    pub settings: BTreeMap<String, String>,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A table that was declared.
    Table,
    /// A view.
    View,
    /// A topic that nobody declared.
    Topic,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: Item,
}

/// A table, a view or a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns.
    pub attributes: Vec<Attribute>,
    /// Those of its primary key.
    pub primary_key: Vec<usize>,
    /// The text that defined it: of a view its query.
    pub definition: Option<String>,
    /// Who did.
    pub owner: String,
}

/// What there is, and who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Who asks.
    pub environment: Environment,
    /// What there is, each name once.
    pub relations: Vec<Relation>,
}

type PgError = DataFusionError;

/// The number and name of each schema.
const NAMESPACES: [(i64, &str); 3] = [(11, "pg_catalog"), (PUBLIC, "public"), (13_000, "information_schema")];
const PUBLIC: i64 = 2_200;
/// Everything is owned by the one role that there is.
const OWNER_OID: i64 = 10;
/// Numbers of relations begin here; each takes three.
const FIRST_OID: i64 = 16_384;
/// So many relations have numbers of their own.
const PLACES: u64 = 500_000_000;

/// A relation with its numbers, which its name decides: they are the same for everybody, and tomorrow.
#[derive(Clone, Debug)]
struct Placed {
    oid: i64,
    /// Of the index that its primary key is taken for; one more is the constraint's.
    index: i64,
    relation: Relation,
}

impl Placed {
    fn is_view(&self) -> bool {
        self.relation.kind == RelationKind::View
    }

    fn has_key(&self) -> bool {
        !self.relation.primary_key.is_empty()
    }

    fn key_name(&self) -> String {
        format!("{}_pkey", self.relation.name)
    }

    fn key_columns(&self) -> impl Iterator<Item = &str> {
        self.relation.primary_key.iter().filter_map(|at| Some(self.relation.attributes.get(*at)?.name.as_str()))
    }

    fn key_numbers(&self, separator: &str) -> String {
        self.relation.primary_key.iter().map(|at| (at + 1).to_string()).collect::<Vec<_>>().join(separator)
    }

    fn index_text(&self) -> String {
        let columns: Vec<&str> = self.key_columns().collect();
        let (name, table) = (self.key_name(), &self.relation.name);
        format!("CREATE UNIQUE INDEX {name} ON public.{table} USING btree ({})", columns.join(", "))
    }
}

/// What tables and functions tell.
#[derive(Debug)]
struct Facts {
    environment: Environment,
    relations: Vec<Placed>,
}

impl Facts {
    fn of(catalog: &Catalog) -> Self {
        let mut places = BTreeMap::new();
        for relation in &catalog.relations {
            let mut place = XxHash3_64::oneshot(relation.name.as_bytes()) % PLACES;
            while places.contains_key(&place) {
                place = (place + 1) % PLACES;
            }
            places.insert(place, relation.clone());
        }
        let placed = |(place, relation): (u64, Relation)| {
            let oid = FIRST_OID + 3 * i64::try_from(place).unwrap_or(0);
            Placed { oid, index: oid + 1, relation }
        };
        Self { environment: catalog.environment.clone(), relations: places.into_iter().map(placed).collect() }
    }

    fn user(&self) -> &str {
        &self.environment.user
    }

    fn database(&self) -> &str {
        &self.environment.database
    }

    fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn with_key(&self) -> impl Iterator<Item = &Placed> {
        self.relations.iter().filter(|it| it.has_key())
    }
}

/// Whether a word, followed by a bracket or not, is one that only such queries have.
#[must_use]
pub fn is_of_catalog(word: &str, is_call: bool) -> bool {
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "pg_catalog" | "information_schema" => true,
        "current_catalog" | "current_schema" | "current_user" | "session_user" => true,
        word if is_call => functions::has_function(word),
        word => tables::has_table(word),
    }
}

/// Rows that are looked at at once: what a row comes to may be large.
const ROWS_AT_ONCE: usize = 128;
/// What a query may take beside its answer, in bytes.
const MEMORY_MAX: usize = 64 << 20;

/// Answers such a query, in no more than `size_max` bytes.
///
/// # Errors
/// [`StatementError::Plan`].
pub async fn answer(catalog: &Catalog, sql: &str, values: &[Value], size_max: usize) -> Result<Answer, StatementError> {
    let size_max = size_max.min(MEMORY_MAX);
    let (context, read) = (context(catalog, size_max)?, rewrite::read(sql)?);
    check_values(values, read.placeholders)?;
    let plan = plan(&context, read.statement).await?;
    let plan = shown(value::bound(plan, values)?)?;
    let columns = named(&plan, read.names)?;
    let frame = context.execute_logical_plan(plan).await.map_err(PlanError::from)?;
    let batches = collected(frame, size_max).await.map_err(|error| too_much(error, size_max))?;
    Ok(Answer::new(columns, batches))
}

/// Says what is too much, where it is memory: no setting has more.
fn too_much(error: PlanError, size_max: usize) -> PlanError {
    let is_memory = match &error {
        PlanError::AnswerTooLarge { .. } => true,
        PlanError::Meaning(error) => matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)),
        PlanError::Unsupported { .. } => false,
    };
    match is_memory {
        true => {
            let what = format!("a query of the catalog that takes more than {size_max} bytes of memory");
            PlanError::unsupported(what, Some("ask for less at once"))
        }
        false => error,
    }
}

/// Refuses values that are larger than they could be within the text.
fn check_values(values: &[Value], placeholders: usize) -> Result<(), PlanError> {
    let size = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    let largest = values.iter().map(size).max().unwrap_or(0);
    if largest > rewrite::VALUE_SIZE_MAX || largest.saturating_mul(placeholders) > rewrite::TEXT_SIZE_MAX {
        let what = format!("a value of {largest} bytes for a query of the catalog");
        return Err(PlanError::unsupported(what, Some("names are shorter")));
    }
    Ok(())
}

/// The types of such a query's parameters, some of which are given, and its columns.
///
/// # Errors
/// [`StatementError::Plan`].
pub async fn signature(catalog: &Catalog, sql: &str, given: &[Option<Type>]) -> Result<Signature, StatementError> {
    let (context, read) = (context(catalog, MEMORY_MAX)?, rewrite::read(sql)?);
    let plan = plan(&context, read.statement).await?;
    let names = plan.get_parameter_names().map_err(PlanError::from)?;
    let last: usize = names.iter().filter_map(|name| name[1..].parse().ok()).max().unwrap_or(0);
    // What is between has to come from somewhere.
    if last > names.len() + given.len() {
        return Err(PlanError::unsupported(format!("${last} without those before it"), None).into());
    }
    let parameters = value::types(&plan, last, given)?;
    let nulls: Vec<Value> = parameters.iter().cloned().map(Value::Null).collect();
    let plan = shown(value::bound(plan, &nulls)?)?;
    Ok(Signature { parameters, columns: named(&plan, read.names)? })
}

/// The tables and functions.
fn context(catalog: &Catalog, size_max: usize) -> Result<SessionContext, PlanError> {
    let facts = Arc::new(Facts::of(catalog));
    let database = if facts.database().is_empty() { "levada" } else { facts.database() };
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(database, "pg_catalog")
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_target_partitions(1)
        .with_batch_size(ROWS_AT_ONCE);
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    let no_disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new().with_disk_manager_builder(no_disk).with_memory_limit(size_max, 1.0);
    let state = functions::with_functions(SessionStateBuilder::new().with_config(config));
    let context = SessionContext::new_with_state(state.with_runtime_env(runtime.build_arc()?).build());
    let schemas = MemoryCatalogProvider::new();
    let [own, standard] = tables::schemas(&facts)?;
    schemas.register_schema("pg_catalog", Arc::new(own))?;
    schemas.register_schema("information_schema", Arc::new(standard))?;
    context.register_catalog(database, Arc::new(schemas));
    functions::all(&facts).into_iter().for_each(|function| context.register_udf(function));
    Ok(context)
}

async fn plan(
    context: &SessionContext,
    statement: datafusion::sql::sqlparser::ast::Statement,
) -> Result<LogicalPlan, PlanError> {
    let plan = context.state().statement_to_plan(Statement::Statement(Box::new(statement))).await?;
    growth::check(&plan)?;
    Ok(plan)
}

/// A plan whose columns all have types that are shown.
fn shown(plan: LogicalPlan) -> Result<LogicalPlan, PlanError> {
    use datafusion::arrow::datatypes::DataType::{Int64, Null, UInt8, UInt16, UInt32, UInt64, Utf8};
    let fields = plan.schema().fields();
    let to = |of: &_| match of {
        UInt8 | UInt16 | UInt32 | UInt64 => Some(Int64),
        Null => Some(Utf8),
        _ => None,
    };
    if fields.iter().all(|field| to(field.data_type()).is_none()) {
        return Ok(plan);
    }
    let column = |(qualifier, field): (Option<&datafusion::common::TableReference>, &Arc<_>)| {
        let field: &datafusion::arrow::datatypes::Field = field;
        let column = Expr::Column(datafusion::common::Column::new(qualifier.cloned(), field.name()));
        match to(field.data_type()) {
            Some(to) => cast(column, to).alias(field.name()),
            None => column,
        }
    };
    let columns: Vec<Expr> = plan.schema().iter().map(column).collect();
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}

fn named(plan: &LogicalPlan, names: Vec<Option<String>>) -> Result<Vec<Column>, StatementError> {
    let mut columns = columns(plan.schema().inner())?;
    for (column, name) in columns.iter_mut().zip(names) {
        if let Some(name) = name {
            column.name = name;
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests;
