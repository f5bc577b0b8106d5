use super::*;
use bytes::BytesMut;
use levada_protocol::{
    ErrorCode, decode_request_header, encode_response,
    messages::{
        ListGroupsRequest, ListGroupsResponse, api_versions_response::ApiVersion, list_groups_response::ListedGroup,
    },
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

/// A peer that reads requests and answers as each test says.
struct Peer {
    stream: TcpStream,
}

impl Peer {
    async fn request(&mut self) -> RequestHeader {
        let size = usize::try_from(self.stream.read_i32().await.unwrap()).unwrap();
        let mut frame = BytesMut::zeroed(size);
        self.stream.read_exact(&mut frame).await.unwrap();
        decode_request_header(frame.freeze()).unwrap().0
    }

    async fn answer<M: levada_protocol::Response>(&mut self, correlation_id: i32, body: &M, version: i16) {
        let bytes = encode_response(correlation_id, body, version).unwrap().into_bytes();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Answers a request for versions with what this test's broker offers.
    async fn greet(&mut self) {
        let header = self.request().await;
        assert_eq!(header.api(), Some(ApiKey::ApiVersions));
        self.answer(header.correlation_id, &offer(ErrorCode::None), header.api_version).await;
    }
}

fn offer(error: ErrorCode) -> ApiVersionsResponse {
    let api = |key: ApiKey, max_version| ApiVersion { api_key: key.code(), min_version: 0, max_version };
    ApiVersionsResponse {
        error_code: error.code(),
        api_keys: vec![api(ApiKey::ApiVersions, 2), api(ApiKey::ListGroups, 4)],
        ..ApiVersionsResponse::default()
    }
}

/// Opens a connection to a peer that does `script`.
async fn open(script: impl AsyncFnOnce(Peer)) -> (Result<Connection, ClientError>, ()) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut config = ClientConfig::new(&address);
    config.request_timeout = Duration::from_millis(200);
    config.frame_bytes_max = 10_000;
    let peer = async {
        let (stream, _) = listener.accept().await.unwrap();
        script(Peer { stream }).await;
    };
    tokio::join!(Connection::open(&address, "the peer", &config), peer)
}

fn groups(name: &str) -> ListGroupsResponse {
    let group = ListedGroup { group_id: Str::from(name), ..ListedGroup::default() };
    ListGroupsResponse { groups: vec![group], ..ListGroupsResponse::default() }
}

/// Greets, then does `script` while `ask` uses the connection.
async fn greeted<T>(script: impl AsyncFnOnce(&mut Peer), ask: impl AsyncFnOnce(&Connection) -> T) -> T {
    let (kept, keep) = oneshot::channel();
    let (connection, ()) = open(async |mut peer| {
        peer.greet().await;
        kept.send(peer).ok().unwrap();
    })
    .await;
    let (connection, mut peer) = (connection.unwrap(), keep.await.unwrap());
    tokio::join!(ask(&connection), script(&mut peer)).0
}

async fn list(connection: &Connection) -> Result<ListGroupsResponse, ClientError> {
    let version = connection.version::<ListGroupsRequest>(i16::MAX).unwrap();
    connection.ask(&ListGroupsRequest::default(), version, Duration::ZERO).await
}

#[tokio::test]
async fn a_broker_that_knows_only_older_versions_is_asked_again_in_one_of_them() {
    let (connection, ()) = open(async |mut peer| {
        let first = peer.request().await;
        assert_eq!(first.api_version, 4);
        peer.answer(first.correlation_id, &offer(ErrorCode::UnsupportedVersion), 0).await;
        let second = peer.request().await;
        assert_eq!(second.api_version, 2);
        peer.answer(second.correlation_id, &offer(ErrorCode::None), 2).await;
    })
    .await;
    let connection = connection.unwrap();
    assert_eq!(connection.version::<ListGroupsRequest>(i16::MAX).unwrap(), 4);
    assert_eq!(connection.version::<ListGroupsRequest>(1).unwrap(), 1);
    let error = connection.version::<levada_protocol::messages::FetchRequest>(i16::MAX).unwrap_err();
    assert!(matches!(error, ClientError::Unsupported { api: ApiKey::Fetch, .. }), "{error}");
}

#[tokio::test]
async fn pipelined_requests_get_their_own_answers() {
    let answers = greeted(
        async |peer| {
            let headers = [peer.request().await, peer.request().await];
            for (header, name) in headers.iter().zip(["first", "second"]) {
                peer.answer(header.correlation_id, &groups(name), header.api_version).await;
            }
        },
        async |connection| tokio::join!(list(connection), list(connection)),
    )
    .await;
    assert_eq!(answers.0.unwrap().groups[0].group_id, "first");
    assert_eq!(answers.1.unwrap().groups[0].group_id, "second");
}

#[tokio::test]
async fn an_answer_out_of_order_ends_the_connection() {
    let error = greeted(
        async |peer| {
            let header = peer.request().await;
            peer.answer(header.correlation_id + 1, &groups("g"), header.api_version).await;
        },
        async |connection| {
            let error = list(connection).await.unwrap_err();
            assert!(!connection.is_open());
            error
        },
    )
    .await;
    assert!(error.to_string().ends_with("an answer came out of order"), "{error}");
}

#[tokio::test]
async fn a_silent_broker_times_out_and_the_connection_is_given_up() {
    let error = greeted(
        async |peer| drop(peer.request().await),
        async |connection| {
            let error = list(connection).await.unwrap_err();
            assert!(!connection.is_open());
            error
        },
    )
    .await;
    assert!(matches!(error, ClientError::Timeout { api: ApiKey::ListGroups, .. }), "{error}");
    assert!(error.may_retry());
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_not_read() {
    let error = greeted(
        async |peer| {
            peer.request().await;
            peer.stream.write_i32(i32::MAX).await.unwrap();
        },
        async |connection| list(connection).await.unwrap_err(),
    )
    .await;
    assert!(error.to_string().contains("a frame announces 2147483647 bytes"), "{error}");
}

#[tokio::test]
async fn everyone_who_waits_hears_that_the_broker_hung_up() {
    let errors = greeted(
        async |peer| {
            peer.request().await;
            peer.request().await;
            peer.stream.shutdown().await.unwrap();
        },
        async |connection| tokio::join!(list(connection), list(connection)),
    )
    .await;
    for error in [errors.0.unwrap_err(), errors.1.unwrap_err()] {
        assert!(error.to_string().ends_with("the broker closed it"), "{error}");
    }
}

#[tokio::test]
async fn a_malformed_answer_is_named() {
    let error = greeted(
        async |peer| {
            let header = peer.request().await;
            let mut frame = 5_i32.to_be_bytes().to_vec();
            frame.extend(header.correlation_id.to_be_bytes());
            frame.push(0);
            peer.stream.write_all(&frame).await.unwrap();
        },
        async |connection| list(connection).await.unwrap_err(),
    )
    .await;
    assert!(matches!(error, ClientError::Malformed { api: ApiKey::ListGroups, .. }), "{error}");
}
