//! How large a text may be, in every direction: all is checked before anything recurses into it.

use crate::{Position, SyntaxError, words};
use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

/// The largest text, in bytes.
pub const TEXT_SIZE_MAX: usize = 1 << 20;
/// The most statements of one text; those of a statement set count too.
pub const STATEMENTS_MAX: usize = 1_000;
/// The most entries of one `IN (…)` or rows of one `VALUES`.
pub const LIST_MAX: usize = 10_000;
/// The most columns of one table.
pub const COLUMNS_MAX: usize = 4_096;
/// The most options of one `WITH (…)`.
pub const OPTIONS_MAX: usize = 256;
/// How deep brackets may nest.
pub const DEPTH_MAX: usize = 64;
/// How deep queries may nest.
pub const QUERIES_MAX: usize = 24;
/// The most operators that can come to lie within each other, such as those of `a OR b OR c`: a tree of them is as
/// deep, and whatever walks it needs kilobytes of stack for each.
pub const OPERATORS_MAX: usize = 256;
/// The most parts of one name with points between, fields of rows included.
pub const NAME_PARTS_MAX: usize = 32;
/// How deep types may nest.
pub const TYPE_DEPTH_MAX: usize = 32;

/// How deep the parser beneath may recurse: some levels for each bracket.
pub const RECURSION_MAX: usize = 4 * DEPTH_MAX;

/// Refuses a text that is too large.
pub(crate) fn check_size(text: &str) -> Result<(), SyntaxError> {
    if text.len() <= TEXT_SIZE_MAX {
        return Ok(());
    }
    let message = format!("a text of {} bytes is larger than {TEXT_SIZE_MAX}", text.len());
    Err(SyntaxError::new(Position::START, message).with_hint("send it in parts"))
}

/// One bracket or `CASE`, or the statement as a whole.
///
/// Operators of one kind in a row make a tree as deep as there are; those of a kind that binds tighter lie below.
#[derive(Default)]
struct Level {
    /// `UNION` and its kin, which commas do not end.
    sets: usize,
    /// `OR` since the last comma.
    ors: usize,
    /// `AND` since the last `OR`, and the most there were.
    ands: [usize; 2],
    /// Any other since the last `AND` or `OR`, and the most there were.
    others: [usize; 2],
    /// `BETWEEN` of which the `AND` has not come.
    betweens: usize,
    /// How deep the tree is of what was in brackets since the last comma.
    within: usize,
    /// How deep the tree is of all before the last comma.
    before: usize,
    /// Whether a query is in it.
    is_query: bool,
}

impl Level {
    fn depth(&self) -> usize {
        let item = self.ors + most(self.ands) + most(self.others) + self.within;
        SET_DEPTH * self.sets + self.before.max(item) + self.query_depth()
    }

    fn next_item(&mut self) {
        let before = self.depth() - SET_DEPTH * self.sets - self.query_depth();
        *self = Self { sets: self.sets, is_query: self.is_query, before, ..Self::default() };
    }

    fn query_depth(&self) -> usize {
        if self.is_query { QUERY_DEPTH } else { 0 }
    }

    fn next_statement(&mut self) {
        *self = Self { before: self.depth(), ..Self::default() };
    }

    fn add(&mut self, operator: Operator) {
        match operator {
            Operator::Set => self.sets += 1,
            Operator::Or => {
                self.ors += 1;
                self.ands = [0, most(self.ands)];
                self.others = [0, most(self.others)];
            }
            Operator::And if self.betweens > 0 => {
                self.betweens -= 1;
                self.others[0] += 1;
            }
            Operator::And => {
                self.ands[0] += 1;
                self.others = [0, most(self.others)];
            }
            Operator::Between => {
                self.betweens += 1;
                self.others[0] += 1;
            }
            Operator::Other => self.others[0] += 1,
        }
    }
}

/// How many operators one `UNION` counts for: what walks a tree needs so much more stack for a `SELECT`.
const SET_DEPTH: usize = 4;
/// The same for a query.
const QUERY_DEPTH: usize = 6;

fn most([now, before]: [usize; 2]) -> usize {
    now.max(before)
}

#[derive(Clone, Copy)]
enum Operator {
    Set,
    Or,
    And,
    Between,
    Other,
}

enum Part {
    Opening,
    Closing,
    /// Ends what one expression is.
    Separator,
    StatementEnd,
    Operator(Operator),
    Query,
    Plain,
}

fn part(token: &Token) -> Part {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => Part::Opening,
        Token::RParen | Token::RBracket | Token::RBrace => Part::Closing,
        Token::Comma => Part::Separator,
        Token::SemiColon => Part::StatementEnd,
        Token::Word(word) if word.quote_style.is_some() => Part::Plain,
        Token::Word(word) => match word.keyword {
            Keyword::CASE => Part::Opening,
            Keyword::END => Part::Closing,
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE => Part::Separator,
            Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => Part::Operator(Operator::Set),
            Keyword::SELECT => Part::Query,
            Keyword::OR => Part::Operator(Operator::Or),
            Keyword::AND => Part::Operator(Operator::And),
            Keyword::BETWEEN => Part::Operator(Operator::Between),
            Keyword::NOT | Keyword::IS | Keyword::IN | Keyword::LIKE | Keyword::SIMILAR | Keyword::OVERLAPS => {
                Part::Operator(Operator::Other)
            }
            // Those of other dialects, which the parser beneath knows as well.
            Keyword::AT
            | Keyword::COLLATE
            | Keyword::DIV
            | Keyword::ILIKE
            | Keyword::MATCH
            | Keyword::MEMBER
            | Keyword::NOTNULL
            | Keyword::OPERATOR
            | Keyword::REGEXP
            | Keyword::RLIKE
            | Keyword::XOR => Part::Operator(Operator::Other),
            _ => Part::Plain,
        },
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::Placeholder(_)
        | Token::Period => Part::Plain,
        _ => Part::Operator(Operator::Other),
    }
}

