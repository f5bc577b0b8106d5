//! Options: `option name = value;`, and in brackets behind a field.

use super::Parser;
use crate::{
    ast::{OptionElement, OptionValue},
    error::ParseError,
    lexer::Token,
    limits::FULL_NAME_CHARS_MAX,
};
use std::collections::HashMap;

impl Parser<'_> {
    /// What follows the word `option`, up to the semicolon.
    pub(super) fn option_statement(&mut self) -> Result<OptionElement, ParseError> {
        let option = self.option()?;
        self.expect(';')?;
        Ok(option)
    }

    /// `[name = value, …]`, where it is there.
    pub(super) fn bracketed_options(&mut self) -> Result<Vec<OptionElement>, ParseError> {
        let mut options = Vec::new();
        if !self.take_symbol('[')? {
            return Ok(options);
        }
        loop {
            options.push(self.option()?);
            if !self.take_symbol(',')? {
                break;
            }
        }
        self.expect(']')?;
        Ok(options)
    }

    fn option(&mut self) -> Result<OptionElement, ParseError> {
        self.count_member()?;
        let name = self.option_name()?;
        self.expect('=')?;
        let value = match &self.token {
            Token::Symbol('{') => {
                self.take()?;
                self.nested(|parser| parser.aggregate('}'))?
            }
            _ => self.scalar()?,
        };
        Ok(OptionElement { name, value })
    }

    /// `name`, `(full.name)`, and fields within, with dots between.
    fn option_name(&mut self) -> Result<String, ParseError> {
        let mut name = String::new();
        loop {
            if self.take_symbol('(')? {
                name.push('(');
                name.push_str(&self.type_name()?);
                self.expect(')')?;
                name.push(')');
            } else {
                name.push_str(&self.name()?);
            }
            if name.len() > FULL_NAME_CHARS_MAX {
                return Err(ParseError::too_large("characters of an option's name", FULL_NAME_CHARS_MAX));
            }
            if !self.take_symbol('.')? {
                return Ok(name);
            }
            name.push('.');
        }
    }

    fn scalar(&mut self) -> Result<OptionValue, ParseError> {
        if matches!(self.token, Token::Text(_)) {
            return Ok(OptionValue::Text(self.text("a string")?));
        }
        let sign = if self.take_symbol('-')? { "-" } else { "" };
        match &self.token {
            Token::Word(word) | Token::Number(word) => {
                let value = OptionValue::Word(format!("{sign}{word}"));
                self.take()?;
                Ok(value)
            }
            _ => Err(self.expected("a value")),
        }
    }

    /// The fields of a message in text format, up to `close`, which is taken too.
    fn aggregate(&mut self, close: char) -> Result<OptionValue, ParseError> {
        let mut fields: Vec<(String, OptionValue)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        while !self.take_symbol(close)? {
            self.count_member()?;
            let name = self.aggregate_name()?;
            let has_colon = self.take_symbol(':')?;
            if !has_colon && !self.is_symbol('{') && !self.is_symbol('<') {
                return Err(self.expected("`:`"));
            }
            let value = self.aggregate_value()?;
            match places.get(&name).and_then(|&place| fields.get_mut(place)) {
                Some((_, known)) => join(known, value),
                None => {
                    places.insert(name.clone(), fields.len());
                    fields.push((name, value));
                }
            }
            if !self.take_symbol(',')? {
                self.take_symbol(';')?;
            }
        }
        Ok(OptionValue::Message(fields))
    }

    fn aggregate_name(&mut self) -> Result<String, ParseError> {
        if !self.take_symbol('[')? {
            return self.name();
        }
        let mut name = format!("[{}", self.full_name()?);
        if self.take_symbol('/')? {
            name.push('/');
            name.push_str(&self.full_name()?);
        }
        self.expect(']')?;
        name.push(']');
        Ok(name)
    }

    fn aggregate_value(&mut self) -> Result<OptionValue, ParseError> {
        if self.take_symbol('{')? {
            return self.nested(|parser| parser.aggregate('}'));
        }
        if self.take_symbol('<')? {
            return self.nested(|parser| parser.aggregate('>'));
        }
        if !self.take_symbol('[')? {
            return self.scalar();
        }
        self.nested(|parser| {
            let mut values = Vec::new();
            while !parser.take_symbol(']')? {
                if !values.is_empty() {
                    parser.expect(',')?;
                }
                parser.count_member()?;
                values.push(parser.aggregate_value()?);
            }
            Ok(OptionValue::List(values))
        })
    }
}

/// Adds a value to those that were written under the same name.
fn join(known: &mut OptionValue, value: OptionValue) {
    let mut list = match std::mem::replace(known, OptionValue::List(Vec::new())) {
        OptionValue::List(list) => list,
        one => vec![one],
    };
    match value {
        OptionValue::List(more) => list.extend(more),
        one => list.push(one),
    }
    *known = OptionValue::List(list);
}
