use super::*;
use crate::answer::Cell;

fn catalog() -> Catalog {
    let attribute = |name: &str, of: Item| Attribute { name: name.to_owned(), of };
    let flights = Relation {
        name: "flights".to_owned(),
        kind: RelationKind::Table,
        attributes: vec![
            attribute("id", Type::BigInt.nullable()),
            attribute("fare", Type::Decimal { precision: 10, scale: 2 }.not_null()),
            attribute("at", Type::TimestampLtz(3).nullable()),
        ],
        primary_key: vec![0],
        definition: Some("CREATE TABLE flights …".to_owned()),
        owner: "ANONYMOUS".to_owned(),
    };
    let late = Relation {
        name: "late".to_owned(),
        kind: RelationKind::View,
        attributes: vec![attribute("id", Type::BigInt.nullable())],
        primary_key: Vec::new(),
        definition: Some("SELECT id FROM flights".to_owned()),
        ..flights.clone()
    };
    let environment = Environment {
        user: "ann".to_owned(),
        database: "levada".to_owned(),
        version: "PostgreSQL 15.0 (Levada)".to_owned(),
        backend: 7,
        settings: BTreeMap::from([("timezone".to_owned(), "UTC".to_owned())]),
    };
    Catalog { environment, relations: vec![flights, late] }
}

fn asked(sql: &str, values: &[Value]) -> Result<Answer, StatementError> {
    asked_of(&catalog(), sql, values)
}

fn asked_of(catalog: &Catalog, sql: &str, values: &[Value]) -> Result<Answer, StatementError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(answer(catalog, sql, values, 64 << 20))
}

fn rows(sql: &str) -> Vec<String> {
    rows_of(&catalog(), sql)
}

/// The rows with `|` between cells.
fn rows_of(catalog: &Catalog, sql: &str) -> Vec<String> {
    let answer = asked_of(catalog, sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows = Vec::new();
    let mut take = |cells: &[Cell<'_>]| {
        let text = |cell: &Cell<'_>| match cell {
            Cell::Null => "-".to_owned(),
            Cell::Text(text) => (*text).to_owned(),
            Cell::Boolean(value) => value.to_string(),
            Cell::BigInt(value) => value.to_string(),
            Cell::Int(value) => value.to_string(),
            other => format!("{other:?}"),
        };
        rows.push(cells.iter().map(text).collect::<Vec<_>>().join("|"));
        Ok::<(), StatementError>(())
    };
    answer.each(0, usize::MAX, &mut take).unwrap();
    rows
}

#[test]
fn relations_are_listed_with_their_kinds() {
    let sql = "SELECT n.nspname as \"Schema\", c.relname as \"Name\",
          CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as \"Type\",
          pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\"
        FROM pg_catalog.pg_class c
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
        WHERE c.relkind IN ('r','p','v','m','S','f','') AND n.nspname <> 'pg_catalog'
          AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema'
          AND pg_catalog.pg_table_is_visible(c.oid)
        ORDER BY 1,2;";
    assert_eq!(rows(sql), ["public|flights|table|ann", "public|late|view|ann"]);
}

