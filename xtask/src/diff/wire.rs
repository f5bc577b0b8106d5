//! Messages as trees, read and written by the schema text alone: a second opinion beside the generated code, and
//! one that knows the path of every field. What the bytes of records mean is `records`' affair.
//!
//! A struct is an object, a uuid 32 hexadecimal digits, bytes are text where they are printable and `hex:…`
//! otherwise. A field that a version does not have is left out when written, and is not there when read.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use levada_protocol::ApiKey;
use serde_json::{Map, Value};

use super::records;
use crate::codegen::schema::{Field, Kind, Message, Struct, Type};

/// What steps bound so far, by name.
pub(super) type Variables = BTreeMap<String, Bound>;

/// A value, and the name of the field that had it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    pub(super) value: Value,
    pub(super) field: String,
}

/// The requests and responses of all APIs.
pub(super) struct Wire {
    requests: BTreeMap<i16, Message>,
    responses: BTreeMap<i16, Message>,
}

impl Wire {
    /// Reads the schema text.
    pub(super) fn load() -> Result<Self> {
        let mut wire = Self { requests: BTreeMap::new(), responses: BTreeMap::new() };
        for message in crate::codegen::messages()? {
            match message.kind {
                Kind::Request(key) => drop(wire.requests.insert(key, message)),
                Kind::Response(key) => drop(wire.responses.insert(key, message)),
                Kind::RecordKey(_) | Kind::RecordValue(_) | Kind::Data => {}
            }
        }
        Ok(wire)
    }

    /// The schema of an API's request.
    pub(super) fn request(&self, api: ApiKey) -> Result<&Message> {
        self.requests.get(&api.code()).with_context(|| format!("no request {api}"))
    }

    /// The body of a request.
    pub(super) fn write(&self, api: ApiKey, version: i16, body: &Value, variables: &Variables) -> Result<Vec<u8>> {
        let message = self.request(api)?;
        let mut writer = Writer { of: Of::new(message, version), variables, bytes: Vec::new() };
        writer.structure(root(message)?, body).with_context(|| format!("{api} version {version}: {body}"))?;
        Ok(writer.bytes)
    }

    /// The body of a response.
    pub(super) fn read(&self, api: ApiKey, version: i16, bytes: &[u8]) -> Result<Value> {
        let message = self.responses.get(&api.code()).with_context(|| format!("no response {api}"))?;
        let mut reader = Reader { of: Of::new(message, version), bytes };
        let value = reader.structure(root(message)?).with_context(|| format!("{api} version {version}"))?;
        ensure!(reader.bytes.is_empty(), "{api} version {version}: {} bytes after the response", reader.bytes.len());
        Ok(value)
    }
}

fn root(message: &Message) -> Result<&Struct> {
    message.structs.first().context("a message without a struct")
}

/// One version of one message.
#[derive(Clone, Copy)]
struct Of<'a> {
    message: &'a Message,
    version: i16,
    flexible: bool,
}

impl<'a> Of<'a> {
    fn new(message: &'a Message, version: i16) -> Self {
        Self { message, version, flexible: message.flexible_from.is_some_and(|from| version >= from) }
    }

    fn named(self, name: &str) -> Result<&'a Struct> {
        let found = self.message.structs.iter().find(|one| one.name == name);
        found.with_context(|| format!("no struct {name}"))
    }

    fn fields(self, of: &'a Struct, tagged: bool) -> impl Iterator<Item = &'a Field> {
        of.fields.iter().filter(move |field| field.tag.is_some() == tagged && field.versions.contains(self.version))
    }

    fn is_nullable(self, field: &Field) -> bool {
        field.nullable.is_some_and(|versions| versions.contains(self.version))
    }
}

