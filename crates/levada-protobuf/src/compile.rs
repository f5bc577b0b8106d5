//! From a file to descriptors: names are resolved, numbers and options checked. Nothing is read from anywhere but the
//! references that are given, the well-known types and the two files that the Confluent registry brings.

use crate::{ast::File, error::ParseError, print};
use prost_reflect::{DescriptorPool, FileDescriptor};
use protox::{
    Compiler,
    file::{File as SourceFile, FileResolver, GoogleFileResolver},
};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

/// The options by which the Confluent registry's clients describe schemas; they may be used without an import, too.
pub(crate) const META: &str = "confluent/meta.proto";
const META_OPTIONS: [&str; 2] = ["(confluent.", "(.confluent."];
/// Files that may be imported without a reference, besides the well-known types.
const BUILTIN: [(&str, &str); 2] = [
    (META, include_str!("builtin/meta.proto")),
    ("confluent/type/decimal.proto", include_str!("builtin/decimal.proto")),
];
/// What the well-known types' files begin with.
const WELL_KNOWN: &str = "google/protobuf/";
/// How much of a line an error shows.
const LINE_CHARS_MAX: usize = 120;

/// A file that fits together.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    /// It and all that it imports.
    pub(crate) pool: DescriptorPool,
    /// It.
    pub(crate) file: FileDescriptor,
}

/// The files that others refer to, by the name that they are imported by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Imports(HashMap<String, Arc<File>>);

impl Imports {
    /// Adds a file; the first of a name counts.
    pub(crate) fn add(&mut self, name: &str, file: File) {
        self.0.entry(name.to_owned()).or_insert_with(|| Arc::new(file));
    }

    /// A name that no file has.
    fn free_name(&self) -> String {
        let mut name = "default".to_owned();
        while self.0.contains_key(&name) {
            name.push('_');
        }
        name
    }

    /// The files whose types a file that imports `names` sees: those, and what they pass on, and so on.
    pub(crate) fn visible(&self, names: &[&str]) -> Vec<String> {
        let mut visible: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut known: HashSet<String> = visible.iter().cloned().collect();
        let mut index = 0;
        while let Some(name) = visible.get(index) {
            let passed_on = self.0.get(name).map(|file| file.public_imports.clone()).unwrap_or_default();
            visible.extend(passed_on.into_iter().filter(|name| known.insert(name.clone())));
            index += 1;
        }
        visible
    }

    /// The text of a file for the compiler, to which no file passes on what it imports: it would follow each way that
    /// leads to a file, and there may be a great many. Instead each file imports all that it sees.
    fn text(&self, file: &File) -> String {
        let imports = self.visible(&file.all_imports());
        let mut file = file.clone();
        (file.imports, file.public_imports, file.weak_imports) = (imports, Vec::new(), Vec::new());
        let text = print::print_for_compiler(&file);
        let uses_meta = META_OPTIONS.iter().any(|name| text.contains(name));
        if !uses_meta || file.imports.iter().any(|name| name == META) {
            return text;
        }
        file.imports.push(META.to_owned());
        print::print_for_compiler(&file)
    }
}

impl FileResolver for Imports {
    /// A name is a name, whatever a path of that spelling would mean.
    fn resolve_path(&self, path: &Path) -> Option<String> {
        path.to_str().map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> Result<SourceFile, protox::Error> {
        if let Some((_, text)) = BUILTIN.iter().find(|(known, _)| *known == name) {
            return SourceFile::from_source(name, text);
        }
        let well_known = name.starts_with(WELL_KNOWN).then(|| GoogleFileResolver::new().open_file(name));
        match (well_known, self.0.get(name)) {
            (Some(Ok(file)), _) => Ok(file),
            (_, Some(file)) => SourceFile::from_source(name, &self.text(file)),
            (_, None) => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Compiles `file`.
pub(crate) fn compile(file: &File, mut imports: Imports) -> Result<Compiled, ParseError> {
    let name = imports.free_name();
    imports.add(&name, file.clone());
    let pool = pool_of(&imports, &[name.as_str()])?;
    let file = pool.get_file_by_name(&name).ok_or_else(|| ParseError::invalid("the compiler dropped the file"))?;
    Ok(Compiled { pool, file })
}

/// The descriptors of the files `names` and of all that they import.
pub(crate) fn pool_of(imports: &Imports, names: &[impl AsRef<str>]) -> Result<DescriptorPool, ParseError> {
    let mut compiler = Compiler::with_file_resolver(imports.clone());
    for name in names {
        compiler.open_file(name.as_ref()).map_err(|error| explained(&error, imports, name.as_ref()))?;
    }
    Ok(compiler.descriptor_pool())
}

/// What a compiler says of the file `name`, with the line that it says it of.
fn explained(error: &protox::Error, imports: &Imports, name: &str) -> ParseError {
    // `file:line:column: message`, where the compiler knows the place.
    let placed = format!("{error:?}");
    let file = error.file().filter(|file| !file.is_empty()).unwrap_or(name);
    let line =
        placed.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')).and_then(|rest| rest.split(':').next());
    let line = line.and_then(|line| line.parse::<usize>().ok()).and_then(|line| line.checked_sub(1));
    let text = imports.0.get(file).map(|file| imports.text(file)).unwrap_or_default();
    let reason = match line.and_then(|line| text.lines().nth(line)) {
        Some(line) => {
            let line: String = line.trim().chars().take(LINE_CHARS_MAX).collect();
            ParseError::invalid(format_args!("{error}, in `{line}`"))
        }
        None => ParseError::invalid(error),
    };
    if file == name { reason } else { reason.within(file) }
}
