//! Messages with their fields, oneofs, groups, reserved numbers and extension ranges.

use super::Parser;
use crate::{
    ast::{Extensions, Field, FieldType, Group, Label, Message, Oneof, Reserved, Type},
    error::ParseError,
    lexer::{Token, syntax},
};

/// The largest number that a field may have; `max` in ranges of messages.
pub(crate) const FIELD_NUMBER_MAX: i32 = (1 << 29) - 1;

impl Parser<'_> {
    pub(super) fn message(&mut self) -> Result<Message, ParseError> {
        self.count_type()?;
        let name = self.declared_name()?;
        self.body(name)
    }

    /// What stands between the braces of a message or a group.
    fn body(&mut self, name: String) -> Result<Message, ParseError> {
        let name_chars = name.len() + 1;
        self.scope_chars += name_chars;
        let message = self.nested(|parser| {
            let mut message = Message { name, ..Message::default() };
            parser.expect('{')?;
            while !parser.take_symbol('}')? {
                if !parser.take_symbol(';')? {
                    parser.member(&mut message)?;
                }
            }
            Ok(message)
        });
        self.scope_chars -= name_chars;
        message
    }

    fn member(&mut self, message: &mut Message) -> Result<(), ParseError> {
        let keyword = match &self.token {
            Token::Word(word) => word.clone(),
            _ => String::new(),
        };
        match keyword.as_str() {
            "message" => {
                self.take()?;
                message.types.push(Type::Message(self.message()?));
            }
            "enum" => {
                self.take()?;
                message.types.push(Type::Enum(self.enumeration()?));
            }
            "extend" => {
                self.take()?;
                message.extends.push(self.extend()?);
            }
            "option" => {
                self.take()?;
                message.options.push(self.option_statement()?);
            }
            "oneof" => {
                self.take()?;
                message.oneofs.push(self.oneof()?);
            }
            "reserved" => {
                self.take()?;
                message.reserved.push(self.reserved(FIELD_NUMBER_MAX)?);
            }
            "extensions" => {
                self.take()?;
                let ranges = self.ranges(FIELD_NUMBER_MAX)?;
                let options = self.bracketed_options()?;
                self.expect(';')?;
                message.extensions.push(Extensions { ranges, options });
            }
            _ => self.field_or_group(&mut message.fields, &mut message.groups)?,
        }
        Ok(())
    }

    fn oneof(&mut self) -> Result<Oneof, ParseError> {
        self.count_member()?;
        let name = self.name()?;
        let mut oneof = Oneof { name, options: Vec::new(), fields: Vec::new(), groups: Vec::new() };
        self.expect('{')?;
        while !self.take_symbol('}')? {
            if self.take_symbol(';')? {
                continue;
            }
            if self.take_word("option")? {
                oneof.options.push(self.option_statement()?);
            } else {
                self.field_or_group(&mut oneof.fields, &mut oneof.groups)?;
            }
        }
        Ok(oneof)
    }

    pub(super) fn field_or_group(
        &mut self,
        fields: &mut Vec<Field>,
        groups: &mut Vec<Group>,
    ) -> Result<(), ParseError> {
        self.count_member()?;
        let label = if self.take_word("optional")? {
            Some(Label::Optional)
        } else if self.take_word("required")? {
            Some(Label::Required)
        } else if self.take_word("repeated")? {
            Some(Label::Repeated)
        } else {
            None
        };
        let kind = self.field_type()?;
        let name = self.name()?;
        self.expect('=')?;
        let number = self.integer()?;
        if kind == FieldType::Named("group".to_owned()) {
            let options = self.bracketed_options()?;
            self.count_type()?;
            let body = self.body(name)?;
            groups.push(Group { label, number, options, body });
            return Ok(());
        }
        let mut options = self.bracketed_options()?;
        // Both are written like options and are none: Wire keeps them apart and prints them last.
        options.sort_by_key(|option| match option.name.as_str() {
            "default" => 1,
            "json_name" => 2,
            _ => 0,
        });
        self.expect(';')?;
        fields.push(Field { label, kind, name, number, options });
        Ok(())
    }

    fn field_type(&mut self) -> Result<FieldType, ParseError> {
        let name = self.type_name()?;
        if name != "map" || !self.take_symbol('<')? {
            return Ok(FieldType::Named(name));
        }
        let key = self.type_name()?;
        self.expect(',')?;
        let value = self.type_name()?;
        self.expect('>')?;
        Ok(FieldType::Map { key, value })
    }

    /// What follows the word `reserved`; `number_max` is what `max` stands for.
    pub(super) fn reserved(&mut self, number_max: i32) -> Result<Vec<Reserved>, ParseError> {
        let reserved = if matches!(self.token, Token::Text(_)) {
            let mut names = vec![Reserved::Name(self.text("a name in quotes")?)];
            while self.take_symbol(',')? {
                self.count_member()?;
                names.push(Reserved::Name(self.text("a name in quotes")?));
            }
            names
        } else {
            self.ranges(number_max)?
        };
        self.expect(';')?;
        Ok(reserved)
    }

    fn ranges(&mut self, number_max: i32) -> Result<Vec<Reserved>, ParseError> {
        let mut ranges = Vec::new();
        loop {
            self.count_member()?;
            let at = self.at;
            let from = self.integer()?;
            let range = if !self.take_word("to")? {
                Reserved::Number(from)
            } else if self.take_word("max")? {
                Reserved::Range(from, number_max)
            } else {
                Reserved::Range(from, self.integer()?)
            };
            if matches!(range, Reserved::Range(from, to) if from > to) {
                return Err(syntax(at, "the range ends before it begins"));
            }
            ranges.push(range);
            if !self.take_symbol(',')? {
                return Ok(ranges);
            }
        }
    }
}
