//! Requests that are not what they should be, to every API in every version that is announced: whole but senseless,
//! cut off, with bits turned over, with lengths that nothing could hold. Each is answered or ends its connection; no
//! thread panics, memory stays bounded, and others are served meanwhile.
//!
//! The list of APIs is asked of the server: a new one is tried by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[allow(dead_code, reason = "shared with the tests over the wire, which need more of it")]
#[path = "wire/client.rs"]
mod client;

use bytes::{Bytes, BytesMut};
use client::{Client, PATIENCE, TestServer};
use levada_model::{Rng, SeededRng};
use levada_protocol::{
    ApiKey, Encoder, Message, RequestHeader,
    arbitrary::{Arbitrary, Source, Visitor, visit_every_message},
    messages::{ApiVersionsRequest, MetadataRequest},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Whole requests of random content, in each version.
const WHOLE_COUNT: u64 = 3;
/// Damaged ones of each of those.
const CUT_COUNT: usize = 4;
const FLIPPED_COUNT: usize = 6;
const STRETCHED_COUNT: usize = 4;
/// How much more memory the process may have had at its peak.
const MEMORY_MAX_KIB: u64 = 160 << 10;
/// Nobody waits longer while others misbehave.
const BYSTANDER_PATIENCE: Duration = Duration::from_secs(5);

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Requests by API, each in all its versions.
#[derive(Default)]
struct Requests {
    bodies: BTreeMap<(i16, i16), Vec<Bytes>>,
}

impl Visitor for Requests {
    fn visit<M: Message + Arbitrary>(&mut self) {
        let name = M::NAME.strip_suffix("Request");
        let Some(key) = ApiKey::ALL.iter().find(|key| Some(key.name()) == name) else { return };
        for version in M::VERSIONS {
            let whole = |seed| M::arbitrary(&mut Source::new(seed), version).to_bytes(version).unwrap();
            self.bodies.insert((key.code(), version), (0..WHOLE_COUNT).map(whole).collect());
        }
    }
}

struct Damage(SeededRng);

impl Damage {
    fn below(&self, limit: usize) -> usize {
        usize::try_from(self.0.next_u64() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// What can become of a request on its way; the first bytes, which say what it is, stay.
    fn of(&self, head: usize, whole: &Bytes) -> Vec<Bytes> {
        let mut all = vec![whole.clone()];
        let room = whole.len() - head;
        all.extend((0..CUT_COUNT).map(|_| whole.slice(..head + self.below(room))));
        for _ in 0..FLIPPED_COUNT {
            let mut flipped = BytesMut::from(&whole[..]);
            for _ in 0..=self.below(3) {
                let place = head + self.below(room);
                if let Some(byte) = flipped.get_mut(place) {
                    *byte ^= 1 << self.below(8);
                }
            }
            all.push(flipped.freeze());
        }
        for _ in 0..STRETCHED_COUNT {
            let mut stretched = BytesMut::from(&whole[..]);
            // The largest length there is, in the old form or as a varint.
            let length: &[u8] = [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]][self.below(2)];
            let place = head + self.below(room);
            stretched.iter_mut().skip(place).zip(length).for_each(|(byte, other)| *byte = *other);
            all.push(stretched.freeze());
        }
        all
    }
}

/// The header of a request.
fn head(key: i16, version: i16) -> Bytes {
    let header =
        RequestHeader { api_key: key, api_version: version, correlation_id: 7, client_id: Some("malformed".into()) };
    let mut encoder = Encoder::default();
    header.encode(&mut encoder).unwrap();
    encoder.into_bytes()
}

/// Sends one frame and nothing more; whether an answer came before the connection ended.
async fn try_out(address: SocketAddr, frame: &Bytes, said_size: usize) -> bool {
    let mut client = Client::connect(address).await;
    // The server may end the connection before it has read all of it.
    drop(client.stream.write_i32(i32::try_from(said_size).unwrap()).await);
    drop(client.stream.write_all(frame).await);
    drop(client.stream.shutdown().await);
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, client.stream.read_to_end(&mut answer));
    let read = read.await.unwrap_or_else(|_| panic!("neither answered nor closed: {:02x?}", &frame[..]));
    read.is_ok() && !answer.is_empty()
}

/// The most memory that the process ever had.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

fn count_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
}

#[allow(clippy::disallowed_methods, reason = "the harness of a test")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_of_any_api_in_any_version_harms_the_server() {
    count_panics();
    let server = TestServer::start().await;
    let mut bystander = server.client().await;
    let hello = ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
    let announced = bystander.call(4, &hello).await.api_keys;
    assert!(announced.len() >= 40, "{} APIs", announced.len());
    let mut requests = Requests::default();
    visit_every_message(&mut requests);
    let damage = Damage(SeededRng::new(11));
    let before_kib = peak_memory_kib();
    let (mut tried, mut answered, mut answering) = (0, 0, BTreeSet::new());
    for api in &announced {
        for version in api.min_version..=api.max_version {
            let head = head(api.api_key, version);
            // Versions that are announced and refused have no requests: an empty one is asked.
            let none = vec![Bytes::new()];
            for body in requests.bodies.get(&(api.api_key, version)).unwrap_or(&none) {
                let whole = Bytes::from([&head[..], body].concat());
                for frame in damage.of(head.len(), &whole) {
                    let came = try_out(server.address, &frame, frame.len()).await;
                    tried += 1;
                    answered += usize::from(came);
                    if came {
                        answering.insert(api.api_key);
                    }
                }
                let is_short = try_out(server.address, &whole, whole.len() + 1_000).await;
                assert!(!is_short, "API {} version {version}: half a frame is answered", api.api_key);
            }
        }
        let begun = now();
        let response = bystander.call(12, &MetadataRequest { topics: Some(Vec::new()), ..Default::default() }).await;
        assert_eq!(response.error_code, 0);
        assert!(begun.elapsed() < BYSTANDER_PATIENCE, "API {}: {:?}", api.api_key, begun.elapsed());
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "a thread panicked");
    let more_kib = peak_memory_kib() - before_kib;
    assert!(more_kib < MEMORY_MAX_KIB, "{more_kib} KiB more at the peak");
    assert!(tried > 5_000 && answered > tried / 10, "{answered} of {tried} were answered");
    let silent = announced.iter().filter(|api| !answering.contains(&api.api_key)).map(|api| api.api_key);
    assert_eq!(silent.collect::<Vec<_>>(), Vec::<i16>::new(), "APIs that answered nothing at all");
    server.stop().await;
}
