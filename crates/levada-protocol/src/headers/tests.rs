use super::*;
use crate::{ErrorCode, messages::ApiVersionsResponse};

#[test]
fn the_request_header_has_tags_exactly_where_the_body_is_flexible() {
    // API key, version, correlation id, client id `c`, then a byte that is a count of tags or the body.
    let frame = |key: u8, version: u8| Bytes::from(vec![0, key, 0, version, 0, 0, 0, 7, 0, 1, b'c', 0]);
    for (key, version, left) in [(0, 8, 1), (0, 9, 0), (18, 2, 1), (18, 3, 0), (18, 99, 0), (17, 1, 1), (200, 3, 1)] {
        let (header, decoder) = decode_request_header(frame(key, version)).unwrap();
        assert_eq!(header.api_key, i16::from(key));
        assert_eq!(header.correlation_id, 7);
        assert_eq!(header.client_id, Some("c".into()));
        assert_eq!(decoder.remaining(), left, "API {key} version {version}");
    }
}

#[test]
fn a_null_client_id_is_none() {
    let frame = Bytes::from_static(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff]);
    let (header, _) = decode_request_header(frame).unwrap();
    assert_eq!((header.api(), header.client_id), (Some(ApiKey::Metadata), None));
}

#[test]
fn the_header_before_an_api_versions_response_never_has_tags() {
    let response = ApiVersionsResponse { error_code: ErrorCode::None.code(), ..Default::default() };
    let mut frame = encode_response(7, &response, 3).unwrap().into_bytes();
    let body = frame.split_off(8);
    assert_eq!(body, response.to_bytes(3).unwrap());
}

#[test]
fn response_headers_are_read_as_they_are_written() {
    for api in ApiKey::ALL {
        for version in api.versions() {
            let mut encoder = Encoder::new();
            ResponseHeader { correlation_id: 9 }.encode(&mut encoder, api, version);
            let mut decoder = Decoder::new(encoder.into_bytes());
            let header = ResponseHeader::decode(&mut decoder, api, version).unwrap();
            assert_eq!((header.correlation_id, decoder.remaining()), (9, 0), "{api} version {version}");
        }
    }
}
