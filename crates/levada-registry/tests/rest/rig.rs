//! A registry over a broker over a simulated disk, asked as HTTP clients ask it.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use levada_broker::{
    Broker, BrokerParts, Runtime,
    auth::{AllowAll, Authorizer, Caller, Principal, op, res},
    config::{BrokerConfig, TopicDefaults},
    produce::{Acks, ProducePartition, ProduceTopic},
    schemas::Schemas,
};
use levada_log::disk::SimDisk;
use levada_model::{
    ManualClock, SeededRng, Str,
    record::{BatchBuilder, NewRecord},
};
use levada_registry::{Readiness, RegisteredSchemas, Service, router};
use levada_schema::dek::Keys;
use levada_store::{Store, StoreConfig, local::StoreParts};
use serde_json::{Value, json};
use std::{pin::Pin, sync::Arc, time::Duration};
use tower::ServiceExt as _;

/// The moment at which every story happens.
pub(crate) const START_MS: i64 = 1_800_000_000_000;

struct TestRuntime;

impl Runtime for TestRuntime {
    fn spawn(&self, _: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(tokio::runtime::Handle::current().spawn(task));
    }

    fn spawn_blocking(&self, _: &'static str, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

pub(crate) struct Rig {
    pub(crate) broker: Arc<Broker>,
    pub(crate) service: Arc<Service>,
    pub(crate) keys: Arc<Service<Keys>>,
    /// The broker does not keep them.
    _schemas: Arc<RegisteredSchemas>,
    pub(crate) store: Store,
    pub(crate) disk: SimDisk,
    pub(crate) router: Router,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::on(SimDisk::new()).await
    }

    pub(crate) async fn on(disk: SimDisk) -> Self {
        Self::guarded(disk, Arc::new(AllowAll)).await
    }

    /// One where `authorizer` says who may do what.
    pub(crate) async fn guarded(disk: SimDisk, authorizer: Arc<dyn Authorizer>) -> Self {
        let rig = Self::with(disk, authorizer, |owner| drop(tokio::runtime::Handle::current().spawn(owner)));
        while rig.service.readiness() == Readiness::Loading || rig.keys.readiness() == Readiness::Loading {
            tokio::task::yield_now().await;
        }
        rig
    }

    /// One that has not begun to read its topics.
    pub(crate) fn starting_on(disk: SimDisk) -> Self {
        Self::with(disk, Arc::new(AllowAll), |owner| drop(tokio::runtime::Handle::current().spawn(owner)))
    }

    /// One that never reads its topics.
    pub(crate) fn stuck() -> Self {
        Self::with(SimDisk::new(), Arc::new(AllowAll), drop)
    }

    fn with(
        disk: SimDisk,
        authorizer: Arc<dyn Authorizer>,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>),
    ) -> Self {
        let config = BrokerConfig::from_settings([]).unwrap();
        let defaults = TopicDefaults::of(&config);
        let clock = Arc::new(ManualClock::new(START_MS));
        let rng = Arc::new(SeededRng::new(7));
        let parts = StoreParts {
            disk: Arc::new(disk.clone()),
            clock: Arc::clone(&clock) as _,
            rng: Arc::clone(&rng) as _,
            resolve: Arc::new(move |name, configs| defaults.topic(name, configs).log),
        };
        let store_config = StoreConfig {
            data_dir: "/data".into(),
            journal_file_size: 4 << 20,
            checkpoint_bytes: 6 << 20,
            ..StoreConfig::default()
        };
        let (store, _) = Store::open(store_config, parts).unwrap();
        let parts = BrokerParts {
            store: store.clone(),
            clock,
            rng,
            authorizer,
            runtime: Arc::new(TestRuntime),
            log_dir: "/data".to_owned(),
        };
        let broker = Broker::new(config, parts);
        let (service, keys) = (Service::start(&broker, &spawn), Service::start(&broker, &spawn));
        let schemas = RegisteredSchemas::of(&service);
        let known: std::sync::Weak<dyn Schemas> = Arc::downgrade(&schemas) as _;
        broker.serve_schemas(known);
        let router = router(Arc::clone(&service), Arc::clone(&keys), Arc::clone(&broker));
        Self { broker, service, keys, _schemas: schemas, store, disk, router }
    }

    /// What a kill at this moment leaves, in a new life.
    pub(crate) async fn after_kill(&self) -> Self {
        Self::on(self.disk.restart()).await
    }

    /// What a power cut at this moment leaves, in a new life.
    pub(crate) async fn after_power_cut(&self, seed: u64) -> Self {
        Self::on(self.disk.power_cut(seed)).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, _, body) = self.ask_as(method, path, body, "*/*").await;
        (status, body)
    }

    /// Status, media type and JSON of an answer.
    pub(crate) async fn ask_as(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        accept: &str,
    ) -> (u16, String, Value) {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT, accept).body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status: StatusCode = response.status();
        let media_type = response.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        (status.as_u16(), media_type, body)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None).await
    }

    /// Produces a record as any client may; says whether that was let.
    pub(crate) async fn produce(&self, topic: &Str, key: &str, value: &str) -> bool {
        let grant = self.broker.authorize::<op::Write, res::Topic>(&caller(), topic).unwrap();
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord {
            timestamp: 1_800_000_000_000,
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[],
        });
        let partition = ProducePartition { partition: 0, records: Some(builder.finish()) };
        let topics = vec![ProduceTopic { topic: grant, partitions: vec![partition] }];
        self.broker.produce(Acks::All, None, topics).await.pop().unwrap().pop().unwrap().is_ok()
    }

    /// Waits until a path answers so.
    pub(crate) async fn wait_for(&self, path: &str, expected: &Value) {
        let found = async {
            while self.get(path).await.1 != *expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("it comes to that");
    }

    /// Registers an Avro schema and answers its id.
    pub(crate) async fn register(&self, subject: &str, schema: &str) -> i64 {
        let path = format!("/subjects/{subject}/versions");
        let (status, body) = self.ask("POST", &path, Some(json!({ "schema": schema }))).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_i64().unwrap()
    }
}

/// Some client of the broker.
pub(crate) fn caller() -> Caller {
    let (client_id, client_host) = (Str::from_static("mirror"), Str::from_static("/127.0.0.1"));
    Caller { principal: Principal::anonymous(), client_id, client_host }
}

/// The code of an answer that must be an error.
pub(crate) fn refused((status, body): (u16, Value)) -> (u16, i64) {
    assert!(body["message"].is_string(), "{body}");
    (status, body["error_code"].as_i64().unwrap())
}
