//! EndTxn · key 26 · versions 0–5
//!
//! - 2: PRODUCER_FENCED. 3: flexible. 4: TRANSACTION_ABORTABLE. 5: the second generation: the producer goes on with
//!   the id and epoch in the answer (KIP-890).
//! - Answered when markers, committed offsets and state are durable and visible, all of them.
//!
//! Source: KIP-98, KIP-588, KIP-890.

use crate::{call::Context, errors};
use levada_broker::transaction::{Generation, Producer};
use levada_model::{Outcome, ProducerId};
use levada_protocol::{
    ErrorCode,
    messages::{EndTxnRequest, EndTxnResponse},
};

/// From this version on clients know PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;
/// From this version on every end raises the epoch.
const RAISED_FROM: i16 = 5;

pub(crate) async fn handle(context: Context, request: EndTxnRequest) -> EndTxnResponse {
    match end(&context, &request).await {
        Ok(producer) if context.version >= RAISED_FROM => {
            EndTxnResponse { producer_id: producer.id.0, producer_epoch: producer.epoch, ..EndTxnResponse::default() }
        }
        Ok(_) => EndTxnResponse::default(),
        Err(error) => EndTxnResponse { error_code: error.code(), ..EndTxnResponse::default() },
    }
}

async fn end(context: &Context, request: &EndTxnRequest) -> Result<Producer, ErrorCode> {
    let grant = context.ask(&request.transactional_id)?;
    let producer = Producer { id: ProducerId(request.producer_id), epoch: request.producer_epoch };
    let outcome = if request.committed { Outcome::Commit } else { Outcome::Abort };
    let generation = if context.version < RAISED_FROM { Generation::First } else { Generation::Second };
    context.broker().end_transaction(&grant, producer, outcome, generation).await.map_err(|error| {
        let code = errors::transact(&error);
        if context.version < FENCED_FROM { errors::before_fencing(code) } else { code }
    })
}
