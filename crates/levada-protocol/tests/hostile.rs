//! Bytes that no friend sends: every message cut at every byte, bytes changed at random, and counts that lie. None may
//! panic, and none may take more memory than 4 × its size + 1 MiB.

use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{Rng, SeededRng};
use levada_protocol::{
    DecodeError, DecodeErrorKind, Message,
    arbitrary::{Arbitrary, Source, Visitor, visit_every_message},
    decode_request_header,
    messages::{
        ApiVersionsRequest, DeleteTopicsRequest, FetchRequest, MetadataRequest, MetadataResponse, ProduceRequest,
    },
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let live = LIVE.get() + change;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

fn signed(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}

#[expect(unsafe_code, reason = "an allocator is the only way to see what is allocated")]
// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Decodes `bytes` and checks what that took at its peak.
fn decode<M: Message>(bytes: &Bytes, version: i16) -> Result<M, DecodeError> {
    let before = LIVE.get();
    PEAK.set(before);
    let decoded = M::from_bytes(bytes.clone(), version);
    let peak = PEAK.get() - before;
    let limit = signed(4 * bytes.len() + (1 << 20));
    assert!(peak <= limit, "{} version {version}: {peak} bytes for a frame of {}", M::NAME, bytes.len());
    decoded
}

struct Cut {
    tried: usize,
}

impl Visitor for Cut {
    fn visit<M: Message + Arbitrary>(&mut self) {
        for version in M::VERSIONS {
            let whole = M::arbitrary(&mut Source::new(1), version).to_bytes(version).expect("it fits its version");
            for end in 0..whole.len() {
                let cut = decode::<M>(&whole.slice(..end), version);
                assert!(cut.is_err(), "{} version {version} cut to {end} of {} bytes", M::NAME, whole.len());
                self.tried += 1;
            }
        }
    }
}

#[test]
fn every_message_cut_at_any_byte_is_an_error() {
    let mut cut = Cut { tried: 0 };
    visit_every_message(&mut cut);
    assert!(cut.tried > 50_000, "only {} cuts", cut.tried);
}

struct Damage {
    rng: SeededRng,
    refused: usize,
}

impl Damage {
    fn below(&self, limit: usize) -> usize {
        usize::try_from(self.rng.next_u64() % u64::try_from(limit).unwrap_or(1)).unwrap_or(0)
    }
}

impl Visitor for Damage {
    fn visit<M: Message + Arbitrary>(&mut self) {
        for version in M::VERSIONS {
            for seed in 0..20 {
                let whole =
                    M::arbitrary(&mut Source::new(seed), version).to_bytes(version).expect("it fits its version");
                let mut damaged = BytesMut::from(&whole[..]);
                for _ in 0..=self.below(3) {
                    let place = self.below(damaged.len().max(1));
                    let worst = [0x00, 0x7f, 0x80, 0xff][self.below(4)];
                    damaged.iter_mut().skip(place).take(1 + self.below(5)).for_each(|byte| *byte = worst);
                }
                self.refused += usize::from(decode::<M>(&damaged.freeze(), version).is_err());
            }
        }
    }
}

#[test]
fn damaged_messages_never_panic_and_stay_within_their_memory() {
    let mut damage = Damage { rng: SeededRng::new(7), refused: 0 };
    visit_every_message(&mut damage);
    assert!(damage.refused > 1_000, "only {} were refused", damage.refused);
}

#[test]
fn an_array_of_two_thousand_million_in_twenty_bytes_is_refused() {
    let mut bytes = BytesMut::new();
    bytes.put_i32(i32::MAX);
    bytes.put_bytes(0, 16);
    let refused = decode::<MetadataRequest>(&bytes.freeze(), 1);
    let field = "MetadataRequest.topics";
    assert_eq!(refused, Err(DecodeError::Count { field, count: 2_147_483_647, left: 16 }));

    let mut compact = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 0x0f][..]);
    compact.put_bytes(0, 15);
    let refused = decode::<MetadataRequest>(&compact.freeze(), 9);
    assert_eq!(refused, Err(DecodeError::Count { field, count: 4_294_967_294, left: 15 }));
}

