//! Tags of the parts of a schema, by which rules find what they are about.
//!
//! Where a part's tags stand and how its path is written is each language's own; here is what they have in common:
//! [`Tags`], which each of them implements, and what it is told and answers.

use std::{collections::HashSet, fmt};

/// How many bytes the paths of all parts with tags may have together.
pub const PATHS_BYTES_MAX: usize = 4 << 20;

/// What can have tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A record, a message, or the schema of an object.
    Record,
    /// A field or a property.
    Field,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "record",
            Self::Field => "field",
        })
    }
}

/// A part that has tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// What it is.
    pub part: Part,
    /// Where it is.
    pub path: String,
    /// Its tags in the order of the text, each once.
    pub tags: Vec<String>,
}

/// A change of the tags of a part.
#[derive(Clone, Copy, Debug)]
pub struct Retag<'a> {
    /// What it is.
    pub part: Part,
    /// Where it is.
    pub path: &'a str,
    /// Tags that it gets, behind those that it has.
    pub add: &'a [String],
    /// Tags that it loses, those that it gets among them.
    pub remove: &'a [String],
    /// What to do where there is no such part.
    pub missing: Missing,
}

/// What to do where a part is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Change nothing at all.
    Refuse,
    /// Go on with the others.
    Skip,
}

/// Why tags are not found, or not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// The schema's own text has no such part, or it is one that can have no tags.
    #[error("the schema has no {part} `{path}` that can have tags")]
    NoSuchPart {
        /// What was looked for.
        part: Part,
        /// Where.
        path: String,
    },
    /// The part's `confluent:tags` is something else than a list of strings, which changing tags would overwrite.
    #[error("`confluent:tags` of `{path}` is not a list of strings")]
    NotTags {
        /// Where.
        path: String,
    },
    /// The paths of all parts with tags are too long together.
    #[error("the paths of all parts with tags have more than {limit} bytes together")]
    TooLong {
        /// How many bytes they may have.
        limit: usize,
    },
    /// The schema's text cannot be read or printed again.
    #[error("{reason}")]
    Text {
        /// Why, in words.
        reason: String,
    },
}

/// A schema whose parts may have tags.
pub trait Tags {
    /// All parts that have tags, in the order of the text.
    ///
    /// # Errors
    /// [`TagError::TooLong`].
    fn tagged(&self) -> Result<Vec<Tagged>, TagError>;

    /// The canonical text of the schema with other tags; parts of what it refers to cannot be changed here.
    ///
    /// # Errors
    /// [`TagError`].
    fn retagged(&self, changes: &[Retag<'_>]) -> Result<String, TagError>;
}

impl Retag<'_> {
    /// Adds and removes tags, each once, however many there are.
    pub fn change(&self, tags: &mut Vec<String>) {
        let mut known: HashSet<String> = tags.iter().cloned().collect();
        tags.extend(self.add.iter().filter(|tag| known.insert((*tag).clone())).cloned());
        let removed: HashSet<&String> = self.remove.iter().collect();
        tags.retain(|tag| !removed.contains(tag));
    }

    /// What comes of it where there is no such part.
    ///
    /// # Errors
    /// [`TagError::NoSuchPart`].
    pub fn without_part(&self) -> Result<(), TagError> {
        match self.missing {
            Missing::Skip => Ok(()),
            Missing::Refuse => Err(TagError::NoSuchPart { part: self.part, path: self.path.to_owned() }),
        }
    }
}

/// The first of each text, in their order.
#[must_use]
pub fn each_once<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut seen = HashSet::new();
    texts.into_iter().map(|text| text.as_ref().to_owned()).filter(|text| seen.insert(text.clone())).collect()
}

/// Gathers parts that have tags.
#[derive(Debug, Default)]
pub struct Found {
    list: Vec<Tagged>,
    paths_bytes: usize,
}

impl Found {
    /// Takes note of a part, if it has tags.
    ///
    /// # Errors
    /// [`TagError::TooLong`].
    pub fn note(&mut self, part: Part, tags: Vec<String>, path: impl FnOnce() -> String) -> Result<(), TagError> {
        if tags.is_empty() {
            return Ok(());
        }
        let path = path();
        self.paths_bytes += path.len();
        if self.paths_bytes > PATHS_BYTES_MAX {
            return Err(TagError::TooLong { limit: PATHS_BYTES_MAX });
        }
        self.list.push(Tagged { part, path, tags });
        Ok(())
    }

    /// All that were noted.
    #[must_use]
    pub fn into_list(self) -> Vec<Tagged> {
        self.list
    }
}
