use super::*;
use crate::{
    Message, decode_request_header, encode_response,
    messages::{
        FetchRequest, FetchResponse, ProduceRequest,
        fetch_response::{FetchableTopicResponse, NodeEndpoint, PartitionData},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
};

fn partition(records: Records) -> PartitionData {
    PartitionData { records, ..Default::default() }
}

fn response(partitions: Vec<PartitionData>) -> FetchResponse {
    let topic = FetchableTopicResponse { topic: "t".into(), partitions, ..Default::default() };
    FetchResponse { responses: vec![topic], ..Default::default() }
}

#[test]
fn large_records_are_sent_from_where_they_lie() {
    let large = Bytes::from(vec![1; 1_000]);
    let small = Bytes::from(vec![2; 100]);
    let records = Records::from(vec![large.clone(), small.clone(), large.slice(..500)]);
    let response = response(vec![partition(records), partition(Records::from(small))]);

    let segments = encode_response(5, &response, 12).unwrap().into_segments();

    // Fields, the large piece, the small one copied, a large piece again, and the rest with small records.
    assert_eq!(segments.len(), 5);
    assert_eq!(segments[1].as_ptr(), large.as_ptr());
    assert_eq!(segments[3].as_ptr(), large.as_ptr());
    let whole = encode_response(5, &response, 12).unwrap().into_bytes();
    assert_eq!(segments.concat(), whole);
    assert_eq!(whole[..4], u32::try_from(whole.len() - 4).unwrap().to_be_bytes());
    // Size, correlation id and the header's tagged fields come first.
    assert_eq!(FetchResponse::from_bytes(whole.slice(9..), 12).unwrap(), response);
}

#[test]
fn records_that_lie_elsewhere_have_their_place() {
    let (first, second) = (Bytes::from(vec![5; 3_000]), Bytes::from(vec![6; 10]));
    let elsewhere = |bytes: &Bytes| partition(Records::Elsewhere(bytes.len()));
    let small = || partition(Records::from(Bytes::from_static(b"abc")));
    for version in FetchResponse::VERSIONS {
        let parts = encode_response(5, &response(vec![elsewhere(&first), small(), elsewhere(&second)]), version);
        let mut slices = [&first, &second].into_iter();
        let mut whole = Vec::new();
        for part in parts.unwrap().into_parts() {
            match part {
                Part::Bytes(bytes) => whole.extend_from_slice(&bytes),
                Part::Elsewhere(size) => {
                    let slice = slices.next().unwrap();
                    assert_eq!(slice.len(), size);
                    whole.extend_from_slice(slice);
                }
            }
        }
        let here = |bytes: &Bytes| partition(Records::from(bytes.clone()));
        let expected = encode_response(5, &response(vec![here(&first), small(), here(&second)]), version);
        assert_eq!(whole, expected.unwrap().into_bytes(), "version {version}");
    }
}

#[test]
fn records_in_pieces_equal_records_in_one() {
    let pieces = Records::from(vec![Bytes::from(vec![3; 700]), Bytes::from(vec![4; 700])]);
    let whole = Records::from(pieces.clone().into_bytes());
    for version in FetchResponse::VERSIONS {
        let cut = response(vec![partition(pieces.clone())]).to_bytes(version);
        assert_eq!(cut, response(vec![partition(whole.clone())]).to_bytes(version));
    }
}

#[test]
fn the_frame_size_counts_shared_segments_whether_or_not_there_are_any() {
    for records in [Records::Null, Records::from(Bytes::from(vec![0; 5_000]))] {
        let encoder = encode_response(1, &response(vec![partition(records)]), 4).unwrap();
        let size = encoder.len() - 4;
        let whole = encoder.into_bytes();
        assert_eq!(whole[..4], u32::try_from(size).unwrap().to_be_bytes());
        assert_eq!(whole.len(), size + 4);
    }
}

#[test]
fn a_request_goes_through_the_header_and_back() {
    let header =
        crate::RequestHeader { api_key: 0, api_version: 9, correlation_id: 3, client_id: Some("client".into()) };
    let records = Records::from(Bytes::from(vec![7; 2_000]));
    let topic = TopicProduceData {
        name: "t".into(),
        partition_data: vec![PartitionProduceData { index: 0, records }],
        ..Default::default()
    };
    let request = ProduceRequest { topic_data: vec![topic], ..Default::default() };
    let frame = crate::encode_request(&header, &request).unwrap().into_bytes();
    let (read, mut decoder) = decode_request_header(frame.slice(4..)).unwrap();
    assert_eq!(read, header);
    let read = ProduceRequest::decode(&mut decoder, 9).unwrap();
    assert_eq!(read, request);
    assert_eq!(decoder.remaining(), 0);
    // The records are the frame's own memory.
    let records = read.topic_data[0].partition_data[0].records.pieces()[0].as_ptr_range();
    assert!(frame.as_ptr_range().contains(&records.start));
}

#[test]
fn a_set_field_that_the_version_does_not_have_is_refused_unless_ignorable() {
    let request = FetchRequest { rack_id: "ignorable".into(), ..Default::default() };
    assert!(request.to_bytes(4).is_ok());
    let node = NodeEndpoint { host: "h".into(), ..Default::default() };
    let response = FetchResponse { session_id: 1, ..Default::default() };
    let refused = EncodeError::UnsupportedField { field: "FetchResponse.session_id", version: 6 };
    assert_eq!(response.to_bytes(6), Err(refused));
    let response = FetchResponse { node_endpoints: vec![node], ..Default::default() };
    let refused = EncodeError::UnsupportedField { field: "FetchResponse.node_endpoints", version: 15 };
    assert_eq!(response.to_bytes(15), Err(refused));
    assert_eq!(
        FetchResponse::default().to_bytes(19),
        Err(EncodeError::UnsupportedVersion { message: "FetchResponse", version: 19 })
    );
}

#[test]
fn null_where_the_version_has_none_and_strings_beyond_their_length_are_refused() {
    let response = crate::messages::FindCoordinatorResponse { error_message: None, ..Default::default() };
    assert!(response.to_bytes(1).is_ok());
    let topic = crate::messages::metadata_response::MetadataResponseTopic { name: None, ..Default::default() };
    let response = crate::messages::MetadataResponse { topics: vec![topic], ..Default::default() };
    let refused = EncodeError::Null { field: "MetadataResponseTopic.name", version: 9 };
    assert_eq!(response.to_bytes(9), Err(refused));
    let long = FetchRequest { rack_id: "x".repeat(40_000).into(), ..Default::default() };
    assert_eq!(long.to_bytes(11), Err(EncodeError::TooLong { field: "FetchRequest.rack_id", size: 40_000 }));
    assert!(long.to_bytes(12).is_ok(), "compact strings may be longer");
}
