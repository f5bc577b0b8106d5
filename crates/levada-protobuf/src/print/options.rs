//! Options and what they are set to.

use super::Printer;
use crate::ast::{OptionElement, OptionValue};
use std::fmt::Write;

impl Printer {
    /// ` [a = b]`, or a line for each where there are several.
    pub(super) fn bracketed_options(&mut self, options: &[OptionElement]) {
        match options {
            [] => {}
            [option] => {
                self.output.push_str(" [");
                self.option(option);
                self.output.push(']');
            }
            _ => {
                self.output.push_str(" [\n");
                self.indentation += 1;
                for (index, option) in options.iter().enumerate() {
                    self.indent();
                    self.option(option);
                    self.output.push_str(if index + 1 < options.len() { ",\n" } else { "\n" });
                }
                self.indentation -= 1;
                self.indent();
                self.output.push(']');
            }
        }
    }

    pub(super) fn option(&mut self, option: &OptionElement) {
        self.output.push_str(&option.name);
        self.output.push_str(" = ");
        self.value(&option.value);
    }

    fn value(&mut self, value: &OptionValue) {
        match value {
            OptionValue::Word(word) => self.output.push_str(word),
            OptionValue::Text(bytes) => self.write(format_args!("\"{}\"", escaped(bytes))),
            OptionValue::Message(fields) => self.block(('{', '}'), fields, |printer, (name, value)| {
                printer.write(format_args!("{name}: "));
                printer.value(value);
            }),
            OptionValue::List(values) => self.block(('[', ']'), values, |printer, value| printer.value(value)),
        }
    }

    /// The elements between brackets, each on a line of its own.
    fn block<T>(&mut self, brackets: (char, char), elements: &[T], print: impl Fn(&mut Self, &T)) {
        self.output.push(brackets.0);
        self.output.push('\n');
        self.indentation += 1;
        for (index, element) in elements.iter().enumerate() {
            self.indent();
            print(self, element);
            self.output.push_str(if index + 1 < elements.len() { ",\n" } else { "\n" });
        }
        self.indentation -= 1;
        self.indent();
        self.output.push(brackets.1);
    }
}

/// What stands between the quotes for `bytes`.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\u{7}' => text.push_str("\\a"),
                '\u{8}' => text.push_str("\\b"),
                '\u{c}' => text.push_str("\\f"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{b}' => text.push_str("\\v"),
                '\\' | '\'' | '"' => text.extend(['\\', c]),
                c if c.is_ascii_control() => octal(&mut text, u32::from(c)),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| octal(&mut text, u32::from(byte)));
    }
    text
}

fn octal(text: &mut String, byte: u32) {
    write!(text, "\\{byte:03o}").expect("a string takes all that is written to it");
}
