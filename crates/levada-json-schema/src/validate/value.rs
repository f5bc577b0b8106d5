//! Types, enumerations, numbers and strings.

use super::{GaveUp, Run, Seen};
use crate::json::Json;
use crate::node::Node;
use crate::types::Types;

impl<'a> Run<'a> {
    pub(super) fn types_and_values(&mut self, node: &'a Node, instance: &Json, _: &mut Seen) -> Result<bool, GaveUp> {
        let mut holds = true;
        if !Types::of(instance, node.draft).is_within(node.types) {
            holds = self.fail(|| {
                if node.types.is_empty() {
                    "nothing is allowed here".to_owned()
                } else {
                    "the type is another".to_owned()
                }
            });
        }
        if let Some(values) = &node.values {
            self.spend(1 + values.allowed.len() / 16)?;
            if !values.allowed.contains(instance) {
                holds = self.fail(|| format!("the value is not one that `{}` allows", values.keyword));
            }
        }
        Ok(holds)
    }

    pub(super) fn number(&mut self, node: &'a Node, instance: &Json, _: &mut Seen) -> Result<bool, GaveUp> {
        let Json::Number(number) = instance else { return Ok(true) };
        let (value, rules) = (&number.value, &node.number);
        let mut holds = true;
        if rules.minimum.as_ref().is_some_and(|bound| value < bound) {
            holds = self.fail(|| format!("{} is below the minimum", number.text));
        }
        if rules.maximum.as_ref().is_some_and(|bound| value > bound) {
            holds = self.fail(|| format!("{} is above the maximum", number.text));
        }
        if rules.exclusive_minimum.as_ref().is_some_and(|bound| value <= bound) {
            holds = self.fail(|| format!("{} is not above the exclusive minimum", number.text));
        }
        if rules.exclusive_maximum.as_ref().is_some_and(|bound| value >= bound) {
            holds = self.fail(|| format!("{} is not below the exclusive maximum", number.text));
        }
        if let Some(divisor) = &rules.multiple_of {
            // Division goes digit by digit.
            self.spend(1 + number.text.len() / 16)?;
            if !value.is_multiple_of(divisor) {
                holds = self.fail(|| format!("{} is no multiple of what `multipleOf` says", number.text));
            }
        }
        Ok(holds)
    }

    pub(super) fn string(&mut self, node: &'a Node, instance: &Json, _: &mut Seen) -> Result<bool, GaveUp> {
        let Json::String(text) = instance else { return Ok(true) };
        let rules = &node.string;
        let mut holds = true;
        if rules.min_length.is_some() || rules.max_length.is_some() {
            self.spend_text(text)?;
            let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            if rules.min_length.is_some_and(|bound| length < bound) {
                holds = self.fail(|| format!("a text of {length} characters is too short"));
            }
            if rules.max_length.is_some_and(|bound| length > bound) {
                holds = self.fail(|| format!("a text of {length} characters is too long"));
            }
        }
        if let Some(pattern) = &rules.pattern {
            self.spend_text(text)?;
            if !pattern.is_match(text).ok_or(GaveUp)? {
                holds = self.fail(|| format!("the text does not match `{}`", pattern.text));
            }
        }
        Ok(holds)
    }
}
