//! One connection to one broker: requests are pipelined, answers come back in their order.
//!
//! Which broker, and what to do when the connection ends, is [`crate::client`]'s.

use crate::{
    config::ClientConfig,
    error::{ClientError, refused},
    frames::{FrameReader, Segments},
    tasks::Task,
    versions::{Versions, version_after_refusal},
};
use bytes::Bytes;
use levada_model::Str;
use levada_protocol::{
    ApiKey, Decoder, Message, Request, RequestHeader, ResponseHeader, encode_request,
    messages::{ApiVersionsRequest, ApiVersionsResponse},
};
use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, mpsc, oneshot},
    time::timeout,
};

/// Requests that may wait for their answers on one connection.
const IN_FLIGHT_MAX: usize = 64;

/// An open connection whose API versions are known.
#[derive(Debug)]
pub(crate) struct Connection {
    address: String,
    client_id: Str,
    request_timeout: Duration,
    versions: Versions,
    writer: Mutex<Writer>,
    failure: Arc<OnceLock<String>>,
    reader: Task<()>,
}

#[derive(Debug)]
struct Writer {
    stream: OwnedWriteHalf,
    waiting: mpsc::Sender<Waiting>,
    correlation_id: i32,
}

/// A request whose answer has not come yet.
#[derive(Debug)]
struct Waiting {
    correlation_id: i32,
    answer: oneshot::Sender<Bytes>,
}

