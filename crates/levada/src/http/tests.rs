use super::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// The status line and body of one request to a server whose readiness is `readiness`.
async fn ask(request_line: &str, readiness: Readiness) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metric = Metric {
        name: "levada_up".into(),
        help: "Whether it runs.".into(),
        kind: MetricKind::Gauge,
        labels: vec![],
        value: 1.0,
    };
    let faces = Faces {
        readiness: Arc::new(move || readiness.clone()),
        metrics: Arc::new(move || super::render(vec![metric.clone()])),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{request_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        stop.send(()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    };
    let server = serve(listener, faces, async { stopped.await.unwrap() });
    let (served, answer) = tokio::join!(server, client);
    served.unwrap();
    answer
}

#[tokio::test]
async fn health_says_live_and_ready() {
    let (status, body) = ask("GET /health/live", Readiness::Unready("starting".into())).await;
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", r#"{"status":"live"}"#));
    let (status, body) = ask("GET /health/ready", Readiness::Ready).await;
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", r#"{"status":"ready"}"#));
    let (status, body) = ask("GET /health/ready", Readiness::Unready("the journal is poisoned".into())).await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(body, r#"{"reason":"the journal is poisoned","status":"not ready"}"#);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (status, body) = ask("GET /metrics", Readiness::Ready).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, "# HELP levada_up Whether it runs.\n# TYPE levada_up gauge\nlevada_up 1\n");
}

#[tokio::test]
async fn what_is_not_there_says_what_is() {
    let (status, body) = ask("GET /topics", Readiness::Ready).await;
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert_eq!(body, r#"{"error":"nothing is at `/topics`","hint":"GET /health/live, /health/ready or /metrics"}"#);
    let (status, _) = ask("POST /metrics", Readiness::Ready).await;
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    use axum::serve::Listener as _;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut bounded = BoundedListener::new(listener, Duration::from_secs(60));
    let (client, (mut stream, _)) = tokio::join!(TcpStream::connect(address), bounded.accept());
    let _client = client.unwrap();
    let started = tokio::time::Instant::now();
    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(started.elapsed() >= Duration::from_secs(60));
}
