//! Reads a `.proto` text into what is written there. Whether types and imports exist is `compile`'s question.
//!
//! Recursion is counted and stops at [`NESTING_MAX`]; so do types and members at theirs.
//!
//! Source: the language specification of proto2 and proto3, <https://protobuf.dev/reference/protobuf/proto2-spec/>.

mod message;
mod options;

pub(crate) use message::FIELD_NUMBER_MAX;

use crate::{
    ast::{Enum, EnumValue, Extend, File, Method, MethodType, Service, Syntax, Type},
    error::{ParseError, Position},
    lexer::{Lexer, Token, syntax},
    limits::{FULL_NAME_CHARS_MAX, MEMBERS_MAX, NESTING_MAX, TEXT_BYTES_MAX, TYPES_MAX},
};
use std::fmt;

/// Reads one file.
pub(crate) fn parse(text: &str) -> Result<File, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ParseError::too_large("bytes of a schema", TEXT_BYTES_MAX));
    }
    let mut lexer = Lexer::new(text);
    let (token, at) = lexer.next()?;
    let mut parser = Parser { lexer, token, at, is_proto3: false, nesting: 0, scope_chars: 0, types: 0, members: 0 };
    parser.file()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The word that is read next, and where it begins.
    token: Token,
    at: Position,
    is_proto3: bool,
    nesting: usize,
    /// Characters of the names that what is read lies in.
    scope_chars: usize,
    types: usize,
    members: usize,
}

