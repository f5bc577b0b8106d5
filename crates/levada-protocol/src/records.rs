//! [`Records`]: the record batches inside a request or response, opaque to this crate.

use bytes::{Bytes, BytesMut};

/// Record batches as they travel: one slice when read from a frame, any number of pieces when assembled
/// from a log. Never looked into and never copied by this crate.
///
/// Two are equal if their bytes are, however they are cut.
#[derive(Clone, Debug, Default)]
pub enum Records {
    /// No records field at all.
    #[default]
    Null,
    /// In one piece.
    Whole(Bytes),
    /// In pieces, to be written one after the other.
    Pieces(Vec<Bytes>),
    /// So many bytes, at least one, which whoever sends the message puts in their place: [`crate::Part::Elsewhere`].
    Elsewhere(usize),
}

impl Records {
    /// Whether this is null, which is not the same as empty.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// How many bytes there are; 0 for null.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Elsewhere(size) => *size,
            Self::Null | Self::Whole(_) | Self::Pieces(_) => self.pieces().iter().map(Bytes::len).sum(),
        }
    }

    /// Whether there is not one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order; none for null and for what lies elsewhere.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        match self {
            Self::Null | Self::Elsewhere(_) => &[],
            Self::Whole(bytes) => std::slice::from_ref(bytes),
            Self::Pieces(pieces) => pieces,
        }
    }

    /// The bytes in one piece, copied only where there are several; `None` for null and for what lies elsewhere.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Null | Self::Elsewhere(_) => None,
            Self::Whole(bytes) => Some(bytes),
            Self::Pieces(pieces) => {
                let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
                pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
                Some(whole.freeze())
            }
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl From<Option<Bytes>> for Records {
    fn from(bytes: Option<Bytes>) -> Self {
        bytes.map_or(Self::Null, Self::Whole)
    }
}

impl From<Vec<Bytes>> for Records {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self::Pieces(pieces)
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.is_null() == other.is_null()
            && self.len() == other.len()
            && self.pieces().iter().flatten().eq(other.pieces().iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_equal_however_they_are_cut() {
        let whole = Records::from(Bytes::from_static(b"abcd"));
        let cut = Records::from(vec![Bytes::from_static(b"a"), Bytes::new(), Bytes::from_static(b"bcd")]);
        assert_eq!(whole, cut);
        assert_eq!(cut.into_bytes().unwrap(), "abcd");
        assert_ne!(whole, Records::from(Bytes::from_static(b"abcx")));
        assert_ne!(Records::Null, Records::from(Bytes::new()), "null is not empty");
        assert_eq!(Records::Null.into_bytes(), None);
    }
}
