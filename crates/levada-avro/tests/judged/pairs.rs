//! Random pairs of schemas, the same for the same seed: one is made, the other is what some evolution made of it, so
//! that many of them are compatible and few have nothing in common. Some are no schemas at all, as it comes.

use levada_model::{Rng, SeededRng};

/// A reader's schema and a writer's, as text.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) reader: String,
    pub(crate) writer: String,
}

/// The pair of that number; the first were thought of.
pub(crate) fn pair(number: u64) -> Pair {
    let thought_of = usize::try_from(number).ok().and_then(|number| THOUGHT_OF.get(number));
    if let Some((reader, writer)) = thought_of {
        return Pair { reader: (*reader).to_owned(), writer: (*writer).to_owned() };
    }
    let mut maker =
        Maker { rng: SeededRng::new(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xa5a5), names: Vec::new() };
    let depth = 1 + maker.below(4);
    let first = maker.schema(depth);
    let mut second = first.clone();
    let mutations = [0, 1, 1, 1, 2, 2, 3, 5];
    for _ in 0..maker.pick(&mutations) {
        maker.mutate(&mut second);
    }
    let (mut first, second) = (text(&first), text(&second));
    if maker.chance(12) {
        first = maker.garbled(&first);
    }
    if maker.chance(50) { Pair { reader: first, writer: second } } else { Pair { reader: second, writer: first } }
}

#[derive(Clone, Debug)]
enum Tree {
    /// A word, with a property or without.
    Primitive(&'static str, Option<&'static str>),
    Array(Box<Tree>),
    Map(Box<Tree>),
    Union(Vec<Tree>),
    Record(Named, Vec<Field>),
    Enum(Named, Vec<&'static str>, Option<&'static str>),
    Fixed(Named, u64),
    /// A named type by its name.
    Reference(String),
}

#[derive(Clone, Debug)]
struct Named {
    name: String,
    namespace: Option<&'static str>,
    aliases: Vec<String>,
}

#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    aliases: Vec<&'static str>,
    schema: Tree,
    default: Option<String>,
}

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
const FIELDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const SYMBOLS: [&str; 6] = ["RED", "GREEN", "BLUE", "S1", "S2", "S3"];
const NAMESPACES: [Option<&str>; 6] = [None, None, None, Some("n"), Some("m.k"), Some("")];
const NAMES: [&str; 7] = ["R", "Node", "Leaf", "E", "F", "X", "Y"];

/// Pairs that chance does not find.
const THOUGHT_OF: [(&str, &str); 14] = [
    // What is found of a reader's union and a branch is remembered from where the branch was in a union.
    (
        r#"{"type":"record","name":"T","fields":[{"name":"p","type":{"type":"record","name":"R","fields":[{"name":"f","type":["null",{"type":"enum","name":"E","symbols":["A"]}]}]}},{"name":"q","type":"R"}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"p","type":{"type":"record","name":"n.R","fields":[{"name":"f","type":["null",{"type":"enum","name":"n.E","symbols":["B"]}]}]}},{"name":"q","type":{"type":"record","name":"m.R","fields":[{"name":"f","type":"n.E"}]}}]}"#,
    ),
    // A pair is taken for compatible while it is judged, and what follows from that is remembered.
    (
        r#"{"type":"record","name":"A","fields":[{"name":"u","type":["null",{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}]},{"name":"b","type":"B"},{"name":"x","type":"int"}]}"#,
        r#"{"type":"record","name":"A","fields":[{"name":"u","type":["null",{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}]},{"name":"b","type":"B"},{"name":"x","type":"string"}]}"#,
    ),
    // An enum with a default, but without one as a field, is compared with the writer's record.
    (
        r#"{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"}}]}"#,
        r#"{"type":"record","name":"R","fields":[]}"#,
    ),
    // Used before they are defined; names that read as types; a type of no namespace within one.
    (
        r#"{"type":"record","name":"n.R","fields":[{"name":"a","type":"Late"},{"name":"b","type":{"type":"fixed","name":"Late","size":1}},{"name":"c","type":{"type":"enum","name":"record","symbols":["X"]}},{"name":"d","type":"n.record"},{"name":"e","type":{"type":"fixed","name":"Z","namespace":"","size":2}},{"name":"f","type":"Z"}]}"#,
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"Gone"}]}"#,
    ),
    ("\"string\"", "string"),
    ("{\"type\":{\"type\":\"string\"}}", "{\"type\":[\"null\",\"string\"]}"),
    ("[]", "[\"null\"]"),
    ("{\"type\":\"int\"} // comment", "/* comment */ {\"type\":\"int\"}"),
    (
        r#"{"type":"record","name":"R","fields":[{"name":"f","type":"float","default":" -Infinity "},{"name":"d","type":"double","default":"1.5d"},{"name":"g","type":"double","default":1E400}]}"#,
        r#"{"type":"record","name":"R","fields":[{"name":"é_ß","type":"float","default":"abc"}]}"#,
    ),
    (
        r#"{"type":"record","name":"Ж","fields":[{"name":"é_ß","type":"int","order":"Ignore","doc":5,"aliases":["b","b"]}],"name":"Й","fields":[]}"#,
        r#"{"type":"record","name":"a.b","namespace":"n","fields":[],"symbols":["dropped"],"default":1}"#,
    ),
    (
        "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2147483639}",
        "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2147483640}",
    ),
    ("{\"type\":\"fixed\",\"name\":\"F\",\"size\":1.0}", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}"),
    (
        r#"{"type":"enum","name":"E","symbols":["A"],"default":null,"x":{"b":[1.0,-0.0,1e-7,123456789012345678901234567890,"\/"]}}"#,
        r#"{"type":"enum","name":"E","symbols":["A",null]}"#,
    ),
    // Two fields of the reader take what one of the writer is.
    (
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long","aliases":["c"]},{"name":"b","type":["double","null"],"aliases":["c"]}]}"#,
        r#"{"type":"record","name":"R","fields":[{"name":"c","type":"int"}]}"#,
    ),
];