#[test]
fn a_relation_is_found_by_a_pattern_and_its_columns_by_its_number() {
    let found = rows(
        "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c
           LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname OPERATOR(pg_catalog.~) '^(flights)$' COLLATE pg_catalog.default
           AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3;",
    );
    let oid = found[0].split('|').next().unwrap().to_owned();
    assert_eq!(found, [format!("{oid}|public|flights")]);
    let columns = rows(&format!(
        "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
           (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d
            WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
           a.attnotnull,
           (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
            WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
           a.attidentity, a.attgenerated
         FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = '{oid}' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;"
    ));
    assert_eq!(
        columns,
        ["id|bigint|-|true|-||", "fare|numeric(10,2)|-|true|-||", "at|timestamp(3) with time zone|-|false|-||"]
    );
    assert_eq!(rows("SELECT 'flights'::regclass::oid, 'public.\"flights\"'::regclass"), [format!("{oid}|{oid}")]);
    assert_eq!(rows(&format!("SELECT {oid}::regclass, 20::regtype::text, 'int8'::regtype")), ["flights|bigint|20"]);
    assert!(asked("SELECT 'nothing'::regclass", &[]).is_err());
}

#[test]
fn a_primary_key_is_an_index_and_a_constraint() {
    let sql = "SELECT c2.relname, i.indisprimary, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),
          pg_catalog.pg_get_constraintdef(con.oid, true), contype
        FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i
          LEFT JOIN pg_catalog.pg_constraint con
            ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x'))
        WHERE c.oid = 'flights'::regclass AND c.oid = i.indrelid AND i.indexrelid = c2.oid
        ORDER BY i.indisprimary DESC, c2.relname;";
    let index = "CREATE UNIQUE INDEX flights_pkey ON public.flights USING btree (id)";
    assert_eq!(rows(sql), [format!("flights_pkey|true|{index}|PRIMARY KEY (id) NOT ENFORCED|p")]);
    let keys = "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid \
                AND a.attnum = ANY(i.indkey) WHERE i.indisprimary";
    assert_eq!(rows(keys), ["id"]);
}

#[test]
fn the_columns_of_a_key_are_told_apart_by_their_places() {
    let columns = "SELECT k.name, k.place, k.pk FROM (SELECT a.attname AS name, a.attnum AS number, ci.relname AS PK,
            (information_schema._pg_expandarray(i.indkey)).n AS Place,
            information_schema._pg_expandarray(i.indkey) AS KEYS
          FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
            JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid)
            JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid)
          WHERE true AND i.indisprimary) k WHERE k.number = (k.KEYS).x ORDER BY k.place";
    assert_eq!(rows_of(&two_columns(), columns), ["fare|1|flights_pkey", "id|2|flights_pkey"]);
    let ordered = "SELECT tmp.place, pg_catalog.pg_get_indexdef(tmp.oid, tmp.place, false), CASE tmp.options[tmp.place - 1] \
                   & 1::smallint WHEN 1 THEN 'D' ELSE 'A' END FROM (SELECT ci.oid AS oid, i.indoption AS options, \
                   (information_schema._pg_expandarray(i.indkey)).n AS place FROM pg_index i JOIN pg_class ci ON \
                   ci.oid = i.indexrelid) AS tmp ORDER BY 1";
    assert_eq!(rows_of(&two_columns(), ordered), ["1|fare|A", "2|id|A"]);
    let joined = "SELECT a.attname FROM pg_attribute a JOIN (SELECT i.indrelid, \
                  information_schema._pg_expandarray(i.indkey) AS keys FROM pg_index i) i \
                  ON a.attnum = (i.keys).x AND a.attrelid = i.indrelid ORDER BY a.attnum";
    assert_eq!(rows_of(&two_columns(), joined), ["id", "fare"]);
    assert_eq!(rows_of(&two_columns(), "SELECT indkey[0], indkey[1], array_upper(indkey, 1) FROM pg_index"), ["2|1|1"]);
    assert_eq!(rows("SELECT (information_schema._pg_expandarray('{7,8}')).x AS x ORDER BY x"), ["7", "8"]);
    let together = "SELECT unnest(indkey) AS x, generate_subscripts(indkey, 1) AS s, unnest(indoption) AS o, \
                    information_schema._pg_expandarray(indkey) AS r, unnest('{a}') AS a FROM pg_index ORDER BY s";
    assert_eq!(rows_of(&two_columns(), together), ["2|0|0|(2,1)|a", "1|1|0|(1,2)|-"]);
    let named = "SELECT k.conname, array_agg(CAST(k.attname AS TEXT) ORDER BY k.place) FROM (SELECT c.conname, a.attname, \
                 c.place FROM pg_attribute a JOIN (SELECT conrelid, conname, unnest(conkey) AS number, \
                 generate_subscripts(conkey, 1) AS place FROM pg_constraint WHERE contype = 'p') c ON \
                 a.attnum = c.number AND a.attrelid = c.conrelid) k GROUP BY k.conname";
    let key = rows_of(&two_columns(), named);
    assert!(
        key.len() == 1 && key[0].starts_with("flights_pkey|") && key[0].find("fare") < key[0].find("id"),
        "{key:?}"
    );
    let series = "SELECT pos.n FROM pg_catalog.generate_series(1, 2) pos(n), pg_index i WHERE i.indkey[pos.n - 1] = 1";
    assert_eq!(rows_of(&two_columns(), series), ["2"]);
    let many = format!("SELECT unnest('{{{}1}}')", "1,".repeat(64));
    let joined_often = format!("SELECT 1 FROM pg_am{}", ", (SELECT unnest('{1,2}') AS x) a".repeat(64));
    let others = [
        ("SELECT (information_schema._pg_expandarray('{a}')).x", "only arrays of numbers"),
        ("SELECT (information_schema._pg_expandarray('{1}')).y", "has no field `y`"),
        ("SELECT generate_subscripts('{1}', 2)", "one dimension"),
        (many.as_str(), "an array of 65 elements is not expanded"),
        (joined_often.as_str(), "more than 64 tables"),
        ("SELECT 1 FROM pg_index WHERE information_schema._pg_expandarray(indkey) IS NULL", "is not supported"),
    ];
    for (sql, wanted) in others {
        let refused = refusal(sql);
        assert!(refused.contains(wanted), "{sql}: {refused}");
    }
}

