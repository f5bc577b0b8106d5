//! [`Planner`]: what a query may name, and what it means.

use super::{
    PlanError, expressions, functions, growth, hidden, names, rules,
    streaming::{self, Plan},
    temporal, variance,
    windows::{Windows, session},
};
use crate::{
    table::type_of,
    value::{self, Value},
    view::{Shown, Version},
};
use datafusion::{
    arrow::{
        array::RecordBatch,
        datatypes::{DataType, FieldRef, Schema, SchemaRef},
    },
    catalog::MemTable,
    common::{
        DFSchema, DataFusionError, Dependency, FunctionalDependence, Result, TableReference, config::ConfigOptions,
        plan_err, tree_node::TreeNodeRecursion,
    },
    dataframe::DataFrame,
    datasource::provider_as_source,
    execution::{
        SessionStateBuilder,
        config::SessionConfig,
        context::SessionContext,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        runtime_env::RuntimeEnvBuilder,
    },
    functions as scalar,
    functions_aggregate::count::count_udaf,
    logical_expr::{
        AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner},
    },
    optimizer::{Analyzer, Optimizer, OptimizerContext, OptimizerRule, simplify_expressions::SimplifyExpressions},
    sql::{
        planner::{ParserOptions, SqlToRel},
        sqlparser::ast,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::poll_fn,
    ops::ControlFlow,
    sync::Arc,
};

/// How often the plan is rewritten, at most.
const PASSES_MAX: u8 = 8;

/// A table that a query may name.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows, where it is asked in batch; none for streams.
    pub rows: Vec<RecordBatch>,
    /// The columns of its key, where of each key the last row counts. A stream of its rows has weight −1 at the end of
    /// a key.
    pub upsert_key: Option<Vec<usize>>,
}

/// Plans queries over tables.
pub struct Planner {
    tables: BTreeMap<String, Arc<dyn TableSource>>,
    upsert_keys: BTreeMap<String, Vec<usize>>,
    scalars: BTreeMap<String, Arc<ScalarUDF>>,
    aggregates: BTreeMap<String, Arc<AggregateUDF>>,
    windows: BTreeMap<String, Arc<WindowUDF>>,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    relation_planners: [Arc<dyn RelationPlanner>; 1],
    options: Arc<ConfigOptions>,
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner").field("tables", &self.tables.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl Planner {
    /// A planner that knows these tables, and the functions that have Flink's meaning.
    ///
    /// # Errors
    /// Where rows do not fit their table.
    pub fn new(tables: Vec<Table>) -> Result<Self, PlanError> {
        let keys = tables.iter().filter_map(|table| Some((table.name.clone(), table.upsert_key.clone()?)));
        let upsert_keys = keys.collect();
        let source = |Table { name, schema, rows, .. }: Table| {
            let table = MemTable::try_new(schema, vec![rows])?;
            Ok((name, provider_as_source(Arc::new(table))))
        };
        let tables = tables.into_iter().map(source).collect::<Result<_, PlanError>>()?;
        let mut options = ConfigOptions::default();
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.parse_float_as_decimal = true;
        options.sql_parser.map_string_types_to_utf8view = false;
        // Nulls are the least.
        options.sql_parser.default_null_ordering = "nulls_min".to_owned();
        // A sub-query with one value is a join: what it gives changes, too.
        options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        Ok(Self {
            tables,
            upsert_keys,
            scalars: expressions::scalar_functions()
                .into_iter()
                .chain(functions::time::functions())
                .chain(functions::refused_scalars().map(|function| (function.name().to_owned(), function)))
                .collect(),
            aggregates: aggregates(),
            windows: BTreeMap::from([("row_number".to_owned(), functions::row_number())]),
            expr_planners: vec![
                Arc::new(scalar::core::planner::CoreFunctionPlanner::default()),
                Arc::new(scalar::unicode::planner::UnicodeFunctionPlanner),
                Arc::new(datafusion::functions_aggregate::planner::AggregateFunctionPlanner),
                Arc::new(datafusion::functions_window::planner::WindowFunctionPlanner),
            ],
            relation_planners: [Arc::new(Windows)],
            options: Arc::new(options),
        })
    }

    /// Lets queries read a version of a view instead of the rows of the table with this name.
    pub(crate) fn show(&mut self, name: &str, version: Arc<Version>) {
        self.tables.insert(name.to_owned(), provider_as_source(Arc::new(Shown(version))));
    }

