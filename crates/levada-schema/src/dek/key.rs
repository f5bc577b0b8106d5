//! Keys and their names. What may be secret is not in their `Debug`.

use super::{Error, TEXT_SIZE_MAX};
use crate::subject::Subject;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// With or without padding: decoders differ in what they ask for.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Refuses what is missing, or too long.
pub(super) fn checked(field: &'static str, text: Option<String>) -> Result<Arc<str>, Error> {
    match text.filter(|text| !text.is_empty()) {
        None => Err(Error::Invalid { field, problem: "is missing" }),
        Some(text) if text.len() > TEXT_SIZE_MAX => Err(Error::Invalid { field, problem: "is too long" }),
        Some(text) => Ok(text.into()),
    }
}

/// A KEK's name: a letter or `_`, then letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekName(Arc<str>);

impl KekName {
    const SIZE_MAX: usize = 256;

    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut chars = text.chars();
        let problem = match chars.next() {
            None => "is missing",
            Some(first) if !(first.is_alphabetic() || first == '_') => "begins with neither a letter nor `_`",
            _ if chars.any(|c| !(c.is_alphanumeric() || c == '_' || c == '-')) => {
                "has other than letters, digits, `_`, `-`"
            }
            _ if text.encode_utf16().count() > Self::SIZE_MAX => "is longer than 256 characters",
            _ => return Ok(Self(text.into())),
        };
        Err(Error::Invalid { field: "name", problem })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KekName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a DEK is a key of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// AES-128 in Galois/counter mode.
    Aes128Gcm,
    /// AES-256 in Galois/counter mode; meant where nothing is said.
    #[default]
    Aes256Gcm,
    /// AES-256 with a synthetic initialisation vector: the same text has the same cipher.
    Aes256Siv,
}

impl Algorithm {
    /// Each, in the format's order.
    pub const ALL: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::Aes256Siv];

    /// The name that the API and the topic give it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "AES128_GCM",
            Self::Aes256Gcm => "AES256_GCM",
            Self::Aes256Siv => "AES256_SIV",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let problem = "is not AES128_GCM, AES256_GCM or AES256_SIV";
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        found.ok_or(Error::Invalid { field: "algorithm", problem })
    }
}

/// Properties of a KEK for whoever asks the KMS. They may hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KmsProps(BTreeMap<String, String>);

impl KmsProps {
    /// Takes properties from a request.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are too many.
    pub fn new(props: BTreeMap<String, String>) -> Result<Self, Error> {
        let size: usize = props.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > TEXT_SIZE_MAX {
            return Err(Error::Invalid { field: "kmsProps", problem: "is too long" });
        }
        Ok(Self(props))
    }

    /// Takes properties as the topic has them.
    pub(super) const fn kept(props: BTreeMap<String, String>) -> Self {
        Self(props)
    }

    /// The properties, by name.
    #[must_use]
    pub const fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl fmt::Debug for KmsProps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A DEK as the KMS wrapped it, in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey(Arc<str>);

impl WrappedKey {
    const FIELD: &str = "encryptedKeyMaterial";

    /// Takes a key from a request.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is missing, too long, or no base64.
    pub(super) fn new(text: Option<String>) -> Result<Self, Error> {
        let text = checked(Self::FIELD, text)?;
        if BASE64.decode(text.as_bytes()).is_err() {
            return Err(Error::Invalid { field: Self::FIELD, problem: "is not base64" });
        }
        Ok(Self(text))
    }

    /// Takes a key as the topic has it.
    pub(super) fn kept(text: String) -> Self {
        Self(text.into())
    }

    /// The text, in base64.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

/// A key encryption key: where the KMS keeps it, and how it is got at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kek {
    /// Its name.
    pub name: KekName,
    /// The kind of KMS, `aws-kms` say.
    pub kms_type: Arc<str>,
    /// Its id there.
    pub kms_key_id: Arc<str>,
    /// What the KMS's driver has to know.
    pub kms_props: KmsProps,
    /// What people say of it.
    pub doc: Option<Arc<str>>,
    /// Whether the registry asks the KMS.
    pub shared: bool,
    /// Whether it is deleted softly.
    pub deleted: bool,
    /// When it was written, in milliseconds since 1970.
    pub ts: i64,
}

impl Kek {
    /// Whether both are the same but for when they were written, and whether they are deleted.
    pub(super) fn is_equivalent(&self, other: &Self) -> bool {
        let Self { name, kms_type, kms_key_id, kms_props, doc, shared, deleted: _, ts: _ } = self;
        *name == other.name
            && *kms_type == other.kms_type
            && *kms_key_id == other.kms_key_id
            && *kms_props == other.kms_props
            && *doc == other.doc
            && *shared == other.shared
    }
}

/// Where versions of a DEK are: in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DekPlace {
    /// Its KEK.
    pub kek: KekName,
    /// Whose records it encrypts.
    pub subject: Subject,
    /// What it is a key of.
    pub algorithm: Algorithm,
}

/// Which DEK.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DekId {
    /// Where it is.
    pub place: DekPlace,
    /// Its version, from 1 on.
    pub version: i32,
}

/// A data encryption key, wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dek {
    /// Which.
    pub id: DekId,
    /// The key.
    pub wrapped: WrappedKey,
    /// Whether it is deleted softly.
    pub deleted: bool,
    /// When it was written, in milliseconds since 1970.
    pub ts: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_and_lines() {
        for name in ["k", "_", "kek-1_B", "schlüssel"] {
            assert_eq!(KekName::parse(name).unwrap().as_str(), name);
        }
        let longest = "k".repeat(256);
        assert!(KekName::parse(&longest).is_ok());
        for name in ["", "1k", "-k", "a b", "a/b", "a.b", "a\0", "a\n", "🔑", "a🔑", &format!("{longest}k")] {
            assert!(matches!(KekName::parse(name), Err(Error::Invalid { field: "name", .. })), "{name:?}");
        }
    }

    #[test]
    fn a_wrapped_key_is_base64() {
        for text in ["AA==", "AA", "q83v", "+/8="] {
            assert_eq!(WrappedKey::new(Some(text.to_owned())).unwrap().as_str(), text);
        }
        let long = "A".repeat(TEXT_SIZE_MAX + 4);
        for text in [None, Some(""), Some("A"), Some("AA-_"), Some("AA =="), Some("\u{0}\u{0}"), Some(&long)] {
            let refused = WrappedKey::new(text.map(str::to_owned));
            assert!(matches!(refused, Err(Error::Invalid { field: "encryptedKeyMaterial", .. })), "{text:?}");
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown_to_debuggers() {
        let props = BTreeMap::from([("secret".to_owned(), "hush".to_owned())]);
        let shown = format!("{:?} {:?}", KmsProps::new(props).unwrap(), WrappedKey::kept("aHVzaA==".to_owned()));
        assert_eq!(shown, r#"{"secret"} WrappedKey(8 bytes)"#);
    }
}
