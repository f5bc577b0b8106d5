//! InitProducerId · key 22 · versions 0–5
//!
//! - 2: flexible. 3: the id and epoch that the producer has (KIP-360). 4: PRODUCER_FENCED. 5: KIP-890.
//! - An idempotent producer always gets a new id, as from Kafka.
//! - A transactional producer gets the next epoch of its transactional id, which fences the one before; where a
//!   transaction goes on it is aborted first, and CONCURRENT_TRANSACTIONS says to ask again.
//! - Left out: version 6 (two-phase commit), which is not stable in Kafka 4.3.
//!
//! Source: KIP-98, KIP-360, KIP-679.

use crate::{call::Context, errors};
use levada_broker::{producers::InitProducerError, transaction::Producer};
use levada_model::{ProducerEpoch, ProducerId, Str};
use levada_protocol::{
    ErrorCode,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};

/// From this version on clients know PRODUCER_FENCED.
const FENCED_FROM: i16 = 4;

pub(crate) async fn handle(context: Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match init(&context, &request).await {
        Ok((ProducerId(producer_id), producer_epoch)) => {
            InitProducerIdResponse { producer_id, producer_epoch, ..InitProducerIdResponse::default() }
        }
        Err(error) => InitProducerIdResponse {
            error_code: error.code(),
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        },
    }
}

async fn init(context: &Context, request: &InitProducerIdRequest) -> Result<(ProducerId, ProducerEpoch), ErrorCode> {
    let translate = |error: InitProducerError| errors::init_producer(&error);
    if (request.producer_id == -1) != (request.producer_epoch == -1)
        || request.producer_id < -1
        || request.producer_epoch < -1
    {
        return Err(ErrorCode::InvalidRequest);
    }
    if let Some(transactional_id) = &request.transactional_id {
        return init_transactional(context, transactional_id, request).await;
    }
    let grant = context.ask_idempotent()?;
    context.broker().init_producer_id(&grant).await.map_err(translate)
}

async fn init_transactional(
    context: &Context,
    transactional_id: &Str,
    request: &InitProducerIdRequest,
) -> Result<(ProducerId, ProducerEpoch), ErrorCode> {
    if transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    let (id, epoch) = (request.producer_id, request.producer_epoch);
    if (id == -1) != (epoch == -1) || id < -1 || epoch < -1 {
        return Err(ErrorCode::InvalidRequest);
    }
    let grant = context.ask(transactional_id)?;
    let expected = (id >= 0).then_some(Producer { id: ProducerId(id), epoch });
    let timeout_ms = request.transaction_timeout_ms;
    let begun = context.broker().init_transactional_producer(&grant, timeout_ms, expected).await;
    let producer = begun.map_err(|error| {
        let code = errors::transact(&error);
        if context.version < FENCED_FROM { errors::before_fencing(code) } else { code }
    })?;
    Ok((producer.id, producer.epoch))
}
