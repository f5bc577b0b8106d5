//! How large a text may be, in every direction: all is checked before anything recurses into it.

use crate::{Position, SyntaxError, words};
use sqlparser::tokenizer::{Token, TokenWithSpan};

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
pub const DEPTH_MAX: usize = 100;
/// The most operators that can come to lie within each other, such as those of `a OR b OR c`: a tree of them is as deep.
pub const OPERATORS_MAX: usize = 1_000;
/// How deep types may nest.
pub const TYPE_DEPTH_MAX: usize = 32;

/// How deep the parser beneath may recurse: some levels for each bracket.
pub(crate) const RECURSION_MAX: usize = 4 * DEPTH_MAX;

/// One bracket, or the statement as a whole.
#[derive(Default)]
struct Level {
    /// Operators since the last comma.
    operators: usize,
    /// How deep the tree is of what was in brackets since the last comma.
    within: usize,
    /// The same of all before the last comma.
    before: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.before.max(self.operators + self.within)
    }

    fn next_item(&mut self) {
        *self = Self { before: self.depth(), ..Self::default() };
    }
}

/// Refuses a statement of which a tree could be so deep that dropping or visiting it would be a danger.
///
/// What the parser builds without recursing are chains of operators; with the brackets around them they bound the tree.
pub(crate) fn check_depth(tokens: &[TokenWithSpan]) -> Result<(), SyntaxError> {
    let mut levels = vec![Level::default()];
    let mut types = 0;
    for (index, token) in tokens.iter().enumerate() {
        let position = Position::from(token.span.start);
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => levels.push(Level::default()),
            Token::RParen | Token::RBracket | Token::RBrace if levels.len() > 1 => {
                let depth = levels.pop().map_or(0, |level| level.depth());
                if let Some(level) = levels.last_mut() {
                    level.within = level.within.max(depth + 1);
                }
            }
            Token::Comma | Token::SemiColon => levels.iter_mut().next_back().into_iter().for_each(Level::next_item),
            token if is_operator(token) => levels.iter_mut().next_back().into_iter().for_each(|l| l.operators += 1),
            _ => {}
        }
        if levels.len() > DEPTH_MAX {
            let hint = "split it with `WITH` or views";
            return Err(SyntaxError::new(position, format!("nested deeper than {DEPTH_MAX} brackets")).with_hint(hint));
        }
        if levels.last().is_some_and(|level| level.depth() > OPERATORS_MAX) {
            let message = format!("more than {OPERATORS_MAX} operators in one expression");
            let hint = "use `IN (…)` for a choice of values, or split it with views";
            return Err(SyntaxError::new(position, message).with_hint(hint));
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

fn is_operator(token: &Token) -> bool {
    const WORDS: [&str; 13] = [
        "AND",
        "OR",
        "NOT",
        "IS",
        "IN",
        "LIKE",
        "SIMILAR",
        "BETWEEN",
        "OVERLAPS",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "MINUS",
    ];
    match token {
        Token::Word(_) => WORDS.iter().any(|word| words::is(token, word)),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::HexStringLiteral(_) | Token::Period => false,
        _ => true,
    }
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
        let chain = vec!["a"; 600].join(" + ");
        assert_eq!(check(&format!("SELECT {chain}, ({chain})")), Ok(()));
        assert!(check(&format!("SELECT {chain} + ({chain})")).is_err());
    }

    #[test]
    fn brackets_are_counted() {
        assert_eq!(check(&format!("{}1{}", "(".repeat(99), ")".repeat(99))), Ok(()));
        assert!(check(&"(".repeat(100)).is_err());
    }
}
