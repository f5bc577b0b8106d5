//! A schema given as a base64-encoded `FileDescriptorProto`, as clients without the text register it.
//!
//! It is turned into what its text would be, maps as messages of their own, so that nested messages count as in the
//! descriptor, and is read as that text from there on.

mod names;
mod options;

use crate::{
    ast::{
        Enum, EnumValue, Extend, Extensions, Field, FieldType, File, Group, Label, Message, Method, MethodType, Oneof,
        OptionElement, OptionValue, Reserved, Service, Syntax, Type,
    },
    compile::{Imports, META, pool_of},
    error::{ParseError, Position},
    lexer::{Lexer, Token},
    limits::TEXT_BYTES_MAX,
    parser, print, wire,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use options::options_of;
use prost_reflect::{
    EnumDescriptor, ExtensionDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    prost::Message as _,
    prost_types::{
        DescriptorProto, FieldDescriptorProto, FileDescriptorProto,
        field_descriptor_proto::{Label as ProtoLabel, Type as ProtoType},
    },
};

/// What an option of `confluent/meta.proto`, field 1088, begins with.
const META_KEY: [u8; 2] = [0x82, 0x44];

/// Reads `text` where it is base64 of a descriptor; `None` where it is something else.
pub(crate) fn read(text: &str, imports: &Imports) -> Option<Result<File, ParseError>> {
    if text.len() > TEXT_BYTES_MAX / 3 * 4 + 4 {
        return None;
    }
    let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| !bytes.is_empty())?;
    let proto = FileDescriptorProto::decode(bytes.as_slice()).ok()?;
    Some(file_of(&bytes, &proto, imports))
}

fn file_of(bytes: &[u8], proto: &FileDescriptorProto, imports: &Imports) -> Result<File, ParseError> {
    // Asked before a pool is: it looks for the file of a syntax that it does not know, and that is not there.
    let syntax = match proto.syntax() {
        "" => None,
        "proto2" => Some(Syntax::Proto2),
        "proto3" => Some(Syntax::Proto3),
        "editions" => return Err(ParseError::Edition { file: None, at: Position { line: 1, column: 1 } }),
        other => return Err(ParseError::invalid(format_args!("`{other}` is no syntax"))),
    };
    names::check(proto)?;
    let direct: Vec<&str> = proto.dependency.iter().map(String::as_str).collect();
    let mut visible = imports.visible(&direct);
    let has_meta = bytes.windows(META_KEY.len()).any(|bytes| bytes == META_KEY);
    if has_meta && !visible.iter().any(|name| name == META) {
        visible.push(META.to_owned());
    }
    let mut pool = pool_of(imports, &visible)?;
    let name = proto.name().to_owned();
    if pool.get_file_by_name(&name).is_some() {
        return Err(ParseError::invalid(format_args!("the file `{name}` imports a file of its own name")));
    }
    let bytes =
        wire::with_imports(bytes, &visible).ok_or_else(|| ParseError::invalid("the descriptor ends too early"))?;
    pool.decode_file_descriptor_proto(bytes.as_slice()).map_err(ParseError::invalid)?;
    let descriptor = pool.get_file_by_name(&name).ok_or_else(|| ParseError::invalid("the descriptor has no file"))?;
    let converter = Converter { syntax };
    let file = converter.file(proto, &descriptor)?;
    // Names are printed as text: one that is no identifier could say anything there.
    match parser::parse(&print::print(&file)) {
        Ok(read) if read == file => Ok(file),
        Ok(_) => Err(ParseError::invalid("the descriptor holds a name that no `.proto` text can hold")),
        Err(error) => Err(ParseError::invalid(format_args!("the descriptor has no `.proto` text: {error}"))),
    }
}

struct Converter {
    syntax: Option<Syntax>,
}

