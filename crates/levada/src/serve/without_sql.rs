//! A binary without streaming SQL: it says so to those who want it.

use crate::settings::Settings;
use levada_broker::Broker;
use levada_kafka::Tasks;
use levada_model::Rng;
use levada_registry::RegisteredSchemas;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

/// Streaming SQL at work: there is none.
pub(super) struct Sql {
    pub(super) address: SocketAddr,
    pub(super) pgwire: Option<SocketAddr>,
    never: Infallible,
}

/// Listens for nobody, and refuses addresses.
pub(super) async fn listen(settings: &Settings) -> anyhow::Result<Option<Infallible>> {
    for name in ["sql", "pgwire"] {
        let is_off = settings.text(name) == Some("off");
        anyhow::ensure!(
            is_off,
            "this binary was built without SQL: leave --{name} away, or build with `--features sql`"
        );
    }
    Ok(None)
}

/// There is nothing to start.
pub(super) async fn start(
    _: &Tasks,
    listeners: Infallible,
    _: &Arc<Broker>,
    _: (&Arc<dyn Rng>, Option<Weak<RegisteredSchemas>>),
    _: &Settings,
) -> anyhow::Result<Sql> {
    match listeners {}
}

impl Sql {
    pub(super) async fn close(&self, _: Duration) {
        match self.never {}
    }

    pub(super) fn end(self) {
        match self.never {}
    }
}
