//! One request on its way through: [`Call`] goes in, [`Work`] is done on it, an [`Answer`] comes out.

use crate::{
    apis::{Api, Manner},
    complaints::Complaints,
    config::{Endpoint, ServerConfig},
    errors,
    fetch::FetchSessions,
    memory::{Charge, RequestMemory},
    metrics::Metrics,
};
use bytes::Bytes;
use levada_broker::{
    Broker, FileSlice,
    auth::{Caller, Grant, Op, Principal, Res, op, res},
};
use levada_model::Str;
use levada_protocol::{
    ApiKey, DecodeError, Decoder, Encoder, ErrorCode, Part, RequestHeader, Response, decode_request_header,
    encode_response,
};
use std::{fmt, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

/// What all connections of one server share.
pub(crate) struct Shared {
    pub(crate) broker: Arc<Broker>,
    pub(crate) config: ServerConfig,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) request_memory: Arc<RequestMemory>,
    pub(crate) response_memory: Arc<RequestMemory>,
    pub(crate) fetch_sessions: Arc<FetchSessions>,
    pub(crate) complaints: Arc<Complaints>,
}

/// The two ends of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// Ours, as the client reached it.
    pub(crate) local: SocketAddr,
    /// The client's address as Kafka shows it, `/127.0.0.1` say.
    pub(crate) client_host: Str,
}

/// What a handler knows about the request beside its body.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ends: Ends,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) caller: Caller,
}

impl Context {
    /// The domain.
    pub(crate) fn broker(&self) -> &Broker {
        &self.shared.broker
    }

    /// Asks whether the caller may do `O` to the `R` called `name`.
    pub(crate) fn ask<O: Op, R: Res>(&self, name: &Str) -> Result<Grant<O, R>, ErrorCode> {
        self.broker().authorize(&self.caller, name).map_err(|error| errors::denied(&error))
    }

    /// Asks whether the caller may do `O` to the topic `name`.
    pub(crate) fn ask_topic<O: Op>(&self, name: &Str) -> Result<Grant<O, res::Topic>, ErrorCode> {
        self.ask(name)
    }

    /// Asks whether the caller may do `O` to the cluster.
    pub(crate) fn ask_cluster<O: Op>(&self) -> Result<Grant<O, res::Cluster>, ErrorCode> {
        self.broker().authorize_cluster(&self.caller).map_err(|error| errors::denied(&error))
    }

    /// Asks whether the caller may create the topic `name`.
    pub(crate) fn ask_create(&self, name: &Str) -> Result<Grant<op::Create, res::Topic>, ErrorCode> {
        self.broker().authorize_create(&self.caller, name).map_err(|error| errors::denied(&error))
    }

    /// Asks whether the caller may have a producer id.
    pub(crate) fn ask_idempotent(&self) -> Result<Grant<op::IdempotentWrite, res::Cluster>, ErrorCode> {
        self.broker().authorize_idempotent(&self.caller).map_err(|error| errors::denied(&error))
    }

    /// Where clients are told that this broker is: where this one reached us, unless configured otherwise.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.shared.config.advertise.clone().unwrap_or_else(|| Endpoint {
            host: self.ends.local.ip().to_canonical().to_string(),
            port: self.ends.local.port(),
        })
    }

    /// `response` as an answer, in the version of the request.
    pub(crate) fn reply<R: Response>(&self, response: &R) -> Answer {
        self.reply_with(response, Vec::new())
    }

    /// As [`Self::reply`]; the records in it that lie elsewhere are `slices`, one for each, in their order.
    pub(crate) fn reply_with<R: Response>(&self, response: &R, slices: Vec<FileSlice>) -> Answer {
        match encode_response(self.correlation_id, response, self.version) {
            Ok(encoder) => {
                Answer::Reply { segments: segments(encoder, slices), charge: Charge::default(), mute: Duration::ZERO }
            }
            Err(error) => {
                tracing::error!(api = R::KEY.name(), version = self.version, %error, "response cannot be written");
                Answer::Close(format!("the response to {} could not be written", R::KEY.name()))
            }
        }
    }
}

/// A part of a response.
#[derive(Debug)]
pub(crate) enum Segment {
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    File(FileSlice),
}

impl Segment {
    /// Bytes left of it.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(slice) => slice.size(),
        }
    }
}

fn segments(encoder: Encoder, slices: Vec<FileSlice>) -> Vec<Segment> {
    let mut slices = slices.into_iter();
    let parts = encoder.into_parts().into_iter();
    parts
        .map(|part| match part {
            Part::Bytes(bytes) => Segment::Bytes(bytes),
            // A frame without them would be shorter than it says.
            Part::Elsewhere(_) => Segment::File(slices.next().expect("a slice for all that lies elsewhere")),
        })
        .collect()
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A response, and the memory that it holds until it is sent.
    Reply {
        /// The whole frame.
        segments: Vec<Segment>,
        /// For the records in it.
        charge: Charge,
        /// For how long the client is muted then.
        mute: Duration,
    },
    /// The client asked for none.
    Silence {
        /// For how long it is muted.
        mute: Duration,
    },
    /// None can be given: the connection ends, for this reason.
    Close(String),
}

/// Work that is not finished when it is begun.
pub(crate) type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A request whose header was read.
pub(crate) struct Call {
    pub(crate) context: Context,
    pub(crate) decoder: Decoder,
}

/// A request that was begun.
pub(crate) struct Begun {
    pub(crate) work: Work,
    pub(crate) manner: Manner,
    /// Which of [`crate::apis::APIS`] it is.
    pub(crate) api_index: usize,
}

/// Why a request is answered by closing the connection, as Kafka does.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefusedCall {
    #[error("request header is malformed: {0}")]
    Header(DecodeError),
    #[error("API {0} is not served")]
    UnknownApi(i16),
    #[error("{api} has no version {version} here")]
    UnknownVersion { api: ApiKey, version: i16 },
    #[error("{api} request in version {version} is malformed: {error}")]
    Malformed { api: ApiKey, version: i16, error: DecodeError },
}

/// Reads the header of `frame` and begins the request.
pub(crate) fn begin(shared: &Arc<Shared>, ends: &Ends, frame: Bytes) -> Result<Begun, RefusedCall> {
    let (header, decoder) = decode_request_header(frame).map_err(RefusedCall::Header)?;
    let RequestHeader { api_key, api_version: version, correlation_id, client_id } = header;
    let (api_index, api) = Api::by_code(api_key).ok_or(RefusedCall::UnknownApi(api_key))?;
    tracing::trace!(peer = %ends.peer, api = api.key.name(), version, correlation_id, "request");
    let caller = Caller {
        principal: Principal::anonymous(),
        client_id: client_id.unwrap_or_default(),
        client_host: ends.client_host.clone(),
    };
    let context = Context { shared: Arc::clone(shared), ends: ends.clone(), version, correlation_id, caller };
    if !api.versions.contains(&version) {
        // Who asks what we speak cannot know in which version to ask.
        if api.key == ApiKey::ApiVersions {
            let work = crate::handlers::api_versions::refuse_version(context);
            return Ok(Begun { work: Box::pin(std::future::ready(work)), manner: Manner::Sequential, api_index });
        }
        return Err(RefusedCall::UnknownVersion { api: api.key, version });
    }
    let begun = (api.begin)(Call { context, decoder });
    let work = begun.map_err(|error| RefusedCall::Malformed { api: api.key, version, error })?;
    Ok(Begun { work, manner: api.manner, api_index })
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Begun({})", self.api_index)
    }
}
