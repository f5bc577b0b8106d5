//! [`Shown`]: a version of a view as a table that a query reads. Where the query asks for one key, one row is read.

use super::Version;
use async_trait::async_trait;
use datafusion::{
    arrow::{array::ArrayRef, datatypes::SchemaRef},
    catalog::{MemTable, Session, TableProvider},
    common::{Result, ScalarValue},
    logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType},
    physical_plan::ExecutionPlan,
};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shown(pub(crate) Arc<Version>);

impl Shown {
    /// The key that filters ask for, if each of its columns is to have one value.
    fn key(&self, filters: &[Expr]) -> Result<Option<Vec<ArrayRef>>> {
        let schema = self.0.schema();
        let value = |column: &usize| {
            let field = schema.field(*column);
            let found = filters.iter().find_map(|filter| asked(filter, field.name()))?;
            // A value of another type is compared, not looked up; of floating point numbers two that are equal may
            // have different bytes.
            (found.data_type() == *field.data_type() && !field.data_type().is_floating()).then(|| found.to_array())
        };
        self.0.key().iter().map(value).collect::<Option<Result<Vec<_>>>>().transpose()
    }
}

/// The value that a filter asks for in a column.
fn asked<'a>(filter: &'a Expr, name: &str) -> Option<&'a ScalarValue> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
    match (&**left, &**right) {
        (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
            (column.name == name && !value.is_null()).then_some(value)
        }
        _ => None,
    }
}

#[async_trait]
impl TableProvider for Shown {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // They are looked at, and applied all the same.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = match self.key(filters)? {
            Some(key) => vec![self.0.lookup(&key)?],
            None => self.0.batches()?,
        };
        MemTable::try_new(self.0.schema(), vec![rows])?.scan(state, projection, filters, limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{changes::Changes, table::Table, view::View};
    use datafusion::{
        arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray},
        logical_expr::{col, lit},
    };
    use levada_sql_syntax::{Statement, parse_statement};

    fn table(sql: &str) -> Table {
        let Statement::CreateTable(create) = parse_statement(sql).unwrap().statement else { panic!("no table") };
        Table::declared(&create).unwrap()
    }

    fn version(key: &str) -> Version {
        let sql = format!(
            "CREATE TABLE t (a STRING, b BIGINT, c DOUBLE, PRIMARY KEY ({key}) NOT ENFORCED) \
             WITH ('connector' = 'upsert-kafka')"
        );
        let view = View::of(&table(&sql)).unwrap().unwrap();
        let shape = Arc::clone(&view.shape);
        let mut version = Version { shape, epoch: 1, read: [].into(), rows: imbl::OrdMap::new(), size: 0, replaced: 0 };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("x"), Some("y"), None, Some("x")])),
            Arc::new(Int64Array::from(vec![1, 2, 3, 1])),
            Arc::new(Float64Array::from(vec![0.0, 0.5, 1.0, 2.0])),
        ];
        let rows = RecordBatch::try_new(version.schema(), columns).unwrap();
        version.replay(&Changes::inserted(rows)).unwrap();
        version
    }

    #[test]
    fn a_row_is_looked_up_where_its_whole_key_is_asked_for() {
        let shown = Shown(Arc::new(version("a, b")));
        assert_eq!(shown.0.len(), 3);
        let asked = |filters: &[Expr]| shown.key(filters).unwrap().map(|key| shown.0.lookup(&key).unwrap().num_rows());
        assert_eq!(asked(&[col("a").eq(lit("x")), lit(1_i64).eq(col("b"))]), Some(1));
        assert_eq!(asked(&[col("a").eq(lit("x")), col("b").eq(lit(2_i64))]), Some(0));
        assert_eq!(asked(&[col("a").eq(lit("x"))]), None, "half a key");
        assert_eq!(asked(&[col("a").eq(lit("x")), col("b").gt(lit(0_i64))]), None, "no one value");
        assert_eq!(asked(&[col("a").eq(lit("x")), col("b").eq(lit(1_i32))]), None, "another type");
        let of_floats = Shown(Arc::new(version("c")));
        assert!(of_floats.key(&[col("c").eq(lit(0.0))]).unwrap().is_none(), "−0 equals 0");
    }

    #[test]
    fn what_goes_leaves_nothing_and_versions_stay_as_they_were() {
        let before = version("a, b");
        let mut after = before.clone();
        let all = before.batches().unwrap();
        assert_eq!(all.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
        for rows in all {
            let weights = vec![-1; rows.num_rows()];
            after.replay(&Changes::weighted(rows, weights).unwrap()).unwrap();
        }
        assert_eq!((after.len(), after.size()), (0, 0));
        assert_eq!(before.len(), 3);
        assert!(before.size() > 0);
    }
}
