//! Names of columns that a query leaves without one.

use crate::{one_row, planner, query, shown};

#[test]
fn columns_without_a_name_are_numbered_by_their_places_as_flink_does_it() {
    for (sql, expected) in [
        ("SELECT one, CAST(one AS INT) FROM t", vec!["one", "EXPR$1"]),
        (
            "SELECT COUNT(*), (t.one), 'a', one AS x, FLOOR(1.5) FROM t GROUP BY one",
            vec!["EXPR$0", "one", "EXPR$2", "x", "EXPR$4"],
        ),
        ("SELECT *, one + 1 FROM t", vec!["one", "nothing", "EXPR$2"]),
        (
            "SELECT *, 1 FROM t AS a JOIN (SELECT one AS b, 1 AS c FROM t) AS s ON a.one = s.b",
            vec!["one", "nothing", "b", "c", "EXPR$4"],
        ),
        ("SELECT s.`EXPR$1`, `EXPR$0` FROM (SELECT one + 1, -one FROM t) AS s", vec!["EXPR$1", "EXPR$0"]),
        ("WITH w AS (SELECT one, 1 FROM t) SELECT *, 2 FROM w", vec!["one", "EXPR$1", "EXPR$2"]),
        ("SELECT one + 1 FROM t UNION ALL SELECT one FROM t", vec!["EXPR$0"]),
        ("SELECT one FROM t WHERE one IN (SELECT one + 1 FROM t)", vec!["one"]),
    ] {
        let plan = planner(Vec::new()).logical(&query(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let names: Vec<&String> = plan.schema().fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, expected, "{sql}");
        let plan = planner(Vec::new()).streaming(&query(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let names: Vec<&String> = plan.schema.fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, expected, "{sql}");
    }
}

#[test]
fn columns_without_a_name_can_be_ordered_and_grouped_by() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (sql, expected) in [
        ("SELECT DISTINCT one + 1 FROM t ORDER BY one + 1", "2 INT"),
        ("SELECT COUNT(*) FROM t ORDER BY COUNT(*) DESC", "1 BIGINT"),
        ("SELECT one + 1, COUNT(*) FROM t GROUP BY one + 1 HAVING COUNT(*) > 0 ORDER BY COUNT(*), one + 1", "2 INT"),
        ("SELECT one + 1 FROM t GROUP BY 1 ORDER BY 1", "2 INT"),
        ("SELECT one + 1 FROM t ORDER BY `EXPR$0` LIMIT 1", "2 INT"),
        ("SELECT one + 1 FROM t WHERE one = (SELECT MAX(one) FROM t) ORDER BY one", "2 INT"),
        ("SELECT -one FROM t UNION SELECT one FROM t ORDER BY `EXPR$0` LIMIT 1", "-1 INT"),
        ("SELECT MAX(one) + 1 FROM t WHERE EXISTS (SELECT 1 FROM t)", "2 INT"),
    ] {
        let batches = runtime.block_on(planner(vec![one_row()]).batch(&query(sql), &[], 1 << 30));
        let (_, batches) = batches.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let rows: Vec<String> = batches.iter().filter(|batch| batch.num_rows() > 0).map(shown).collect();
        assert_eq!(rows, [expected], "{sql}");
    }
}