#[test]
fn like_takes_any_sign_for_its_escape() {
    let like = |pattern: &str, escape: &str| {
        rows(&format!(
            "SELECT 'pg_a' LIKE '{pattern}' ESCAPE '{escape}', 'pgxa' LIKE \
        '{pattern}' ESCAPE '{escape}', 'pgxa' NOT LIKE '{pattern}' ESCAPE '{escape}'"
        ))
    };
    assert_eq!(like("pg/_%", "/"), ["true|false|true"]);
    assert_eq!(like("pg_%", "/"), ["true|true|false"]);
    assert_eq!(like("pg\\_%", "\\"), ["true|false|true"]);
    assert_eq!(rows("SELECT 'a\\b' LIKE 'a\\b' ESCAPE '', 'a%' ILIKE 'A!%' ESCAPE '!'"), ["true|true"]);
    assert!(refusal("SELECT 'a' LIKE 'a' ESCAPE 'ab'").contains("ESCAPE"));
    assert!(refusal("SELECT 'a' LIKE 'a/' ESCAPE '/'").contains("ends with its ESCAPE"));
}

/// With a key of two columns, in another order than the table's.
fn two_columns() -> Catalog {
    let mut catalog = catalog();
    catalog.relations[0].primary_key = vec![1, 0];
    catalog
}

#[test]
fn clients_are_told_of_themselves() {
    let sql = "SELECT version(), current_schema(), current_database(), current_user, session_user, pg_backend_pid(), \
               current_setting('TimeZone'), array_to_string(current_schemas(true), ',')";
    assert_eq!(rows(sql), ["PostgreSQL 15.0 (Levada)|public|levada|ann|ann|7|UTC|pg_catalog,public"]);
    let columns = asked("SELECT version(), 1, current_schema() AS s, CASE WHEN true THEN 1 END, 1", &[]).unwrap();
    let names: Vec<&str> = columns.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["version", "?column?", "s", "case", "?column?"]);
    assert!(asked("SELECT current_setting('nothing')", &[]).is_err());
    assert_eq!(rows("SELECT current_setting('nothing', true)"), ["-"]);
}

#[test]
fn the_standards_tables_are_there() {
    let sql = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1";
    assert_eq!(rows(sql), ["flights|BASE TABLE", "late|VIEW"]);
    let sql = "SELECT column_name, data_type, is_nullable, numeric_scale FROM information_schema.columns
               WHERE table_name = 'flights' ORDER BY ordinal_position";
    assert_eq!(rows(sql), ["id|bigint|NO|0", "fare|numeric|NO|2", "at|timestamp with time zone|YES|-"]);
}

#[test]
fn parameters_have_the_types_of_what_stands_beside_them() {
    let sql = "SELECT oid, typname FROM pg_type WHERE typname = $1 OR oid = $2 ORDER BY oid";
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let signature = runtime.block_on(signature(&catalog(), sql, &[])).unwrap();
    assert_eq!(signature.parameters, [Type::String, Type::BigInt]);
    assert_eq!(signature.columns.len(), 2);
    let found = asked(sql, &[Value::Text("int8".to_owned()), Value::BigInt(25)]).unwrap();
    assert_eq!(found.row_count(), 2);
}

#[test]
fn numbers_of_relations_depend_on_their_names_alone() {
    let both = Facts::of(&catalog());
    let mut one = catalog();
    one.relations.remove(0);
    let one = Facts::of(&one);
    let late = |facts: &Facts| facts.relations.iter().find(|it| it.relation.name == "late").unwrap().oid;
    assert_eq!(late(&both), late(&one));
    assert!(both.relations.iter().all(|it| (FIRST_OID..i64::from(i32::MAX)).contains(&(it.index + 1))));
}

