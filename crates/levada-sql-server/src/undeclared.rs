//! Topics that nobody declared, as tables: of the columns that the registry's schemas have, or of bytes.
//!
//! Such a table is a `CREATE TABLE` as somebody could have written it. A statement keeps the texts of those that it
//! reads, so that it goes on as it was created where schemas are registered later on.

use crate::{
    Refusal, RefusalKind,
    catalog::Catalog,
    service::{Service, quoted},
    views,
};
use levada_sql::{
    Table,
    format::{FormatError, SourceError},
    types::{Item, Type},
};
use levada_sql_syntax::{ColumnDef, CreateTable, Insert, Statement, SyntaxError, ast, parse_statement};
use levada_stream::{Caller, TopicInfo};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the one column of a key or value is called that has no fields.
const KEY: &str = "key";
const VALUE: &str = "val";

/// When a record was written, as its producer or its topic has it, is the event time of what nobody declared.
const ROWTIME: &str = "CREATE TABLE t (`$rowtime` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    WATERMARK FOR `$rowtime` AS `$rowtime` - INTERVAL '5' SECOND)";

/// So many bytes of such texts a statement keeps at most.
const KEPT_SIZE_MAX: usize = 256 << 10;

/// Texts of tables that nobody declared, by name.
pub(crate) type Kept = BTreeMap<String, String>;

/// A topic as a table.
#[derive(Clone, Debug)]
pub(crate) struct Undeclared {
    /// Its declaration, if there were one.
    pub(crate) text: String,
    pub(crate) create: CreateTable,
    pub(crate) table: Arc<Table>,
}

/// A key or value as columns.
struct Side {
    columns: Vec<(String, Item)>,
    format: &'static str,
}

impl Side {
    fn raw(name: &str) -> Self {
        Self { columns: vec![(name.to_owned(), Type::Bytes.nullable())], format: "raw" }
    }

    fn names(&self) -> BTreeSet<&str> {
        self.columns.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl Service {
    /// A topic that was not declared, as its keys and values are.
    pub(crate) fn undeclared(&self, name: &str, catalog: &Catalog, caller: &Caller) -> Result<Arc<Table>, Refusal> {
        self.undeclared_as(name, catalog, caller).map(|undeclared| undeclared.table)
    }

    /// The same, with what declares it.
    pub(crate) fn undeclared_as(&self, name: &str, catalog: &Catalog, caller: &Caller) -> Result<Undeclared, Refusal> {
        let topic = self.topic_of(name, catalog, caller)?;
        let key = self.side(&topic, KEY, KEY, caller)?;
        let value = self.side(&topic, "value", VALUE, caller)?;
        declared(&topic, key, value).map_err(|refusal| refusal.with_hint(declare(name, "json")))
    }

    /// A topic as it was a table where a statement kept nothing of it: before tables had schemas of the registry.
    pub(crate) fn as_bytes(&self, name: &str, catalog: &Catalog, caller: &Caller) -> Result<Arc<Table>, Refusal> {
        let topic = TopicInfo { is_compacted: false, ..self.topic_of(name, catalog, caller)? };
        declared(&topic, Side::raw(KEY), Side::raw(VALUE)).map(|undeclared| undeclared.table)
    }

    fn topic_of(&self, name: &str, catalog: &Catalog, caller: &Caller) -> Result<TopicInfo, Refusal> {
        self.handle().topic(caller, name).map_err(|_| {
            let known = catalog.tables.keys().chain(catalog.views.keys()).map(String::as_str);
            Refusal::unknown(format!("there is no table `{name}`")).with_nearest(name, known)
        })
    }

    /// The key or the value of a topic's records by the latest schema of its usual subject.
    fn side(&self, topic: &TopicInfo, side: &str, unnamed: &str, caller: &Caller) -> Result<Side, Refusal> {
        let Some(schemas) = self.schemas() else { return Ok(Side::raw(unnamed)) };
        let subject = format!("{}-{side}", topic.name);
        let Some((_, schema)) = schemas.latest(caller, &subject)? else { return Ok(Side::raw(unnamed)) };
        let columns = schema.columns(unnamed).map_err(|error| {
            let refusal = Refusal::invalid(format!("the schema of subject `{subject}` makes no columns: {error}"));
            refusal.with_hint(declare(topic.name.as_str(), schema.format()))
        })?;
        Ok(Side { columns, format: schema.format() })
    }

    /// The texts of the tables that a statement reads and nobody declared.
    pub(crate) fn kept_for(&self, insert: &Insert, catalog: &Catalog, caller: &Caller) -> Result<Kept, Refusal> {
        let mut query = insert.query.clone();
        views::expand(&mut query, &catalog.view_queries())?;
        let names = views::names(&query)?;
        let is_declared = |name: &String| catalog.tables.contains_key(name) || names.with.contains(name);
        let (mut kept, mut size) = (Kept::new(), 0);
        for (name, at) in names.tables.iter().filter(|(name, _)| !is_declared(name)) {
            let undeclared = self.undeclared_as(name, catalog, caller).map_err(|refusal| refusal.at(*at))?;
            size += undeclared.text.len();
            if size > KEPT_SIZE_MAX {
                let refusal = Refusal::invalid("the topics that it reads have more columns than a statement can keep");
                return Err(refusal.with_hint(declare(name, "avro-confluent")).at(*at));
            }
            kept.insert(name.clone(), undeclared.text);
        }
        Ok(kept)
    }

    /// That there is a registry where a table needs one.
    pub(crate) fn check_registry(&self, table: &Table) -> Result<(), Refusal> {
        match table.registry_format().filter(|_| self.schemas().is_none()) {
            Some(format) => Err(Refusal::invalid(FormatError::NoRegistry { format }.to_string())),
            None => Ok(()),
        }
    }

    /// Waits until it is known which schemas there are, as long as that is worth while.
    pub(crate) async fn settled(&self) {
        if let Some(schemas) = self.schemas() {
            schemas.settled().await;
        }
    }
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unavailable(reason) => {
                let message = format!("what the schema registry has is not known now: {reason}");
                Self::new(RefusalKind::Busy, message).with_hint("ask again")
            }
            SourceError::Refused(reason) => Self::invalid(reason),
        }
    }
}