impl Converter {
    fn file(&self, proto: &FileDescriptorProto, descriptor: &FileDescriptor) -> Result<File, ParseError> {
        let mut file = File { syntax: self.syntax, options: options_of(&descriptor.options())?, ..File::default() };
        file.package = proto.package.clone().filter(|package| !package.is_empty());
        for (index, name) in (0..).zip(&proto.dependency) {
            let list = if proto.public_dependency.contains(&index) {
                &mut file.public_imports
            } else if proto.weak_dependency.contains(&index) {
                &mut file.weak_imports
            } else {
                &mut file.imports
            };
            list.push(name.clone());
        }
        for (proto, message) in proto.message_type.iter().zip(descriptor.messages()) {
            file.types.push(Type::Message(self.message(proto, &message)?));
        }
        for declared in descriptor.enums() {
            file.types.push(Type::Enum(enumeration(&declared)?));
        }
        file.extends = self.extends(&proto.extension, descriptor.extensions())?;
        for service in descriptor.services() {
            let mut methods = Vec::new();
            for method in service.methods() {
                let of = |is_stream, message: &MessageDescriptor| MethodType {
                    is_stream,
                    name: format!(".{}", message.full_name()),
                };
                methods.push(Method {
                    name: method.name().to_owned(),
                    request: of(method.is_client_streaming(), &method.input()),
                    response: of(method.is_server_streaming(), &method.output()),
                    options: options_of(&method.options())?,
                });
            }
            let options = options_of(&service.options())?;
            file.services.push(Service { name: service.name().to_owned(), options, methods });
        }
        Ok(file)
    }

    fn message(&self, proto: &DescriptorProto, descriptor: &MessageDescriptor) -> Result<Message, ParseError> {
        let mut message = Message {
            name: proto.name().to_owned(),
            options: options_of(&descriptor.options())?,
            ..Message::default()
        };
        for range in &proto.reserved_range {
            message.reserved.push(vec![range_of(range.start(), range.end().saturating_sub(1))]);
        }
        message.reserved.extend(proto.reserved_name.iter().map(|name| vec![Reserved::Name(name.clone().into_bytes())]));
        for range in &proto.extension_range {
            let ranges = vec![range_of(range.start(), range.end().saturating_sub(1))];
            message.extensions.push(Extensions { ranges, options: Vec::new() });
        }
        let mut oneofs = Vec::new();
        for oneof in descriptor.oneofs() {
            let (name, options) = (oneof.name().to_owned(), options_of(&oneof.options())?);
            oneofs.push(Oneof { name, options, fields: Vec::new(), groups: Vec::new() });
        }
        let mut groups: Vec<&str> = Vec::new();
        for field in &proto.field {
            let number = u32::try_from(field.number()).unwrap_or_default();
            let described = descriptor.get_field(number).ok_or_else(|| ParseError::invalid("a field has no number"))?;
            let index = field.oneof_index.filter(|_| !field.proto3_optional());
            let oneof = index.and_then(|index| oneofs.get_mut(usize::try_from(index).ok()?));
            let is_in_oneof = oneof.is_some();
            let (fields, grouped) = match oneof {
                Some(oneof) => (&mut oneof.fields, &mut oneof.groups),
                None => (&mut message.fields, &mut message.groups),
            };
            if field.r#type() == ProtoType::Group {
                let name = last_of(field.type_name());
                groups.push(name);
                grouped.push(self.group(field, is_in_oneof, &described, proto, descriptor)?);
            } else {
                fields.push(self.field(field, is_in_oneof, options_of(&described.options())?)?);
            }
        }
        // What stands for `optional` is no oneof of its own.
        message.oneofs = oneofs.into_iter().filter(|it| !it.fields.is_empty() || !it.groups.is_empty()).collect();
        for (nested, described) in proto.nested_type.iter().zip(descriptor.child_messages()) {
            if !groups.contains(&nested.name()) {
                message.types.push(Type::Message(self.message(nested, &described)?));
            }
        }
        for declared in descriptor.child_enums() {
            message.types.push(Type::Enum(enumeration(&declared)?));
        }
        message.extends = self.extends(&proto.extension, descriptor.child_extensions())?;
        Ok(message)
    }

    fn group(
        &self,
        field: &FieldDescriptorProto,
        is_in_oneof: bool,
        described: &FieldDescriptor,
        outer: &DescriptorProto,
        outer_described: &MessageDescriptor,
    ) -> Result<Group, ParseError> {
        let name = last_of(field.type_name());
        let mut nested = outer.nested_type.iter().zip(outer_described.child_messages());
        let (proto, descriptor) = nested
            .find(|(proto, _)| proto.name() == name)
            .ok_or_else(|| ParseError::invalid(format_args!("the group `{name}` is not within its message")))?;
        let label = if is_in_oneof { None } else { self.label(field) };
        let options = options_of(&described.options())?;
        Ok(Group { label, number: field.number(), options, body: self.message(proto, &descriptor)? })
    }

    fn label(&self, field: &FieldDescriptorProto) -> Option<Label> {
        match field.label() {
            ProtoLabel::Repeated => Some(Label::Repeated),
            ProtoLabel::Required => Some(Label::Required),
            ProtoLabel::Optional => {
                (self.syntax != Some(Syntax::Proto3) || field.proto3_optional()).then_some(Label::Optional)
            }
        }
    }

    fn field(
        &self,
        field: &FieldDescriptorProto,
        is_in_oneof: bool,
        mut options: Vec<OptionElement>,
    ) -> Result<Field, ParseError> {
        let kind = match field.r#type() {
            ProtoType::Message | ProtoType::Enum | ProtoType::Group => field.type_name().to_owned(),
            scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_ascii_lowercase(),
        };
        if let Some(default) = &field.default_value {
            let value = match field.r#type() {
                ProtoType::String => OptionValue::Text(default.clone().into_bytes()),
                ProtoType::Bytes => OptionValue::Text(unescaped(default)?),
                _ => OptionValue::Word(default.clone()),
            };
            options.push(OptionElement { name: "default".to_owned(), value });
        }
        if field.json_name.as_ref().is_some_and(|name| *name != json_name(field.name())) {
            let value = OptionValue::Text(field.json_name().as_bytes().to_vec());
            options.push(OptionElement { name: "json_name".to_owned(), value });
        }
        let label = if is_in_oneof { None } else { self.label(field) };
        let (name, number) = (field.name().to_owned(), field.number());
        Ok(Field { label, kind: FieldType::Named(kind), name, number, options })
    }

    /// A block for each message that is extended, as long as they follow each other.
    fn extends(
        &self,
        protos: &[FieldDescriptorProto],
        descriptors: impl Iterator<Item = ExtensionDescriptor>,
    ) -> Result<Vec<Extend>, ParseError> {
        let mut extends: Vec<Extend> = Vec::new();
        for (proto, descriptor) in protos.iter().zip(descriptors) {
            if proto.r#type() == ProtoType::Group {
                let name = proto.name();
                return Err(ParseError::invalid(format_args!("the extension `{name}` is a group: give it as text")));
            }
            let field = self.field(proto, false, options_of(&descriptor.options())?)?;
            match extends.last_mut().filter(|last| last.name == proto.extendee()) {
                Some(last) => last.fields.push(field),
                None => {
                    let name = proto.extendee().to_owned();
                    extends.push(Extend { name, fields: vec![field], groups: Vec::new() });
                }
            }
        }
        Ok(extends)
    }
}

