//! Value types.
