//! Queries of every shape that there are operators for.

use super::{
    expressions::{COMPARED, Maker, Scope},
    judge::Same,
    literals,
    tables::{COLUMNS, Kind, TABLES, UPSERT},
};
use crate::mutation::Dice;

/// How deep queries and expressions lie within each other, but for what is made deep on purpose.
const DEPTH: usize = 3;

/// A query.
pub(crate) fn query(dice: &mut Dice) -> (String, Same) {
    let mut maker = Maker { dice, is_determined: true, giants_left: 1, names: 0 };
    let (mut sql, kinds) = maker.select(DEPTH);
    if maker.rarely(40) {
        (sql, _) = maker.deep(sql, kinds);
    }
    if maker.rarely(15) {
        sql = format!("{sql} ORDER BY 1 {} LIMIT {}", maker.pick(&["", "DESC"]), maker.pick(&[0, 1, 3]));
    }
    (sql, if maker.is_determined { Same::Answer } else { Same::Nothing })
}

/// A query that is only a condition and some values: most of them are answered.
pub(crate) fn plain(dice: &mut Dice) -> (String, Same) {
    let mut maker = Maker { dice, is_determined: true, giants_left: 1, names: 0 };
    let (table, scope) = maker.table();
    let (columns, _) = maker.columns(&scope, 2);
    if maker.rarely(2) {
        // A row that another one takes the place of is gone before batch comes to it.
        let same = if table.starts_with(UPSERT) { Same::Answer } else { Same::Failure };
        return (format!("SELECT {columns} FROM {table}"), same);
    }
    let condition = maker.condition(2, &scope);
    (format!("SELECT {columns} FROM {table} WHERE {condition}"), Same::Answer)
}

/// The types of the columns `c0`, `c1`, … of a query.
type Kinds = Vec<Kind>;

