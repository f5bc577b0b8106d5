//! Records by their schemas: JSON becomes what the schema says, behind the schema's id, and comes back.

use crate::{
    error::ClientError,
    rest::{RegistryClient, Versions},
    shapes::{Registered, SchemaById},
};
use levada_model::schema_id::SchemaId;
use levada_schema::{Guid, Parsed, Reference, Resolved, SchemaType};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A schema refers to at most so many others, all that these refer to among them.
const REFERENCES_MAX: usize = 1_000;
/// So many schemas are kept as they were understood.
const KNOWN_MAX: usize = 1_000;

impl RegistryClient {
    /// Understands a schema, and asks for all that it refers to.
    ///
    /// # Errors
    /// [`ClientError`]; `name` names the schema in it.
    pub fn understand(
        &self,
        name: &str,
        schema_type: SchemaType,
        text: &str,
        references: &[Reference],
    ) -> Result<Parsed, ClientError> {
        let mut resolved = Vec::new();
        let mut names = BTreeSet::new();
        // Each with its own references still to come, or already in.
        let mut open: Vec<(Reference, Option<String>)> = references.iter().rev().map(|it| (it.clone(), None)).collect();
        while let Some((reference, text)) = open.pop() {
            if names.contains(&reference.name) {
                continue;
            }
            match text {
                Some(text) => {
                    names.insert(reference.name.clone());
                    resolved.push(Resolved { name: reference.name, text: text.into() });
                }
                None => {
                    let which = Versions { deleted: true };
                    let found = self.version(&reference.subject, &reference.version.to_string(), which)?;
                    // One that waits for this one, and is referred to by it, would wait for ever.
                    let waits = |name: &str| open.iter().any(|(other, text)| text.is_some() && other.name == name);
                    let others: Vec<_> = found.references.into_iter().rev().filter(|it| !waits(&it.name)).collect();
                    open.push((reference, Some(found.schema)));
                    open.extend(others.into_iter().map(|it| (it, None)));
                }
            }
            if resolved.len() + open.len() > REFERENCES_MAX {
                let reason = format!("it refers to more than {REFERENCES_MAX} others");
                return Err(ClientError::Schema { schema: name.to_owned(), reason });
            }
        }
        Parsed::parse(schema_type, text, &resolved)
            .map_err(|reason| ClientError::Schema { schema: name.to_owned(), reason })
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
    id: i32,
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
        let Registered { id, schema_type, schema, references, .. } =
            registry.version(subject, "latest", Versions::default())?;
        check_type(format!("the latest schema of subject `{subject}`"), schema_type, wanted)?;
        let parsed = registry.understand(&id.to_string(), schema_type, &schema, &references)?;
        Ok(Self { id, parsed, message })
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
        let SchemaById { schema_type, schema, references, .. } = registry.by_id(id, None)?;
        check_type(format!("schema {id}"), schema_type, wanted)?;
        let parsed = registry.understand(&id.to_string(), schema_type, &schema, &references)?;
        Ok(Self { id, parsed, message })
    }

    /// The schema's id.
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.id
    }

    /// What a record holds for `json`: the schema's id, and the data.
    ///
    /// # Errors
    /// [`ClientError::Data`].
    pub fn encode(&self, json: &str) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::with_capacity(5 + json.len());
        SchemaId::Id(u32::try_from(self.id).unwrap_or_default()).write(&mut bytes);
        let written = self.parsed.write_json(json, self.message.as_deref(), &mut bytes);
        written.map_err(|reason| ClientError::Data { schema: self.id.to_string(), reason })?;
        Ok(bytes)
    }
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The schema it names.
    pub schema: SchemaId,
    /// The data as JSON.
    pub json: String,
}

/// Makes JSON out of data, by the schemas that they name.
#[derive(Debug)]
pub struct Coder {
    registry: RegistryClient,
    wanted: SchemaType,
    known: BTreeMap<SchemaId, Arc<Parsed>>,
}

impl Coder {
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
    pub fn decode(&mut self, header: Option<&[u8]>, bytes: &[u8]) -> Result<Decoded, ClientError> {
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
        let json = parsed.to_json(&data).map_err(wrong)?;
        Ok(Decoded { schema, json })
    }

    fn parsed(&mut self, schema: SchemaId) -> Result<Arc<Parsed>, ClientError> {
        if let Some(known) = self.known.get(&schema) {
            return Ok(Arc::clone(known));
        }
        let name = name(schema);
        let found = match schema {
            SchemaId::Id(id) => self.registry.by_id(i32::try_from(id).unwrap_or(i32::MAX), None)?,
            SchemaId::Guid(_) => self.registry.by_guid(&name)?,
        };
        check_type(format!("schema {name}"), found.schema_type, self.wanted)?;
        let SchemaById { schema_type, schema: text, references, .. } = found;
        let parsed = Arc::new(self.registry.understand(&name, schema_type, &text, &references)?);
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
