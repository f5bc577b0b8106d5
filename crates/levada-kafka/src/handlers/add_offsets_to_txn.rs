//! AddOffsetsToTxn · key 25 · versions 0–4
//!
//! - 2: PRODUCER_FENCED. 3: flexible. 4: TRANSACTION_ABORTABLE.
//! - Makes the partition of a group's offsets part of the transaction; the second generation does without.
//!
//! Source: KIP-98, KIP-588, KIP-890.

use crate::{call::Context, errors};
use levada_broker::transaction::Producer;
use levada_model::ProducerId;
use levada_protocol::{
    ErrorCode,
    messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse},
};

/// From this version on clients know PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;

pub(crate) async fn handle(context: Context, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let error = add(&context, &request).await.err().unwrap_or_default();
    AddOffsetsToTxnResponse { error_code: error.code(), ..AddOffsetsToTxnResponse::default() }
}

async fn add(context: &Context, request: &AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    let id = context.ask(&request.transactional_id)?;
    let group = context.ask(&request.group_id)?;
    let producer = Producer { id: ProducerId(request.producer_id), epoch: request.producer_epoch };
    context.broker().add_offsets(&id, &group, producer).await.map_err(|error| {
        let code = errors::transact(&error);
        if context.version < FENCED_FROM { errors::before_fencing(code) } else { code }
    })
}