/// What gets into a text that is garbled.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "-0",
    "1.0E-5",
    "0.00012",
    "12345678901234567890",
    "/*c*/",
    " ",
    "//",
    "\"doc\":\"d\",",
    "\"order\":\"DESCENDING\",",
    "\"aliases\":[\"q\",\"q\"],",
    "\"default\":0.1e-3,",
    "\"type\":\"error\",",
    "\"logicalType\":\"uuid\",",
    "\"x.y\\/\":\"\\u001F\\n\\u00e9\",",
];
/// Defaults for any type: of few they are values.
const LITERALS: [&str; 8] = ["null", "1", "-2147483649", "1.5", "\"NaN\"", "[]", "{}", "[\"x\"]"];

struct Maker {
    rng: SeededRng,
    /// Names of the types that were made.
    names: Vec<String>,
}

impl Maker {
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from(self.rng.next_u64() % limit).unwrap_or(0)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len());
        choices.get(index).or(choices.first()).expect("there is a choice").clone()
    }

    /// The text with some edits.
    fn garbled(&mut self, text: &str) -> String {
        let mut text: Vec<char> = text.chars().collect();
        for _ in 0..1 + self.below(2) {
            let at = self.below(text.len());
            let end = (at + 1 + self.below(12)).min(text.len());
            match self.below(4) {
                0 => drop(text.drain(at..end)),
                1 => {
                    let copy: Vec<char> = text.get(at..end).unwrap_or_default().to_vec();
                    text.splice(at..at, copy);
                }
                _ => {
                    // Behind a brace or comma, where members may stand.
                    let places: Vec<usize> =
                        (1..=text.len()).filter(|&at| text.get(at - 1).is_some_and(|c| "{,".contains(*c))).collect();
                    let at = if places.is_empty() { at } else { self.pick(&places) };
                    text.splice(at..at, self.pick(&PIECES).chars());
                }
            }
        }
        text.into_iter().collect()
    }

    fn schema(&mut self, depth: usize) -> Tree {
        if depth == 0 {
            return self.leaf();
        }
        if !self.names.is_empty() && self.chance(20) {
            let names = self.names.clone();
            return Tree::Reference(self.pick(&names));
        }
        match self.below(10) {
            0 => self.leaf(),
            1 => Tree::Array(Box::new(self.schema(depth - 1))),
            2 => Tree::Map(Box::new(self.schema(depth - 1))),
            3 | 4 => self.union(depth - 1),
            5 => self.named_leaf(),
            _ => self.record(depth - 1),
        }
    }

    fn leaf(&mut self) -> Tree {
        match self.below(12) {
            0..=7 => {
                let properties = [r#""k":1"#, r#""logicalType":"date""#, r#""z":{"b":[1.50,"é"],"a":null},"c":"\\\"""#];
                let property = self.chance(10).then(|| self.pick(&properties));
                Tree::Primitive(self.pick(&PRIMITIVES), property)
            }
            8 if !self.names.is_empty() => {
                let names = self.names.clone();
                Tree::Reference(self.pick(&names))
            }
            _ => self.named_leaf(),
        }
    }

    fn named(&mut self) -> Named {
        let name = self.pick(&NAMES);
        let name = if self.chance(70) { format!("{name}{}", self.names.len()) } else { name.to_owned() };
        let named = Named { namespace: self.pick(&NAMESPACES), aliases: self.aliases(), name };
        let reference = match named.namespace {
            Some(namespace) if !namespace.is_empty() => format!("{namespace}.{}", named.name),
            _ => named.name.clone(),
        };
        self.names.push(reference);
        named
    }

    fn aliases(&mut self) -> Vec<String> {
        if !self.chance(10) {
            return Vec::new();
        }
        let names = self.names.clone();
        let known = if names.is_empty() { "Old".to_owned() } else { self.pick(&names) };
        let dotted = format!(".{}", known.rsplit('.').next().unwrap_or_default());
        vec![self.pick(&["Old".to_owned(), "n.Old".to_owned(), dotted, known])]
    }

    fn named_leaf(&mut self) -> Tree {
        let named = self.named();
        if self.chance(60) {
            let mut symbols = SYMBOLS.to_vec();
            let count = 1 + self.below(4);
            while symbols.len() > count {
                let index = self.below(symbols.len());
                symbols.remove(index);
            }
            let default = self.chance(25).then(|| self.pick(&symbols));
            Tree::Enum(named, symbols, default)
        } else {
            Tree::Fixed(named, self.pick(&[0, 1, 4, 16]))
        }
    }

    fn union(&mut self, depth: usize) -> Tree {
        let mut branches = Vec::new();
        if self.chance(60) {
            branches.push(Tree::Primitive("null", None));
        }
        for _ in 0..1 + self.below(3) {
            let branch = self.schema(depth);
            let is_new = branches.iter().all(|other| kind(other) != kind(&branch));
            if is_new && !matches!(branch, Tree::Union(_)) || self.chance(1) {
                branches.push(branch);
            }
        }
        Tree::Union(branches)
    }

    fn record(&mut self, depth: usize) -> Tree {
        let named = self.named();
        let mut fields = Vec::new();
        for name in FIELDS.into_iter().take(self.below(5)) {
            fields.push(self.field(name, depth));
        }
        Tree::Record(named, fields)
    }

    fn field(&mut self, name: &'static str, depth: usize) -> Field {
        let schema = self.schema(depth);
        let default = match self.below(100) {
            0..40 => default(&schema),
            // For a type that is defined later, Java takes no other default than it would for a record of no fields.
            40..43 if !matches!(schema, Tree::Reference(_)) => Some(self.pick(&LITERALS).to_owned()),
            _ => None,
        };
        let aliases = if self.chance(8) { vec![self.pick(&FIELDS)] } else { Vec::new() };
        Field { name, aliases, schema, default }
    }

    /// Changes something somewhere.
    fn mutate(&mut self, tree: &mut Tree) {
        let goes_on = self.chance(65);
        match tree {
            Tree::Array(inner) | Tree::Map(inner) if goes_on => self.mutate(inner),
            Tree::Union(branches) if goes_on && !branches.is_empty() => {
                let index = self.below(branches.len());
                if let Some(branch) = branches.get_mut(index) {
                    self.mutate(branch);
                }
            }
            Tree::Record(_, fields) if goes_on && !fields.is_empty() => {
                let index = self.below(fields.len());
                if let Some(field) = fields.get_mut(index) {
                    self.mutate(&mut field.schema);
                    if field.default.is_some() {
                        field.default = default(&field.schema);
                    }
                }
            }
            _ if self.chance(20) => self.wrap(tree),
            _ => self.mutate_here(tree),
        }
    }

    fn wrap(&mut self, tree: &mut Tree) {
        let inner = tree.clone();
        *tree = match self.below(8) {
            0 => Tree::Array(Box::new(inner)),
            1 => self.schema(1),
            2..=4 if !matches!(inner, Tree::Union(_)) => Tree::Union(vec![Tree::Primitive("null", None), inner]),
            _ if !matches!(inner, Tree::Union(_)) => Tree::Union(vec![inner, self.leaf()]),
            _ => inner,
        };
    }

    fn mutate_here(&mut self, tree: &mut Tree) {
        match tree {
            Tree::Primitive(word, property) => {
                if self.chance(10) {
                    *property = None;
                }
                *word = match (*word, self.chance(70)) {
                    ("int", true) => "long",
                    ("long", true) => self.pick(&["int", "float"]),
                    ("float", true) => "double",
                    ("double", true) => self.pick(&["int", "float"]),
                    ("string", true) => "bytes",
                    ("bytes", true) => "string",
                    _ => self.pick(&PRIMITIVES),
                };
            }
            Tree::Array(inner) => *tree = if self.chance(50) { Tree::Map(inner.clone()) } else { (**inner).clone() },
            Tree::Map(inner) => *tree = if self.chance(50) { Tree::Array(inner.clone()) } else { (**inner).clone() },
            Tree::Union(branches) => self.mutate_union(branches),
            Tree::Record(named, fields) => self.mutate_record(named, fields),
            Tree::Enum(named, symbols, default) => match self.below(5) {
                0 => self.rename(named),
                1 if symbols.len() > 1 => {
                    symbols.pop();
                    *default = default.filter(|default| symbols.contains(default));
                }
                2 => *default = symbols.first().copied(),
                3 => symbols.reverse(),
                _ => {
                    let symbol = self.pick(&SYMBOLS);
                    if !symbols.contains(&symbol) {
                        symbols.push(symbol);
                    }
                }
            },
            Tree::Fixed(named, size) => {
                if self.chance(50) {
                    self.rename(named);
                } else {
                    *size = self.pick(&[0, 1, 4, 12, 16]);
                }
            }
            Tree::Reference(name) => {
                let names = self.names.clone();
                *name = self.pick(&names);
            }
        }
    }

    fn mutate_union(&mut self, branches: &mut Vec<Tree>) {
        match self.below(4) {
            0 => branches.reverse(),
            1 if branches.len() > 1 => {
                let index = self.below(branches.len());
                branches.remove(index);
            }
            _ => {
                let branch = self.leaf();
                if branches.iter().all(|other| kind(other) != kind(&branch)) {
                    branches.push(branch);
                }
            }
        }
    }

    fn mutate_record(&mut self, named: &mut Named, fields: &mut Vec<Field>) {
        match self.below(9) {
            0 => self.rename(named),
            1 | 2 if !fields.is_empty() => {
                let index = self.below(fields.len());
                fields.remove(index);
            }
            3 => fields.reverse(),
            4 if !fields.is_empty() => {
                let index = self.below(fields.len());
                let (name, keeps) = (self.pick(&FIELDS), self.chance(60));
                if fields.iter().all(|field| field.name != name)
                    && let Some(field) = fields.get_mut(index)
                {
                    field.aliases.extend(keeps.then_some(field.name));
                    field.name = name;
                }
            }
            5 if !fields.is_empty() => {
                let index = self.below(fields.len());
                if let Some(field) = fields.get_mut(index) {
                    field.default = if field.default.is_some() { None } else { default(&field.schema) };
                }
            }
            _ => {
                let name = self.pick(&FIELDS);
                if fields.iter().all(|field| field.name != name) {
                    let field = self.field(name, 1);
                    let index = self.below(fields.len() + 1);
                    fields.insert(index, field);
                }
            }
        }
    }

    fn rename(&mut self, named: &mut Named) {
        match self.below(5) {
            0 => named.namespace = self.pick(&NAMESPACES),
            1 => named.aliases.push(named.name.clone()),
            2 => named.name.push('2'),
            3 => {
                named.aliases.push(format!(".{}", named.name));
                named.name.push('4');
                named.namespace = self.pick(&NAMESPACES);
            }
            _ => {
                let full = match named.namespace {
                    Some(namespace) if !namespace.is_empty() => format!("{namespace}.{}", named.name),
                    _ => named.name.clone(),
                };
                named.aliases.push(full);
                named.name.push('3');
            }
        }
    }
}