impl Connection {
    /// Opens a connection to `address` and learns its versions. `who` names the broker in errors.
    pub(crate) async fn open(address: &str, who: &str, config: &ClientConfig) -> Result<Self, ClientError> {
        let limit = config.connect_timeout;
        let opened = timeout(limit, TcpStream::connect(address)).await;
        let stream = opened
            .map_err(|_| ClientError::ConnectTimeout { who: who.to_owned(), limit })?
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|cause| ClientError::Connect { who: who.to_owned(), cause: Arc::new(cause) })?;
        let (read, write) = stream.into_split();
        let (waiting, waited_for) = mpsc::channel(IN_FLIGHT_MAX);
        let failure = Arc::new(OnceLock::new());
        let reader =
            Task::spawn(read_answers(FrameReader::new(read, config.frame_bytes_max), waited_for, Arc::clone(&failure)));
        let mut connection = Self {
            address: address.to_owned(),
            client_id: Str::from(config.client_id.as_str()),
            request_timeout: config.request_timeout,
            versions: Versions::default(),
            writer: Mutex::new(Writer { stream: write, waiting, correlation_id: 0 }),
            failure,
            reader,
        };
        connection.versions = connection.negotiate().await?;
        Ok(connection)
    }

    /// Whether requests can still be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.reader.is_finished() && self.failure.get().is_none()
    }

    /// The highest version of `R` up to `version_max` that this broker and we share.
    pub(crate) fn version<R: Request>(&self, version_max: i16) -> Result<i16, ClientError> {
        let ours = *R::VERSIONS.start()..=version_max.min(*R::VERSIONS.end());
        self.versions.pick(R::KEY, &ours).ok_or_else(|| ClientError::Unsupported {
            address: self.address.clone(),
            api: R::KEY,
            ours,
        })
    }

    /// Sends `request` in `version` and waits for the answer, `extra` longer than for others.
    pub(crate) async fn ask<R: Request>(
        &self,
        request: &R,
        version: i16,
        extra: Duration,
    ) -> Result<R::Response, ClientError> {
        let frame = self.exchange(request, version, extra).await?;
        self.read(frame, version)
    }

    /// Sends `request` and waits for nothing: for Produce with `acks=0`.
    pub(crate) async fn tell<R: Request>(&self, request: &R, version: i16) -> Result<(), ClientError> {
        self.write(request, version, None).await
    }

    async fn exchange<R: Request>(&self, request: &R, version: i16, extra: Duration) -> Result<Bytes, ClientError> {
        let (answer, answered) = oneshot::channel();
        let limit = self.request_timeout.saturating_add(extra);
        let exchanged = timeout(limit, async {
            self.write(request, version, Some(answer)).await?;
            answered.await.map_err(|_| self.lost(R::KEY))
        });
        exchanged.await.unwrap_or_else(|_| {
            // Whatever comes later would be read by nobody; a fresh connection is simpler than a stale one.
            self.failure.get_or_init(|| format!("no answer within {limit:?}"));
            self.reader.abort();
            Err(ClientError::Timeout { address: self.address.clone(), api: R::KEY, limit })
        })
    }

    async fn write<R: Request>(
        &self,
        request: &R,
        version: i16,
        answer: Option<oneshot::Sender<Bytes>>,
    ) -> Result<(), ClientError> {
        let mut writer = self.writer.lock().await;
        if !self.is_open() {
            return Err(self.lost(R::KEY));
        }
        let correlation_id = writer.correlation_id;
        writer.correlation_id = correlation_id.wrapping_add(1) & i32::MAX;
        let header = RequestHeader {
            api_key: R::KEY.code(),
            api_version: version,
            correlation_id,
            client_id: Some(self.client_id.clone()),
        };
        let encoded = encode_request(&header, request).map_err(|cause| ClientError::Encode { api: R::KEY, cause })?;
        let Writer { stream, waiting, .. } = &mut *writer;
        let permit = match answer {
            Some(answer) => Some((waiting.reserve().await.map_err(|_| self.lost(R::KEY))?, answer)),
            None => None,
        };
        // Dropped half-way (a caller that gives up), the stream would be out of step: the guard then closes it.
        let guard = CutGuard { failure: &self.failure, armed: true };
        if let Some((permit, answer)) = permit {
            permit.send(Waiting { correlation_id, answer });
        }
        let mut segments = Segments::new(encoded.into_segments());
        let written = stream.write_all_buf(&mut segments).await;
        guard.disarm();
        written.map_err(|error| {
            self.failure.get_or_init(|| error.to_string());
            self.lost(R::KEY)
        })
    }

    fn read<M: levada_protocol::Response>(&self, frame: Bytes, version: i16) -> Result<M, ClientError> {
        let mut decoder = Decoder::new(frame);
        let read = ResponseHeader::decode(&mut decoder, M::KEY, version).and_then(|_| M::decode(&mut decoder, version));
        read.map_err(|cause| ClientError::Malformed { address: self.address.clone(), api: M::KEY, cause })
    }

    fn lost(&self, api: ApiKey) -> ClientError {
        let reason = self.failure.get().cloned().unwrap_or_else(|| "it was closed".to_owned());
        ClientError::Lost { address: self.address.clone(), api, reason }
    }

    async fn negotiate(&self) -> Result<Versions, ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("levada"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        };
        let mut version = *ApiVersionsRequest::VERSIONS.end();
        let mut frame = self.exchange(&request, version, Duration::ZERO).await?;
        // The error code comes first in every version.
        let refusal = frame.get(4..6) == Some(&35_i16.to_be_bytes()[..]);
        if refusal && let Some(other) = version_after_refusal(&self.read(frame.clone(), 0)?) {
            version = other;
            frame = self.exchange(&request, version, Duration::ZERO).await?;
        }
        let response: ApiVersionsResponse = self.read(frame, version)?;
        refused(response.error_code, None, || format!("the version request to `{}`", self.address))?;
        Ok(Versions::new(&response))
    }
}

/// Marks the connection as failed if it goes before it is disarmed.
struct CutGuard<'a> {
    failure: &'a OnceLock<String>,
    armed: bool,
}

impl CutGuard<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for CutGuard<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.failure.get_or_init(|| "a request was given up half-way".to_owned());
        }
    }
}

/// Hands answers to those who wait, until the stream ends or gets out of step. Those still waiting then learn
/// it from their dropped senders.
async fn read_answers(
    mut frames: FrameReader<OwnedReadHalf>,
    mut waiting: mpsc::Receiver<Waiting>,
    failure: Arc<OnceLock<String>>,
) {
    let reason = loop {
        match frames.next().await {
            Ok(Some(frame)) => {
                let Some(request) = waiting.recv().await else { break "nobody uses it any more".to_owned() };
                if frame.first_chunk() != Some(&request.correlation_id.to_be_bytes()) {
                    break "an answer came out of order".to_owned();
                }
                // A caller who gave up takes no answer.
                request.answer.send(frame).ok();
            }
            Ok(None) => break "the broker closed it".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break "the broker closed it".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    failure.get_or_init(|| reason);
}

#[cfg(test)]
mod tests;
