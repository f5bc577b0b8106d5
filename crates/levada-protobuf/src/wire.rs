//! The bytes of a `FileDescriptorProto`, whose imports are written anew. Nothing else is taken apart, so that options
//! stay that are defined elsewhere.

use crate::ast::File;
use prost_reflect::{
    prost::{Message, encoding::decode_varint},
    prost_types::FileDescriptorProto,
};

/// Name and package, which come before what is imported.
const HEAD: [u64; 2] = [1, 2];
/// What is imported: names, which of them are passed on, which are weak.
const IMPORTS: [u64; 3] = [3, 10, 11];
/// Where everything was written. It says nothing of the schema, and a pool that is told nonsense looks beyond its end.
const SOURCE_CODE_INFO: u64 = 9;

/// The descriptor with what `file` imports.
pub(crate) fn with_imports_of(bytes: &[u8], file: &File) -> Option<Vec<u8>> {
    let names = file.all_imports();
    let places = |of: &[String]| -> Vec<i32> {
        let places = of.iter().filter_map(|name| names.iter().position(|known| known == name));
        places.filter_map(|place| i32::try_from(place).ok()).collect()
    };
    rewrite(
        bytes,
        &FileDescriptorProto {
            public_dependency: places(&file.public_imports),
            weak_dependency: places(&file.weak_imports),
            dependency: names.iter().map(|name| (*name).to_owned()).collect(),
            ..FileDescriptorProto::default()
        },
    )
}

/// The descriptor with imports of `names`, none of which is passed on.
pub(crate) fn with_imports(bytes: &[u8], names: &[String]) -> Option<Vec<u8>> {
    rewrite(bytes, &FileDescriptorProto { dependency: names.to_vec(), ..FileDescriptorProto::default() })
}

/// The descriptor with these imports; `None` where the bytes are no message.
fn rewrite(bytes: &[u8], imports: &FileDescriptorProto) -> Option<Vec<u8>> {
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let start = rest;
        let key = decode_varint(&mut rest).ok()?;
        match key & 7 {
            0 => drop(decode_varint(&mut rest).ok()?),
            1 => rest = rest.get(8..)?,
            2 => {
                let size = decode_varint(&mut rest).ok()?;
                rest = rest.get(usize::try_from(size).ok()?..)?;
            }
            5 => rest = rest.get(4..)?,
            // A descriptor has no groups.
            _ => return None,
        }
        let number = key >> 3;
        let part = start.get(..start.len() - rest.len())?;
        if HEAD.contains(&number) {
            head.extend_from_slice(part);
        } else if !IMPORTS.contains(&number) && number != SOURCE_CODE_INFO {
            tail.extend_from_slice(part);
        }
    }
    Some([head, imports.encode_to_vec(), tail].concat())
}