    /// The columns of a query's answer of which no two rows have the same values, where the query groups by them.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn key(&self, query: &ast::Query) -> Result<Option<Vec<usize>>, PlanError> {
        let plan = self.optimized(query)?;
        let (schema, count) = (plan.schema(), plan.schema().fields().len());
        let is_key = |it: &&FunctionalDependence| {
            let determines = |column: usize| it.source_indices.contains(&column) || it.target_indices.contains(&column);
            it.mode == Dependency::Single && !it.source_indices.is_empty() && (0..count).all(determines)
        };
        let keys = schema.functional_dependencies().iter().filter(is_key).map(|it| it.source_indices.clone());
        Ok(keys.min_by_key(Vec::len))
    }

    /// What a query means, with all types known.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn logical(&self, query: &ast::Query) -> Result<LogicalPlan, PlanError> {
        self.logical_with(query, &[])
    }

    /// What a query means, with its parameters as they are.
    pub(crate) fn unbound(&self, query: &ast::Query) -> Result<LogicalPlan, PlanError> {
        let options = ParserOptions::from(&self.options.sql_parser);
        let mut query = functions::time::rewritten(query);
        functions::with_doubles(&mut query);
        let has_rowtime = |table: &str| self.tables.get(table).is_some_and(|it| has_rowtime(&it.schema()));
        let width = |table: &str| {
            let schema = self.tables.get(table)?.schema();
            Some(schema.fields().len() - usize::from(has_rowtime(table)))
        };
        names::give(&mut query, &width);
        hidden::leave_out(&mut query, &has_rowtime)?;
        let statement = ast::Statement::Query(Box::new(query));
        let plan = SqlToRel::new_with_options(self, options).sql_statement_to_plan(statement)?;
        let plan = temporal::with_temporal_joins(plan)?;
        Ok(expressions::with_flink_literals(plan)?)
    }

    /// What a query means with `values` in the places of its parameters.
    pub(crate) fn logical_with(&self, query: &ast::Query, values: &[Value]) -> Result<LogicalPlan, PlanError> {
        let plan = value::bound(self.unbound(query)?, values)?;
        let plan = Analyzer::new().execute_and_check(plan, &self.options, |_, _| {})?;
        expressions::check(&plan)?;
        growth::check(&plan)?;
        Ok(variance::expanded(plan)?)
    }

    /// As [`Self::logical`], with its expressions simplified as far as they have to be before they are evaluated.
    pub(crate) fn simplified(&self, query: &ast::Query) -> Result<LogicalPlan, PlanError> {
        Ok(self.rewritten(self.logical(query)?, vec![Arc::new(SimplifyExpressions::new())])?)
    }

    fn rewritten(&self, plan: LogicalPlan, rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>) -> Result<LogicalPlan> {
        let context = OptimizerContext::new_with_config_options(Arc::clone(&self.options)).with_max_passes(PASSES_MAX);
        Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})
    }

    /// The operators that keep the answer to a query up to date.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn streaming(&self, query: &ast::Query) -> Result<Plan, PlanError> {
        streaming::plan(&self.optimized(query)?, &self.upsert_keys)
    }

    pub(crate) fn optimized(&self, query: &ast::Query) -> Result<LogicalPlan, PlanError> {
        Ok(self.rewritten(self.logical(query)?, rules::streaming())?)
    }

    /// The answer to a query over the rows that the tables have, and its columns, in no more than `size_max` bytes:
    /// neither the answer nor what leads to it takes more. Nothing of it is put on disk.
    ///
    /// # Errors
    /// [`PlanError`], [`PlanError::AnswerTooLarge`] among them.
    pub async fn batch(
        &self,
        query: &ast::Query,
        values: &[Value],
        size_max: usize,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), PlanError> {
        let plan = self.logical_with(query, values)?;
        let schema = arrow_schema(plan.schema());
        Ok((schema, run(plan, SessionConfig::new(), size_max).await?))
    }

    /// Whether a query reads no table.
    ///
    /// # Errors
    /// [`PlanError`].
    pub(crate) fn reads_nothing(&self, query: &ast::Query) -> Result<bool, PlanError> {
        let mut reads_nothing = true;
        self.logical(query)?.apply_with_subqueries(|plan| {
            reads_nothing &= !matches!(plan, LogicalPlan::TableScan(_));
            Ok(if reads_nothing { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })?;
        Ok(reads_nothing)
    }

    /// The rows of a query that reads no table, in the order in which they are written.
    ///
    /// # Errors
    /// As [`Self::batch`].
    pub(crate) async fn once(&self, query: &ast::Query, size_max: usize) -> Result<Vec<RecordBatch>, PlanError> {
        run(self.logical(query)?, SessionConfig::new().with_target_partitions(1), size_max).await
    }
}

/// Runs a plan over rows that are there.
/// Whether a table has a column that `*` leaves out.
fn has_rowtime(schema: &Schema) -> bool {
    schema.column_with_name(hidden::ROWTIME).is_some()
}

async fn run(plan: LogicalPlan, config: SessionConfig, size_max: usize) -> Result<Vec<RecordBatch>, PlanError> {
    temporal::refuse_in_batch(&plan)?;
    let plan = session::lowered(plan)?;
    let no_disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(size_max, 1.0).with_disk_manager_builder(no_disk);
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_runtime_env(runtime.build_arc()?)
        .with_optimizer_rules(rules::batch());
    let context = SessionContext::new_with_state(state.build());
    collected(context.execute_logical_plan(plan).await?, size_max).await
}

/// The rows that a plan comes to, in no more than `size_max` bytes.
pub(crate) async fn collected(frame: DataFrame, size_max: usize) -> Result<Vec<RecordBatch>, PlanError> {
    let mut stream = frame.execute_stream().await?;
    let (mut answer, mut size) = (Vec::new(), 0);
    while let Some(batch) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        let batch = batch?;
        size += batch.get_array_memory_size();
        if size > size_max {
            return Err(PlanError::AnswerTooLarge { limit: size_max });
        }
        answer.push(batch);
    }
    Ok(answer)
}

