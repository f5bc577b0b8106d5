//! Prints a file as clients of the registry expect it, so that equal schemas have equal text.
//!
//! The order of the elements, the blank lines and the indentation are those of Square Wire's `ProtoFileElement` as the
//! Confluent registry prints it: first line by line what a file says of itself, then its messages, its enums, its
//! extensions, its services; within a message reserved numbers, options, fields, oneofs, groups, extension ranges,
//! extensions, messages, enums. A blank line within a message is indented like the message. Comments are left out.
//!
//! Unlike there nothing that has a meaning is left out or becomes invalid: `weak` imports and what else than fields is
//! within groups are printed, strings are escaped everywhere, and bytes that are no UTF-8 are written as octal escapes.
//!
//! Source: `ProtobufSchemaUtils.toString` of Confluent's registry, `toSchema` of Wire's elements.

mod entries;
mod options;

use crate::ast::{
    Enum, Extend, Extensions, Field, File, Group, Message, Method, Oneof, OptionElement, Reserved, Service, Type,
    full_name,
};
use crate::parser::FIELD_NUMBER_MAX;
use std::fmt::{self, Write};

/// The text of `file`, as it is stored and returned.
pub(crate) fn print(file: &File) -> String {
    Printer::new(file, Purpose::Reading).print(file)
}

/// The text of `file` as compilers accept it: maps that are written as messages of their own are written as maps. What
/// lies within a message is in such an order that a compiler counts nested messages as `file` does.
pub(crate) fn print_for_compiler(file: &File) -> String {
    Printer::new(file, Purpose::Compiling).print(file)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reading,
    Compiling,
}

struct Printer {
    output: String,
    /// Two spaces each.
    indentation: usize,
    purpose: Purpose,
    /// The full name of what is printed, or the package.
    scope: String,
}

impl Printer {
    fn new(file: &File, purpose: Purpose) -> Self {
        let scope = file.package.clone().unwrap_or_default();
        Self { output: String::new(), indentation: 0, purpose, scope }
    }

    fn print(mut self, file: &File) -> String {
        if let Some(syntax) = file.syntax {
            self.line(format_args!("syntax = \"{syntax}\";"));
        }
        if let Some(package) = &file.package {
            self.line(format_args!("package {package};"));
        }
        let imports = [("", &file.imports), ("public ", &file.public_imports), ("weak ", &file.weak_imports)];
        if imports.iter().any(|(_, names)| !names.is_empty()) {
            self.blank();
            for (kind, names) in imports {
                for name in names {
                    self.line(format_args!("import {kind}\"{}\";", options::escaped(name.as_bytes())));
                }
            }
        }
        self.section(&file.options, Self::option_statement);
        if !file.types.is_empty() {
            self.blank();
            self.types(&file.types);
        }
        self.section(&file.extends, Self::extend);
        self.section(&file.services, Self::service);
        self.output
    }

    /// The elements with a line break before them, where there are any: a blank line, or the end of an opening line.
    fn section<T>(&mut self, elements: &[T], mut print: impl FnMut(&mut Self, &T)) {
        if !elements.is_empty() {
            self.blank();
            elements.iter().for_each(|element| print(self, element));
        }
    }

    fn line(&mut self, text: fmt::Arguments<'_>) {
        self.open(text);
        self.output.push('\n');
    }

    /// A line that may go on.
    fn open(&mut self, text: fmt::Arguments<'_>) {
        // After an opening brace the line is not over yet.
        if self.output.ends_with('{') {
            self.output.push('\n');
        }
        self.indent();
        self.write(text);
    }

    fn indent(&mut self) {
        for _ in 0..self.indentation {
            self.output.push_str("  ");
        }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        self.output.write_fmt(text).expect("a string takes all that is written to it");
    }

    /// An empty line, indented like what the elements around it lie in; or the end of an opening line.
    fn blank(&mut self) {
        if !self.output.ends_with('{') {
            for _ in 1..self.indentation {
                self.output.push_str("  ");
            }
        }
        self.output.push('\n');
    }

    /// `head {`, what `body` prints, `}`.
    fn braces(&mut self, head: fmt::Arguments<'_>, body: impl FnOnce(&mut Self)) {
        self.open(head);
        self.output.push_str(" {");
        self.indentation += 1;
        body(self);
        self.indentation -= 1;
        if self.output.ends_with('{') {
            self.output.push_str("}\n");
        } else {
            self.line(format_args!("}}"));
        }
    }

    fn types(&mut self, types: &[Type]) {
        for declared in types {
            if let Type::Message(message) = declared {
                self.message(message);
            }
        }
        for declared in types {
            if let Type::Enum(declared) = declared {
                self.enumeration(declared);
            }
        }
    }

