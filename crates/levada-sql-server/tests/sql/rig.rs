//! SQL over a broker over a simulated disk, asked as HTTP clients ask it.

pub(crate) use crate::broker::caller;

use crate::{broker, schemas::SchemasOfSql};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use levada_log::disk::SimDisk;
use levada_registry::RegisteredSchemas;
use levada_sql::format::SchemaSource;
use levada_sql_server::{Parts, Service, router};
use levada_stream::Handle;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tower::ServiceExt as _;

pub(crate) struct Rig {
    base: broker::Rig,
    pub(crate) service: Arc<Service>,
    pub(crate) schemas: Arc<RegisteredSchemas>,
    router: Router,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::on(SimDisk::new()).await
    }

    pub(crate) async fn on(disk: SimDisk) -> Self {
        Self::asking(disk, Some).await
    }

    /// One whose SQL asks for schemas as `through` makes it of the registry.
    pub(crate) async fn asking(
        disk: SimDisk,
        through: impl FnOnce(Arc<dyn SchemaSource>) -> Option<Arc<dyn SchemaSource>>,
    ) -> Self {
        let base = broker::Rig::on(disk).unwrap();
        let spawn = |owner| drop(tokio::runtime::Handle::current().spawn(owner));
        let schemas = RegisteredSchemas::of(&levada_registry::Service::start(&base.broker, spawn));
        let parts = Parts {
            handle: base.handle.clone(),
            spawn: Arc::new(|_, task| drop(tokio::runtime::Handle::current().spawn(task))),
            // Pauses are short here.
            sleep: Arc::new(|span| Box::pin(tokio::time::sleep(span / 50))),
            state_size_max: 64 << 20,
            schemas: through(SchemasOfSql::of(Arc::downgrade(&schemas), &base.broker)),
        };
        let service = Service::start(parts).await.unwrap();
        let router = router(Arc::clone(&service));
        Self { base, service, schemas, router }
    }

    pub(crate) const fn base(&self) -> &broker::Rig {
        &self.base
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.base.handle
    }

    async fn in_a_new_life(self, disk: SimDisk) -> Self {
        self.base.broker.close();
        self.base.store.close();
        Self::on(disk).await
    }

    /// What a kill at this moment leaves, in a new life.
    pub(crate) async fn after_kill(self) -> Self {
        let disk = self.base.disk.restart();
        self.in_a_new_life(disk).await
    }

    /// What a power cut at this moment leaves, in a new life.
    pub(crate) async fn after_power_cut(self, seed: u64) -> Self {
        let disk = self.base.disk.power_cut(seed);
        self.in_a_new_life(disk).await
    }

    /// A good end, and a new life.
    pub(crate) async fn after_stop(self) -> Self {
        self.service.close().await;
        self.base.broker.close();
        self.base.store.close();
        let disk = self.base.disk.restart();
        Self::on(disk).await
    }

    pub(crate) async fn response(&self, method: &str, path: &str, body: Option<Value>) -> axum::response::Response {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(Request::builder().method(method).uri(path).body(body).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.response(method, path, body).await;
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// Carries out a text that succeeds, and answers what its last statement came to.
    pub(crate) async fn sql(&self, sql: &str) -> Value {
        let (status, body) = self.ask("POST", "/v1/sql", Some(json!({ "sql": sql }))).await;
        assert_eq!(status, 200, "{sql}: {body}");
        body["results"].as_array().unwrap().last().unwrap().clone()
    }

    /// The rows of an answer.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Value> {
        self.sql(sql).await["rows"].as_array().unwrap().clone()
    }

    /// Carries out a text: status and answer.
    pub(crate) async fn answer(&self, sql: &str) -> (u16, Value) {
        self.ask("POST", "/v1/sql", Some(json!({ "sql": sql }))).await
    }

    /// Carries out a text that is refused: status and error.
    pub(crate) async fn refused(&self, sql: &str) -> (u16, Value) {
        let (status, body) = self.answer(sql).await;
        assert!(body["error"]["message"].is_string(), "{sql}: {body}");
        (status, body["error"].clone())
    }

    pub(crate) async fn statement(&self, name: &str) -> Value {
        let (status, body) = self.ask("GET", &format!("/v1/statements/{name}"), None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until `is_so`.
    pub(crate) async fn wait(&self, is_so: impl AsyncFn() -> bool) {
        let so = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), so).await.expect("it comes to that");
    }

    /// Waits for a figure of a statement: it follows what the epoch wrote, which may be read a moment earlier.
    pub(crate) async fn shows(&self, statement: &str, figure: &str, value: u64) {
        self.wait(async || self.statement(statement).await[figure] == value).await;
    }

    /// Time passes.
    pub(crate) fn pass(&self, span: Duration) {
        self.base.clock.advance(span);
    }

    /// Writes records, as clients do.
    pub(crate) async fn produce(&self, topic: &str, values: &[&str]) {
        self.base.produce(topic, 0, values).await.unwrap();
    }

    /// All committed values of a topic, in order where it has one partition.
    pub(crate) fn values(&self, topic: &str) -> Vec<String> {
        self.base.rows(topic)
    }
}

/// Tables of orders.
pub(crate) const ORDERS: &str = "CREATE TABLE orders (customer STRING, amount BIGINT) WITH ('format' = 'json');
CREATE TABLE copies (customer STRING, amount BIGINT) WITH ('format' = 'json');
CREATE TABLE totals (customer STRING, total BIGINT, PRIMARY KEY (customer) NOT ENFORCED)
  WITH ('connector' = 'upsert-kafka');";

pub(crate) fn order(customer: &str, amount: i64) -> String {
    json!({ "customer": customer, "amount": amount }).to_string()
}