#[test]
fn a_negative_count_other_than_null_is_refused() {
    let refused = decode::<MetadataRequest>(&Bytes::from_static(&[0xff, 0xff, 0xff, 0xfe]), 1).unwrap_err();
    assert_eq!(refused.kind(), DecodeErrorKind::Malformed);
    let null = decode::<MetadataResponse>(&Bytes::from_static(&[0xff; 4]), 0);
    assert_eq!(null, Err(DecodeError::Null { field: "MetadataResponse.brokers" }));
}

#[test]
fn two_thousand_million_tagged_fields_end_with_the_bytes() {
    // An empty software name and version, then a count of tagged fields and one of them.
    let bytes = Bytes::from_static(&[1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 9, 1, 0]);
    let refused = decode::<ApiVersionsRequest>(&bytes, 3).unwrap_err();
    assert_eq!(refused.to_string(), "malformed `ApiVersionsRequest`: 1 bytes wanted, 0 left");
}

#[test]
fn unknown_tagged_fields_are_passed_over() {
    let bytes = Bytes::from_static(&[2, b'a', 2, b'b', 2, 9, 1, 0xaa, 0x80, 0x01, 0]);
    let request = decode::<ApiVersionsRequest>(&bytes, 3).unwrap();
    assert_eq!((request.client_software_name, request.client_software_version), ("a".into(), "b".into()));
}

#[test]
fn a_tagged_field_is_as_long_as_it_says() {
    let mut bytes = BytesMut::from(&FetchRequest::default().to_bytes(12).unwrap()[..]);
    let no_tags = bytes.len() - 1;
    bytes.truncate(no_tags);
    // The tag of the cluster id, with three bytes for a string of one byte.
    bytes.extend_from_slice(&[1, 0, 3, 2, b'c', 0]);
    let refused = decode::<FetchRequest>(&bytes.freeze(), 12);
    assert_eq!(refused, Err(DecodeError::TagSize { of: "FetchRequest", tag: 0, left: 1 }));
}

#[test]
fn a_string_that_is_not_utf8_is_named() {
    let bytes = Bytes::from_static(&[0, 2, 0xc3, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let refused = decode::<ProduceRequest>(&bytes, 3);
    assert_eq!(refused, Err(DecodeError::InvalidUtf8 { field: "ProduceRequest.transactional_id" }));
}

#[test]
fn a_frame_of_empty_names_breaks_the_budget_before_the_memory() {
    let names = 1 << 20;
    let mut bytes = BytesMut::new();
    bytes.put_i32(names);
    bytes.put_bytes(0, 2 << 20);
    bytes.put_i32(0);
    let refused = decode::<DeleteTopicsRequest>(&bytes.freeze(), 1).unwrap_err();
    assert_eq!(refused, DecodeError::BudgetExceeded { field: "DeleteTopicsRequest.topic_names" });
    assert_eq!(refused.kind(), DecodeErrorKind::BudgetExceeded);
}

#[test]
fn an_unknown_version_is_told_from_bad_bytes() {
    let refused = decode::<ProduceRequest>(&Bytes::new(), 14).unwrap_err();
    assert_eq!(refused, DecodeError::UnsupportedVersion { message: "ProduceRequest", version: 14 });
    assert_eq!(refused.kind(), DecodeErrorKind::UnsupportedVersion);
    assert_eq!(decode::<ProduceRequest>(&Bytes::new(), 13).unwrap_err().kind(), DecodeErrorKind::Malformed);
}

#[test]
fn headers_cut_at_any_byte_are_errors() {
    let header = Bytes::from_static(&[0, 0, 0, 9, 0, 0, 0, 1, 0, 1, b'c', 0]);
    assert!(decode_request_header(header.clone()).is_ok());
    for end in 0..header.len() {
        assert!(decode_request_header(header.slice(..end)).is_err(), "cut to {end} bytes");
    }
}
