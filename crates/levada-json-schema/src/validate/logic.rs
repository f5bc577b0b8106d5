//! Schemas that are applied to the same instance.

use super::{GaveUp, Run, Seen};
use crate::json::Json;
use crate::node::{Node, NodeId};

impl<'a> Run<'a> {
    pub(super) fn logic(&mut self, node: &'a Node, instance: &Json, seen: &mut Seen) -> Result<bool, GaveUp> {
        let mut holds = true;
        for id in node.conjuncts() {
            holds &= self.apply(id, instance, seen)?;
        }
        let logic = &node.logic;
        if !logic.any_of.is_empty() && self.count(&logic.any_of, instance, seen)? == 0 {
            holds = self.fail(|| format!("none of the {} schemas of `anyOf` holds", logic.any_of.len()));
        }
        if !logic.one_of.is_empty() {
            let count = self.count(&logic.one_of, instance, seen)?;
            if count != 1 {
                holds = self.fail(|| format!("{count} of the schemas of `oneOf` hold, not one"));
            }
        }
        if let Some(id) = logic.not
            && self.apply_silently(id, instance, &mut Seen::default())?
        {
            holds = self.fail(|| "what `not` excludes holds".to_owned());
        }
        if let Some(conditional) = logic.conditional {
            let is_met = self.apply_silently(conditional.test, instance, seen)?;
            if let Some(id) = if is_met { conditional.then } else { conditional.otherwise } {
                holds &= self.apply(id, instance, seen)?;
            }
        }
        Ok(holds)
    }

    /// How many of these hold. All are asked: what they have seen counts.
    fn count(&mut self, ids: &[NodeId], instance: &Json, seen: &mut Seen) -> Result<usize, GaveUp> {
        let mut count = 0;
        for id in ids {
            count += usize::from(self.apply_silently(*id, instance, seen)?);
        }
        Ok(count)
    }
}