/// What a field has where nobody says otherwise.
pub(super) fn default(field: &Field) -> Result<Value> {
    Ok(match (&field.kind, field.default.as_deref()) {
        (_, Some("null")) | (Type::Records, None) => Value::Null,
        (Type::Bool, text) => Value::from(text == Some("true")),
        (Type::Float64, None) => Value::from(0.0),
        (Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64 | Type::Uint16, None) => Value::from(0),
        (_, Some(text)) => match text.strip_prefix("0x") {
            Some(hex) => Value::from(i64::from_str_radix(hex, 16)?),
            None => Value::from(text.parse::<i64>()?),
        },
        (Type::Uuid, None) => Value::from("0".repeat(32)),
        (Type::String | Type::Bytes, None) => Value::from(""),
        (Type::Array(_), None) => Value::Array(Vec::new()),
        (Type::Struct(_), None) => Value::Object(Map::new()),
    })
}

/// Bytes from text, `hex:…` or plain.
pub(super) fn bytes_of(text: &str) -> Result<Vec<u8>> {
    let Some(hex) = text.strip_prefix("hex:") else { return Ok(text.as_bytes().to_vec()) };
    ensure!(hex.len().is_multiple_of(2), "odd hexadecimal digits");
    let pair = |at: usize| hex.get(at..at + 2).context("no hexadecimal digits");
    (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(pair(at)?, 16)?)).collect()
}

