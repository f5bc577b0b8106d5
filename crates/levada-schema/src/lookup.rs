//! Whether a schema is registered, and what it refers to.

use crate::{
    contract::CONFLUENT_VERSION,
    error::Error,
    format::{Held, Parsed, Resolved, describe},
    record::Version,
    references::{REFERENCES_MAX, ResolveError, resolve},
    registry::{Deleted, Registry, VersionId},
    schema::{Reference, Schema, SchemaType},
    subject::{Context, Subject},
};
use std::sync::Arc;

/// A schema's text has at most so many bytes: it must fit into a record of the topic with all that is said about it.
pub(crate) const TEXT_SIZE_MAX: usize = 900 << 10;

impl Registry {
    /// All that a schema of `context` refers to, dependencies first.
    pub(crate) fn resolve(&self, context: &Context, references: &[Reference]) -> Result<Vec<Resolved>, Error> {
        let found = resolve(references, |reference| {
            let subject = Subject::parse_in(context, &reference.subject);
            let number = if reference.version == -1 { VersionId::Latest } else { VersionId::Number(reference.version) };
            let missing = || Error::InvalidSchema(format!("no schema reference found: {}", describe(reference)));
            let (_, version) = self.get_anywhere(&subject, number, Deleted::Too).ok_or_else(missing)?;
            Ok((Arc::clone(&version.schema.text), version.schema.references.clone()))
        });
        found.map_err(|error| match error {
            ResolveError::Find(error) => error,
            ResolveError::TooMany => Error::TooLarge(format!("it refers to more than {REFERENCES_MAX} others")),
        })
    }

    /// Understands a schema of `context`.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`], [`Error::TooLarge`].
    pub fn parse(&self, context: &Context, schema: &Schema) -> Result<Parsed, Error> {
        self.parse_held(context, schema, Held::AsKept)
    }

    fn parse_held(&self, context: &Context, schema: &Schema, held: Held) -> Result<Parsed, Error> {
        if schema.text.len() > TEXT_SIZE_MAX {
            let size = schema.text.len();
            return Err(Error::TooLarge(format!("its text has {size} bytes, at most {TEXT_SIZE_MAX} are taken")));
        }
        let references = self.resolve(context, &schema.references)?;
        Parsed::parse_held(schema.schema_type, &schema.text, &references, held).map_err(Error::InvalidSchema)
    }

    /// The text of a schema of `context` with all that it refers to, which needs no references then: of Avro and JSON
    /// Schema.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`] where it is not understood, is of another language, or cannot be one text.
    pub fn resolved(&self, context: &Context, schema: &Schema) -> Result<String, Error> {
        let in_words = |error: &dyn std::fmt::Display| Error::InvalidSchema(error.to_string());
        match schema.schema_type {
            SchemaType::Json => {
                let resolved = self.resolve(context, &schema.references)?;
                let references =
                    resolved.iter().map(|it| levada_json_schema::Reference { name: &it.name, text: &it.text });
                let references: Vec<_> = references.collect();
                levada_json_schema::resolved(&schema.text, &references).map_err(|error| in_words(&error))
            }
            SchemaType::Avro | SchemaType::Protobuf => match self.parse(context, schema)? {
                Parsed::Avro(parsed) => parsed.resolved().map_err(|error| in_words(&error)),
                _ => Err(in_words(&"schemas of this language are not given in this format")),
            },
        }
    }

    /// The same schema with its text as it is kept.
    pub(crate) fn canonical(
        &self,
        context: &Context,
        schema: &Schema,
        normalize: bool,
        held: Held,
    ) -> Result<(Schema, Parsed), Error> {
        let parsed = self.parse_held(context, schema, held)?;
        let text = parsed.text(normalize);
        let mut references = schema.references.clone();
        if normalize {
            references.sort();
            references.dedup();
        }
        // A version that is asked for as the latest is the one that is the latest now.
        for reference in references.iter_mut().filter(|reference| reference.version == -1) {
            let subject = Subject::parse_in(context, &reference.subject);
            if let Some((_, version)) = self.get_anywhere(&subject, VersionId::Latest, Deleted::No) {
                reference.version = version.version;
            }
        }
        let kept = Schema { text: text.into(), references, ..schema.clone() };
        Ok((kept, parsed))
    }

    /// The version under which a schema is registered with a subject, the latest if there are several.
    ///
    /// `normalize` compares with normalised texts. Where the schema is not found as it is given, it is looked for with
    /// the metadata and rules that registering adds.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`].
    pub fn lookup(
        &self,
        subject: &Subject,
        schema: &Schema,
        normalize: bool,
        deleted: Deleted,
    ) -> Result<Option<Arc<Version>>, Error> {
        let config = self.config_in_scope(Some(subject));
        let normalize = normalize || config.normalize == Some(true);
        let (given, _) = self.canonical(subject.context(), schema, normalize, Held::AsKept)?;
        if let Some(found) = self.find(subject, &given, deleted) {
            return Ok(Some(Arc::clone(found)));
        }
        let previous = self.get(subject, VersionId::Latest, Deleted::No);
        let filled = self.with_contract(&config, &given, previous.map(|version| &version.schema));
        if filled == given {
            return Ok(None);
        }
        Ok(self.find(subject, &filled, deleted).cloned())
    }

    /// As [`Self::lookup`], in all contexts where the subject names none.
    ///
    /// # Errors
    /// As [`Self::lookup`] in the subject's own context; elsewhere what is not understood is not found.
    pub fn lookup_anywhere(
        &self,
        subject: &Subject,
        schema: &Schema,
        normalize: bool,
        deleted: Deleted,
    ) -> Result<Option<(Subject, Arc<Version>)>, Error> {
        if let Some(found) = self.lookup(subject, schema, normalize, deleted)? {
            return Ok(Some((subject.clone(), found)));
        }
        if !subject.context().is_default() {
            return Ok(None);
        }
        let elsewhere = self.contexts().into_iter().filter(|context| !context.is_default());
        let mut there = elsewhere.map(|context| subject.moved_to(&context));
        Ok(there.find_map(|there| {
            let found = self.lookup(&there, schema, normalize, deleted).ok().flatten()?;
            Some((there, found))
        }))
    }

    /// The version of a subject that has this schema, but for the version that its metadata name.
    pub(crate) fn find(&self, subject: &Subject, schema: &Schema, deleted: Deleted) -> Option<&Arc<Version>> {
        let same = |version: &&Arc<Version>| {
            let known = &version.schema;
            known.schema_type == schema.schema_type
                && known.text == schema.text
                && known.references == schema.references
                && known.rule_set == schema.rule_set
                && without_version(known) == without_version(schema)
        };
        self.versions(subject, deleted).rev().find(same)
    }
}

fn without_version(schema: &Schema) -> Option<crate::contract::Metadata> {
    let mut metadata = schema.metadata.clone()?;
    metadata.properties.remove(CONFLUENT_VERSION);
    (metadata != crate::contract::Metadata::default()).then_some(metadata)
}