/// What two branches of a union may not share.
fn kind(tree: &Tree) -> String {
    match tree {
        Tree::Primitive(word, _) => (*word).to_owned(),
        Tree::Array(_) => "array".to_owned(),
        Tree::Map(_) => "map".to_owned(),
        Tree::Union(_) => "union".to_owned(),
        Tree::Record(named, _) | Tree::Enum(named, ..) | Tree::Fixed(named, _) => named.name.clone(),
        Tree::Reference(name) => name.rsplit('.').next().unwrap_or_default().to_owned(),
    }
}

/// A value of the type, where one is easily had.
fn default(tree: &Tree) -> Option<String> {
    Some(match tree {
        Tree::Primitive(word, _) => match *word {
            "null" => "null".to_owned(),
            "boolean" => "true".to_owned(),
            "int" => "-7".to_owned(),
            "long" => "5000000000".to_owned(),
            "float" => "1.50".to_owned(),
            "double" => "1e10".to_owned(),
            "bytes" => "\"\\u00ff\"".to_owned(),
            _ => "\"text\"".to_owned(),
        },
        Tree::Array(inner) => default(inner).map_or_else(|| "[]".to_owned(), |value| format!("[{value}]")),
        Tree::Map(inner) => default(inner).map_or_else(|| "{}".to_owned(), |value| format!("{{\"k\":{value}}}")),
        Tree::Union(branches) => return branches.first().and_then(default),
        Tree::Record(_, fields) => {
            let mut members = Vec::new();
            for field in fields {
                members.push(format!("\"{}\":{}", field.name, default(&field.schema)?));
            }
            format!("{{{}}}", members.join(","))
        }
        Tree::Enum(_, symbols, _) => format!("\"{}\"", symbols.first()?),
        Tree::Fixed(_, size) => format!("\"{}\"", "x".repeat(usize::try_from(*size).ok()?)),
        Tree::Reference(_) => return None,
    })
}

