//! UnregisterBroker · key 64 · version 0
//!
//! - The one broker there is cannot be taken out of the cluster, and no other is in it.
//!
//! Source: KIP-500, KIP-631.

use crate::call::Context;
use levada_broker::auth::op;
use levada_protocol::{
    ErrorCode,
    messages::{UnregisterBrokerRequest, UnregisterBrokerResponse},
};

pub(crate) async fn handle(context: Context, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse {
    let (error, message) = match context.ask_cluster::<op::Alter>() {
        Err(error) => (error, "may not unregister brokers"),
        Ok(_) if request.broker_id == context.broker().cluster().node_id => {
            (ErrorCode::InvalidRequest, "this is the one broker of the cluster")
        }
        Ok(_) => (ErrorCode::BrokerIdNotRegistered, "no such broker"),
    };
    UnregisterBrokerResponse {
        error_code: error.code(),
        error_message: Some(message.into()),
        ..UnregisterBrokerResponse::default()
    }
}
