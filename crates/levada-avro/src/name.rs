//! [`Name`]: what a record, an enum or a fixed is called, and what may be a name.

/// The name of a type: a simple name, in a namespace or in none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    full: String,
    /// Where the simple name begins in `full`.
    simple_index: usize,
}

impl Name {
    /// The type `name`, in `namespace` unless it has dots of its own; an empty namespace is none.
    pub(crate) fn new(name: &str, namespace: Option<&str>) -> Self {
        let (namespace, simple) = name.rsplit_once('.').unwrap_or((namespace.unwrap_or_default(), name));
        if namespace.is_empty() {
            return Self { full: simple.to_owned(), simple_index: 0 };
        }
        Self { full: format!("{namespace}.{simple}"), simple_index: namespace.len() + 1 }
    }

    /// The namespace, a dot and the simple name; the simple name where there is no namespace.
    #[must_use]
    pub fn full(&self) -> &str {
        &self.full
    }

    /// The part behind the last dot.
    #[must_use]
    pub fn simple(&self) -> &str {
        self.full.get(self.simple_index..).unwrap_or_default()
    }

    /// The part before the last dot.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.full.get(..self.simple_index.checked_sub(1)?)
    }

    /// How the type is referred to from within `namespace`.
    pub(crate) fn within(&self, namespace: Option<&str>) -> &str {
        let is_enough = self.namespace().is_some() && self.namespace() == namespace && !is_type(self.simple());
        if is_enough { self.simple() } else { &self.full }
    }
}

/// Whether `name` is one of Avro's own types.
fn is_type(name: &str) -> bool {
    is_primitive(name) || matches!(name, "record" | "enum" | "array" | "map" | "union" | "fixed")
}

/// Whether `name` is a primitive type.
pub(crate) fn is_primitive(name: &str) -> bool {
    matches!(name, "null" | "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string")
}

/// Whether `name` may name a type, a field or a symbol: letters, digits and underscores, no digit first. Letters are
/// Unicode's, of the basic plane, as Java's parser has it.
pub(crate) fn is_valid(name: &str) -> bool {
    let is_basic = |c: char| u32::from(c) <= 0xffff;
    let mut characters = name.chars();
    let is_first = characters.next().is_some_and(|c| c == '_' || is_basic(c) && c.is_alphabetic());
    is_first && characters.all(|c| c == '_' || is_basic(c) && c.is_alphanumeric())
}

/// The part of a namespace that may not be one, if there is any.
pub(crate) fn invalid_part(namespace: &str) -> Option<&str> {
    namespace.split('.').find(|part| !is_valid(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_dots_has_its_own_namespace() {
        let name = Name::new("a.b.C", Some("x"));
        assert_eq!((name.full(), name.simple(), name.namespace()), ("a.b.C", "C", Some("a.b")));
        let name = Name::new("C", Some("x"));
        assert_eq!((name.full(), name.simple(), name.namespace()), ("x.C", "C", Some("x")));
        for name in [Name::new(".C", Some("x")), Name::new("C", None), Name::new("C", Some(""))] {
            assert_eq!((name.full(), name.simple(), name.namespace()), ("C", "C", None));
        }
    }

    #[test]
    fn a_name_is_shortened_within_its_namespace_unless_it_reads_as_a_type() {
        assert_eq!(Name::new("a.C", None).within(Some("a")), "C");
        assert_eq!(Name::new("a.C", None).within(Some("b")), "a.C");
        assert_eq!(Name::new("a.record", None).within(Some("a")), "a.record");
        assert_eq!(Name::new("C", None).within(None), "C");
    }

    #[test]
    fn names_are_letters_digits_and_underscores() {
        assert!(["a", "_", "A1", "é", "Ж_2"].iter().all(|name| is_valid(name)));
        assert!(!["", "1a", "a-b", "a.b", "a b", "😀"].iter().any(|name| is_valid(name)));
        assert_eq!(invalid_part("a.b-c.d"), Some("b-c"));
        assert_eq!(invalid_part("a..d"), Some(""));
        assert_eq!(invalid_part("a.d"), None);
    }
}