impl Maker<'_> {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("r{}", self.names)
    }

    fn table(&mut self) -> (String, Scope) {
        let (table, name) = (self.pick(&TABLES), self.name());
        let scope = COLUMNS.map(|(column, kind)| (format!("{name}.{column}"), kind)).to_vec();
        (format!("{table} AS {name}"), scope)
    }

    /// Some columns `c0`, `c1`, ….
    fn columns(&mut self, scope: &Scope, depth: usize) -> (String, Kinds) {
        let count = 1 + self.dice.below(4);
        let kinds: Kinds = (0..count).map(|_| self.kind()).collect();
        (self.columns_of(&kinds, scope, depth), kinds)
    }

    fn kind(&mut self) -> Kind {
        match self.dice.below(10) {
            0 => self.pick(&[Kind::Bytes, Kind::Time, Kind::Array, Kind::Row]),
            1..4 => Kind::Text,
            _ => self.pick(&COMPARED),
        }
    }

    fn columns_of(&mut self, kinds: &[Kind], scope: &Scope, depth: usize) -> String {
        let column = |(at, kind): (usize, &Kind)| format!("{} AS c{at}", self.of(*kind, depth, scope));
        kinds.iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
    }

    fn filter(&mut self, scope: &Scope, depth: usize) -> String {
        if self.rarely(2) { format!(" WHERE {}", self.condition(depth.min(2), scope)) } else { String::new() }
    }

    fn from(&mut self, depth: usize) -> (String, Scope) {
        if depth == 0 {
            return self.table();
        }
        match self.dice.below(8) {
            0 | 1 => {
                let (sql, kinds) = self.select(depth - 1);
                let name = self.name();
                let scope = kinds.into_iter().enumerate().map(|(at, kind)| (format!("{name}.c{at}"), kind)).collect();
                (format!("({sql}) AS {name}"), scope)
            }
            2..5 => self.join(depth - 1),
            _ => self.table(),
        }
    }

    fn join(&mut self, depth: usize) -> (String, Scope) {
        let ((left, left_scope), (right, right_scope)) = (self.from(depth), self.table());
        let kind = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "JOIN"]);
        let mut condition = Vec::new();
        for _ in 0..=self.dice.below(2) {
            // One of a type that both have, so that it can be met.
            let (of, (column, kind)) =
                (self.dice.below(right_scope.len()), &left_scope[self.dice.below(left_scope.len())]);
            let partner = right_scope.iter().cycle().skip(of).take(right_scope.len()).find(|(_, of)| of == kind);
            if let Some((partner, _)) = partner {
                condition.push(format!("{column} = {partner}"));
            }
        }
        let time = |scope: &Scope| scope.iter().find(|(name, _)| name.ends_with(".ts")).map(|(name, _)| name.clone());
        if let (Some(one), Some(other)) = (time(&left_scope), time(&right_scope))
            && self.rarely(4)
        {
            let [before, after] = [(); 2].map(|()| literals::interval(self.dice));
            condition.push(format!("{other} BETWEEN {one} - {before} AND {one} + {after}"));
        }
        let scope: Scope = left_scope.into_iter().chain(right_scope).collect();
        if condition.is_empty() || self.rarely(4) {
            condition.push(self.condition(1, &scope));
        }
        (format!("{left} {kind} {right} ON {}", condition.join(" AND ")), scope)
    }

    pub(crate) fn select(&mut self, depth: usize) -> (String, Kinds) {
        match self.dice.below(12) {
            0..4 => {
                let (from, scope) = self.from(depth);
                let (columns, kinds) = self.columns(&scope, depth.min(2));
                let filter = self.filter(&scope, depth);
                let distinct = if self.rarely(6) { "DISTINCT " } else { "" };
                (format!("SELECT {distinct}{columns} FROM {from}{filter}"), kinds)
            }
            4..7 => {
                let (from, scope) = self.from(depth);
                let filter = self.filter(&scope, depth);
                self.grouped(&format!("{from}{filter}"), &scope, &[])
            }
            7 => self.set(depth),
            8 => self.first(depth),
            9 => self.within(depth),
            10 => self.windowed(),
            _ => {
                let (sql, kinds) = self.select(depth.saturating_sub(1));
                let (one, other) = (self.name(), self.name());
                let columns: Vec<String> = (0..kinds.len()).map(|at| format!("{one}.c{at} AS c{at}")).collect();
                let columns = columns.join(", ");
                let on = if self.rarely(2) { format!("{one}.c0 = {other}.c0") } else { "TRUE".to_owned() };
                let join = format!("WITH w AS ({sql}) SELECT {columns} FROM w AS {one} JOIN w AS {other} ON {on}");
                let name = self.name();
                (format!("SELECT * FROM ({join}) AS {name}"), kinds)
            }
        }
    }

    /// Grouped by some expressions, and by `keys`.
    fn grouped(&mut self, from: &str, scope: &Scope, keys: &[(&str, Kind)]) -> (String, Kinds) {
        let mut groups: Vec<(String, Kind)> = keys.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        for _ in 0..self.dice.below(3) {
            let kind = self.pick(&COMPARED);
            let depth = usize::from(self.rarely(3));
            groups.push((self.of(kind, depth, scope), kind));
        }
        let mut columns = groups.clone();
        for _ in 0..=self.dice.below(3) {
            columns.push(self.aggregate(scope));
        }
        let having = if self.rarely(5) { format!(" HAVING {} > 1", self.aggregate(scope).0) } else { String::new() };
        let by: Vec<&str> = groups.iter().map(|(expr, _)| expr.as_str()).collect();
        let by = if by.is_empty() { String::new() } else { format!(" GROUP BY {}", by.join(", ")) };
        let named: Vec<String> = columns.iter().enumerate().map(|(at, (expr, _))| format!("{expr} AS c{at}")).collect();
        let sql = format!("SELECT {} FROM {from}{by}{having}", named.join(", "));
        (sql, columns.into_iter().map(|(_, kind)| kind).collect())
    }

    fn aggregate(&mut self, scope: &Scope) -> (String, Kind) {
        use Kind::{BigInt, Decimal, Double, Int, SmallInt, TinyInt};
        let distinct = if self.rarely(5) { "DISTINCT " } else { "" };
        let depth = usize::from(self.rarely(3));
        let (call, kind) = match self.dice.below(6) {
            0 => ("COUNT(*)".to_owned(), BigInt),
            1 => {
                let of = self.pick(&COMPARED);
                (format!("COUNT({distinct}{})", self.of(of, depth, scope)), BigInt)
            }
            2 | 3 => {
                let name = self.pick(&["SUM", "AVG"]);
                let kind = self.pick(&[TinyInt, SmallInt, Int, BigInt, BigInt, Decimal, Double]);
                let of = if kind == Double { self.exact_double(scope) } else { self.of(kind, depth, scope) };
                (format!("{name}({distinct}{of})"), kind)
            }
            4 => {
                let name = self.pick(&["VAR_POP", "VAR_SAMP", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE"]);
                (format!("{name}({})", self.exact_double(scope)), Double)
            }
            _ => {
                let kind = self.pick(&COMPARED);
                (format!("{}({})", self.pick(&["MIN", "MAX"]), self.of(kind, depth, scope)), kind)
            }
        };
        let filter =
            if self.rarely(5) { format!(" FILTER (WHERE {})", self.condition(1, scope)) } else { String::new() };
        (format!("{call}{filter}"), kind)
    }

    /// A double that is added up in whatever order; where there is none, the answer is not determined.
    fn exact_double(&mut self, scope: &Scope) -> String {
        match scope.iter().find(|(name, _)| name.ends_with(".f")) {
            Some((name, _)) if !self.rarely(6) => name.clone(),
            _ => {
                self.is_determined = false;
                self.of(Kind::Double, 1, scope)
            }
        }
    }

    fn set(&mut self, depth: usize) -> (String, Kinds) {
        let kinds: Kinds = (0..=self.dice.below(3)).map(|_| self.kind()).collect();
        let sides = if self.rarely(30) { 2 + self.dice.below(30) } else { 2 };
        let mut sql = String::new();
        for side in 0..sides {
            if side > 0 {
                sql += self.pick(&[" UNION ALL ", " UNION ", " INTERSECT ", " EXCEPT ", " UNION ALL "]);
            }
            let (from, scope) = if sides > 2 { self.table() } else { self.from(depth.saturating_sub(1)) };
            sql += &format!("SELECT {} FROM {from}{}", self.columns_of(&kinds, &scope, 1), self.filter(&scope, 1));
        }
        (sql, kinds)
    }

    /// The first rows of each group, in an order that tells all of them apart.
    fn first(&mut self, depth: usize) -> (String, Kinds) {
        let (from, scope) = self.from(depth.min(1));
        let kinds: Kinds = (0..3).map(|_| self.pick(&COMPARED)).collect();
        let columns = self.columns_of(&kinds, &scope, 1);
        let (inner, outer, count) = (self.name(), self.name(), self.pick(&[0_i64, 1, 3, i64::MAX]));
        let order: Vec<String> = (0..3).map(|at| format!("c{at} {}", self.pick(&["", "DESC"]))).collect();
        let partition = if self.rarely(2) { "PARTITION BY c0 " } else { "" };
        let over = format!("ROW_NUMBER() OVER ({partition}ORDER BY {}) AS rn", order.join(", "));
        let numbered = format!("SELECT c0, c1, c2, {over} FROM (SELECT {columns} FROM {from}) AS {inner}");
        let operator = self.pick(&["<=", "<", "="]);
        (format!("SELECT c0, c1, c2 FROM ({numbered}) AS {outer} WHERE rn {operator} {count}"), kinds)
    }

    /// With a sub-query in its condition.
    fn within(&mut self, depth: usize) -> (String, Kinds) {
        let ((from, scope), (other, other_scope)) = (self.from(depth.min(1)), self.table());
        let (columns, kinds) = self.columns(&scope, 1);
        let kind = self.pick(&COMPARED);
        let (one, partner) = (self.of(kind, 0, &scope), self.of(kind, 0, &other_scope));
        let not = self.pick(&["", "NOT "]);
        let filter = self.filter(&other_scope, 1);
        let condition = match self.dice.below(3) {
            0 => format!("{one} {not}IN (SELECT {partner} FROM {other}{filter})"),
            1 => format!("{not}EXISTS (SELECT 1 FROM {other} WHERE {partner} = {one})"),
            _ => format!("{one} > (SELECT MAX({partner}) FROM {other}{filter})"),
        };
        (format!("SELECT {columns} FROM {from} WHERE {condition}"), kinds)
    }

    fn windowed(&mut self) -> (String, Kinds) {
        let (table, name) = (self.pick(&["a", "b", "a", "u"]), self.name());
        let scope = COLUMNS.map(|(column, kind)| (format!("{name}.{column}"), kind)).to_vec();
        let size = self.pick(&["'2' SECOND", "'1' SECOND", "'0.001' SECOND", "'10' DAY", "'99' DAY(2)"]);
        // 1,000 windows a row are allowed; 200 are enough for what is not optimised.
        let part = self.pick(&["'1' SECOND", "'2' SECOND", "'0.01' SECOND"]);
        let call = match self.dice.below(4) {
            0 => format!("TUMBLE(TABLE {table}, DESCRIPTOR(ts), INTERVAL {size})"),
            1 => format!("HOP(TABLE {table}, DESCRIPTOR(ts), INTERVAL {part}, INTERVAL {size})"),
            2 => format!("CUMULATE(TABLE {table}, DESCRIPTOR(ts), INTERVAL {part}, INTERVAL {size})"),
            _ => {
                let partition = self.pick(&["", " PARTITION BY k", " PARTITION BY t, x"]);
                format!("SESSION(TABLE {table}{partition}, DESCRIPTOR(ts), INTERVAL {size})")
            }
        };
        let from = format!("TABLE({call}) AS {name}{}", self.filter(&scope, 1));
        self.grouped(&from, &scope, &[("window_start", Kind::Timestamp), ("window_end", Kind::Timestamp)])
    }

    /// Queries within queries.
    fn deep(&mut self, sql: String, kinds: Kinds) -> (String, Kinds) {
        let columns: Vec<String> = (0..kinds.len()).map(|at| format!("c{at}")).collect();
        let columns = columns.join(", ");
        let levels = self.dice.below(20);
        let sql = (0..levels).fold(sql, |sql, level| {
            let condition = if self.rarely(3) { " WHERE c0 IS NOT NULL" } else { "" };
            format!("SELECT {columns} FROM ({sql}) AS d{level}{condition}")
        });
        (sql, kinds)
    }
}
