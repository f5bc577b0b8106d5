//! Walking trees of syntax with visitors.
//!
//! `Visit::visit` makes code for the whole of sqlparser's tree for each visitor: some hundred kilobytes, and seconds of
//! a compiler. Here that code is there once, for a visitor behind a pointer.

use sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, TableWithJoins, ValueWithSpan, Visit, VisitMut, Visitor,
    VisitorMut,
};
use std::ops::ControlFlow;

/// Looks at a tree.
///
/// # Errors
/// What the visitor breaks off with.
pub fn walk<V: Visitor, N: Walk + ?Sized>(node: &N, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut walking = Walking { visitor, broken: None };
    let flow = node.walk(&mut walking);
    walking.ended(flow)
}

/// Looks at a tree, and changes it.
///
/// # Errors
/// What the visitor breaks off with.
pub fn walk_mut<V: VisitorMut, N: Walk + ?Sized>(node: &mut N, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut walking = Walking { visitor, broken: None };
    let flow = node.walk_mut(&mut walking);
    walking.ended(flow)
}

/// A tree, or several.
pub trait Walk {
    /// Looks at all of it.
    fn walk(&self, visitor: &mut dyn Visitor<Break = ()>) -> ControlFlow<()>;
    /// The same, and it may be changed.
    fn walk_mut(&mut self, visitor: &mut dyn VisitorMut<Break = ()>) -> ControlFlow<()>;
}

macro_rules! walk {
    ($($node:ty),*) => {$(
        impl Walk for $node {
            fn walk(&self, visitor: &mut dyn Visitor<Break = ()>) -> ControlFlow<()> {
                self.visit(&mut Behind(visitor))
            }

            fn walk_mut(&mut self, visitor: &mut dyn VisitorMut<Break = ()>) -> ControlFlow<()> {
                VisitMut::visit(self, &mut Behind(visitor))
            }
        }
    )*};
}

walk!(Query, Expr, Select, Vec<TableWithJoins>);

/// A visitor behind a pointer.
struct Behind<'a, V: ?Sized>(&'a mut V);

/// A visitor, and what it broke off with.
struct Walking<'a, V, B> {
    visitor: &'a mut V,
    broken: Option<B>,
}

impl<V, B> Walking<'_, V, B> {
    fn keep(&mut self, flow: ControlFlow<B>) -> ControlFlow<()> {
        flow.map_break(|broken| self.broken = Some(broken))
    }

    fn ended(self, flow: ControlFlow<()>) -> ControlFlow<B> {
        match self.broken {
            Some(broken) if flow.is_break() => ControlFlow::Break(broken),
            _ => ControlFlow::Continue(()),
        }
    }
}

macro_rules! forward {
    ($($step:ident($node:ty);)*) => {
        impl<'a> Visitor for Behind<'a, dyn Visitor<Break = ()> + 'a> {
            type Break = ();

            $(fn $step(&mut self, node: &$node) -> ControlFlow<()> {
                self.0.$step(node)
            })*
        }

        impl<'a> VisitorMut for Behind<'a, dyn VisitorMut<Break = ()> + 'a> {
            type Break = ();

            $(fn $step(&mut self, node: &mut $node) -> ControlFlow<()> {
                self.0.$step(node)
            })*
        }

        impl<V: Visitor> Visitor for Walking<'_, V, V::Break> {
            type Break = ();

            $(fn $step(&mut self, node: &$node) -> ControlFlow<()> {
                let flow = self.visitor.$step(node);
                self.keep(flow)
            })*
        }

        impl<V: VisitorMut> VisitorMut for Walking<'_, V, V::Break> {
            type Break = ();

            $(fn $step(&mut self, node: &mut $node) -> ControlFlow<()> {
                let flow = self.visitor.$step(node);
                self.keep(flow)
            })*
        }
    };
}

forward! {
    pre_visit_query(Query);
    post_visit_query(Query);
    pre_visit_select(Select);
    post_visit_select(Select);
    pre_visit_relation(ObjectName);
    post_visit_relation(ObjectName);
    pre_visit_table_factor(TableFactor);
    post_visit_table_factor(TableFactor);
    pre_visit_expr(Expr);
    post_visit_expr(Expr);
    pre_visit_statement(Statement);
    post_visit_statement(Statement);
    pre_visit_value(ValueWithSpan);
    post_visit_value(ValueWithSpan);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_statement;
    use sqlparser::ast::Value;

    /// Breaks off at a number, and adds one to those before.
    struct Numbers(Vec<String>);

    impl VisitorMut for Numbers {
        type Break = String;

        fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<String> {
            let Value::Number(number, _) = &mut value.value else { return ControlFlow::Continue(()) };
            if number == "7" {
                return ControlFlow::Break("seven".to_owned());
            }
            self.0.push(number.clone());
            "0".clone_into(number);
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn a_visitor_behind_a_pointer_sees_changes_and_breaks_off_as_itself() {
        let query = |sql: &str| {
            let crate::Statement::Query(query) = parse_statement(sql).unwrap().statement else { panic!("{sql}") };
            query
        };
        let mut whole = query("SELECT 1 FROM t WHERE a IN (SELECT 2 FROM u)");
        let mut numbers = Numbers(Vec::new());
        assert_eq!(walk_mut(whole.as_mut(), &mut numbers), ControlFlow::Continue(()));
        assert_eq!(numbers.0, ["1", "2"]);
        assert_eq!(whole.to_string(), "SELECT 0 FROM t WHERE a IN (SELECT 0 FROM u)");
        let mut broken = query("SELECT 1, 7, 3");
        assert_eq!(walk_mut(broken.as_mut(), &mut numbers), ControlFlow::Break("seven".to_owned()));
        assert_eq!(broken.to_string(), "SELECT 0, 7, 3");
    }
}