    fn message(&mut self, message: &Message) {
        self.braces(format_args!("message {}", message.name), |printer| printer.body(message));
    }

    fn body(&mut self, message: &Message) {
        let outer = self.scope.clone();
        self.scope = full_name(&outer, &message.name);
        self.section(&message.reserved, |printer, statement| printer.reserved(statement));
        self.section(&message.options, Self::option_statement);
        if self.purpose == Purpose::Compiling && message.messages().any(Message::is_map_entry) {
            self.with_entries(message);
        } else {
            self.section(&message.fields, Self::field);
            self.section(&message.oneofs, Self::oneof);
            self.section(&message.groups, Self::group);
            self.section(&message.extensions, Self::extensions);
            self.section(&message.extends, Self::extend);
            if !message.types.is_empty() {
                self.blank();
                self.types(&message.types);
            }
        }
        self.scope = outer;
    }

    fn field(&mut self, field: &Field) {
        self.open(format_args!(""));
        if let Some(label) = field.label {
            self.write(format_args!("{label} "));
        }
        self.write(format_args!("{} {} = {}", field.kind, field.name, field.number));
        self.bracketed_options(&field.options);
        self.output.push_str(";\n");
    }

    fn oneof(&mut self, oneof: &Oneof) {
        self.braces(format_args!("oneof {}", oneof.name), |printer| {
            printer.section(&oneof.options, Self::option_statement);
            printer.section(&oneof.fields, Self::field);
            printer.section(&oneof.groups, Self::group);
        });
    }

    fn group(&mut self, group: &Group) {
        let label = group.label.map(|label| format!("{label} ")).unwrap_or_default();
        self.open(format_args!("{label}group {} = {}", group.body.name, group.number));
        self.bracketed_options(&group.options);
        self.output.push_str(" {");
        self.indentation += 1;
        self.body(&group.body);
        self.indentation -= 1;
        if self.output.ends_with('{') {
            self.output.push_str("}\n");
        } else {
            self.line(format_args!("}}"));
        }
    }

    fn extensions(&mut self, extensions: &Extensions) {
        let ranges: Vec<String> = extensions.ranges.iter().map(|range| reserved(range, Max::Named)).collect();
        self.open(format_args!("extensions {}", ranges.join(", ")));
        self.bracketed_options(&extensions.options);
        self.output.push_str(";\n");
    }

    fn reserved(&mut self, statement: &[Reserved]) {
        let values: Vec<String> = statement.iter().map(|value| reserved(value, Max::Number)).collect();
        self.line(format_args!("reserved {};", values.join(", ")));
    }

    fn enumeration(&mut self, declared: &Enum) {
        self.braces(format_args!("enum {}", declared.name), |printer| {
            for statement in &declared.reserved {
                printer.reserved(statement);
            }
            for option in &declared.options {
                printer.option_statement(option);
            }
            for value in &declared.values {
                printer.open(format_args!("{} = {}", value.name, value.number));
                printer.bracketed_options(&value.options);
                printer.output.push_str(";\n");
            }
        });
    }

    fn extend(&mut self, extend: &Extend) {
        self.braces(format_args!("extend {}", extend.name), |printer| {
            extend.fields.iter().for_each(|field| printer.field(field));
            extend.groups.iter().for_each(|group| printer.group(group));
        });
    }

    fn service(&mut self, service: &Service) {
        self.braces(format_args!("service {}", service.name), |printer| {
            printer.section(&service.options, Self::option_statement);
            printer.section(&service.methods, Self::method);
        });
    }

    fn method(&mut self, method: &Method) {
        let stream = |is_stream: bool| if is_stream { "stream " } else { "" };
        self.open(format_args!(
            "rpc {} ({}{}) returns ({}{})",
            method.name,
            stream(method.request.is_stream),
            method.request.name,
            stream(method.response.is_stream),
            method.response.name,
        ));
        if !method.options.is_empty() {
            self.output.push_str(" {\n");
            self.indentation += 1;
            method.options.iter().for_each(|option| self.option_statement(option));
            self.indentation -= 1;
            self.open(format_args!("}}"));
        }
        self.output.push_str(";\n");
    }

    fn option_statement(&mut self, option: &OptionElement) {
        self.open(format_args!("option "));
        self.option(option);
        self.output.push_str(";\n");
    }
}

/// How the largest number of a field is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Max {
    Named,
    Number,
}

fn reserved(value: &Reserved, max: Max) -> String {
    match value {
        Reserved::Number(number) => number.to_string(),
        Reserved::Range(from, to) if max == Max::Named && *to >= FIELD_NUMBER_MAX => format!("{from} to max"),
        Reserved::Range(from, to) => format!("{from} to {to}"),
        Reserved::Name(name) => format!("\"{}\"", options::escaped(name)),
    }
}
