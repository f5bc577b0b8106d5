//! Objects.

use super::{GaveUp, Run, Seen};
use crate::json::{Json, Object};
use crate::node::Node;

impl<'a> Run<'a> {
    pub(super) fn object(&mut self, node: &'a Node, instance: &Json, seen: &mut Seen) -> Result<bool, GaveUp> {
        let Json::Object(object) = instance else { return Ok(true) };
        let rules = &node.object;
        let count = u64::try_from(object.len()).unwrap_or(u64::MAX);
        let mut holds = true;
        if rules.min_properties.is_some_and(|bound| count < bound) {
            holds = self.fail(|| format!("{count} properties are too few"));
        }
        if rules.max_properties.is_some_and(|bound| count > bound) {
            holds = self.fail(|| format!("{count} properties are too many"));
        }
        self.spend(rules.required.len())?;
        for name in rules.required.iter().filter(|name| !object.contains(name)) {
            holds = self.fail(|| format!("the property `{name}` is missing"));
        }
        holds &= self.properties(node, object, seen)?;
        holds &= self.dependencies(node, instance, object, seen)?;
        Ok(holds)
    }

    fn properties(&mut self, node: &'a Node, object: &Object, seen: &mut Seen) -> Result<bool, GaveUp> {
        let rules = &node.object;
        let mut holds = true;
        for (name, value) in object.iter() {
            self.spend(1)?;
            let mut is_known = false;
            if let Some(schema) = rules.properties.get(name) {
                is_known = true;
                holds &= self.apply_below(*schema, name, value)?;
            }
            for (pattern, schema) in &rules.patterns {
                self.spend_text(name)?;
                if pattern.is_match(name).ok_or(GaveUp)? {
                    is_known = true;
                    holds &= self.apply_below(*schema, name, value)?;
                }
            }
            if let Some(schema) = rules.additional.filter(|_| !is_known) {
                is_known = true;
                holds &= self.apply_below(schema, name, value)?;
            }
            if let Some(schema) = rules.names {
                let as_value = Json::String(name.to_owned());
                if !self.apply_silently(schema, &as_value, &mut Seen::default())? {
                    holds = self.fail(|| format!("`{name}` is not a name that `propertyNames` allows"));
                }
            }
            if is_known && self.graph.has_unevaluated {
                seen.properties.insert(name.to_owned());
            }
            if !holds && self.silent > 0 {
                return Ok(false);
            }
        }
        Ok(holds)
    }

    fn dependencies(
        &mut self,
        node: &'a Node,
        instance: &Json,
        object: &Object,
        seen: &mut Seen,
    ) -> Result<bool, GaveUp> {
        let mut holds = true;
        for (name, required) in &node.object.dependent_required {
            self.spend(1 + required.len())?;
            for other in required.iter().filter(|other| object.contains(name) && !object.contains(other)) {
                holds = self.fail(|| format!("where `{name}` is, the property `{other}` is missing"));
            }
        }
        for (name, schema) in &node.object.dependent_schemas {
            if object.contains(name) {
                holds &= self.apply(*schema, instance, seen)?;
            }
        }
        Ok(holds)
    }
}