fn enumeration(descriptor: &EnumDescriptor) -> Result<Enum, ParseError> {
    let proto = descriptor.enum_descriptor_proto();
    let mut reserved: Vec<Vec<Reserved>> =
        proto.reserved_range.iter().map(|range| vec![range_of(range.start(), range.end())]).collect();
    reserved.extend(proto.reserved_name.iter().map(|name| vec![Reserved::Name(name.clone().into_bytes())]));
    let mut declared = Enum {
        name: descriptor.name().to_owned(),
        reserved,
        options: options_of(&descriptor.options())?,
        values: Vec::new(),
    };
    for proto in &proto.value {
        let described = descriptor.get_value_by_name(proto.name());
        let options = described.map_or_else(|| Ok(Vec::new()), |value| options_of(&value.options()))?;
        declared.values.push(EnumValue { name: proto.name().to_owned(), number: proto.number(), options });
    }
    Ok(declared)
}

fn range_of(from: i32, to: i32) -> Reserved {
    if from == to { Reserved::Number(from) } else { Reserved::Range(from, to) }
}

fn last_of(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// What stands in a descriptor for the default of bytes.
fn unescaped(text: &str) -> Result<Vec<u8>, ParseError> {
    match Lexer::new(&format!("\"{text}\"")).next()? {
        (Token::Text(bytes), _) => Ok(bytes),
        _ => Err(ParseError::invalid("a default is no string")),
    }
}

/// The name in JSON of a field that sets none.
fn json_name(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut is_after_underscore = false;
    for c in name.chars() {
        if c == '_' {
            is_after_underscore = true;
        } else if std::mem::take(&mut is_after_underscore) {
            json.push(c.to_ascii_uppercase());
        } else {
            json.push(c);
        }
    }
    json
}