impl Parser<'_> {
    fn file(&mut self) -> Result<File, ParseError> {
        let mut file = File::default();
        let mut is_first = true;
        while self.token != Token::End {
            let at = self.at;
            if self.take_symbol(';')? {
                continue;
            }
            let keyword = self.word("a declaration")?;
            match keyword.as_str() {
                "syntax" if is_first => {
                    let syntax = self.syntax()?;
                    self.is_proto3 = syntax == Syntax::Proto3;
                    file.syntax = Some(syntax);
                }
                "syntax" => return Err(syntax(at, "`syntax` comes first in a file")),
                "edition" => return Err(ParseError::Edition { file: None, at }),
                "package" if file.package.is_none() => {
                    let package = self.full_name()?;
                    self.scope_chars = package.len() + 1;
                    file.package = Some(package);
                    self.expect(';')?;
                }
                "package" => return Err(syntax(at, "a file has one `package`")),
                "import" => self.import(&mut file)?,
                "option" => file.options.push(self.option_statement()?),
                "message" => file.types.push(Type::Message(self.message()?)),
                "enum" => file.types.push(Type::Enum(self.enumeration()?)),
                "extend" => file.extends.push(self.extend()?),
                "service" => file.services.push(self.service()?),
                _ => return Err(syntax(at, format_args!("`{keyword}` begins no declaration"))),
            }
            is_first = false;
        }
        Ok(file)
    }

    fn syntax(&mut self) -> Result<Syntax, ParseError> {
        self.expect('=')?;
        let at = self.at;
        let syntax_name = self.text("`\"proto2\"` or `\"proto3\"`")?;
        let parsed = match syntax_name.as_slice() {
            b"proto2" => Syntax::Proto2,
            b"proto3" => Syntax::Proto3,
            _ => return Err(syntax(at, "the syntax is `proto2` or `proto3`")),
        };
        self.expect(';')?;
        Ok(parsed)
    }

    fn import(&mut self, file: &mut File) -> Result<(), ParseError> {
        let list = if self.take_word("public")? {
            &mut file.public_imports
        } else if self.take_word("weak")? {
            &mut file.weak_imports
        } else {
            &mut file.imports
        };
        let at = self.at;
        let name = String::from_utf8(self.text("the name of a file")?).ok().filter(|name| is_file_name(name));
        list.push(name.ok_or_else(|| syntax(at, "the name of a file is made of names with `/` between"))?);
        self.count_member()?;
        self.expect(';')
    }

    fn enumeration(&mut self) -> Result<Enum, ParseError> {
        self.count_type()?;
        let at = self.at;
        let name = self.declared_name()?;
        let mut declared = Enum { name, reserved: Vec::new(), options: Vec::new(), values: Vec::new() };
        self.expect('{')?;
        while !self.take_symbol('}')? {
            if self.take_symbol(';')? {
                continue;
            }
            let name = self.name()?;
            match name.as_str() {
                "option" if !self.is_symbol('=') => declared.options.push(self.option_statement()?),
                "reserved" if !self.is_symbol('=') => declared.reserved.push(self.reserved(i32::MAX)?),
                _ => {
                    self.count_member()?;
                    self.expect('=')?;
                    let number = self.integer()?;
                    let options = self.bracketed_options()?;
                    self.expect(';')?;
                    declared.values.push(EnumValue { name, number, options });
                }
            }
        }
        match declared.values.first() {
            None => Err(syntax(at, format_args!("the enum `{}` has no value", declared.name))),
            Some(first) if self.is_proto3 && first.number != 0 => {
                Err(syntax(at, format_args!("the first value of the enum `{}` is not 0", declared.name)))
            }
            Some(_) => Ok(declared),
        }
    }

    fn extend(&mut self) -> Result<Extend, ParseError> {
        self.count_type()?;
        let name = self.type_name()?;
        let mut extend = Extend { name, fields: Vec::new(), groups: Vec::new() };
        self.expect('{')?;
        while !self.take_symbol('}')? {
            if !self.take_symbol(';')? {
                self.field_or_group(&mut extend.fields, &mut extend.groups)?;
            }
        }
        Ok(extend)
    }

    fn service(&mut self) -> Result<Service, ParseError> {
        self.count_type()?;
        let name = self.declared_name()?;
        let mut service = Service { name, options: Vec::new(), methods: Vec::new() };
        self.expect('{')?;
        while !self.take_symbol('}')? {
            let at = self.at;
            if self.take_symbol(';')? {
                continue;
            }
            let keyword = self.word("`rpc`, `option` or `}`")?;
            match keyword.as_str() {
                "option" => service.options.push(self.option_statement()?),
                "rpc" => service.methods.push(self.method()?),
                _ => return Err(syntax(at, format_args!("expected `rpc`, `option` or `}}`, found `{keyword}`"))),
            }
        }
        Ok(service)
    }

    fn method(&mut self) -> Result<Method, ParseError> {
        self.count_member()?;
        let name = self.name()?;
        let request = self.method_type()?;
        let at = self.at;
        if !self.take_word("returns")? {
            return Err(syntax(at, format_args!("expected `returns`, found {}", self.token)));
        }
        let response = self.method_type()?;
        let mut options = Vec::new();
        if self.take_symbol('{')? {
            while !self.take_symbol('}')? {
                let at = self.at;
                if self.take_symbol(';')? {
                    continue;
                }
                if !self.take_word("option")? {
                    return Err(syntax(at, format_args!("expected `option` or `}}`, found {}", self.token)));
                }
                options.push(self.option_statement()?);
            }
        } else {
            self.expect(';')?;
        }
        Ok(Method { name, request, response, options })
    }

    fn method_type(&mut self) -> Result<MethodType, ParseError> {
        self.expect('(')?;
        let is_stream = self.take_word("stream")?;
        let name = self.type_name()?;
        self.expect(')')?;
        Ok(MethodType { is_stream, name })
    }

    /// Takes the current word and reads the next.
    fn take(&mut self) -> Result<Token, ParseError> {
        let (next, at) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn is_symbol(&self, symbol: char) -> bool {
        self.token == Token::Symbol(symbol)
    }

    fn take_symbol(&mut self, symbol: char) -> Result<bool, ParseError> {
        let is_there = self.is_symbol(symbol);
        if is_there {
            self.take()?;
        }
        Ok(is_there)
    }

    fn take_word(&mut self, word: &str) -> Result<bool, ParseError> {
        let is_there = matches!(&self.token, Token::Word(found) if found == word);
        if is_there {
            self.take()?;
        }
        Ok(is_there)
    }

    fn expect(&mut self, symbol: char) -> Result<(), ParseError> {
        if self.take_symbol(symbol)? { Ok(()) } else { Err(self.expected(format_args!("`{symbol}`"))) }
    }

    fn expected(&self, what: impl fmt::Display) -> ParseError {
        syntax(self.at, format_args!("expected {what}, found {}", self.token))
    }

    fn word(&mut self, what: &str) -> Result<String, ParseError> {
        match &self.token {
            Token::Word(word) => {
                let word = word.clone();
                self.take()?;
                Ok(word)
            }
            _ => Err(self.expected(what)),
        }
    }

    fn name(&mut self) -> Result<String, ParseError> {
        self.word("a name")
    }

    /// The name of something that others may refer to by its full name.
    fn declared_name(&mut self) -> Result<String, ParseError> {
        let at = self.at;
        let name = self.name()?;
        if self.scope_chars + name.len() > FULL_NAME_CHARS_MAX {
            return Err(syntax(at, format_args!("a full name has {FULL_NAME_CHARS_MAX} characters at most")));
        }
        Ok(name)
    }

    /// Names with dots between.
    fn full_name(&mut self) -> Result<String, ParseError> {
        let at = self.at;
        let mut name = self.name()?;
        while self.take_symbol('.')? {
            name.push('.');
            name.push_str(&self.name()?);
            if name.len() > FULL_NAME_CHARS_MAX {
                return Err(syntax(at, format_args!("a full name has {FULL_NAME_CHARS_MAX} characters at most")));
            }
        }
        Ok(name)
    }

    /// A full name, perhaps with a dot in front.
    fn type_name(&mut self) -> Result<String, ParseError> {
        if self.take_symbol('.')? { Ok(format!(".{}", self.full_name()?)) } else { self.full_name() }
    }

    /// One string, or several that follow each other.
    fn text(&mut self, what: &str) -> Result<Vec<u8>, ParseError> {
        if !matches!(self.token, Token::Text(_)) {
            return Err(self.expected(what));
        }
        let mut bytes = Vec::new();
        while let Token::Text(part) = &self.token {
            bytes.extend_from_slice(part);
            self.take()?;
        }
        Ok(bytes)
    }

    fn integer(&mut self) -> Result<i32, ParseError> {
        let at = self.at;
        let sign = if self.take_symbol('-')? { -1 } else { 1 };
        let Token::Number(number) = &self.token else { return Err(self.expected("an integer")) };
        let lower = number.to_ascii_lowercase();
        let parsed = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
            (Some(digits), _) => i64::from_str_radix(digits, 16),
            (None, Some(digits)) if !digits.is_empty() => i64::from_str_radix(digits, 8),
            _ => lower.parse(),
        };
        let value = parsed.ok().and_then(|value| i32::try_from(value * sign).ok());
        let value = value.ok_or_else(|| syntax(at, format_args!("`{number}` is no 32-bit integer")))?;
        self.take()?;
        Ok(value)
    }

    fn count_type(&mut self) -> Result<(), ParseError> {
        self.types += 1;
        if self.types > TYPES_MAX { Err(ParseError::too_large("types of a schema", TYPES_MAX)) } else { Ok(()) }
    }

    fn count_member(&mut self) -> Result<(), ParseError> {
        self.members += 1;
        let is_over = self.members > MEMBERS_MAX;
        if is_over { Err(ParseError::too_large("fields, values and options of a schema", MEMBERS_MAX)) } else { Ok(()) }
    }

    /// Reads with `inner` what lies one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        if self.nesting >= NESTING_MAX {
            return Err(ParseError::too_large("levels of nesting", NESTING_MAX));
        }
        self.nesting += 1;
        let read = inner(self);
        self.nesting -= 1;
        read
    }
}

/// Whether a file may be imported by `name`: nothing in it leads out of where it is looked for.
fn is_file_name(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\\'))
}
