//! [`Wire`] for the scalars that stand in arrays.

use crate::{DecodeError, Decoder, EncodeError, Encoder, message::Wire};
use levada_model::Str;

macro_rules! scalar {
    ($type:ty, $method:ident, $size:literal) => {
        impl Wire for $type {
            fn read(decoder: &mut Decoder, field: &'static str, _version: i16) -> Result<Self, DecodeError> {
                decoder.$method(field)
            }

            fn write(&self, encoder: &mut Encoder, _field: &'static str, _version: i16) -> Result<(), EncodeError> {
                encoder.$method(*self);
                Ok(())
            }

            fn size_min(_version: i16, _flexible: bool) -> usize {
                $size
            }
        }
    };
}

scalar!(i8, i8, 1);
scalar!(i16, i16, 2);
scalar!(i32, i32, 4);
scalar!(i64, i64, 8);

impl Wire for Str {
    fn read(decoder: &mut Decoder, field: &'static str, _version: i16) -> Result<Self, DecodeError> {
        decoder.string(field)
    }

    fn write(&self, encoder: &mut Encoder, field: &'static str, _version: i16) -> Result<(), EncodeError> {
        encoder.string(self, field)
    }

    fn size_min(_version: i16, flexible: bool) -> usize {
        if flexible { 1 } else { 2 }
    }
}
