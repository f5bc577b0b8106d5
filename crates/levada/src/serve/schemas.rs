//! The schema registry as streaming SQL asks it.

use levada_broker::{
    Broker,
    auth::{Caller, Op, op, res},
    schemas::Refused,
};
use levada_model::{Str, schema_id::SchemaId};
use levada_registry::{RegisteredSchemas, Understood};
use levada_schema::{Parsed, Schema, SchemaType};
use levada_sql::format::{RegisteredSchema, Registering, SchemaSource, SourceError};
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
};

/// The schemas that SQL's tables have.
pub(crate) struct SchemasOfSql {
    /// They end with their registry, whoever else asks for them.
    registered: Weak<RegisteredSchemas>,
    broker: Arc<Broker>,
}

impl fmt::Debug for SchemasOfSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SchemasOfSql")
    }
}

impl SchemasOfSql {
    /// Those of a registry; `broker` says who may see them.
    pub(crate) fn of(registered: Weak<RegisteredSchemas>, broker: &Arc<Broker>) -> Arc<dyn SchemaSource> {
        Arc::new(Self { registered, broker: Arc::clone(broker) })
    }

    fn registered(&self) -> Result<Arc<RegisteredSchemas>, SourceError> {
        let closed = || SourceError::Unavailable("the registry is closed".to_owned());
        self.registered.upgrade().ok_or_else(closed)
    }

    fn may<O: Op>(&self, caller: &Caller, subject: &str) -> Result<(), SourceError> {
        let granted = self.broker.authorize::<O, res::Subject>(caller, &Str::from(subject.to_owned()));
        granted.map(drop).map_err(|_| SourceError::Refused(format!("you may not do that to subject `{subject}`")))
    }
}

impl SchemaSource for SchemasOfSql {
    fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if let Ok(registered) = self.registered() {
                registered.settled().await;
            }
        })
    }

    fn schema(&self, id: SchemaId) -> Result<RegisteredSchema, SourceError> {
        self.registered()?.schema(id).map(|understood| known(understood).1).map_err(refused)
    }

    fn latest(&self, caller: &Caller, subject: &str) -> Result<Option<(SchemaId, RegisteredSchema)>, SourceError> {
        self.may::<op::Read>(caller, subject)?;
        Ok(self.registered()?.latest(subject).map_err(refused)?.map(known))
    }

    fn register_avro<'a>(&'a self, caller: &'a Caller, subject: &'a str, text: String) -> Registering<'a> {
        Box::pin(async move {
            self.may::<op::Write>(caller, subject)?;
            let schema = Schema { schema_type: SchemaType::Avro, text: text.into(), ..Schema::default() };
            let id = self.registered()?.register(subject, schema).await.map_err(refused)?;
            Ok(SchemaId::Id(id.unsigned_abs()))
        })
    }
}

fn known(Understood { id, parsed, resolved }: Understood) -> (SchemaId, RegisteredSchema) {
    let schema = match parsed {
        Parsed::Avro(schema) => RegisteredSchema::Avro(schema),
        Parsed::Json(schema) => RegisteredSchema::Json { text: resolved.unwrap_or_default().into(), schema },
        Parsed::Protobuf(schema) => RegisteredSchema::Protobuf(schema),
    };
    (SchemaId::Id(id.unsigned_abs()), schema)
}

fn refused(refused: Refused) -> SourceError {
    match refused {
        Refused::Invalid(reason) => SourceError::Refused(reason),
        Refused::ForNow(reason) => SourceError::Unavailable(reason),
    }
}