fn text(tree: &Tree) -> String {
    let mut out = String::new();
    write(tree, &mut out);
    out
}

fn write(tree: &Tree, out: &mut String) {
    let list = |names: &[String]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
    match tree {
        Tree::Primitive(word, None) => out.push_str(&format!("\"{word}\"")),
        Tree::Primitive(word, Some(property)) => out.push_str(&format!("{{\"type\":\"{word}\",{property}}}")),
        Tree::Array(inner) | Tree::Map(inner) => {
            let is_array = matches!(tree, Tree::Array(_));
            out.push_str(if is_array { "{\"type\":\"array\",\"items\":" } else { "{\"values\":" });
            write(inner, out);
            out.push_str(if is_array { "}" } else { ",\"type\":\"map\"}" });
        }
        Tree::Union(branches) => {
            out.push('[');
            for (index, branch) in branches.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(branch, out);
            }
            out.push(']');
        }
        Tree::Record(named, fields) => {
            head("record", named, out);
            out.push_str(",\"fields\":[");
            for (index, field) in fields.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                let aliases: Vec<String> = field.aliases.iter().map(|&alias| alias.to_owned()).collect();
                let aliases = list(&aliases);
                out.push_str(&format!("{{\"name\":\"{}\",\"aliases\":[{aliases}],\"type\":", field.name));
                write(&field.schema, out);
                if let Some(default) = &field.default {
                    out.push_str(",\"default\":");
                    out.push_str(default);
                }
                out.push('}');
            }
            out.push_str("]}");
        }
        Tree::Enum(named, symbols, default) => {
            head("enum", named, out);
            let symbols: Vec<String> = symbols.iter().map(|&symbol| symbol.to_owned()).collect();
            out.push_str(&format!(",\"symbols\":[{}]", list(&symbols)));
            if let Some(default) = default {
                out.push_str(&format!(",\"default\":\"{default}\""));
            }
            out.push('}');
        }
        Tree::Fixed(named, size) => {
            head("fixed", named, out);
            out.push_str(&format!(",\"size\":{size}}}"));
        }
        Tree::Reference(name) => out.push_str(&format!("\"{name}\"")),
    }
}

/// The members that all named types have.
fn head(word: &str, named: &Named, out: &mut String) {
    out.push_str(&format!("{{\"type\":\"{word}\",\"name\":\"{}\"", named.name));
    if let Some(namespace) = named.namespace {
        out.push_str(&format!(",\"namespace\":\"{namespace}\""));
    }
    if !named.aliases.is_empty() {
        let aliases: Vec<String> = named.aliases.iter().map(|alias| format!("\"{alias}\"")).collect();
        out.push_str(&format!(",\"aliases\":[{}]", aliases.join(",")));
    }
}
