//! Which context a request is about, and who asks.

use super::{
    Shared,
    answer::{Problem, Refusal},
};
use crate::{service::Service, state::State};
use axum::{
    extract::{FromRequestParts, Request},
    http::{Uri, header, request::Parts, uri::PathAndQuery},
};
use levada_broker::auth::{Caller, Grant, Op, Principal, res};
use levada_model::Str;
use levada_schema::{
    Context, Registry, Subject,
    dek::{KekName, Keys},
};
use percent_encoding::percent_decode_str;
use std::{convert::Infallible, net::SocketAddr, sync::Arc};

/// Whose connection a request came over; whoever accepts connections puts it into the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The context that the path named.
#[derive(Clone, Debug)]
struct Named(Context);

/// Takes `/contexts/NAME` off the front of the path; what follows is routed as if it had not been there.
pub(super) fn taken_out(mut request: Request) -> Request {
    if let Some((context, uri)) = split(request.uri()) {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(Named(context));
    }
    request
}

fn split(uri: &Uri) -> Option<(Context, Uri)> {
    let rest = uri.path().strip_prefix("/contexts/")?;
    let (name, path) = rest.split_once('/')?;
    if path.is_empty() {
        return None;
    }
    let name = percent_decode_str(name).decode_utf8().ok()?;
    // `:.name:` is the context, too.
    let name = name.trim_matches(':');
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/{path}{query}")).ok()?);
    Some((Context::named(name), Uri::from_parts(parts).ok()?))
}

/// One request: its context, its caller, and the registry that answers.
pub(super) struct Asked {
    pub(super) shared: Shared,
    /// Where subjects without a context are.
    pub(super) context: Context,
    caller: Caller,
}

impl FromRequestParts<Shared> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<Named>().map_or_else(Context::default_context, |named| named.0.clone());
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let host = parts.extensions.get::<Peer>().map_or_else(String::new, |peer| format!("/{}", peer.0.ip()));
        let caller = Caller {
            principal: Principal::anonymous(),
            client_id: Str::from(agent.to_owned()),
            client_host: Str::from(host),
        };
        shared.service.settled().await;
        // Who asks about schemas does not wait for keys.
        if parts.uri.path().starts_with(super::dek::PREFIX) {
            shared.keys.settled().await;
        }
        Ok(Self { shared: shared.clone(), context, caller })
    }
}

impl Asked {
    /// The state, and a subject by its name, in the request's context where it names none, and under the name that an
    /// alias means; to it the caller may do `O`.
    pub(super) fn about<O: Op>(&self, name: &str) -> Result<(Arc<Registry>, Subject), Refusal> {
        let registry = self.registry()?;
        let subject = registry.resolve_alias(&self.named(name));
        self.may::<O>(Some(&subject))?;
        Ok((registry, subject))
    }

    /// A subject by its name, in the request's context where it names none.
    pub(super) fn named(&self, name: &str) -> Subject {
        Subject::parse_in(&self.context, name)
    }

    /// The state, once it is there.
    pub(super) fn registry(&self) -> Result<Arc<Registry>, Refusal> {
        state_of(&self.shared.service)
    }

    /// The keys, once they are there.
    pub(super) fn keys(&self) -> Result<Arc<Keys>, Refusal> {
        state_of(&self.shared.keys)
    }

    /// Whether the caller may do `O` to a subject, to a context or to all of it.
    pub(super) fn may<O: Op>(&self, subject: Option<&Subject>) -> Result<Grant<O, res::Subject>, Refusal> {
        let name = subject.map_or_else(|| "*".to_owned(), Subject::qualified);
        let granted = self.shared.broker.authorize::<O, res::Subject>(&self.caller, &Str::from(name.clone()));
        granted.map_err(|_| Problem::Denied(format!("subject `{name}`")).into())
    }

    /// Whether the caller may do `O` to a KEK, or to all of them.
    pub(super) fn may_kek<O: Op>(&self, kek: Option<&KekName>) -> Result<Grant<O, res::Kek>, Refusal> {
        let name = kek.map_or("*", KekName::as_str);
        let granted = self.shared.broker.authorize::<O, res::Kek>(&self.caller, &Str::from(name.to_owned()));
        granted.map_err(|_| Problem::Denied(format!("KEK `{name}`")).into())
    }
}

fn state_of<S: State>(service: &Service<S>) -> Result<Arc<S>, Refusal> {
    service.state().ok_or_else(|| Problem::NoState(S::HOLDS, service.trouble().map(str::to_owned)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(path: &str) -> (Option<String>, String) {
        let request = taken_out(Request::builder().uri(path).body(axum::body::Body::empty()).unwrap());
        let context = request.extensions().get::<Named>().map(|named| named.0.to_string());
        (context, request.uri().to_string())
    }

    #[test]
    fn a_context_in_front_is_taken_out() {
        let taken_from = |path: &str| taken(path);
        assert_eq!(taken_from("/subjects?deleted=true"), (None, "/subjects?deleted=true".to_owned()));
        let found = taken_from("/contexts/.mobile/subjects/a%2Fb/versions?deleted=true");
        assert_eq!(found, (Some(".mobile".to_owned()), "/subjects/a%2Fb/versions?deleted=true".to_owned()));
        assert_eq!(taken_from("/contexts/%3A.m%3A/subjects").0, Some(".m".to_owned()));
        assert_eq!(taken_from("/contexts/web/config").0, Some(".web".to_owned()));
        for path in ["/contexts", "/contexts/.m", "/contexts/.m/"] {
            assert_eq!(taken_from(path), (None, path.to_owned()));
        }
    }
}
