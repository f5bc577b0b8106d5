//! Requests read, and answers written.

use crate::{Refusal, RefusalKind};
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use levada_model::Str;
use levada_stream::{Caller, Principal};
use serde::{Serialize, de::DeserializeOwned};
use std::{convert::Infallible, net::SocketAddr};

/// Whose connection a request came over; whoever accepts connections puts it into the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Who asks.
pub(super) struct Asker(pub(super) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let host = parts.extensions.get::<Peer>().map_or_else(String::new, |peer| format!("/{}", peer.0.ip()));
        let (client_id, client_host) = (Str::from(agent.to_owned()), Str::from(host));
        Ok(Self(Caller { principal: Principal::anonymous(), client_id, client_host }))
    }
}

/// A request's JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = <Bytes as FromRequest<S>>::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Refusal::invalid(error.body_text()))?;
        // Members are named: serde would take a list of them by their order, too.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            let refusal = Refusal::invalid("the request is no JSON object");
            return Err(refusal.with_hint(r#"{"sql": "SELECT …"}"#));
        }
        let read = serde_json::from_slice(&bytes);
        Ok(Self(read.map_err(|error| Refusal::invalid(format!("the request's JSON is not understood: {error}")))?))
    }
}

/// JSON, with texts of it put in as they are.
pub(super) fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => Refusal::internal(error.to_string()).into_response(),
    }
}

/// Refuses what a page of another site asks a browser to send: whoever looks at it did not mean to change anything.
pub(super) async fn not_from_elsewhere(request: Request, next: Next) -> Response {
    let elsewhere = {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let from = header(header::ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
        from.filter(|from| header(header::HOST) != Some(from)).map(str::to_owned)
    };
    match elsewhere {
        Some(from) => Refusal::new(RefusalKind::Denied, format!("pages of `{from}` may not ask")).into_response(),
        None => next.run(request).await,
    }
}

pub(super) async fn missing(uri: Uri) -> Refusal {
    Refusal::new(RefusalKind::Unknown, format!("there is no `{}`", uri.path()))
}

pub(super) async fn wrong_method(uri: Uri) -> (StatusCode, Refusal) {
    (StatusCode::METHOD_NOT_ALLOWED, Refusal::invalid(format!("`{}` takes other methods", uri.path())))
}
