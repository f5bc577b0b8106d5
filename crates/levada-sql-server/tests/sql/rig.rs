//! SQL over a broker over a simulated disk, asked as HTTP clients ask it.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use bytes::Bytes;
use levada_broker::{
    Broker, BrokerParts, Runtime,
    auth::{AllowAll, op, res},
    config::{BrokerConfig, TopicDefaults},
    produce::{Acks, ProducePartition, ProduceTopic},
};
use levada_log::disk::SimDisk;
use levada_model::{
    ManualClock, SeededRng, Str, TopicName,
    record::{BatchBuilder, NewRecord},
};
use levada_sql_server::{Parts, Service, router};
use levada_store::{Store, StoreConfig, local::StoreParts};
use levada_stream::{Caller, Handle, Principal, ReadError};
use serde_json::{Value, json};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
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
    pub(crate) handle: Handle,
    pub(crate) service: Arc<Service>,
    pub(crate) disk: SimDisk,
    store: Store,
    router: Router,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::on(SimDisk::new()).await
    }

    pub(crate) async fn on(disk: SimDisk) -> Self {
        let config = BrokerConfig::from_settings([("transaction.state.log.num.partitions", "1")]).unwrap();
        let defaults = TopicDefaults::of(&config);
        let clock = Arc::new(ManualClock::new(START_MS));
        // Ids of topics must not come again in the next life.
        static LIVES: AtomicU64 = AtomicU64::new(0);
        let rng = Arc::new(SeededRng::new(LIVES.fetch_add(1, Ordering::Relaxed)));
        let parts = StoreParts {
            disk: Arc::new(disk.clone()),
            clock: Arc::clone(&clock) as _,
            rng: Arc::clone(&rng) as _,
            resolve: Arc::new(move |name, configs| defaults.resolve(name, configs)),
        };
        let store_config = StoreConfig {
            data_dir: "/data".into(),
            journal_file_size: 4 << 20,
            checkpoint_bytes: 6 << 20,
            file_delete_delay: Duration::ZERO,
            ..StoreConfig::default()
        };
        let (store, _) = Store::open(store_config, parts).unwrap();
        let parts = BrokerParts {
            store: store.clone(),
            clock,
            rng,
            authorizer: Arc::new(AllowAll),
            runtime: Arc::new(TestRuntime),
            log_dir: "/data".to_owned(),
        };
        let broker = Broker::new(config, parts);
        let handle = Handle::new(Arc::clone(&broker));
        let parts = Parts {
            handle: handle.clone(),
            spawn: Arc::new(|_, task| drop(tokio::runtime::Handle::current().spawn(task))),
            // Pauses are short here.
            sleep: Arc::new(|span| Box::pin(tokio::time::sleep(span / 50))),
            state_size_max: 64 << 20,
        };
        let service = Service::start(parts).await.unwrap();
        let router = router(Arc::clone(&service));
        Self { broker, handle, service, disk, store, router }
    }

    /// What a kill at this moment leaves, in a new life.
    pub(crate) async fn after_kill(self) -> Self {
        let disk = self.disk.restart();
        self.broker.close();
        self.store.close();
        Self::on(disk).await
    }

    /// What a power cut at this moment leaves, in a new life.
    pub(crate) async fn after_power_cut(self, seed: u64) -> Self {
        let disk = self.disk.power_cut(seed);
        self.broker.close();
        self.store.close();
        Self::on(disk).await
    }

    /// A good end, and a new life.
    pub(crate) async fn after_stop(self) -> Self {
        self.service.close().await;
        self.broker.close();
        self.store.close();
        Self::on(self.disk.restart()).await
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

    /// Carries out a text that is refused: status and error.
    pub(crate) async fn refused(&self, sql: &str) -> (u16, Value) {
        let (status, body) = self.ask("POST", "/v1/sql", Some(json!({ "sql": sql }))).await;
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

    /// Writes records, as clients do.
    pub(crate) async fn produce(&self, topic: &str, values: &[&str]) {
        let grant = self.broker.authorize::<op::Write, res::Topic>(&caller(), &Str::from(topic)).unwrap();
        let mut builder = BatchBuilder::new();
        for value in values {
            builder.push(&NewRecord { timestamp: START_MS, key: None, value: Some(value.as_bytes()), headers: &[] });
        }
        let partition = ProducePartition { partition: 0, records: Some(builder.finish()) };
        let topics = vec![ProduceTopic { topic: grant, partitions: vec![partition] }];
        self.broker.produce(Acks::All, None, topics).await.pop().unwrap().pop().unwrap().unwrap();
    }

    /// All committed values of a topic, in order where it has one partition.
    pub(crate) fn values(&self, topic: &str) -> Vec<String> {
        let inputs = self.handle.inputs(&caller(), &[TopicName::new(topic).unwrap()]).unwrap();
        let (start, end) = (inputs.start(), inputs.cut(&[]).unwrap());
        let mut values = Vec::new();
        for (index, (&from, &to)) in start.iter().zip(&end).enumerate() {
            let mut next = from;
            while next < to {
                let read = inputs.read(index, next, to, 1 << 20).unwrap();
                next = read.next;
                for batch in read.batches {
                    let opened: Bytes = batch.open().unwrap();
                    batch
                        .each::<ReadError>(&opened, |_, _, record| {
                            values.push(String::from_utf8(record.value.unwrap_or(b"-").to_vec()).unwrap());
                            Ok(())
                        })
                        .unwrap();
                }
            }
        }
        values
    }
}

pub(crate) fn caller() -> Caller {
    Caller { principal: Principal::anonymous(), client_id: "test".into(), client_host: "/127.0.0.1".into() }
}

/// Tables of orders.
pub(crate) const ORDERS: &str = "CREATE TABLE orders (customer STRING, amount BIGINT) WITH ('format' = 'json');
CREATE TABLE copies (customer STRING, amount BIGINT) WITH ('format' = 'json');
CREATE TABLE totals (customer STRING, total BIGINT, PRIMARY KEY (customer) NOT ENFORCED)
  WITH ('connector' = 'upsert-kafka');";

pub(crate) fn order(customer: &str, amount: i64) -> String {
    json!({ "customer": customer, "amount": amount }).to_string()
}
