//! Queries that are watched: their columns, then the net changes of each epoch, as server-sent events.

use super::{
    Asked,
    answer::{Asker, Body},
    shown::{ShownColumn, raw},
};
use crate::{
    Refusal, RefusalKind,
    execute::{self, WatchedView},
    service::Service,
};
use axum::{
    Router,
    extract::{Path, State},
    http::HeaderMap,
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures_core::Stream;
use levada_sql::{
    query::Rows,
    statement::{Stop, Surroundings},
};
use levada_stream::Caller;
use serde::Serialize;
use serde_json::value::RawValue;
use std::{
    convert::Infallible,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// Epochs that wait until whoever looks has read those before.
const WAITING_MAX: usize = 1_024;
/// A sign of life, where nothing else comes: connections without any are closed.
const SIGN_OF_LIFE_INTERVAL: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route("/v1/sql/live", post(live)).route("/v1/views/{name}/live", get(view))
}

/// The net changes of an epoch.
#[derive(Serialize)]
struct Epoch {
    epoch: u64,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    op: &'static str,
    row: Box<RawValue>,
}

impl Epoch {
    /// A row that comes several times is there several times.
    fn of(epoch: u64, rows: &Rows) -> Result<Self, Refusal> {
        let mut changes = Vec::with_capacity(rows.rows.len());
        for (weight, row) in &rows.rows {
            let (op, row) = (if *weight > 0 { "+I" } else { "-D" }, raw(row)?);
            (0..weight.unsigned_abs()).for_each(|_| changes.push(Change { op, row: row.clone() }));
        }
        Ok(Self { epoch, changes })
    }
}

async fn live(State(service): State<Arc<Service>>, Asker(caller): Asker, Body(asked): Body<Asked>) -> Response {
    let watched = match asked.request(caller) {
        Ok(request) => {
            let caller = request.caller.clone();
            let asked = service.apart(move |service| async move { service.watched(&request) }).await;
            asked.and_then(|asked| asked).map(|asked| (asked, caller))
        }
        Err(refusal) => Err(refusal),
    };
    let (asked, caller) = match watched {
        Ok(watched) => watched,
        Err(refusal) => return refusal.into_response(),
    };
    let (events, waiting) = mpsc::channel(WAITING_MAX);
    let surroundings = service.surroundings(&caller);
    let watching = watch(asked, Arc::clone(&service), surroundings, events);
    (service.spawner())("sql-live", Box::pin(watching));
    stream(waiting)
}

fn stream(waiting: mpsc::Receiver<Event>) -> Response {
    Sse::new(Events(waiting)).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE_INTERVAL)).into_response()
}

