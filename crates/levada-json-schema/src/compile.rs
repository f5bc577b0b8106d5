//! From documents to a [`Graph`]. Works through a list, so that a long chain of `$ref`s costs no stack.

mod bounds;
mod keywords;

use crate::documents::{Documents, Place, at};
use crate::error::ParseError;
use crate::json::Json;
use crate::node::{Graph, Node, NodeId};
use crate::pattern::{Pattern, PatternError};
use crate::types::Types;
use keywords::Reader;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Subschemas of one schema, those of its references that it reaches included.
pub(crate) const NODES_MAX: usize = 10_000;
/// Regular expressions of one schema.
pub(crate) const PATTERNS_MAX: usize = 500;
/// Of these, those that compile to much.
const LARGE_PATTERNS_MAX: usize = 16;
/// Ids in all texts.
const IDS_MAX: usize = 2_000;
/// Bytes of the path to a subschema.
const POINTER_BYTES_MAX: usize = 4_096;

/// Reads the subschemas that can be reached from the start of `document`.
pub(crate) fn compile(documents: &mut Documents, document: usize) -> Result<Graph, ParseError> {
    if documents.ids() > IDS_MAX {
        return Err(ParseError::TooMany { what: "ids", limit: IDS_MAX });
    }
    let mut compiler = Compiler { large_patterns_left: LARGE_PATTERNS_MAX, ..Compiler::default() };
    compiler.id(Place { document, pointer: String::new() })?;
    while let Some(place) = compiler.places.get(compiler.graph.nodes.len()).cloned() {
        let node = compiler.node(documents, &place)?;
        compiler.graph.nodes.push(node);
    }
    let has_unevaluated = |node: &Node| node.array.unevaluated.is_some() || node.object.unevaluated.is_some();
    compiler.graph.has_unevaluated = compiler.graph.nodes.iter().any(has_unevaluated);
    bounds::check(&compiler.graph, &compiler.places)?;
    Ok(compiler.graph)
}

#[derive(Default)]
struct Compiler {
    graph: Graph,
    /// By id: of the nodes that are there, and then of those that are to come.
    places: Vec<Place>,
    ids: BTreeMap<Place, NodeId>,
    pattern_count: usize,
    large_patterns_left: usize,
}

impl Compiler {
    /// The node of a place.
    fn id(&mut self, place: Place) -> Result<NodeId, ParseError> {
        if let Some(id) = self.ids.get(&place) {
            return Ok(*id);
        }
        if self.places.len() >= NODES_MAX {
            return Err(ParseError::TooMany { what: "subschemas", limit: NODES_MAX });
        }
        if place.pointer.len() > POINTER_BYTES_MAX {
            return Err(ParseError::TooMany { what: "bytes in the path to a subschema", limit: POINTER_BYTES_MAX });
        }
        let id = self.places.len();
        self.ids.insert(place.clone(), id);
        self.places.push(place);
        Ok(id)
    }

    fn pattern(&mut self, place: &Place, text: &str) -> Result<Pattern, ParseError> {
        self.pattern_count += 1;
        if self.pattern_count > PATTERNS_MAX {
            return Err(ParseError::TooMany { what: "regular expressions", limit: PATTERNS_MAX });
        }
        Pattern::compile(text, &mut self.large_patterns_left).map_err(|error| match error {
            PatternError::Large => ParseError::TooMany { what: "large regular expressions", limit: LARGE_PATTERNS_MAX },
            PatternError::Wrong(reason) => {
                ParseError::Pattern { path: format!("#{}", place.pointer), pattern: text.to_owned(), reason }
            }
        })
    }

    fn node(&mut self, documents: &mut Documents, place: &Place) -> Result<Node, ParseError> {
        let not_a_schema = || ParseError::NotASchema { path: format!("#{}", place.pointer) };
        let document = documents.get(place.document).ok_or_else(not_a_schema)?;
        let (draft, text) = (document.draft, Arc::clone(&document.json));
        let mut node = Node::new(draft);
        match at(&text, &place.pointer) {
            Some(Json::Bool(true)) => {}
            Some(Json::Bool(false)) => node.types = Types::NONE,
            Some(Json::Object(object)) => {
                Reader { compiler: self, documents, place, object, draft }.read(&mut node)?;
            }
            _ => return Err(not_a_schema()),
        }
        Ok(node)
    }
}
