//! DescribeClientQuotas · key 48 · versions 0–1
//!
//! - 1: flexible.
//! - An odd filter is refused as a whole.
//!
//! Source: KIP-546.

use crate::call::Context;
use levada_broker::quotas::{EntityName, Match, QuotaEntity, QuotaFilter, Quotas};
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeClientQuotasRequest, DescribeClientQuotasResponse,
        describe_client_quotas_request::ComponentData,
        describe_client_quotas_response::{EntityData, EntryData, ValueData},
    },
};

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

pub(crate) async fn handle(context: Context, request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let asked = context.ask_cluster().map_err(|error| (error, "may not see quotas"));
    match asked.and_then(|grant| Ok((grant, filter(request)?))) {
        Ok((grant, filter)) => {
            let entries = context.broker().describe_client_quotas(&grant, &filter).into_iter().map(entry);
            DescribeClientQuotasResponse { entries: Some(entries.collect()), ..DescribeClientQuotasResponse::default() }
        }
        Err((error, message)) => DescribeClientQuotasResponse {
            error_code: error.code(),
            error_message: Some(message.into()),
            entries: None,
            ..DescribeClientQuotasResponse::default()
        },
    }
}

fn filter(request: DescribeClientQuotasRequest) -> Result<QuotaFilter, (ErrorCode, &'static str)> {
    let mut filter = QuotaFilter { strict: request.strict, ..QuotaFilter::default() };
    for component in request.components {
        if component.entity_type.is_empty() {
            return Err((ErrorCode::InvalidRequest, "a component without an entity type"));
        }
        let place = match component.entity_type.as_str() {
            "user" => &mut filter.user,
            "client-id" => &mut filter.client_id,
            "ip" => &mut filter.ip,
            _ => return Err((ErrorCode::UnsupportedVersion, "no quotas are for this type of entity")),
        };
        if place.is_some() {
            return Err((ErrorCode::InvalidRequest, "two components of one entity type"));
        }
        *place = Some(wanted(component)?);
    }
    if filter.ip.is_some() && (filter.user.is_some() || filter.client_id.is_some()) {
        return Err((ErrorCode::InvalidRequest, "an address together with a user or a client id"));
    }
    Ok(filter)
}

fn wanted(component: ComponentData) -> Result<Match, (ErrorCode, &'static str)> {
    match (component.match_type, component.r#match) {
        (EXACT, Some(name)) => Ok(Match::Exactly(EntityName::Named(name.as_str().to_owned()))),
        (DEFAULT, None) => Ok(Match::Exactly(EntityName::Default)),
        (SPECIFIED, None) => Ok(Match::Any),
        (EXACT | DEFAULT | SPECIFIED, _) => Err((ErrorCode::InvalidRequest, "the match does not go with its type")),
        _ => Err((ErrorCode::InvalidRequest, "no such type of match")),
    }
}

fn entry((entity, quotas): (QuotaEntity, Quotas)) -> EntryData {
    let parts = [("user", entity.user), ("client-id", entity.client_id), ("ip", entity.ip)];
    let parts = parts.into_iter().filter_map(|(kind, name)| {
        let entity_name = match name? {
            EntityName::Default => None,
            EntityName::Named(name) => Some(name.into()),
        };
        Some(EntityData { entity_type: kind.into(), entity_name })
    });
    let values = quotas.into_iter().map(|(key, value)| ValueData { key: key.into(), value: value.get() });
    EntryData { entity: parts.collect(), values: values.collect() }
}
