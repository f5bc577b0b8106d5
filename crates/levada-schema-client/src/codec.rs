//! Records by their schemas: JSON becomes what the schema says, behind the schema's id, and comes back.

use crate::{
    error::ClientError,
    rest::{RegistryClient, Versions},
    shapes::{Content, Registered},
};
use levada_model::schema_id::SchemaId;
use levada_schema::{Guid, Parsed, REFERENCES_MAX, ResolveError, SchemaType, resolve};
use std::{collections::BTreeMap, sync::Arc};

/// So many schemas are kept as they were understood.
const KNOWN_MAX: usize = 1_000;

impl RegistryClient {
    /// Understands a schema, and asks for all that it refers to.
    ///
    /// # Errors
    /// [`ClientError`]; `name` names the schema in it.
    pub fn understand(&self, name: &str, content: &Content) -> Result<Parsed, ClientError> {
        let not_understood = |reason| ClientError::Schema { schema: name.to_owned(), reason };
        let resolved = resolve(&content.references, |reference| {
            let which = Versions { deleted: true };
            let found = self.version(&reference.subject, &reference.version.to_string(), which)?;
            Ok((found.content.schema.into(), found.content.references))
        });
        let resolved = resolved.map_err(|error| match error {
            ResolveError::Find(error) => error,
            ResolveError::TooMany => not_understood(format!("it refers to more than {REFERENCES_MAX} others")),
        })?;
        Parsed::parse(content.schema_type, &content.schema, &resolved).map_err(not_understood)
    }
}

fn check_type(which: String, found: SchemaType, wanted: SchemaType) -> Result<(), ClientError> {
    if found == wanted {
        return Ok(());
    }
    Err(ClientError::OtherType { which, found: found.name(), wanted: wanted.name() })
}

/// Makes data of one schema out of JSON.
#[derive(Debug)]
pub struct Encoder {
    id: u32,
    parsed: Parsed,
    message: Option<String>,
}

impl Encoder {
    /// With the latest schema of a subject, which has to be of this language. `message` is the full name of a message
    /// of Protobuf; without it, it is the first one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn latest(
        registry: &RegistryClient,
        subject: &str,
        wanted: SchemaType,
        message: Option<String>,
    ) -> Result<Self, ClientError> {
        let Registered { id, content, .. } = registry.version(subject, "latest", Versions::default())?;
        check_type(format!("the latest schema of subject `{subject}`"), content.schema_type, wanted)?;
        Self::of(registry, id, &content, message)
    }

    /// With the schema of this id, which has to be of this language.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn by_id(
        registry: &RegistryClient,
        id: i32,
        wanted: SchemaType,
        message: Option<String>,
    ) -> Result<Self, ClientError> {
        let content = registry.by_id(id)?;
        check_type(format!("schema {id}"), content.schema_type, wanted)?;
        Self::of(registry, id, &content, message)
    }

    fn of(registry: &RegistryClient, id: i32, content: &Content, message: Option<String>) -> Result<Self, ClientError> {
        let name = id.to_string();
        let parsed = registry.understand(&name, content)?;
        let negative = |_| ClientError::Schema { schema: name, reason: "its id is negative".to_owned() };
        Ok(Self { id: u32::try_from(id).map_err(negative)?, parsed, message })
    }

    /// What a record holds for `json`: the schema's id, and the data.
    ///
    /// # Errors
    /// [`ClientError::Data`].
    pub fn encode(&self, json: &str) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::with_capacity(5 + json.len());
        SchemaId::Id(self.id).write(&mut bytes);
        let written = self.parsed.write_json(json, self.message.as_deref(), &mut bytes);
        written.map_err(|reason| ClientError::Data { schema: self.id.to_string(), reason })?;
        Ok(bytes)
    }
}

/// Makes JSON out of data, by the schemas that they name.
#[derive(Debug)]
pub struct Decoder {
    registry: RegistryClient,
    wanted: SchemaType,
    known: BTreeMap<SchemaId, Arc<Parsed>>,
}

impl Decoder {
    /// One that knows no schemas yet. They have to be of this language.
    #[must_use]
    pub const fn new(registry: RegistryClient, wanted: SchemaType) -> Self {
        Self { registry, wanted, known: BTreeMap::new() }
    }

    /// The data of a record as JSON. `header` is the record's header for the schema's name, where it has one; else
    /// `bytes` begin with that name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn decode(&mut self, header: Option<&[u8]>, bytes: &[u8]) -> Result<String, ClientError> {
        let Some((schema, rest)) = SchemaId::split(header.unwrap_or(bytes)) else {
            return Err(unnamed(header.is_some(), bytes));
        };
        let parsed = self.parsed(schema)?;
        let wrong = |reason| ClientError::Data { schema: name(schema), reason };
        let data = match header {
            Some(_) => parsed.data(Some(rest), bytes),
            None => parsed.data(None, rest),
        };
        let data = data.map_err(wrong)?;
        parsed.to_json(&data).map_err(wrong)
    }

    fn parsed(&mut self, schema: SchemaId) -> Result<Arc<Parsed>, ClientError> {
        if let Some(known) = self.known.get(&schema) {
            return Ok(Arc::clone(known));
        }
        let name = name(schema);
        let found = match schema {
            SchemaId::Id(id) => self.registry.by_id(i32::try_from(id).unwrap_or(i32::MAX))?,
            SchemaId::Guid(_) => self.registry.by_guid(&name)?,
        };
        check_type(format!("schema {name}"), found.schema_type, self.wanted)?;
        let parsed = Arc::new(self.registry.understand(&name, &found)?);
        if self.known.len() >= KNOWN_MAX {
            self.known.pop_first();
        }
        self.known.insert(schema, Arc::clone(&parsed));
        Ok(parsed)
    }
}

fn unnamed(has_header: bool, bytes: &[u8]) -> ClientError {
    let reason = match bytes.first() {
        _ if has_header => "the header for it is malformed".to_owned(),
        None => "it is empty".to_owned(),
        Some(first) => format!("it begins with {first:#04x}, and has {} bytes", bytes.len()),
    };
    ClientError::Unnamed { reason }
}

/// The id or the GUID.
fn name(schema: SchemaId) -> String {
    match schema {
        SchemaId::Id(id) => id.to_string(),
        SchemaId::Guid(bytes) => Guid(bytes).to_string(),
    }
}
