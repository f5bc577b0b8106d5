//! A server in this process, and a client that writes frames by hand.

use bytes::{Bytes, BytesMut};
use levada_broker::{
    Broker, BrokerParts,
    auth::AllowAll,
    config::{BrokerConfig, TopicDefaults},
};
use levada_kafka::{Server, ServerConfig, Tasks};
use levada_log::disk::RealDisk;
use levada_model::{Clock, Rng, SeededRng, SystemClock};
use levada_protocol::{Decoder, Message, Request, RequestHeader, ResponseHeader, encode_request};
use levada_store::{Store, StoreConfig, local::StoreParts};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// Longer than anything here should take, shorter than anyone's patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A broker on a store in a directory of its own, and its listener.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<levada_kafka::Metrics>,
    broker: Arc<Broker>,
    store: Store,
    stop: Option<oneshot::Sender<()>>,
    run: Option<JoinHandle<usize>>,
    _data_dir: TempDir,
}

#[allow(clippy::disallowed_methods, reason = "the harness of a test")]
impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(ServerConfig::default()).await
    }

    pub(crate) async fn with(config: ServerConfig) -> Self {
        Self::with_broker(config, &[]).await
    }

    pub(crate) async fn with_broker(mut config: ServerConfig, settings: &[(&str, &str)]) -> Self {
        config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let data_dir = tempfile::tempdir().unwrap();
        let (broker, store) = open_broker(&data_dir, settings);
        let rng = Arc::new(SeededRng::new(2));
        let server = Server::bind(config, Arc::clone(&broker), Arc::new(SystemClock), rng).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, metrics) = (server.addresses()[0], server.metrics());
        // A server whose handle is dropped stops as well.
        let run = tokio::spawn(server.run(async move { stopped.await.unwrap_or_default() }));
        Self { address, metrics, broker, store, stop: Some(stop), run: Some(run), _data_dir: data_dir }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Stops; returns how many connections were cut.
    pub(crate) async fn stop(mut self) -> usize {
        self.stop.take().unwrap().send(()).unwrap();
        let cut = tokio::time::timeout(PATIENCE, self.run.take().unwrap()).await.unwrap().unwrap();
        self.broker.close();
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.close()).await.unwrap();
        cut
    }
}

fn open_broker(data_dir: &TempDir, settings: &[(&str, &str)]) -> (Arc<Broker>, Store) {
    let config = BrokerConfig::from_settings(settings.iter().copied()).unwrap();
    let defaults = TopicDefaults::of(&config);
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SeededRng::new(1)));
    let parts = StoreParts {
        disk: Arc::new(RealDisk),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        rng: Arc::clone(&rng) as Arc<dyn Rng>,
        resolve: Arc::new(move |name, configs| defaults.resolve(name, configs)),
    };
    let store_config = StoreConfig {
        data_dir: data_dir.path().join("data"),
        journal_file_size: 32 << 20,
        checkpoint_bytes: 48 << 20,
        flush_bytes: 1 << 20,
        tail_bytes_max: 2 << 20,
        ..StoreConfig::default()
    };
    let (store, _) = Store::open(store_config, parts).unwrap();
    let parts = BrokerParts {
        store: store.clone(),
        clock,
        rng,
        authorizer: Arc::new(AllowAll),
        runtime: Arc::new(Tasks::default()),
        log_dir: data_dir.path().display().to_string(),
    };
    (Broker::new(config, parts), store)
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    next_correlation_id: i32,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), next_correlation_id: 1 }
    }

    /// Sends a request; returns its correlation id.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        let (id, frame) = self.frame(version, request);
        self.stream.write_all(&frame).await.unwrap();
        id
    }

    pub(crate) fn frame<R: Request>(&mut self, version: i16, request: &R) -> (i32, Bytes) {
        let id = self.next_correlation_id;
        self.next_correlation_id += 1;
        let header = RequestHeader {
            api_key: R::KEY.code(),
            api_version: version,
            correlation_id: id,
            client_id: Some("test".into()),
        };
        (id, encode_request(&header, request).unwrap().into_bytes())
    }

    /// The next frame without its length; `None` if the server closed the connection.
    pub(crate) async fn frame_in(&mut self) -> Option<Bytes> {
        let read = async {
            let size = self.stream.read_i32().await.ok()?;
            let mut frame = BytesMut::zeroed(usize::try_from(size).unwrap());
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(frame.freeze())
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the server answers in time")
    }

    /// The next response, which must be to `R` in `version`; and its correlation id.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let frame = self.frame_in().await.expect("an answer, not the end of the connection");
        let mut decoder = Decoder::new(frame);
        let header = ResponseHeader::decode(&mut decoder, R::KEY, version).unwrap();
        let response = R::Response::decode(&mut decoder, version).unwrap();
        assert_eq!(decoder.remaining(), 0, "nothing stands after the response");
        (header.correlation_id, response)
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request).await;
        let (id, response) = self.receive::<R>(version).await;
        assert_eq!(id, sent);
        response
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0; 1];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut byte)).await.expect("the server acts in time");
        !matches!(read, Ok(size) if size > 0)
    }
}