/// Text for bytes, as [`bytes_of`] takes it.
pub(super) fn text_of(bytes: &[u8]) -> String {
    let printable = bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) && !bytes.starts_with(b"hex:");
    match std::str::from_utf8(bytes) {
        Ok(text) if printable => text.to_owned(),
        _ => format!("hex:{}", hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Writer<'a> {
    of: Of<'a>,
    variables: &'a Variables,
    bytes: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn structure(&mut self, of: &'a Struct, value: &Value) -> Result<()> {
        let object = value.as_object().with_context(|| format!("{} is an object, not {value}", of.name))?;
        for name in object.keys() {
            ensure!(of.fields.iter().any(|field| field.name == *name), "{} has no field `{name}`", of.name);
        }
        for field in self.of.fields(of, false) {
            let value = object.get(&field.name).cloned().map_or_else(|| default(field), Ok)?;
            self.field(field, &value, false).with_context(|| field.name.clone())?;
        }
        if self.of.flexible {
            self.tags(of, object)?;
        }
        Ok(())
    }

    fn tags(&mut self, of: &'a Struct, object: &Map<String, Value>) -> Result<()> {
        let set =
            |field: &&Field| object.get(&field.name).is_some_and(|value| default(field).ok().as_ref() != Some(value));
        let mut fields: Vec<_> = self.of.fields(of, true).filter(set).collect();
        fields.sort_by_key(|field| field.tag);
        self.varint(fields.len())?;
        for field in fields {
            let mut inner = Writer { of: self.of, variables: self.variables, bytes: Vec::new() };
            inner.field(field, object.get(&field.name).context("a tagged value")?, true)?;
            self.varint(usize::try_from(field.tag.unwrap_or_default())?)?;
            self.varint(inner.bytes.len())?;
            self.bytes.extend(inner.bytes);
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, value: &Value, tagged: bool) -> Result<()> {
        let value = self.resolve(value)?;
        ensure!(!value.is_null() || self.of.is_nullable(field), "null in version {}", self.of.version);
        if let Type::Struct(name) = &field.kind
            && self.of.is_nullable(field)
        {
            match (value.is_null(), tagged) {
                (true, false) => self.bytes.push(0xff),
                (true, true) => self.bytes.push(0),
                (false, _) => self.bytes.push(1),
            }
            return if value.is_null() { Ok(()) } else { self.structure(self.of.named(name)?, &value) };
        }
        self.kind(&field.kind, &value)
    }

    /// The value of a variable, where a text is the name of one.
    fn resolve(&self, value: &Value) -> Result<Value> {
        match value.as_str().and_then(|text| text.strip_prefix('$')) {
            None => Ok(value.clone()),
            Some(name) => {
                let bound = self.variables.get(name).with_context(|| format!("nothing bound `{name}`"))?;
                Ok(bound.value.clone())
            }
        }
    }

    fn kind(&mut self, kind: &'a Type, value: &Value) -> Result<()> {
        let number = || value.as_i64().with_context(|| format!("a number, not {value}"));
        match kind {
            Type::Bool => self.bytes.push(u8::from(value.as_bool().context("true or false")?)),
            Type::Int8 => self.bytes.extend(i8::try_from(number()?)?.to_be_bytes()),
            Type::Int16 => self.bytes.extend(i16::try_from(number()?)?.to_be_bytes()),
            Type::Int32 => self.bytes.extend(i32::try_from(number()?)?.to_be_bytes()),
            Type::Int64 => self.bytes.extend(number()?.to_be_bytes()),
            Type::Uint16 => self.bytes.extend(u16::try_from(number()?)?.to_be_bytes()),
            Type::Float64 => self.bytes.extend(value.as_f64().context("a number")?.to_be_bytes()),
            Type::Uuid => {
                let digits = value.as_str().context("hexadecimal digits")?;
                self.bytes.extend(u128::from_str_radix(digits, 16)?.to_be_bytes());
            }
            Type::String => self.sized(value, Self::string_length, |text| Ok(text.as_bytes().to_vec()))?,
            Type::Bytes => self.sized(value, Self::length, bytes_of)?,
            Type::Records => {
                let records = records::write(&self.resolve_all(value)?)?;
                self.length(records.as_ref().map(Vec::len))?;
                self.bytes.extend(records.unwrap_or_default());
            }
            Type::Struct(name) => self.structure(self.of.named(name)?, value)?,
            Type::Array(element) => {
                let elements = value.as_array();
                ensure!(elements.is_some() || value.is_null(), "an array, not {value}");
                self.length(elements.map(Vec::len))?;
                for one in elements.into_iter().flatten() {
                    let one = self.resolve(one)?;
                    self.kind(element, &one)?;
                }
            }
        }
        Ok(())
    }

    fn resolve_all(&self, value: &Value) -> Result<Value> {
        match value {
            Value::Array(elements) => elements.iter().map(|one| self.resolve_all(one)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, one)| Ok((name.clone(), self.resolve_all(one)?)));
                Ok(Value::Object(fields.collect::<Result<_>>()?))
            }
            other => self.resolve(other),
        }
    }

    fn sized(
        &mut self,
        value: &Value,
        length: impl Fn(&mut Self, Option<usize>) -> Result<()>,
        bytes: impl Fn(&str) -> Result<Vec<u8>>,
    ) -> Result<()> {
        if value.is_null() {
            return length(self, None);
        }
        let bytes = bytes(value.as_str().with_context(|| format!("a text, not {value}"))?)?;
        length(self, Some(bytes.len()))?;
        self.bytes.extend(bytes);
        Ok(())
    }

    fn string_length(&mut self, length: Option<usize>) -> Result<()> {
        if self.of.flexible {
            return self.length(length);
        }
        self.bytes.extend(length.map_or(Ok(-1), i16::try_from)?.to_be_bytes());
        Ok(())
    }

    fn length(&mut self, length: Option<usize>) -> Result<()> {
        if self.of.flexible {
            return self.varint(length.map_or(0, |length| length + 1));
        }
        self.bytes.extend(length.map_or(Ok(-1), i32::try_from)?.to_be_bytes());
        Ok(())
    }

    fn varint(&mut self, number: usize) -> Result<()> {
        let mut rest = u32::try_from(number)?;
        while rest >= 0x80 {
            self.bytes.push(u8::try_from(rest & 0x7f)? | 0x80);
            rest >>= 7;
        }
        self.bytes.push(u8::try_from(rest)?);
        Ok(())
    }
}

