//! The HTTP API.
//!
//! | path | |
//! |---|---|
//! | `POST /v1/sql` | carries out a text, and answers what each statement came to |
//! | `POST /v1/sql/live` | watches a query: server-sent events |
//! | `GET /v1/statements`, `GET`, `DELETE /v1/statements/NAME` | the statements that run |
//! | `POST /v1/statements/NAME/stop`, `…/start` | |
//! | `GET /v1/views/NAME?column=value` | rows of a table or view |
//! | `GET /v1/tables` | tables, views and topics, with their columns |

mod answer;
mod live;
mod shown;
mod statements;
mod views;

pub use answer::Peer;
pub(crate) use shown::Shown;
pub(crate) use statements::ShownStatement;

use crate::{
    Refusal, RefusalKind,
    execute::{Executed, Request},
    service::Service,
    settings::{self, Settings},
};
use answer::{Asker, Body, answer};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// A request's body has at most so many bytes.
const BODY_SIZE_MAX: usize = 1 << 20;

/// The API over a service.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/sql", post(sql))
        .merge(live::routes())
        .merge(statements::routes())
        .merge(views::routes())
        .fallback(answer::missing)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_SIZE_MAX))
        .layer(axum::middleware::from_fn(answer::not_from_elsewhere))
        .with_state(service)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    sql: String,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default)]
    mode: Option<String>,
}

impl Asked {
    fn request(self, caller: levada_stream::Caller) -> Result<Request, Refusal> {
        let mut settings = Settings::read(&self.settings)?;
        if let Some(mode) = &self.mode {
            settings.mode = Some(settings::mode(mode)?);
        }
        Ok(Request { sql: self.sql, settings, caller })
    }
}

async fn sql(State(service): State<Arc<Service>>, Asker(caller): Asker, Body(asked): Body<Asked>) -> Response {
    let request = match asked.request(caller) {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    let executed = service.apart(move |service| async move { service.execute(request).await }).await;
    let Executed { outcomes, settings, refused } = match executed {
        Ok(executed) => executed,
        Err(refusal) => return refusal.into_response(),
    };
    let index = outcomes.len();
    let results = match serde_json::value::to_raw_value(&outcomes) {
        Ok(results) => results,
        Err(error) => return Refusal::internal(error.to_string()).into_response(),
    };
    let settings = settings.pairs();
    let Some(refusal) = refused else {
        return answer(StatusCode::OK, &Answer { results, settings, error: None });
    };
    let (status, error) = (refusal.status(), Some(refusal.shown(Some(index))));
    answer(status, &Answer { results, settings, error })
}

/// What a text came to.
#[derive(serde::Serialize)]
struct Answer {
    results: Box<serde_json::value::RawValue>,
    settings: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<serde_json::Value>,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self.kind {
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::Denied => StatusCode::FORBIDDEN,
            RefusalKind::Unknown => StatusCode::NOT_FOUND,
            RefusalKind::Exists => StatusCode::CONFLICT,
            RefusalKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            RefusalKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn shown(&self, index: Option<usize>) -> serde_json::Value {
        let (line, column) = self.position.map_or((None, None), |at| (Some(at.line), Some(at.column)));
        json!({
            "message": self.message,
            "line": line,
            "column": column,
            "hint": self.hint,
            "statement_index": index,
        })
    }
}

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), Json(json!({ "error": self.shown(None) }))).into_response()
    }
}
