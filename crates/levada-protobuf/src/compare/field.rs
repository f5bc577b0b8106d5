//! Two fields of one number: their names, labels and types.

use super::{
    Comparison, local_name,
    shape::{Member, Scalar, Shape},
};
use crate::difference::DifferenceKind;
use prost_reflect::{Cardinality, MessageDescriptor};

impl Comparison {
    pub(super) fn fields(&mut self, old: &Member, new: &Member) {
        if old.name != new.name {
            self.add(DifferenceKind::FieldNameChanged);
        }
        self.shapes(&old.shape, &new.shape);
        if old.cardinality != new.cardinality {
            self.labels(old, new);
        }
    }

    fn labels(&mut self, old: &Member, new: &Member) {
        match (&old.shape, &new.shape) {
            (Shape::Scalar(old), Shape::Scalar(new)) if old != new => {}
            (Shape::Scalar(Scalar::Text), Shape::Scalar(_)) => self.add(DifferenceKind::FieldStringOrBytesLabelChanged),
            (Shape::Scalar(_), Shape::Scalar(_)) => self.add(DifferenceKind::FieldNumericLabelChanged),
            _ => {}
        }
        if new.cardinality == Cardinality::Required {
            self.add(DifferenceKind::RequiredFieldAdded);
        }
    }

    fn shapes(&mut self, old: &Shape, new: &Shape) {
        match (old, new) {
            (Shape::Scalar(old), Shape::Scalar(new)) => {
                if old != new {
                    self.add(DifferenceKind::FieldScalarKindChanged);
                }
            }
            (Shape::Message(old), Shape::Message(new)) | (Shape::Group(old), Shape::Group(new)) => {
                self.message_types(old, new);
            }
            (Shape::Map(old), Shape::Map(new)) => {
                self.shapes(&old.0, &new.0);
                self.shapes(&old.1, &new.1);
            }
            _ => self.add(DifferenceKind::FieldKindChanged),
        }
    }

    fn message_types(&mut self, old: &MessageDescriptor, new: &MessageDescriptor) {
        if local_name(old) != local_name(new) {
            self.add(DifferenceKind::FieldNamedTypeChanged);
            return;
        }
        // Two messages of the files themselves are compared there.
        let are_local = old.parent_file() == self.files.0 && new.parent_file() == self.files.1;
        if !are_local {
            self.use_pair(old, new);
        }
    }
}