struct Reader<'a> {
    of: Of<'a>,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn structure(&mut self, of: &'a Struct) -> Result<Value> {
        let mut object = Map::new();
        for field in self.of.fields(of, false) {
            let value = self.field(field, false).with_context(|| format!("{}.{}", of.name, field.name))?;
            object.insert(field.name.clone(), value);
        }
        if self.of.flexible {
            for _ in 0..self.varint()? {
                let tag = self.varint()?;
                let size = usize::try_from(self.varint()?)?;
                let value = self.take(size)?;
                match self.of.fields(of, true).find(|field| field.tag == Some(tag)) {
                    Some(field) => {
                        let mut inner = Reader { of: self.of, bytes: value };
                        object.insert(field.name.clone(), inner.field(field, true)?);
                        ensure!(inner.bytes.is_empty(), "{}.{}: bytes after the value", of.name, field.name);
                    }
                    None => drop(object.insert(format!("tag {tag}"), Value::from(text_of(value)))),
                }
            }
        }
        Ok(Value::Object(object))
    }

    fn field(&mut self, field: &'a Field, tagged: bool) -> Result<Value> {
        if let Type::Struct(name) = &field.kind
            && self.of.is_nullable(field)
        {
            let mark = i8::from_be_bytes(self.array()?);
            let is_null = if tagged { mark == 0 } else { mark < 0 };
            return if is_null { Ok(Value::Null) } else { self.structure(self.of.named(name)?) };
        }
        let value = self.kind(&field.kind)?;
        ensure!(!value.is_null() || self.of.is_nullable(field), "null in version {}", self.of.version);
        Ok(value)
    }

    fn kind(&mut self, kind: &'a Type) -> Result<Value> {
        Ok(match kind {
            Type::Bool => Value::from(i8::from_be_bytes(self.array()?) != 0),
            Type::Int8 => Value::from(i8::from_be_bytes(self.array()?)),
            Type::Int16 => Value::from(i16::from_be_bytes(self.array()?)),
            Type::Int32 => Value::from(i32::from_be_bytes(self.array()?)),
            Type::Int64 => Value::from(i64::from_be_bytes(self.array()?)),
            Type::Uint16 => Value::from(u16::from_be_bytes(self.array()?)),
            Type::Float64 => Value::from(f64::from_be_bytes(self.array()?)),
            Type::Uuid => Value::from(hex(&self.array::<16>()?)),
            Type::String => match self.string_length()? {
                None => Value::Null,
                Some(size) => Value::from(std::str::from_utf8(self.take(size)?)?),
            },
            Type::Bytes => {
                self.length()?.map_or(Ok(Value::Null), |size| self.take(size).map(text_of).map(Value::from))?
            }
            Type::Records => match self.length()? {
                None => Value::Null,
                Some(size) => records::read(self.take(size)?),
            },
            Type::Struct(name) => self.structure(self.of.named(name)?)?,
            Type::Array(element) => match self.length()? {
                None => Value::Null,
                Some(count) => {
                    ensure!(count <= self.bytes.len(), "{count} elements in {} bytes", self.bytes.len());
                    (0..count).map(|_| self.kind(element)).collect::<Result<_>>()?
                }
            },
        })
    }

    fn string_length(&mut self) -> Result<Option<usize>> {
        if self.of.flexible { self.length() } else { Ok(usize::try_from(i16::from_be_bytes(self.array()?)).ok()) }
    }

    fn length(&mut self) -> Result<Option<usize>> {
        if self.of.flexible {
            return Ok(usize::try_from(self.varint()?)?.checked_sub(1));
        }
        Ok(usize::try_from(i32::from_be_bytes(self.array()?)).ok())
    }

    fn varint(&mut self) -> Result<u32> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            number |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if byte < 0x80 {
                return Ok(number);
            }
        }
        bail!("a number of more than five bytes")
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(size).context("the bytes end early")?;
        self.bytes = rest;
        Ok(taken)
    }
}
