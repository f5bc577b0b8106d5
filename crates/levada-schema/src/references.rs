//! What a schema refers to, and what that refers to.

use crate::{format::Resolved, schema::Reference};
use std::{collections::BTreeSet, sync::Arc};

/// A schema refers to at most so many others, all that these refer to among them.
pub const REFERENCES_MAX: usize = 1_000;

/// Why references are not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError<E> {
    /// One could not be found.
    Find(E),
    /// There are more than [`REFERENCES_MAX`].
    TooMany,
}

/// All that `references` come to, dependencies first, each name once. `find` answers the text of one, and what it
/// refers to itself. Schemas that refer to each other are each given once, in either order.
///
/// # Errors
/// [`ResolveError`].
pub fn resolve<E>(
    references: &[Reference],
    mut find: impl FnMut(&Reference) -> Result<(Arc<str>, Vec<Reference>), E>,
) -> Result<Vec<Resolved>, ResolveError<E>> {
    let mut resolved = Vec::new();
    let mut names = BTreeSet::new();
    // Each that waits for its own references has its text with it.
    let mut open: Vec<(Reference, Option<Arc<str>>)> = references.iter().rev().map(|it| (it.clone(), None)).collect();
    while let Some((reference, text)) = open.pop() {
        if names.contains(&reference.name) {
            continue;
        }
        if let Some(text) = text {
            names.insert(reference.name.clone());
            resolved.push(Resolved { name: reference.name, text });
        } else {
            let (text, others) = find(&reference).map_err(ResolveError::Find)?;
            // One that waits for this one is not waited for.
            let waits = |it: &Reference| open.iter().any(|(other, text)| text.is_some() && other == it);
            let others: Vec<_> = others.into_iter().rev().filter(|it| !waits(it)).map(|it| (it, None)).collect();
            open.push((reference, Some(text)));
            open.extend(others);
        }
        if resolved.len() + open.len() > REFERENCES_MAX {
            return Err(ResolveError::TooMany);
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(name: &str) -> Reference {
        Reference { name: name.to_owned(), subject: name.to_owned(), version: 1 }
    }

    /// What names come to where each refers to those behind it.
    fn order(graph: &[(&str, &[&str])], from: &[&str]) -> Result<Vec<String>, ResolveError<String>> {
        let find = |reference: &Reference| match graph.iter().find(|(name, _)| *name == reference.name) {
            Some((name, others)) => Ok((Arc::from(*name), others.iter().map(|name| to(name)).collect())),
            None => Err(reference.name.clone()),
        };
        let from: Vec<_> = from.iter().map(|name| to(name)).collect();
        Ok(resolve(&from, find)?.into_iter().map(|resolved| resolved.name).collect())
    }

    #[test]
    fn what_is_referred_to_comes_before_what_refers_to_it_and_once() {
        let diamond: [(&str, &[&str]); 4] = [("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])];
        assert_eq!(order(&diamond, &["a", "d"]).unwrap(), ["d", "b", "c", "a"]);
        assert_eq!(order(&diamond, &["x"]), Err(ResolveError::Find("x".to_owned())));
    }

    #[test]
    fn a_circle_ends() {
        let circle: [(&str, &[&str]); 3] = [("a", &["b"]), ("b", &["c"]), ("c", &["a", "c"])];
        assert_eq!(order(&circle, &["a"]).unwrap(), ["c", "b", "a"]);
    }

    #[test]
    fn there_are_bounds() {
        let names: Vec<String> = (0..=REFERENCES_MAX).map(|number| format!("s{number}")).collect();
        let from: Vec<_> = names.iter().map(|name| to(name)).collect();
        let leaf = |reference: &Reference| Ok::<_, String>((Arc::from(reference.name.as_str()), Vec::new()));
        assert!(resolve(from.split_last().unwrap().1, leaf).is_ok());
        assert_eq!(resolve(&from, leaf).unwrap_err(), ResolveError::TooMany);
    }
}