#[test]
fn what_is_no_query_or_too_large_is_refused() {
    assert!(asked("DROP TABLE pg_class", &[]).is_err());
    assert!(asked("SELECT 1; SELECT 2", &[]).is_err());
    assert!(asked(&format!("SELECT {}1{}", "(".repeat(70), ")".repeat(70)), &[]).is_err());
    assert!(asked(&format!("SELECT '{}'", "x".repeat(70_000)), &[]).is_err());
    assert!(asked("SELECT * FROM pg_catalog.flights", &[]).is_err());
}

fn refusal(sql: &str) -> String {
    match asked(sql, &[]) {
        Ok(_) => panic!("not refused: {}", sql.get(..200).unwrap_or(sql)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn chains_are_refused_before_anything_walks_along_them() {
    for link in ["+1", "||'x'", "::text", " COLLATE \"C\"", " AT TIME ZONE 'UTC'", " = 1", " OR true", "::int[]"] {
        let sql = format!("SELECT 1{} FROM pg_am", link.repeat(2_000));
        assert!(refusal(&sql).contains("than"), "{link}");
    }
    let sum = format!("SELECT 1{} AS a FROM pg_am LIMIT 1", "+1".repeat(200));
    assert_eq!(rows(&sum), ["201"]);
    // Spaces, comments and texts make no chain.
    let long = format!("SELECT{}E'x' AS a /* {} */ FROM pg_am LIMIT 1", "\n ".repeat(1_000), "+".repeat(1_000));
    assert_eq!(rows(&long), ["x"]);
    let tables = format!("SELECT 1 FROM pg_am{}", ", pg_am".repeat(2_000));
    assert!(refusal(&tables).contains("more than 64 tables"));
}

#[test]
fn queries_that_name_each_other_are_counted_each_time() {
    let doubled = |times: usize| {
        let next = |number| format!(", q{} AS (SELECT a.oid FROM q{number} a, q{number} b)", number + 1);
        let all: String = (0..times).map(next).collect();
        format!("WITH q0 AS (SELECT oid FROM pg_am){all} SELECT count(*) AS n FROM q{times}")
    };
    assert!(refusal(&doubled(11)).contains("more than 64 tables"));
    assert_eq!(rows(&doubled(3)).len(), 1);
}

#[test]
fn what_makes_much_of_little_is_refused() {
    for call in ["repeat('x', 1000000000)", "lpad('x', 1000000000)", "pg_catalog.rpad('x', 9)", "concat_ws(',', 'a')"] {
        let refused = refusal(&format!("SELECT {call} FROM pg_am"));
        let name = call.split('(').next().unwrap().trim_start_matches("pg_catalog.");
        assert!(refused.starts_with(&format!("the function `{name}` in a query of the catalog is not")), "{refused}");
    }
    let text = "a,".repeat(2_000);
    for sql in [
        format!("SELECT array_to_string('{{{text}}}', '{text}') FROM pg_am"),
        format!("SELECT replace('{text}', 'a', '{text}') FROM pg_am"),
        format!(
            "WITH a AS (SELECT '{text}' || '{text}' AS x), b AS (SELECT x || x || x || x || x || x AS x FROM a), \
                 c AS (SELECT x || x || x || x || x || x AS x FROM b) SELECT length(x || x || x || x || x || x) FROM c"
        ),
    ] {
        assert!(refusal(&sql).contains("too large"));
    }
    let groups = refusal("SELECT count(*) FROM generate_series(1, 100000000) a GROUP BY a.value");
    assert!(groups.contains("bytes of memory is not supported"), "{groups}");
    assert!(refusal(&format!("SELECT '{}' FROM pg_am", "x".repeat(5_000))).contains("a text of more than 4096 bytes"));
    let large = [Value::Text("x".repeat(5_000))];
    assert!(asked("SELECT oid FROM pg_am WHERE amname = $1", &large).is_err());
    let signature = |sql: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(signature(&catalog(), sql, &[]))
    };
    assert!(signature("SELECT $99999999999 FROM pg_am").is_err());
    let columns: Vec<String> = (0..300).map(|number| format!("oid AS c{number}")).collect();
    assert!(refusal(&format!("SELECT {} FROM pg_am", columns.join(","))).contains("more than 256 columns"));
}

#[test]
fn functions_that_clients_call_are_there() {
    let sql = "SELECT lower('A') || upper('b'), coalesce(nullif('', ''), 'x'), replace('a-b', '-', '+'), \
               substring('abc' from 2 for 1), trim(' x '), position('b' in 'abc'), length('abc'), greatest(1, 2)";
    assert_eq!(rows(sql), ["aB|x|a+b|b|x|2|3|2"]);
    let sql = "SELECT relname, row_number() OVER (ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'v') AND \
               relnamespace = 2200 ORDER BY 2";
    assert_eq!(rows(sql), ["flights|1", "late|2"]);
    assert_eq!(
        rows(
            "SELECT string_agg(a.attname, ',' ORDER BY a.attnum DESC) FROM pg_attribute a WHERE \
                     a.attrelid = 'flights'::regclass"
        ),
        ["at,fare,id"]
    );
}

#[test]
fn a_query_as_a_value_is_what_it_says_or_refused() {
    // The one that the order puts first, not the largest.
    let first = "SELECT t.relname, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid ORDER BY a.attnum \
                 LIMIT 1) FROM pg_class t WHERE t.relname = 'flights'";
    assert_eq!(rows(first), ["flights|id"]);
    let last = first.replace("a.attnum LIMIT", "a.attnum DESC LIMIT");
    assert_eq!(rows(&last), ["flights|at"]);
    let several = "SELECT t.relname, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid) FROM pg_class t \
                   WHERE t.relname = 'flights'";
    assert!(refusal(several).contains("may find several rows"));
    let filtered = "SELECT t.relname FROM pg_class t WHERE (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = \
                    t.oid AND a.attnotnull) = 'id'";
    assert!(refusal(filtered).contains("may find several rows"));
    let second = first.replace("LIMIT 1", "LIMIT 1 OFFSET 1");
    assert!(refusal(&second).contains("is not supported"));
    let one = "SELECT (SELECT n.nspname FROM pg_namespace n WHERE n.oid = t.relnamespace), (SELECT count(*) FROM \
               pg_attribute a WHERE a.attrelid = t.oid), (SELECT coalesce(max(c.conname), 'none') FROM pg_constraint c \
               WHERE c.conrelid = t.oid) FROM pg_class t WHERE t.relname = 'flights'";
    assert_eq!(rows(one), ["public|3|flights_pkey"]);
    let chained = "SELECT (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = \
                   i.indrelid) FROM pg_index i";
    assert_eq!(rows(chained), ["public"]);
    let qualified = "SELECT (SELECT pg_catalog.pg_type.typname FROM pg_catalog.pg_type WHERE pg_catalog.pg_type.oid = \
                     pg_catalog.pg_attribute.atttypid) FROM pg_catalog.pg_attribute WHERE attname = 'fare'";
    assert_eq!(rows(qualified), ["numeric"]);
    // No row of it is there, whatever is beside it.
    assert_eq!(
        rows(
            "SELECT (SELECT d.description FROM pg_description d WHERE d.objoid = t.oid) FROM pg_class t WHERE \
                     t.relname = 'late'"
        ),
        ["-"]
    );
}

#[test]
fn arrays_of_queries_keep_their_order() {
    let array = |order: &str| {
        rows(&format!(
            "SELECT ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid ORDER BY {order}) FROM pg_class t \
             WHERE t.relname = 'flights'"
        ))
    };
    assert_eq!(array("a.attnum DESC"), ["{at,fare,id}"]);
    assert_eq!(array("1"), ["{at,fare,id}"]);
    assert_eq!(array("a.attnum"), ["{id,fare,at}"]);
    assert!(refusal("SELECT ARRAY(SELECT a.attname FROM pg_attribute a LIMIT 1)").contains("is not supported"));
    let any = "SELECT relname FROM pg_class WHERE oid = ANY (SELECT indrelid FROM pg_index)";
    assert_eq!(rows(any), ["flights"]);
}

#[test]
fn keys_that_are_relied_upon_are_keys() {
    for (table, keys) in rewrite::KEYS {
        for key in keys {
            let columns = key.join(", ");
            let schema = if table.starts_with("pg_") { "pg_catalog" } else { "information_schema" };
            let sql =
                format!("SELECT {columns}, count(*) AS n FROM {schema}.{table} GROUP BY {columns} HAVING count(*) > 1");
            assert_eq!(rows(&sql), Vec::<String>::new(), "{table}: {columns}");
        }
    }
}
