//! The parsing canonical form, which holds what matters to the encoding alone, and its fingerprint.
//!
//! Source: Avro's specification, "Transforming into Parsing Canonical Form" and "Schema Fingerprints".

use crate::canonical::DEPTH_MAX;
use crate::error::Problem;
use crate::json::{separate, write_string};
use crate::schema::{Kind, Schema, TypeId};
use std::collections::HashSet;

/// The fingerprint of nothing, and the polynomial.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

impl Schema {
    /// The parsing canonical form: references are part of it, docs, defaults and aliases are not.
    ///
    /// # Errors
    /// [`Problem::TooDeep`], which the canonical line cannot be: there, references are left as names.
    pub fn parsing_canonical_form(&self) -> Result<String, Problem> {
        let mut printer = Printer { schema: self, known: HashSet::new(), depth: 0, out: String::new() };
        printer.print(self.root)?;
        Ok(printer.out)
    }

    /// The 64-bit Rabin fingerprint of the parsing canonical form.
    ///
    /// # Errors
    /// As of [`Self::parsing_canonical_form`].
    pub fn fingerprint(&self) -> Result<u64, Problem> {
        self.parsing_canonical_form().map(|form| rabin(form.as_bytes()))
    }
}

struct Printer<'a> {
    schema: &'a Schema,
    /// Full names that were printed before.
    known: HashSet<&'a str>,
    depth: usize,
    out: String,
}

impl Printer<'_> {
    fn print(&mut self, id: TypeId) -> Result<(), Problem> {
        if self.depth > DEPTH_MAX {
            return Err(Problem::TooDeep { limit: DEPTH_MAX });
        }
        self.depth += 1;
        let schema = self.schema;
        let kind = schema.kind(id);
        if let Some(name) = kind.name() {
            if self.known.insert(name.full()) {
                self.out.push_str("{\"name\":");
                write_string(name.full(), &mut self.out);
                self.out.push_str(",\"type\":\"");
                self.kind(kind)?;
            } else {
                write_string(name.full(), &mut self.out);
            }
        } else {
            self.kind(kind)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn kind(&mut self, kind: &Kind) -> Result<(), Problem> {
        match kind {
            Kind::Union(branches) => {
                self.out.push('[');
                for (index, &branch) in branches.iter().enumerate() {
                    separate(index, &mut self.out);
                    self.print(branch)?;
                }
                self.out.push(']');
            }
            Kind::Array(inner) | Kind::Map(inner) => {
                let member = if matches!(kind, Kind::Array(_)) { "items" } else { "values" };
                self.out.push_str(&format!("{{\"type\":\"{}\",\"{member}\":", kind.word()));
                self.print(*inner)?;
                self.out.push('}');
            }
            Kind::Record(record) => {
                self.out.push_str("record\",\"fields\":[");
                for (index, field) in record.fields.iter().enumerate() {
                    separate(index, &mut self.out);
                    self.out.push_str("{\"name\":");
                    write_string(&field.name, &mut self.out);
                    self.out.push_str(",\"type\":");
                    self.print(field.schema)?;
                    self.out.push('}');
                }
                self.out.push_str("]}");
            }
            Kind::Enum(symbols) => {
                self.out.push_str("enum\",\"symbols\":[");
                for (index, symbol) in symbols.symbols.iter().enumerate() {
                    separate(index, &mut self.out);
                    write_string(symbol, &mut self.out);
                }
                self.out.push_str("]}");
            }
            Kind::Fixed(fixed) => self.out.push_str(&format!("fixed\",\"size\":{}}}", fixed.size)),
            primitive => write_string(primitive.word(), &mut self.out),
        }
        Ok(())
    }
}

fn rabin(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |fingerprint, &byte| {
        let mut entry = (fingerprint ^ u64::from(byte)) & 0xff;
        for _ in 0..8 {
            entry = (entry >> 1) ^ (EMPTY & (entry & 1).wrapping_neg());
        }
        (fingerprint >> 8) ^ entry
    })
}