fn aggregates() -> BTreeMap<String, Arc<AggregateUDF>> {
    [count_udaf(), functions::sum(), functions::avg()]
        .into_iter()
        .chain(functions::extremes())
        .chain(variance::all())
        .map(|function| (function.name().to_owned(), function))
        .collect()
}

/// The functions that there are, by name, those of windows among them.
#[must_use]
pub fn function_names() -> Vec<String> {
    let windows = ["cumulate", "hop", "row_number", "tumble"].map(str::to_owned);
    let scalars = expressions::scalar_functions().into_keys();
    let mut names: Vec<String> = scalars.chain(aggregates().into_keys()).chain(windows).collect();
    names.sort();
    names
}

impl ContextProvider for Planner {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        if let Some(table) = self.tables.get(name.table()) {
            return Ok(Arc::clone(table));
        }
        match levada_model::nearest(name.table(), self.tables.keys().map(String::as_str)) {
            Some(nearest) => plan_err!("there is no table `{}`; did you mean `{nearest}`?", name.table()),
            None => plan_err!("there is no table `{}`", name.table()),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalars.get(name).cloned()
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.scalars.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.aggregates.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.windows.keys().cloned().collect()
    }
}

/// Types as the dialect has them.
#[derive(Debug)]
struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, written: &ast::DataType) -> Result<Option<FieldRef>> {
        let data_type = levada_sql_syntax::DataType::from_ast(written);
        let data_type = data_type.map_err(|error| DataFusionError::Plan(error.to_string()))?;
        let of = type_of(&data_type).map_err(|error| DataFusionError::Plan(error.to_string()))?;
        Ok(Some(Arc::new(of.nullable().field(""))))
    }
}

/// The fields of a plan's rows, without qualifiers.
pub(super) fn arrow_schema(schema: &DFSchema) -> SchemaRef {
    Arc::clone(schema.inner())
}

/// The tables among `known` that a query names, each once.
pub(crate) fn tables_of<'a>(query: &ast::Query, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    // Names of a WITH are among them, and may hide a table: reading one more than is needed does no harm.
    let mut named = Named::default();
    if levada_sql_syntax::walk(query, &mut named).is_break() {
        unreachable!("it never breaks off");
    }
    known.filter(|name| named.0.contains(*name)).cloned().collect()
}

/// The last parts of all names of tables.
#[derive(Default)]
struct Named(BTreeSet<String>);

impl Named {
    fn add(&mut self, name: &ast::ObjectName) {
        if let Some(ast::ObjectNamePart::Identifier(name)) = name.0.last() {
            self.0.insert(name.value.clone());
        }
    }
}

impl ast::Visitor for Named {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ast::ObjectName) -> ControlFlow<()> {
        self.add(name);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &ast::TableFactor) -> ControlFlow<()> {
        if let Some(Ok(function)) = levada_sql_syntax::window_function(factor) {
            self.add(&function.table);
        }
        ControlFlow::Continue(())
    }
}
