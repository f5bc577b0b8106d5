//! Arrays.

use super::{GaveUp, Run, Seen};
use crate::draft::Draft;
use crate::json::Json;
use crate::node::{Node, NodeId};

impl<'a> Run<'a> {
    pub(super) fn array(&mut self, node: &'a Node, instance: &Json, seen: &mut Seen) -> Result<bool, GaveUp> {
        let Json::Array(items) = instance else { return Ok(true) };
        let rules = &node.array;
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let mut holds = true;
        if rules.min_items.is_some_and(|bound| count < bound) {
            holds = self.fail(|| format!("{count} items are too few"));
        }
        if rules.max_items.is_some_and(|bound| count > bound) {
            holds = self.fail(|| format!("{count} items are too many"));
        }
        if rules.is_unique {
            holds &= self.unique(items)?;
        }
        for (index, item) in items.iter().enumerate() {
            let Some(schema) = rules.prefix.get(index).copied().or(rules.rest) else { break };
            holds &= self.apply_below(schema, &index.to_string(), item)?;
        }
        seen.prefix = seen.prefix.max(rules.prefix.len());
        seen.has_all_items |= rules.rest.is_some();
        if let Some(schema) = rules.contains {
            holds &= self.contains(node, schema, items, seen)?;
        }
        Ok(holds)
    }

    fn unique(&mut self, items: &[Json]) -> Result<bool, GaveUp> {
        self.spend(items.len().saturating_mul(4))?;
        let mut sorted: Vec<&Json> = items.iter().collect();
        sorted.sort();
        let is_unique = sorted.windows(2).all(|pair| matches!(pair, [a, b] if a != b));
        Ok(is_unique || self.fail(|| "an item is there twice".to_owned()))
    }

    fn contains(&mut self, node: &'a Node, schema: NodeId, items: &[Json], seen: &mut Seen) -> Result<bool, GaveUp> {
        let mut count = 0_u64;
        for (index, item) in items.iter().enumerate() {
            if self.apply_silently(schema, item, &mut Seen::default())? {
                count += 1;
                if node.draft == Draft::Draft202012 && self.graph.has_unevaluated {
                    seen.items.insert(index);
                }
            }
        }
        let mut holds = true;
        if count < node.array.min_contains.unwrap_or(1) {
            holds = self.fail(|| format!("{count} items are as `contains` says, which are too few"));
        }
        if node.array.max_contains.is_some_and(|bound| count > bound) {
            holds = self.fail(|| format!("{count} items are as `contains` says, which are too many"));
        }
        Ok(holds)
    }

    pub(super) fn unevaluated(&mut self, node: &'a Node, instance: &Json, seen: &mut Seen) -> Result<bool, GaveUp> {
        let mut holds = true;
        match (instance, node.array.unevaluated, node.object.unevaluated) {
            (Json::Array(items), Some(schema), _) => {
                for (index, item) in items.iter().enumerate() {
                    if !seen.has_item(index) {
                        holds &= self.apply_below(schema, &index.to_string(), item)?;
                    }
                }
                seen.has_all_items = true;
            }
            (Json::Object(object), _, Some(schema)) => {
                for (name, value) in object.iter() {
                    if !seen.has_property(name) {
                        holds &= self.apply_below(schema, name, value)?;
                    }
                }
                seen.has_all_properties = true;
            }
            _ => {}
        }
        Ok(holds)
    }
}
