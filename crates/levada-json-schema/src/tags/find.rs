//! Where a path leads.

use super::DEFINITIONS;
use super::order::in_order;
use crate::json::{Json, Step};
use levada_tags::Part;

/// A longer path leads nowhere.
const PATH_BYTES_MAX: usize = 8 << 10;

/// The steps from a schema to the part that `path` names.
pub(super) fn find(json: &Json, part: Part, path: &str) -> Option<Vec<Step>> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let mut words: Vec<&str> = path.split('.').rev().collect();
    let mut cursor = Cursor { at: json, steps: Vec::new() };
    loop {
        let word = words.pop()?;
        if word != "object" {
            cursor.down(word, &mut words)?;
            continue;
        }
        if words.is_empty() {
            return (part == Part::Record).then_some(cursor.steps);
        }
        let is_property = cursor.member(&mut words)?;
        if words.is_empty() {
            return (part == Part::Field && is_property).then_some(cursor.steps);
        }
    }
}

struct Cursor<'a> {
    at: &'a Json,
    steps: Vec<Step>,
}

impl Cursor<'_> {
    fn key(&mut self, key: &str) -> Option<()> {
        self.at = self.at.get(key)?;
        self.steps.push(Step::Key(key.to_owned()));
        Some(())
    }

    /// To a property or a definition; says whether it is a property.
    fn member(&mut self, words: &mut Vec<&str>) -> Option<bool> {
        let keyword = words.last().and_then(|word| DEFINITIONS.iter().find(|known| *known == word));
        match keyword {
            Some(keyword) => {
                words.pop();
                self.key(keyword)?;
            }
            None => self.key("properties")?,
        }
        // A name that has dots is several words; the shortest that is there is meant.
        let mut name = words.pop()?.to_owned();
        while self.at.get(&name).is_none() {
            name.push('.');
            name.push_str(words.pop()?);
        }
        self.key(&name)?;
        Some(keyword.is_none())
    }

    fn down(&mut self, word: &str, words: &mut Vec<&str>) -> Option<()> {
        match word {
            "array" => self.key("items"),
            "not" => self.key("not"),
            "allof" => self.alternative("allOf", words),
            "anyof" => self.alternative("anyOf", words),
            "oneof" => self.alternative("oneOf", words),
            "conditional" => {
                let keyword = words.pop().filter(|word| matches!(*word, "if" | "then" | "else"))?;
                self.key(keyword)
            }
            _ => None,
        }
    }

    fn alternative(&mut self, keyword: &str, words: &mut Vec<&str>) -> Option<()> {
        let index: usize = words.pop()?.parse().ok()?;
        if self.at.get(keyword).is_none() {
            // Several types, or several things that one schema says.
            return (keyword != "oneOf").then_some(());
        }
        self.key(keyword)?;
        let (place, alternative) = in_order(self.at.as_array()?).into_iter().nth(index)?;
        self.at = alternative;
        self.steps.push(Step::Index(place));
        Some(())
    }
}
