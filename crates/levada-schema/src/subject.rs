//! Names: contexts, and the subjects in them.
//!
//! A context is a registry within the registry, with ids of its own. `orders-value` lies in the default context `.`,
//! `:.mobile:orders-value` in `.mobile`; `:.mobile:` names that context itself where a subject may stand.

use std::{fmt, sync::Arc};

const DELIMITER: char = ':';
/// What begins a qualified name.
const QUALIFIED: &str = ":.";
/// Every context, where a prefix of subjects is asked for.
const WILDCARD: &str = ":*:";

/// A context: `.`, or `.` and a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Context(Arc<str>);

impl Context {
    /// Where subjects without a context are.
    #[must_use]
    pub fn default_context() -> Self {
        Self(Arc::from("."))
    }

    /// Whose settings hold in all contexts that have none.
    #[must_use]
    pub fn global() -> Self {
        Self(Arc::from(".__GLOBAL"))
    }

    /// A context by the name that a path or a qualified subject gives it; the dot may be left out.
    #[must_use]
    pub fn named(name: &str) -> Self {
        if name.starts_with('.') { Self(Arc::from(name)) } else { Self(Arc::from(format!(".{name}"))) }
    }

    /// Whether it is the default one.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == "."
    }

    /// Its name, with the dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A subject in its context. An empty name stands for the context itself, or for all contexts where it is the default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    context: Context,
    name: Arc<str>,
}

impl Subject {
    /// Reads a name, qualified or not; one without a context lies in `context`.
    #[must_use]
    pub fn parse_in(context: &Context, text: &str) -> Self {
        match Self::split(text) {
            Some((context, name)) => Self { context: Context::named(context), name: Arc::from(name) },
            None => Self { context: context.clone(), name: Arc::from(text) },
        }
    }

    /// Reads a name, qualified or not; one without a context lies in the default one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::parse_in(&Context::default_context(), text)
    }

    fn split(text: &str) -> Option<(&str, &str)> {
        if !text.starts_with(QUALIFIED) {
            return None;
        }
        let rest = text.strip_prefix(DELIMITER)?;
        // `:.mobile` without an end is the context, too.
        Some(rest.split_once(DELIMITER).unwrap_or((rest, "")))
    }

    /// Exactly this name, whatever it looks like.
    #[must_use]
    pub fn in_context(context: Context, name: &str) -> Self {
        Self { context, name: Arc::from(name) }
    }

    /// The context itself.
    #[must_use]
    pub fn of_context(context: Context) -> Self {
        Self { context, name: Arc::from("") }
    }

    /// The same name in another context.
    #[must_use]
    pub fn moved_to(&self, context: &Context) -> Self {
        Self { context: context.clone(), name: Arc::clone(&self.name) }
    }

    /// Its context.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Its name within the context.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it stands for a context.
    #[must_use]
    pub fn is_context(&self) -> bool {
        self.name.is_empty()
    }

    /// Its name as it is stored and shown: without the default context.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.context.is_default() { self.name.to_string() } else { format!(":{}:{}", self.context, self.name) }
    }

    /// Whether schemas may be registered under it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.name.is_empty()
            && !self.name.chars().any(char::is_control)
            && &*self.name != "__GLOBAL"
            && &*self.name != "__EMPTY"
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.qualified())
    }
}

/// Which subjects a list is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectFilter {
    /// `None`: every context.
    context: Option<Context>,
    prefix: String,
}

impl SubjectFilter {
    /// Those that begin with `text`, a name, qualified or not; `:*:` stands for all contexts.
    #[must_use]
    pub fn prefix_in(context: &Context, text: &str) -> Self {
        match text.strip_prefix(WILDCARD) {
            Some(prefix) => Self { context: None, prefix: prefix.to_owned() },
            None => {
                let subject = Subject::parse_in(context, text);
                Self { prefix: subject.name.to_string(), context: Some(subject.context) }
            }
        }
    }

    /// Whether `subject` is one of them.
    #[must_use]
    pub fn admits(&self, subject: &Subject) -> bool {
        self.context.as_ref().is_none_or(|context| context == &subject.context)
            && subject.name.starts_with(self.prefix.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_context_lies_in_the_default_one() {
        let subject = Subject::parse("orders-value");
        assert_eq!((subject.context().as_str(), subject.name()), (".", "orders-value"));
        assert_eq!(subject.qualified(), "orders-value");
        assert_eq!(Subject::parse(":.:orders-value"), subject);
    }

    #[test]
    fn a_qualified_name_has_its_context() {
        let subject = Subject::parse(":.mobile:orders:value");
        assert_eq!((subject.context().as_str(), subject.name()), (".mobile", "orders:value"));
        assert_eq!(subject.qualified(), ":.mobile:orders:value");
        assert_eq!(Subject::parse_in(&Context::named("web"), "orders").qualified(), ":.web:orders");
        assert_eq!(Subject::parse_in(&Context::named("web"), ":.mobile:orders").qualified(), ":.mobile:orders");
        assert!(Subject::parse(":.mobile:").is_context() && Subject::parse(":.mobile").is_context());
    }

    #[test]
    fn some_names_are_nobodys() {
        for name in ["", "__GLOBAL", "__EMPTY", "a\nb", ":.mobile:"] {
            assert!(!Subject::parse(name).is_valid(), "{name:?}");
        }
        assert!(Subject::parse(":.mobile:orders").is_valid());
    }

    #[test]
    fn lists_are_of_one_context_or_of_all() {
        let (here, there) = (Subject::parse("orders"), Subject::parse(":.mobile:orders"));
        let admits = |text: &str| {
            let filter = SubjectFilter::prefix_in(&Context::default_context(), text);
            (filter.admits(&here), filter.admits(&there))
        };
        assert_eq!(admits(""), (true, false));
        assert_eq!(admits(":*:"), (true, true));
        assert_eq!(admits(":*:ord"), (true, true));
        assert_eq!(admits(":.mobile:o"), (false, true));
        assert_eq!(admits("x"), (false, false));
    }
}
