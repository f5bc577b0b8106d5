use super::*;
use levada_model::{Rng, SeededRng};

const LIMIT: usize = 64 << 20;

fn text(size: usize) -> Vec<u8> {
    b"the channel carries water from where it rains to where it is needed; "
        .iter()
        .copied()
        .cycle()
        .take(size)
        .collect()
}

fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    SeededRng::new(7).fill(&mut bytes);
    bytes
}

#[test]
fn every_codec_gives_back_what_it_was_given() {
    for codec in Codec::ALL {
        for size in [0, 1, 100, 32 * 1024, 65_536, 65_537, 3_000_000] {
            for block in [text(size), noise(size)] {
                let packed = compress(codec, &block).unwrap();
                assert_eq!(decompress(codec, &packed, LIMIT).unwrap(), block, "{codec:?}, {size} bytes");
            }
        }
    }
}

#[test]
fn every_codec_but_none_shrinks_text() {
    let block = text(100_000);
    for codec in Codec::ALL.into_iter().filter(|&codec| codec != Codec::None) {
        let packed = compress(codec, &block).unwrap();
        assert!(packed.len() < block.len() / 8, "{codec:?}: {} bytes", packed.len());
    }
}

#[test]
fn the_limit_is_exact() {
    let block = text(100_000);
    for codec in Codec::ALL {
        let packed = compress(codec, &block).unwrap();
        assert_eq!(decompress(codec, &packed, 100_000).unwrap().len(), 100_000);
        let error = decompress(codec, &packed, 99_999).unwrap_err();
        assert!(matches!(error, DecompressError::TooLarge { limit: 99_999, .. }), "{codec:?}: {error}");
    }
}

#[test]
fn a_bomb_is_given_up_at_the_limit() {
    let bomb = vec![0; 256 << 20];
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd, Codec::Snappy] {
        let packed = compress(codec, &bomb).unwrap();
        let error = decompress(codec, &packed, 1 << 20).unwrap_err();
        assert!(matches!(error, DecompressError::TooLarge { .. }), "{codec:?}: {error}");
    }
}

#[test]
fn a_cut_block_is_an_error_or_a_prefix_and_never_a_panic() {
    let block = text(70_000);
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd, Codec::Snappy] {
        let packed = compress(codec, &block).unwrap();
        for end in 0..packed.len() {
            if let Ok(output) = decompress(codec, &packed[..end], LIMIT) {
                assert!(output.len() < block.len() || end + 4 >= packed.len(), "{codec:?} cut at {end}");
                assert!(block.starts_with(&output), "{codec:?} cut at {end}");
            }
        }
    }
    let packed = compress(Codec::Gzip, &block).unwrap();
    assert!(decompress(Codec::Gzip, &packed[..packed.len() - 1], LIMIT).is_err());
    let packed = compress(Codec::Zstd, &block).unwrap();
    assert!(decompress(Codec::Zstd, &packed[..packed.len() - 1], LIMIT).is_err());
}

#[test]
fn noise_is_refused_without_a_panic() {
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd, Codec::Snappy] {
        for size in 0..200 {
            if let Ok(output) = decompress(codec, &noise(size), 1 << 20) {
                assert!(output.len() <= 1 << 20);
            }
        }
        assert!(decompress(codec, &noise(100), 1 << 20).is_err(), "{codec:?}");
    }
}

#[test]
fn raw_snappy_is_read_as_librdkafka_writes_it() {
    let block = text(100_000);
    let raw = snap::raw::Encoder::new().compress_vec(&block).unwrap();
    assert_eq!(decompress(Codec::Snappy, &raw, LIMIT).unwrap(), block);
}

#[test]
fn xerial_streams_in_a_row_are_read_as_one() {
    let mut packed = compress(Codec::Snappy, b"one ").unwrap();
    packed.extend(compress(Codec::Snappy, b"two").unwrap());
    assert_eq!(decompress(Codec::Snappy, &packed, LIMIT).unwrap(), "one two");
}

#[test]
fn xerial_bytes_are_golden() {
    let golden = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05\x03\x08abc";
    assert_eq!(compress(Codec::Snappy, b"abc").unwrap(), golden);
    assert_eq!(decompress(Codec::Snappy, golden, LIMIT).unwrap(), "abc");
}

#[test]
fn a_snappy_length_beyond_what_its_bytes_can_hold_allocates_nothing() {
    // Claims 4 GiB − 1 in six bytes.
    let error = decompress(Codec::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0], usize::MAX).unwrap_err();
    assert!(matches!(error, DecompressError::Corrupt { .. }), "{error}");
}

#[test]
fn members_and_frames_in_a_row_are_read_as_one() {
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd] {
        let mut packed = compress(codec, &text(70_000)).unwrap();
        packed.extend(compress(codec, b"and more").unwrap());
        let output = decompress(codec, &packed, LIMIT).unwrap();
        assert_eq!(output.len(), 70_008, "{codec:?}");
        assert!(output.ends_with(b"and more"), "{codec:?}");
    }
}
