//! DescribeCluster · key 60 · versions 0–2
//!
//! - 1: endpoint type (KIP-919). 2: fenced brokers.
//! - Left out: controllers as endpoints, since there are none apart from the broker: MISMATCHED_ENDPOINT_TYPE.
//!
//! Source: KIP-700, KIP-919.

use crate::{authorised, call::Context};
use levada_protocol::{
    ErrorCode,
    messages::{DescribeClusterRequest, DescribeClusterResponse, describe_cluster_response::DescribeClusterBroker},
};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(context: Context, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let cluster_id = context.broker().cluster().cluster_id.to_string().into();
    if request.endpoint_type != BROKERS {
        let error = if request.endpoint_type == CONTROLLERS {
            ErrorCode::MismatchedEndpointType
        } else {
            ErrorCode::UnsupportedEndpointType
        };
        return DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some("this endpoint is a broker's".into()),
            cluster_id,
            ..DescribeClusterResponse::default()
        };
    }
    let endpoint = context.endpoint();
    let node_id = context.broker().cluster().node_id;
    let mut response = DescribeClusterResponse {
        cluster_id,
        controller_id: node_id,
        brokers: vec![DescribeClusterBroker {
            broker_id: node_id,
            host: endpoint.host.into(),
            port: i32::from(endpoint.port),
            ..DescribeClusterBroker::default()
        }],
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = authorised::cluster(&context);
    }
    response
}
