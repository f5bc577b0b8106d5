//! A schema as something that can be drawn, edited and written down in many ways.

use crate::draw::Draw;
use levada_protobuf::{Reference, Schema};
use std::fmt::Write;

pub(crate) const IMPORT: &str = "shared/import.proto";
pub(crate) const SCALARS: [&str; 15] = [
    "int32", "int64", "uint32", "uint64", "bool", "sint32", "sint64", "fixed32", "sfixed32", "fixed64", "sfixed64",
    "float", "double", "string", "bytes",
];
/// Scalars that are read as each other.
pub(crate) const GROUPS: [&[&str]; 5] = [
    &["int32", "int64", "uint32", "uint64", "bool"],
    &["sint32", "sint64"],
    &["fixed32", "sfixed32"],
    &["fixed64", "sfixed64"],
    &["string", "bytes"],
];
const KEYS: [&str; 6] = ["int32", "uint64", "bool", "sint64", "fixed32", "string"];

#[derive(Clone, Debug)]
pub(crate) struct FileModel {
    pub(crate) is_proto3: bool,
    pub(crate) package: Option<String>,
    pub(crate) messages: Vec<MessageModel>,
    pub(crate) enums: Vec<EnumModel>,
    /// Has options, a service, reserved numbers and, in proto2, an extension.
    pub(crate) has_extras: bool,
    /// The messages of the file that it imports, of package `shared`.
    pub(crate) imported: Vec<MessageModel>,
}

#[derive(Clone, Debug)]
pub(crate) struct MessageModel {
    pub(crate) name: String,
    pub(crate) fields: Vec<FieldModel>,
    pub(crate) nested: Vec<MessageModel>,
    pub(crate) enums: Vec<EnumModel>,
}

