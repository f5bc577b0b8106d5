//! What comes back: JSON, or an error with its code.

use crate::service::WriteError;
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderValue, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use levada_broker::own_topic::OwnTopicError;
use levada_schema::{Error, SchemaType, dek};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What the API calls its JSON; the first is meant where nothing is said.
const MEDIA_TYPES: [&str; 3] =
    ["application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json"];

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(super) struct Refusal {
    code: u32,
    message: String,
}

/// What is not `levada-schema`'s to refuse.
#[derive(Debug)]
pub(super) enum Problem {
    /// The topic of these is still being read, or cannot be, for this reason.
    NoState(&'static str, Option<String>),
    /// The caller may not do this to this.
    Denied(String),
    /// The body, or a parameter, is not understood.
    Malformed(String),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::NoState(what, None) => {
                Self { code: 503, message: format!("{what} are still being read; ask again") }
            }
            Problem::NoState(what, Some(reason)) => {
                Self { code: 503, message: format!("{what} cannot be read: {reason}") }
            }
            Problem::Denied(what) => Self { code: 40301, message: format!("may not do this to {what}") },
            Problem::Malformed(message) => Self { code: 400, message },
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<dek::Error> for Refusal {
    fn from(error: dek::Error) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<OwnTopicError> for Refusal {
    fn from(error: OwnTopicError) -> Self {
        let code = match &error {
            OwnTopicError::NotOurs(_) => 42205,
            OwnTopicError::TooLarge { .. } => 42209,
            OwnTopicError::Commit(_) | OwnTopicError::Append(_) | OwnTopicError::Unreadable(_) => 50001,
        };
        Self { code, message: error.to_string() }
    }
}

impl Refusal {
    /// Code and message.
    pub(super) fn shown(&self) -> Value {
        json!({ "error_code": self.code, "message": self.message })
    }
}

impl<E: Into<Self>> From<WriteError<E>> for Refusal {
    fn from(error: WriteError<E>) -> Self {
        match error {
            WriteError::Refused(error) => error.into(),
            WriteError::Topic(error) => error.into(),
            WriteError::Closed => Self { code: 50001, message: "the registry is closed".to_owned() },
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // Codes of five digits begin with the status.
        let status = if self.code > 999 { self.code / 100 } else { self.code };
        let status = u16::try_from(status).ok().and_then(|code| StatusCode::from_u16(code).ok());
        let body = self.shown();
        (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
    }
}

/// A request's JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = <Bytes as FromRequest<S>>::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Problem::Malformed(error.body_text()))?;
        // Members are named: serde would take a list of them by their order, too.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(Problem::Malformed("the request is no JSON object".to_owned()).into());
        }
        let read = serde_json::from_slice(&bytes);
        Ok(Self(read.map_err(|error| Problem::Malformed(format!("the request's JSON is not understood: {error}")))?))
    }
}

/// What the path's query says.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let read = axum::extract::Query::try_from_uri(&parts.uri);
        let axum::extract::Query(params) = read.map_err(|error| Problem::Malformed(error.body_text()))?;
        Ok(Self(params))
    }
}

/// Does what may take its time, reading and comparing schemas say, where it holds up nobody else.
pub(super) async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Refusal { code: 50001, message: format!("the request came to nothing: {error}") }))
}

/// Gives every answer the media type that was asked for.
pub(super) async fn with_media_type(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("").to_owned();
    let wanted = asked
        .split(',')
        .map(|part| part.split(';').next().unwrap_or("").trim())
        .find_map(|part| MEDIA_TYPES.into_iter().find(|known| *known == part))
        .unwrap_or(MEDIA_TYPES[0]);
    let mut response = next.run(request).await;
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|found| found == "application/json");
    if is_json {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(wanted));
    }
    response
}

pub(super) async fn missing(uri: Uri) -> Refusal {
    Refusal { code: 404, message: format!("HTTP 404 Not Found: there is no `{}`", uri.path()) }
}

pub(super) async fn wrong_method(uri: Uri) -> Refusal {
    Refusal { code: 405, message: format!("HTTP 405 Method Not Allowed: `{}` takes other methods", uri.path()) }
}

/// A part of a list.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Page {
    /// How many to leave out.
    #[serde(deserialize_with = "number")]
    offset: i64,
    /// How many to give, 0 or less: all.
    #[serde(deserialize_with = "number")]
    limit: i64,
}

/// A number of a query, where all are texts.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    use serde::{Deserialize as _, de::Error as _};
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a whole number")))
}

impl Page {
    /// That part of `items`.
    pub(super) fn of<T>(self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let offset = usize::try_from(self.offset).unwrap_or(0);
        let limit = usize::try_from(self.limit).ok().filter(|limit| *limit > 0);
        items.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX)).collect()
    }
}

/// A schema's own text, with the media type of its language.
pub(super) fn schema_text(schema_type: SchemaType, text: String) -> Response {
    let media_type = match schema_type {
        SchemaType::Avro | SchemaType::Json => "application/json",
        SchemaType::Protobuf => "text/plain",
    };
    ([(header::CONTENT_TYPE, media_type)], text).into_response()
}
