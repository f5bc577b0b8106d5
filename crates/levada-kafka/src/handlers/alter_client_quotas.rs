//! AlterClientQuotas · key 49 · versions 0–1
//!
//! - 1: flexible.
//! - Each entity is changed or refused by itself; answered when that is durable.
//! - Left out: names of hosts as addresses, which would have to be looked up.
//!
//! Source: KIP-546, KIP-612.

use crate::{call::Context, errors};
use levada_broker::{
    ValidateOnly,
    quotas::{EntityName, QuotaAlteration, QuotaEntity, QuotaError},
};
use levada_protocol::{
    ErrorCode,
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse,
        alter_client_quotas_request::{EntityData, EntryData},
        alter_client_quotas_response::{EntityData as AlteredEntity, EntryData as Altered},
    },
};
use std::collections::BTreeSet;

pub(crate) async fn handle(context: Context, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let validate_only = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let asked: Vec<Result<QuotaAlteration, QuotaError>> = request.entries.iter().map(alteration).collect();
    let wanted: Vec<QuotaAlteration> = asked.iter().filter_map(|asked| asked.as_ref().ok().cloned()).collect();
    let outcomes = match context.ask_cluster() {
        Err(error) => vec![Err((error, "may not change quotas".to_owned())); request.entries.len()],
        Ok(grant) => {
            let mut made = context.broker().alter_client_quotas(&grant, &wanted, validate_only).await.into_iter();
            let outcome = |asked: Result<QuotaAlteration, QuotaError>| match asked {
                Ok(_) => made.next().unwrap_or(Err(QuotaError::Entity)),
                Err(error) => Err(error),
            };
            let outcomes = asked.into_iter().map(outcome);
            outcomes.map(|outcome| outcome.map_err(|error| (errors::quota(&error), error.to_string()))).collect()
        }
    };
    let entries = request.entries.into_iter().zip(outcomes).map(|(entry, outcome)| altered(entry, outcome));
    AlterClientQuotasResponse { entries: entries.collect(), ..AlterClientQuotasResponse::default() }
}

fn alteration(entry: &EntryData) -> Result<QuotaAlteration, QuotaError> {
    let mut entity = QuotaEntity::default();
    for EntityData { entity_type, entity_name } in &entry.entity {
        let place = match entity_type.as_str() {
            "user" => &mut entity.user,
            "client-id" => &mut entity.client_id,
            "ip" => &mut entity.ip,
            _ => return Err(QuotaError::Entity),
        };
        *place = Some(match entity_name {
            None => EntityName::Default,
            Some(name) => EntityName::Named(name.as_str().to_owned()),
        });
    }
    let value = |remove: bool, value: f64| (!remove).then_some(value);
    let values = entry.ops.iter().map(|op| (op.key.as_str().to_owned(), value(op.remove, op.value)));
    Ok(QuotaAlteration { entity, values: values.collect() })
}

fn altered(entry: EntryData, outcome: Result<(), (ErrorCode, String)>) -> Altered {
    let (error, message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err((error, message)) => (error, Some(message.into())),
    };
    let mut seen = BTreeSet::new();
    let parts = entry.entity.into_iter().filter(|part| seen.insert(part.entity_type.clone()));
    let entity = parts.map(|EntityData { entity_type, entity_name }| AlteredEntity { entity_type, entity_name });
    Altered { error_code: error.code(), error_message: message, entity: entity.collect() }
}
