//! Expressions of a wanted type, over columns that are in scope: all that the page of SQL names, with values from the
//! ends of what there is.

use super::{
    literals,
    tables::Kind::{self, *},
};
use crate::mutation::Dice;

/// A column that may be named, and what it is of.
pub(crate) type Scope = Vec<(String, Kind)>;

/// Makes up queries.
pub(crate) struct Maker<'d> {
    pub(crate) dice: &'d mut Dice,
    /// Whether the answer is determined: neither by the order in which doubles are added up, nor by that of rows.
    pub(crate) is_determined: bool,
    /// How many more giant parts there may be: one makes a query large, several make it one that is only refused.
    pub(crate) giants_left: usize,
    /// How many tables and sub-queries have a name.
    pub(crate) names: usize,
}

const UNITS: [&str; 12] =
    ["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "DECADE", "CENTURY", "MILLENNIUM", "EPOCH"];
const PARTS: [&str; 10] =
    ["YEAR", "QUARTER", "MONTH", "WEEK", "DAYOFYEAR", "DAYOFMONTH", "DAYOFWEEK", "HOUR", "MINUTE", "SECOND"];
const NUMBERS: [Kind; 8] = [TinyInt, SmallInt, Int, BigInt, BigInt, Float, Double, Decimal];
/// What can be compared.
pub(crate) const COMPARED: [Kind; 12] =
    [Boolean, TinyInt, SmallInt, Int, BigInt, Double, Decimal, Text, Date, Timestamp, Ltz, Float];

impl Maker<'_> {
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.dice.below(of.len())]
    }

    pub(crate) fn rarely(&mut self, one_in: usize) -> bool {
        self.dice.below(one_in) == 0
    }

    fn is_giant(&mut self) -> bool {
        let is_giant = self.giants_left > 0 && self.rarely(60);
        self.giants_left -= usize::from(is_giant);
        is_giant
    }

    /// An expression of that type, about; `depth` bounds how much lies in each other.
    pub(crate) fn of(&mut self, kind: Kind, depth: usize, scope: &Scope) -> String {
        // The wrong type, that the planner sees these, too.
        let kind = if self.rarely(80) { self.pick(&COMPARED) } else { kind };
        if depth == 0 || self.rarely(4) {
            return self.leaf(kind, scope);
        }
        let depth = depth - 1;
        match self.dice.below(6) {
            0 => self.chosen(kind, depth, scope),
            _ => match kind {
                Boolean => self.condition(depth, scope),
                TinyInt | SmallInt | Int | BigInt | Float | Double | Decimal => self.number(kind, depth, scope),
                Text => self.text(depth, scope),
                Date | Timestamp | Ltz => self.time(kind, depth, scope),
                Bytes | Time | Array | Row => self.leaf(kind, scope),
            },
        }
    }

    fn leaf(&mut self, kind: Kind, scope: &Scope) -> String {
        let columns: Vec<&String> = scope.iter().filter(|(_, of)| *of == kind).map(|(name, _)| name).collect();
        match columns.get(self.dice.below(columns.len())) {
            Some(column) if !self.rarely(3) => (*column).clone(),
            _ => literals::literal(self.dice, kind),
        }
    }

    /// One of several of that type.
    fn chosen(&mut self, kind: Kind, depth: usize, scope: &Scope) -> String {
        let (one, other) = (self.of(kind, depth, scope), self.of(kind, depth, scope));
        match self.dice.below(8) {
            0 => format!("COALESCE({one}, {other})"),
            1 => format!("NULLIF({one}, {other})"),
            2 => format!("IFNULL({one}, {other})"),
            3 => format!("IF({}, {one}, {other})", self.of(Boolean, depth, scope)),
            4 => format!("GREATEST({one}, {other})"),
            5 => format!("LEAST({one}, {other}, {one})"),
            6 if self.is_giant() => {
                let when = format!("WHEN {} THEN {one} ", self.of(Boolean, 1, scope));
                format!("CASE {}ELSE {other} END", when.repeat(1 + self.dice.below(300)))
            }
            6 => {
                let of = self.pick(&COMPARED);
                let (subject, when) = (self.of(of, depth, scope), self.of(of, depth, scope));
                format!("CASE {subject} WHEN {when} THEN {one} ELSE {other} END")
            }
            _ => format!("CASE WHEN {} THEN {one} ELSE {other} END", self.of(Boolean, depth, scope)),
        }
    }

    pub(crate) fn condition(&mut self, depth: usize, scope: &Scope) -> String {
        let kind = self.pick(&COMPARED);
        match self.dice.below(12) {
            0 => format!("NOT ({})", self.of(Boolean, depth, scope)),
            1 | 2 => {
                let operator = self.pick(&["AND", "OR"]);
                let sides = [self.of(Boolean, depth, scope), self.of(Boolean, depth, scope)];
                let times = if self.is_giant() { self.dice.below(140) } else { 1 };
                format!("({})", vec![sides.join(&format!(" {operator} ")); times.max(1)].join(" OR "))
            }
            3 => format!("{} IS {}NULL", self.of(kind, depth, scope), self.pick(&["", "NOT "])),
            4 => {
                let [it, low, high] = [(); 3].map(|()| self.of(kind, depth, scope));
                format!("{it} {}BETWEEN {low} AND {high}", self.pick(&["", "NOT "]))
            }
            5 => {
                let count = if self.is_giant() { self.dice.below(10_001) } else { self.dice.below(5) + 1 };
                let it = self.of(kind, depth, scope);
                let few: Vec<String> = (0..9).map(|_| literals::literal(self.dice, kind)).collect();
                let number = |at: usize| if kind == Int { at.to_string() } else { few[at % few.len()].clone() };
                let list: Vec<String> = (0..count.max(1)).map(number).collect();
                format!("{it} {}IN ({})", self.pick(&["", "NOT "]), list.join(", "))
            }
            6 => {
                let pattern = literals::like(self.dice);
                format!("{} {}LIKE '{pattern}'", self.of(Text, depth, scope), self.pick(&["", "NOT "]))
            }
            7 => {
                let (one, other) = (self.of(kind, depth, scope), self.of(kind, depth, scope));
                format!("{one} IS {}DISTINCT FROM {other}", self.pick(&["", "NOT "]))
            }
            8 => format!("({}) IS {}", self.of(Boolean, depth, scope), self.pick(&["TRUE", "NOT FALSE", "UNKNOWN"])),
            _ => {
                let (one, other) = (self.of(kind, depth, scope), self.of(kind, depth, scope));
                format!("{one} {} {other}", self.pick(&["=", "<>", "<", "<=", ">", ">="]))
            }
        }
    }

    fn number(&mut self, kind: Kind, depth: usize, scope: &Scope) -> String {
        let is_whole = matches!(kind, TinyInt | SmallInt | Int | BigInt);
        match self.dice.below(16) {
            0..4 => {
                let (one, other) = (self.of(kind, depth, scope), self.of(kind, depth, scope));
                let operator = self.pick(&["+", "-", "*", "/", "%"]);
                let times = if self.is_giant() { self.dice.below(250) } else { 1 };
                format!("({one}{})", format!(" {operator} {other}").repeat(times.max(1)))
            }
            4 => format!("(-{})", self.of(kind, depth, scope)),
            5 => {
                let name = self.pick(&["ABS", "CEIL", "FLOOR", "CEILING", "SIGN", "ROUND", "TRUNCATE"]);
                format!("{name}({})", self.of(kind, depth, scope))
            }
            6 => {
                let places = self.pick(&[-400, -39, -19, -10, -3, 0, 2, 18, 38, 300, i32::MAX, i32::MIN]);
                format!("{}({}, {places})", self.pick(&["ROUND", "TRUNCATE"]), self.of(kind, depth, scope))
            }
            7 if is_whole => format!("MOD({}, {})", self.of(kind, depth, scope), self.of(kind, depth, scope)),
            7 | 8 => {
                let from = self.pick(&NUMBERS);
                self.cast(from, kind, depth, scope)
            }
            9 if is_whole => self.cast(Text, kind, depth, scope),
            9 | 10 if kind == Double => {
                let name = self.pick(&["EXP", "LN", "LOG10", "SQRT"]);
                format!("{name}({})", self.of(Double, depth, scope))
            }
            10 if kind == Int => {
                let [one, other] = [(); 2].map(|()| self.of(Text, depth, scope));
                match self.dice.below(4) {
                    0 => format!("CHAR_LENGTH({one})"),
                    1 => format!("POSITION({one} IN {other})"),
                    2 => format!("LOCATE({one}, {other}, {})", self.of(Int, depth, scope)),
                    _ => format!("INSTR({one}, {other})"),
                }
            }
            11 if kind == Int => self.difference(depth, scope),
            12 if kind == BigInt => {
                let of = self.pick(&[Date, Timestamp, Timestamp, Ltz]);
                let time = self.of(of, depth, scope);
                match self.dice.below(2) {
                    0 => format!("{}({time})", self.pick(&PARTS)),
                    _ => format!("EXTRACT({} FROM {time})", self.unit()),
                }
            }
            13 if kind == Double => {
                format!("POWER({}, {})", self.of(Double, depth, scope), self.of(Double, depth, scope))
            }
            14 if is_whole => self.cast(Boolean, kind, depth, scope),
            _ => format!("({} + {})", self.of(kind, depth, scope), literals::literal(self.dice, kind)),
        }
    }

    pub(crate) fn cast(&mut self, from: Kind, to: Kind, depth: usize, scope: &Scope) -> String {
        let value = self.of(from, depth, scope);
        format!("{}CAST({value} AS {})", self.pick(&["", "TRY_"]), literals::type_name(self.dice, to))
    }

    fn unit(&mut self) -> &'static str {
        match self.dice.below(4) {
            0 => self.pick(&["DOY", "DOW", "ISODOW", "ISOYEAR", "MILLISECOND", "MICROSECOND", "NANOSECOND"]),
            _ => self.pick(&UNITS),
        }
    }

    fn difference(&mut self, depth: usize, scope: &Scope) -> String {
        let of = self.pick(&[Date, Timestamp, Ltz]);
        let (from, to) = (self.of(of, depth, scope), self.of(of, depth, scope));
        format!("TIMESTAMPDIFF({}, {from}, {to})", self.unit())
    }

    fn text(&mut self, depth: usize, scope: &Scope) -> String {
        let it = self.of(Text, depth, scope);
        let mut other = || self.of(Text, depth.min(1), scope);
        let (one, another) = (other(), other());
        let number = self.of(Int, 0, scope);
        match self.dice.below(24) {
            0 => format!("({it} || {one})"),
            1 => format!("CONCAT({it}, {one}, {another})"),
            2 => format!("CONCAT_WS({it}, {one}, {another})"),
            3 => format!("LEFT({it}, {number})"),
            4 => format!("RIGHT({it}, {number})"),
            5 => {
                let name = self.pick(&["LPAD", "RPAD"]);
                format!("{name}({it}, {number}, {one})")
            }
            6 if self.is_giant() => format!("REPEAT({it}, {})", self.pick(&[1_000, 100_000, 5_000_000])),
            6 => format!("REPEAT({it}, {number})"),
            7 => format!("REPLACE({it}, {one}, {another})"),
            8..11 => {
                let name = self.pick(&["UPPER", "LOWER", "TRIM", "LTRIM", "RTRIM", "BTRIM", "REVERSE", "INITCAP"]);
                format!("{name}({it})")
            }
            11 => format!("{}({it})", self.pick(&["MD5", "SHA256"])),
            12 => format!("SPLIT_INDEX({it}, {one}, {number})"),
            13 | 14 => {
                let pattern = literals::pattern(self.dice);
                format!("REGEXP_REPLACE({it}, '{pattern}', {one})")
            }
            15 => {
                let pattern = literals::pattern(self.dice);
                format!("REGEXP_EXTRACT({it}, '{pattern}', {})", self.pick(&["0", "1", "2147483647", "-1"]))
            }
            16 => format!("REGEXP_REPLACE({it}, {one}, {another})"),
            17 => format!("SUBSTRING({it} FROM {})", self.pick(&["1", "2", "2147483647", "0"])),
            18 => {
                let (from, count) = (self.pick(&["1", "3", "9223372036854775807"]), self.of(Int, 0, scope));
                format!("SUBSTRING({it}, {from}, {count})")
            }
            19 => {
                let of = self.pick(&[Int, BigInt, SmallInt, TinyInt, Date]);
                self.cast(of, Text, depth, scope)
            }
            20 => format!(
                "{} {it})",
                self.pick(&["TRIM(BOTH 'a' FROM", "TRIM(LEADING '' FROM", "TRIM(TRAILING ' ' FROM"])
            ),
            21 | 22 => {
                let of = self.pick(&[Timestamp, Ltz]);
                let time = self.of(of, depth, scope);
                format!("DATE_FORMAT({time}, '{}')", literals::format(self.dice))
            }
            _ => format!("COALESCE({it}, {one})"),
        }
    }

    fn time(&mut self, kind: Kind, depth: usize, scope: &Scope) -> String {
        let it = self.of(kind, depth, scope);
        match self.dice.below(9) {
            0 | 1 => format!("{}({it} TO {})", self.pick(&["FLOOR", "CEIL"]), self.unit()),
            2 | 3 => format!("({it} {} {})", self.pick(&["+", "-"]), literals::interval(self.dice)),
            4 | 5 => {
                let of = self.pick(&[Int, BigInt]);
                format!("TIMESTAMPADD({}, {}, {it})", self.unit(), self.of(of, depth, scope))
            }
            6 if kind == Timestamp => format!("TO_TIMESTAMP({})", self.of(Text, depth, scope)),
            6 | 7 if kind == Ltz => {
                format!("TO_TIMESTAMP_LTZ({}, {})", self.of(BigInt, depth, scope), self.pick(&["0", "3"]))
            }
            7 => {
                let from = if kind == Date { self.pick(&[Timestamp, Text]) } else { self.pick(&[Date, Timestamp]) };
                self.cast(from, kind, depth, scope)
            }
            _ => it,
        }
    }
}