#[derive(Clone, Debug)]
pub(crate) struct EnumModel {
    pub(crate) name: String,
    pub(crate) values: Vec<(String, i32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    None,
    Optional,
    Required,
    Repeated,
}

#[derive(Clone, Debug)]
pub(crate) struct FieldModel {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) label: Label,
    pub(crate) kind: Kind,
    pub(crate) oneof: Option<String>,
    /// Has an option, a default or another name in JSON.
    pub(crate) is_decorated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar(&'static str),
    /// A message or an enum, by its name within the package.
    Named(String),
    /// A message of the imported file.
    Imported(String),
    Map(&'static str, Box<Kind>),
    /// One field within, a scalar.
    Group(&'static str),
}

impl FileModel {
    pub(crate) fn draw(draw: &Draw) -> Self {
        let mut file = Self {
            is_proto3: !draw.once_in(3),
            package: draw.below(2).checked_sub(1).map(|_| "shop.orders".to_owned()),
            messages: Vec::new(),
            enums: vec![EnumModel::draw(draw, "E0")],
            has_extras: draw.once_in(4),
            imported: vec![MessageModel::empty("I0"), MessageModel::empty("I1")],
        };
        for index in 0..=draw.below(3) {
            let mut message = MessageModel::empty(&format!("M{index}"));
            if draw.once_in(2) {
                message.nested.push(MessageModel::empty("N0"));
                if draw.once_in(2) {
                    message.nested[0].nested.push(MessageModel::empty("NN0"));
                }
            }
            if draw.once_in(3) {
                message.enums.push(EnumModel::draw(draw, "NE0"));
            }
            file.messages.push(message);
        }
        let names = file.type_names();
        let imported = file.imported_names();
        let is_proto3 = file.is_proto3;
        for message in &mut file.messages {
            fill(message, draw, &names, &imported, is_proto3);
        }
        for message in &mut file.imported {
            fill(message, draw, &[], &imported, is_proto3);
        }
        file
    }

    /// Messages and enums by their names within the package.
    pub(crate) fn type_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.enums.iter().map(|declared| declared.name.clone()).collect();
        self.messages.iter().for_each(|message| names_of(message, "", &mut names));
        names
    }

    pub(crate) fn imported_names(&self) -> Vec<String> {
        self.imported.iter().map(|message| message.name.clone()).collect()
    }

    /// Fields of types that are gone become numbers.
    pub(crate) fn mend(&mut self) {
        let (names, imported) = (self.type_names(), self.imported_names());
        let mend = |field: &mut FieldModel| {
            let is_gone = |kind: &Kind| match kind {
                Kind::Named(name) => !names.contains(name),
                Kind::Imported(name) => !imported.contains(name),
                _ => false,
            };
            match &mut field.kind {
                Kind::Map(_, value) if is_gone(value) => **value = Kind::Scalar("int32"),
                kind if is_gone(kind) => *kind = Kind::Scalar("int32"),
                _ => {}
            }
        };
        for message in self.messages.iter_mut().chain(&mut self.imported) {
            message.each(&mut |message| message.fields.iter_mut().for_each(mend));
        }
    }

    /// The text of the file and that of the file it imports. `style` draws what has no meaning.
    pub(crate) fn texts(&self, style: &Draw) -> (String, String) {
        let package = self.package.as_deref();
        let writer = Writer { is_proto3: self.is_proto3, style, package, has_extras: self.has_extras };
        let mut import = format!("syntax = \"{}\";\npackage shared;\n", syntax(self.is_proto3));
        self.imported.iter().for_each(|message| writer.message(&mut import, message));
        let mut text = format!("syntax = \"{}\";\n", syntax(self.is_proto3));
        writer.noise(&mut text);
        if let Some(package) = &self.package {
            writeln!(text, "package {package};").unwrap();
        }
        writeln!(text, "import '{IMPORT}';").unwrap();
        self.messages.iter().for_each(|message| writer.message(&mut text, message));
        self.enums.iter().for_each(|declared| writer.enumeration(&mut text, declared));
        if self.has_extras {
            let first = writer.kind(&Kind::Named(self.messages[0].name.clone()));
            writeln!(text, "option java_package = 'org.example'; option cc_enable_arenas=true;").unwrap();
            writeln!(text, "service S {{ rpc Get ({first}) returns(stream {first}) {{ option deprecated = true; }}")
                .unwrap();
            writeln!(text, "rpc Put( stream {first} ) returns ({first}); }}").unwrap();
            if !self.is_proto3 {
                writeln!(text, "extend {first} {{ optional string extra = 1000 [default='x']; }}").unwrap();
            }
        }
        (text, import)
    }
}

pub(crate) fn parse((text, import): &(String, String)) -> Schema {
    let parsed = levada_protobuf::parse(text, &[Reference { name: IMPORT, text: import }]);
    parsed.unwrap_or_else(|error| panic!("{error}\n{text}\n---\n{import}"))
}

const fn syntax(is_proto3: bool) -> &'static str {
    if is_proto3 { "proto3" } else { "proto2" }
}

fn names_of(message: &MessageModel, scope: &str, names: &mut Vec<String>) {
    let name = format!("{scope}{}", message.name);
    names.extend(message.enums.iter().map(|declared| format!("{name}.{}", declared.name)));
    message.nested.iter().for_each(|nested| names_of(nested, &format!("{name}."), names));
    names.push(name);
}

fn fill(message: &mut MessageModel, draw: &Draw, names: &[String], imported: &[String], is_proto3: bool) {
    for _ in 0..draw.below(6) {
        let field = FieldModel::draw(draw, message, names, imported, is_proto3);
        message.fields.push(field);
    }
    for nested in &mut message.nested {
        fill(nested, draw, names, imported, is_proto3);
    }
}

impl MessageModel {
    pub(crate) fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), fields: Vec::new(), nested: Vec::new(), enums: Vec::new() }
    }

    /// It and all within.
    pub(crate) fn each(&mut self, edit: &mut impl FnMut(&mut Self)) {
        edit(self);
        self.nested.iter_mut().for_each(|nested| nested.each(edit));
    }

    pub(crate) fn free_number(&self, draw: &Draw) -> u32 {
        loop {
            let number = 1 + u32::try_from(draw.below(30)).unwrap();
            if self.fields.iter().all(|field| field.number != number) {
                return number;
            }
        }
    }

    pub(crate) fn oneofs(&self) -> Vec<String> {
        let mut oneofs: Vec<String> = self.fields.iter().filter_map(|field| field.oneof.clone()).collect();
        oneofs.sort();
        oneofs.dedup();
        oneofs
    }
}

impl EnumModel {
    fn draw(draw: &Draw, name: &str) -> Self {
        let values = (0..=i32::try_from(draw.below(3)).unwrap()).map(|number| (format!("{name}_V{number}"), number));
        Self { name: name.to_owned(), values: values.collect() }
    }
}

impl FieldModel {
    pub(crate) fn draw(
        draw: &Draw,
        message: &MessageModel,
        names: &[String],
        imported: &[String],
        is_proto3: bool,
    ) -> Self {
        let number = message.free_number(draw);
        let is_in_oneof = draw.once_in(4);
        let kind = Kind::draw(draw, names, imported, is_proto3, is_in_oneof);
        let label = match draw.below(8) {
            _ if is_in_oneof || matches!(kind, Kind::Map(..)) => Label::None,
            0 | 1 => Label::Repeated,
            2 if !is_proto3 => Label::Required,
            3 | 4 => Label::Optional,
            _ if is_proto3 => Label::None,
            _ => Label::Optional,
        };
        let oneof = is_in_oneof.then(|| format!("choice_{}", draw.below(2)));
        Self { number, name: format!("field_{number}"), label, kind, oneof, is_decorated: draw.once_in(6) }
    }
}

