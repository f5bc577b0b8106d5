//! InitProducerId · key 22 · versions 0–5
//!
//! - 2: flexible. 3: the id and epoch that the producer has (KIP-360). 4: PRODUCER_FENCED. 5: KIP-890.
//! - An idempotent producer always gets a new id, as from Kafka.
//! - Left out: transactional producers, who get TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which every client takes
//!   for final; version 6 (two-phase commit), which is not stable in Kafka 4.3.
//!
//! Source: KIP-98, KIP-360, KIP-679.

use crate::{call::Context, errors};
use levada_broker::producers::InitProducerError;
use levada_model::{ProducerEpoch, ProducerId};
use levada_protocol::{
    ErrorCode,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};

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
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let grant = context.ask(transactional_id)?;
        return context.broker().init_transactional_producer(&grant).map_err(translate);
    }
    let grant = context.ask_idempotent()?;
    context.broker().init_producer_id(&grant).await.map_err(translate)
}