/// Refuses a statement of which a tree could be so deep that dropping or visiting it would be a danger.
///
/// What the parser builds without recursing are chains of operators; with the brackets around them they bound the
/// tree. Spaces and comments are not among `tokens`.
///
/// # Errors
/// [`SyntaxError`] with the place where it is too much.
pub fn check_depth(tokens: &[TokenWithSpan]) -> Result<(), SyntaxError> {
    let mut levels = vec![Level::default()];
    let (mut types, mut closed, mut points) = (0, 0, 0);
    for (index, token) in tokens.iter().enumerate() {
        let position = Position::from(token.span.start);
        let part = part(&token.token);
        if matches!(part, Part::Opening) {
            levels.push(Level::default());
        }
        if matches!(part, Part::Closing) && levels.len() > 1 {
            closed = levels.pop().map_or(0, |level| level.depth() + 1);
        }
        if let Some(level) = levels.last_mut() {
            level.within = level.within.max(std::mem::take(&mut closed));
            match part {
                Part::Separator => level.next_item(),
                Part::StatementEnd => level.next_statement(),
                Part::Operator(operator) => level.add(operator),
                Part::Query => level.is_query = true,
                Part::Opening | Part::Closing | Part::Plain => {}
            }
        }
        if levels.len() > DEPTH_MAX {
            let hint = "split it with `WITH` or views";
            return Err(SyntaxError::new(position, format!("nested deeper than {DEPTH_MAX} brackets")).with_hint(hint));
        }
        if matches!(token.token, Token::Word(_)) && levels.iter().filter(|level| level.is_query).count() > QUERIES_MAX {
            let message = format!("queries nested deeper than {QUERIES_MAX}");
            return Err(SyntaxError::new(position, message).with_hint("name some of them with `WITH` or views"));
        }
        if levels.last().is_some_and(|level| level.depth() > OPERATORS_MAX) {
            let message = format!("more than {OPERATORS_MAX} operators in one expression");
            let hint = "use `IN (…)` for a choice of values, or split it with views";
            return Err(SyntaxError::new(position, message).with_hint(hint));
        }
        points = match (&token.token, next(tokens, index)) {
            (Token::Period, _) => points + 1,
            (_, Some(Token::Period)) => points,
            _ => 0,
        };
        if points >= NAME_PARTS_MAX {
            return Err(SyntaxError::new(position, format!("a name of more than {NAME_PARTS_MAX} parts")));
        }
        // The parser beneath may take `ARRAY < ARRAY < …` for a type, and recurses into it unguarded.
        let opens_type = words::is(&token.token, "ARRAY") && matches!(next(tokens, index), Some(Token::Lt));
        types = if opens_type || token.token == Token::Lt { types + usize::from(opens_type) } else { 0 };
        if types > TYPE_DEPTH_MAX {
            return Err(SyntaxError::new(position, format!("types nested deeper than {TYPE_DEPTH_MAX}")));
        }
    }
    Ok(())
}

fn next(tokens: &[TokenWithSpan], index: usize) -> Option<&Token> {
    tokens.get(index + 1).map(|token| &token.token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script;

    fn check(text: &str) -> Result<(), SyntaxError> {
        script::split(text).and_then(|pieces| pieces.iter().try_for_each(|piece| check_depth(&piece.tokens)))
    }

    #[test]
    fn a_long_list_is_not_deep() {
        assert_eq!(check(&format!("SELECT {}", vec!["a + b"; 5_000].join(", "))), Ok(()));
    }

    #[test]
    fn a_chain_in_brackets_in_a_chain_counts_as_one() {
        let chain = vec!["a"; 150].join(" + ");
        assert_eq!(check(&format!("SELECT {chain}, ({chain})")), Ok(()));
        assert!(check(&format!("SELECT {chain} + ({chain})")).is_err());
        assert!(check(&format!("SELECT {chain} + CASE WHEN a THEN {chain} END")).is_err());
    }

    #[test]
    fn what_binds_tighter_lies_below() {
        let term = "a = b + c AND d BETWEEN e AND f + 1";
        assert_eq!(check(&format!("SELECT {}", vec![term; 200].join(" OR "))), Ok(()));
        assert!(check(&format!("SELECT {}", vec![term; 300].join(" OR "))).is_err());
        let sum = vec!["a"; 100].join(" = ");
        assert!(check(&format!("SELECT {}", [sum.as_str(); 3].join(" BETWEEN 1 AND 2 = "))).is_err());
        let sum_with_and = vec!["a"; 100].join(" + ") + " + CASE WHEN a AND b THEN 1 END";
        assert!(check(&format!("SELECT {}", [sum_with_and.as_str(); 3].join(" + "))).is_err());
    }

    #[test]
    fn commas_do_not_end_a_union() {
        assert!(check(&format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(65))).is_err());
        assert_eq!(check(&format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(60))), Ok(()));
    }

    #[test]
    fn operators_that_are_words_make_chains_too() {
        for link in [" AT TIME ZONE 'UTC'", " COLLATE c", " ILIKE a", " NOTNULL", " OPERATOR(pg_catalog.+) 1", "::INT"]
        {
            assert!(check(&format!("SELECT a{}", link.repeat(300))).is_err(), "{link}");
            assert_eq!(check(&format!("SELECT a{}", link.repeat(200))), Ok(()), "{link}");
        }
    }

    #[test]
    fn brackets_are_counted() {
        assert_eq!(check(&format!("{}1{}", "(".repeat(63), ")".repeat(63))), Ok(()));
        assert!(check(&"(".repeat(64)).is_err());
    }
}