/// A table that was kept.
pub(crate) fn kept_table(text: &str) -> Result<Arc<Table>, Refusal> {
    Ok(read(text.to_owned())?.table)
}

fn read(text: String) -> Result<Undeclared, Refusal> {
    let Statement::CreateTable(create) = parse_statement(&text)?.statement else {
        return Err(Refusal::internal("no table was kept"));
    };
    let table = Arc::new(Table::declared(&create)?);
    Ok(Undeclared { text, create: *create, table })
}

/// What to write where a topic's schemas make no table.
fn declare(topic: &str, format: &str) -> String {
    format!("CREATE TABLE {} (column1 STRING, …) WITH ('format' = '{format}')", quoted(topic))
}

/// The same type, NULL included wherever it can be: a record that was written with another schema may lack any field.
fn loosened(item: Item) -> Item {
    let value = match item.value {
        Type::Array(element) => Type::Array(Box::new(loosened(*element))),
        Type::Map(key, value) => Type::Map(key, Box::new(loosened(*value))),
        Type::Row(fields) => Type::Row(fields.into_iter().map(|(name, item)| (name, loosened(item))).collect()),
        other => other,
    };
    value.nullable()
}

/// The table of a topic's records. Where of each key the last one counts, its columns are the table's key; else a
/// column of both is the value's.
fn declared(topic: &TopicInfo, mut key: Side, mut value: Side) -> Result<Undeclared, Refusal> {
    let both: BTreeSet<String> = key.names().intersection(&value.names()).map(|name| (*name).to_owned()).collect();
    let is_upsert = topic.is_compacted;
    let less = if is_upsert { &mut value } else { &mut key };
    less.columns.retain(|(name, _)| !both.contains(name));
    let refused = |reason: &str| Refusal::invalid(format!("topic `{}` makes no table: {reason}", topic.name));
    if value.columns.is_empty() && (!is_upsert || value.format == "raw") {
        return Err(refused("there are no columns in its values"));
    }
    let mut options = BTreeMap::from([("value.format".to_owned(), value.format.to_owned())]);
    let mut primary_key = None;
    let names: Vec<String> = key.columns.iter().map(|(name, _)| name.clone()).collect();
    if is_upsert {
        options.insert("connector".to_owned(), "upsert-kafka".to_owned());
        options.insert("key.format".to_owned(), key.format.to_owned());
        primary_key = Some(names.iter().map(|name| ast::Ident::with_quote('`', name)).collect());
    } else if !names.is_empty() {
        if let Some(name) = names.iter().find(|name| name.contains(';') || name.trim() != *name) {
            return Err(refused(&format!("`{name}` cannot be the name of a column of the key")));
        }
        options.insert("key.format".to_owned(), key.format.to_owned());
        options.insert("key.fields".to_owned(), names.join(";"));
    }
    let loose = |(name, item): (String, Item)| (name, loosened(item));
    let keys = key.columns.into_iter().map(|column| if is_upsert { column } else { loose(column) });
    let columns = keys.chain(value.columns.into_iter().map(loose)).map(|(name, item)| {
        let data_type = item.value.to_string().parse().map_err(|error: SyntaxError| refused(&error.message))?;
        let (name, not_null) = (ast::Ident::with_quote('`', name), !item.is_nullable);
        Ok(ColumnDef::Physical { name, data_type, not_null, comment: None })
    });
    let mut columns = columns.collect::<Result<Vec<_>, Refusal>>()?;
    let with_time = read(ROWTIME.to_owned())?.create;
    let has_one =
        columns.iter().any(|column| with_time.columns.iter().any(|time| time.name().value == column.name().value));
    if !has_one {
        columns.extend(with_time.columns);
    }
    let create = CreateTable {
        name: ast::ObjectName::from(vec![ast::Ident::with_quote('`', topic.name.as_str())]),
        if_not_exists: false,
        columns,
        primary_key,
        watermark: with_time.watermark.filter(|_| !has_one),
        comment: None,
        options,
        as_query: None,
    };
    read(Statement::CreateTable(Box::new(create)).to_string())
}