impl Kind {
    pub(crate) fn draw(draw: &Draw, names: &[String], imported: &[String], is_proto3: bool, is_in_oneof: bool) -> Self {
        match draw.below(12) {
            0 | 1 if !names.is_empty() => Self::Named(draw.of(names).clone()),
            2 => Self::Imported(draw.of(imported).clone()),
            3 if !is_in_oneof => {
                let value = match draw.below(3) {
                    0 if !names.is_empty() => Self::Named(draw.of(names).clone()),
                    _ => Self::Scalar(draw.of::<&str>(&SCALARS)),
                };
                Self::Map(draw.of::<&str>(&KEYS), Box::new(value))
            }
            4 if !is_proto3 => Self::Group(draw.of::<&str>(&SCALARS)),
            _ => Self::Scalar(draw.of::<&str>(&SCALARS)),
        }
    }
}

struct Writer<'a> {
    is_proto3: bool,
    style: &'a Draw,
    package: Option<&'a str>,
    has_extras: bool,
}

impl Writer<'_> {
    /// Comments and empty statements.
    fn noise(&self, text: &mut String) {
        match self.style.below(8) {
            0 => text.push_str("// { a comment \" \n"),
            1 => text.push_str("/* another\n ' } */ "),
            2 => text.push_str("\n\t\n"),
            _ => {}
        }
    }

    fn message(&self, text: &mut String, message: &MessageModel) {
        self.noise(text);
        writeln!(text, "message {}{{", message.name).unwrap();
        if self.has_extras {
            text.push_str("reserved 500, 502 to 510 ; reserved 'gone'; option deprecated = true;");
            text.push_str(if self.is_proto3 { "" } else { "extensions 1000 to 1999; extensions 5000 to max;" });
        }
        for nested in &message.nested {
            self.message(text, nested);
        }
        for field in message.fields.iter().filter(|field| field.oneof.is_none()) {
            self.field(text, field);
        }
        for oneof in message.oneofs() {
            self.noise(text);
            writeln!(text, "oneof {oneof} {{").unwrap();
            for field in message.fields.iter().filter(|field| field.oneof.as_ref() == Some(&oneof)) {
                self.field(text, field);
            }
            text.push_str("}\n");
        }
        for declared in &message.enums {
            self.enumeration(text, declared);
        }
        text.push_str(if self.style.once_in(3) { "};\n" } else { "}\n" });
    }

    fn enumeration(&self, text: &mut String, declared: &EnumModel) {
        writeln!(text, "enum {} {{", declared.name).unwrap();
        for (name, number) in &declared.values {
            self.noise(text);
            writeln!(text, "{name} = {number};").unwrap();
        }
        text.push_str("}\n");
    }

    fn kind(&self, kind: &Kind) -> String {
        match kind {
            Kind::Scalar(name) => (*name).to_owned(),
            Kind::Named(name) => match self.package {
                Some(package) => format!(".{package}.{name}"),
                None => format!(".{name}"),
            },
            Kind::Imported(name) => format!("shared.{name}"),
            Kind::Map(key, value) if self.style.once_in(2) => format!("map<{key},{}>", self.kind(value)),
            Kind::Map(key, value) => format!("map < {key} , {} >", self.kind(value)),
            Kind::Group(_) => "group".to_owned(),
        }
    }

    fn field(&self, text: &mut String, field: &FieldModel) {
        self.noise(text);
        let label = match field.label {
            _ if field.oneof.is_some() || matches!(field.kind, Kind::Map(..)) => "",
            Label::None if self.is_proto3 => "",
            Label::None | Label::Optional => "optional ",
            Label::Required => "required ",
            Label::Repeated => "repeated ",
        };
        let kind = self.kind(&field.kind);
        if let Kind::Group(scalar) = field.kind {
            writeln!(text, "{label}group G{} = {} {{ optional {scalar} inner = 1; }}", field.number, field.number)
                .unwrap();
            return;
        }
        let mut options = Vec::new();
        if field.is_decorated {
            options.push("deprecated=true".to_owned());
            options.push(format!("json_name = \"json{}\"", field.number));
            if field.kind == Kind::Scalar("string") && !self.is_proto3 && field.label != Label::Repeated {
                options.push("default = 'a\\x41\\n\\'\"'".to_owned());
            }
        }
        let options = if options.is_empty() { String::new() } else { format!(" [ {} ]", options.join(" , ")) };
        writeln!(text, "{label}{kind}  {} = {}{options} ;", field.name, field.number).unwrap();
    }
}