/// Watches a query until whoever looks is gone.
async fn watch(asked: execute::Asked, service: Arc<Service>, surroundings: Surroundings, events: mpsc::Sender<Event>) {
    let (mut closing, mut replaced) = (service.closing(), service.replaced());
    let execute::Asked { query, columns, permit: _permit } = asked;
    let columns: Vec<ShownColumn> = columns.iter().map(ShownColumn::from).collect();
    if send(&events, "columns", &columns).await.is_err() {
        return;
    }
    let stop = Stop::default();
    let mut refused = None;
    let outcome = {
        let altered = async {
            loop {
                if let Some(table) = service.replaced_one(&query.tables) {
                    return Refusal::exists(format!("materialized table `{table}` was altered")).with_hint("ask again");
                }
                if replaced.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let mut take = |epoch: u64, rows: Rows| {
            let event = Epoch::of(epoch, &rows).and_then(|epoch| event("epoch", &epoch));
            let taken = event.and_then(|event| put(&events, event.id(epoch.to_string())));
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(refusal) => {
                    refused = Some(refusal);
                    ControlFlow::Break(())
                }
            }
        };
        tokio::select! {
            outcome = query.watch(&surroundings, &stop, &mut take) => outcome.map_err(Refusal::from),
            refusal = altered => Err(refusal),
            () = events.closed() => return,
            _ = closing.wait_for(|closing| *closing) => Err(Refusal::new(RefusalKind::Busy, "the server is shutting down")),
        }
    };
    if let Some(refusal) = outcome.err().or(refused) {
        // Whoever looked may be gone.
        drop(send(&events, "error", &refusal.shown(None)).await);
    }
}

/// A view as it goes from version to version, from where somebody saw it last.
async fn view(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    Asker(caller): Asker,
    headers: HeaderMap,
) -> Response {
    let (events, waiting) = mpsc::channel(1);
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    // What takes the view's place from now on is noticed.
    let replaced = service.replaced();
    let watcher = Watcher { service: Arc::clone(&service), name, caller };
    let watched = match watcher.find().await {
        Ok(watched) => watched,
        Err(refusal) => return refusal.into_response(),
    };
    (service.spawner())("sql-live", Box::pin(watch_view(watcher, watched, replaced, seen, events)));
    stream(waiting)
}

/// What changed from one version that was shown to the next.
#[derive(Serialize)]
struct Step {
    epoch: u64,
    /// The epoch that was shown before; where there is none, nothing that was shown before counts.
    from: Option<u64>,
    changes: Vec<Change>,
}

/// Who watches which view.
struct Watcher {
    service: Arc<Service>,
    name: String,
    caller: Caller,
}

impl Watcher {
    async fn find(&self) -> Result<WatchedView, Refusal> {
        let (name, caller) = (self.name.clone(), self.caller.clone());
        self.service.apart(move |service| async move { service.watched_view(&name, &caller) }).await?
    }

    /// Whether the view of this moment is another one by now.
    fn is_another(&self, created_ms: i64) -> bool {
        let catalog = self.service.catalog();
        catalog.tables.get(&self.name).is_some_and(|entry| entry.definition.created_ms != created_ms)
    }
}

async fn watch_view(
    watcher: Watcher,
    watched: WatchedView,
    mut replaced: watch::Receiver<u64>,
    seen: Option<String>,
    events: mpsc::Sender<Event>,
) {
    let mut closing = watcher.service.closing();
    let shown = async {
        let mut next = Some(watched);
        loop {
            let watched = match next.take() {
                Some(watched) => watched,
                None => watcher.find().await?,
            };
            show_view(&watcher, watched, &mut replaced, seen.as_deref(), &events).await?;
        }
    };
    let outcome: Result<std::convert::Infallible, Refusal> = tokio::select! {
        outcome = shown => outcome,
        () = events.closed() => return,
        _ = closing.wait_for(|closing| *closing) => Err(Refusal::new(RefusalKind::Busy, "the server is shutting down")),
    };
    let Err(refusal) = outcome;
    // Whoever looked may be gone.
    drop(send(&events, "error", &refusal.shown(None)).await);
}

/// Shows a view, from where somebody saw it last, until another one takes its place.
async fn show_view(
    watcher: &Watcher,
    watched: WatchedView,
    replaced: &mut watch::Receiver<u64>,
    seen: Option<&str>,
    events: &mpsc::Sender<Event>,
) -> Result<(), Refusal> {
    let WatchedView { view, columns, created_ms, permit: _permit } = watched;
    let size_max = watcher.service.parts().state_size_max;
    let columns: Vec<ShownColumn> = columns.iter().map(ShownColumn::from).collect();
    send(events, "columns", &columns).await?;
    let id = |epoch: u64| format!("{created_ms}-{epoch}");
    // Of a view of the same name that was dropped since, nothing counts.
    let seen = seen.and_then(|seen| seen.strip_prefix(&format!("{created_ms}-"))?.parse::<u64>().ok());
    let mut before = seen.and_then(|epoch| view.of_epoch(epoch));
    let mut versions = view.versions();
    loop {
        let latest = versions.borrow_and_update().clone();
        if let Some(latest) = latest.filter(|latest| before.as_ref().is_none_or(|it| it.epoch() != latest.epoch())) {
            let rows = latest.changes_since(before.as_deref(), size_max)?;
            let (epoch, from) = (latest.epoch(), before.as_ref().map(|before| before.epoch()));
            let Epoch { changes, .. } = Epoch::of(epoch, &rows)?;
            let event = event("epoch", &Step { epoch, from, changes })?.id(id(epoch));
            // A slow reader is shown fewer steps.
            events.send(event).await.map_err(|_| Refusal::internal("whoever watched is gone"))?;
            before = Some(latest);
        }
        tokio::select! {
            changed = versions.changed() => changed.map_err(|_| Refusal::internal("the view is gone"))?,
            _ = replaced.changed() => {
                if watcher.is_another(created_ms) {
                    return Ok(());
                }
            }
        }
    }
}

/// Puts an event into the queue, where there is room.
fn put(events: &mpsc::Sender<Event>, event: Event) -> Result<(), Refusal> {
    events.try_send(event).map_err(|_| {
        let message = format!("{WAITING_MAX} epochs wait to be read: whoever watches reads too slowly");
        Refusal::new(RefusalKind::Busy, message)
    })
}

async fn send(events: &mpsc::Sender<Event>, name: &str, data: &impl Serialize) -> Result<(), Refusal> {
    let event = event(name, data)?;
    events.send(event).await.map_err(|_| Refusal::internal("whoever watched is gone"))
}

fn event(name: &str, data: &impl Serialize) -> Result<Event, Refusal> {
    let text = serde_json::to_string(data).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(Event::default().event(name).data(text))
}

/// Events as they come.
struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}
