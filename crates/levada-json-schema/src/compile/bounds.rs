//! What a schema applies to one and the same instance must come to an end, soon: a schema that applies itself to its
//! own instance has no meaning, and one that does so through many branches takes for ever.

use crate::documents::Place;
use crate::error::ParseError;
use crate::node::{Graph, NodeId};

/// How deep schemas may apply each other to one instance.
const HEIGHT_MAX: usize = 64;
/// How many schemas may be applied to one instance, each counted as often as it is.
const WEIGHT_MAX: u64 = 20_000;

/// Of one node: how deep and how many are applied to its instance.
#[derive(Clone, Copy)]
enum Mark {
    Fresh,
    Open,
    Done { height: usize, weight: u64 },
}

/// Walks without recursion, each node once.
pub(super) fn check(graph: &Graph, places: &[Place]) -> Result<(), ParseError> {
    let path = |id: NodeId| format!("#{}", places.get(id).map_or("", |place| &place.pointer));
    let mut marks = vec![Mark::Fresh; graph.nodes.len()];
    for start in 0..graph.nodes.len() {
        let mut stack = vec![start];
        while let Some(id) = stack.last().copied() {
            let children: Vec<NodeId> = graph.node(id).in_place().collect();
            let mark = marks.get(id).copied().unwrap_or(Mark::Open);
            match mark {
                Mark::Done { .. } => {
                    stack.pop();
                }
                Mark::Fresh => {
                    set(&mut marks, id, Mark::Open);
                    let next = children.iter().filter(|child| !matches!(marks.get(**child), Some(Mark::Done { .. })));
                    stack.extend(next);
                }
                Mark::Open => {
                    let (mut height, mut weight) = (0, 1_u64);
                    for child in &children {
                        let Some(Mark::Done { height: below, weight: more }) = marks.get(*child) else {
                            return Err(ParseError::Endless { path: path(id) });
                        };
                        height = height.max(below + 1);
                        weight = weight.saturating_add(*more);
                    }
                    if height > HEIGHT_MAX {
                        return Err(ParseError::TooMany { what: "schemas within each other", limit: HEIGHT_MAX });
                    }
                    if weight > WEIGHT_MAX {
                        return Err(ParseError::TooManyBranches { path: path(id), limit: WEIGHT_MAX });
                    }
                    set(&mut marks, id, Mark::Done { height, weight });
                    stack.pop();
                }
            }
        }
    }
    Ok(())
}

fn set(marks: &mut [Mark], id: NodeId, mark: Mark) {
    if let Some(place) = marks.get_mut(id) {
        *place = mark;
    }
}
