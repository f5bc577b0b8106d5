//! What operators remember: rows under dense numbers.

pub(crate) mod appended;
pub(crate) mod exact;
pub(crate) mod rows;
