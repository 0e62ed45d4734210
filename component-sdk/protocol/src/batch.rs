//! Batches: how records travel in one broker message.
//!
//! The payload is NDJSON, one record a line, each line ended by a line feed. From
//! [`limits::COMPRESS_FROM_BYTES`] on it is compressed, which the content encoding of the message says
//! (`zstd`; `lz4`, the block format with the size before it, is understood as well). Light traffic makes batches of one;
//! nothing ever waits for a batch to fill.
//!
//! Decoding is bounded: neither a bomb nor a long line can make it allocate more than the limits say.

use std::cell::RefCell;

use bytes::{BufMut, Bytes, BytesMut};

use crate::limits;

/// The media type of an uncompressed payload.
pub const CONTENT_TYPE: &str = "application/x-ndjson";

/// The `type` property of a message that holds envelopes.
pub const ENVELOPES: &str = "sluice.envelopes.v1";

/// The `type` property of a message that holds outcomes.
pub const OUTCOMES: &str = "sluice.outcomes.v1";

/// How a payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Plain,
    /// Zstandard (RFC 8878).
    Zstd,
    /// LZ4 block format, its uncompressed size as four little-endian bytes before it.
    Lz4,
}

impl Encoding {
    /// The content encoding of the message; none for a plain payload.
    #[must_use]
    pub fn header(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Zstd => Some("zstd"),
            Self::Lz4 => Some("lz4"),
        }
    }

    /// Reads a content encoding.
    ///
    /// # Errors
    /// [`BatchError::Encoding`] for one that this protocol does not have.
    pub fn from_header(header: Option<&str>) -> Result<Self, BatchError> {
        match header {
            None | Some("" | "identity") => Ok(Self::Plain),
            Some("zstd") => Ok(Self::Zstd),
            Some("lz4") => Ok(Self::Lz4),
            Some(other) => Err(BatchError::Encoding(other.chars().take(32).collect())),
        }
    }
}

/// A payload that cannot be taken apart. The whole message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The content encoding is unknown.
    #[error("content encoding `{0}` is unknown; use none, zstd or lz4")]
    Encoding(String),
    /// The compressed data is damaged.
    #[error("the payload is no valid {0} data")]
    Damaged(&'static str),
    /// The payload has more bytes than a batch may have.
    #[error("the payload has more than {} bytes", limits::BATCH_BYTES)]
    TooLarge,
    /// The payload has more records than a batch may have.
    #[error("the payload has more than {} records", limits::BATCH_RECORDS)]
    TooMany,
}

/// An encoded batch, ready to publish.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The bytes of the message body.
    pub bytes: Bytes,
    /// How they are compressed.
    pub encoding: Encoding,
}

thread_local! {
    /// Zstandard's contexts cost more to make than a small batch costs to compress, so each thread keeps one of each.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Joins records to a payload and compresses it when it is worth it.
///
/// The caller keeps to the limits ([`fits`] helps); records hold no line feed, which JSON written by `serde_json`
/// never does.
#[must_use]
pub fn encode<R: AsRef<[u8]>>(records: &[R]) -> Payload {
    let size: usize = records.iter().map(|record| record.as_ref().len() + 1).sum();
    let mut joined = BytesMut::with_capacity(size);
    for record in records {
        joined.put_slice(record.as_ref());
        joined.put_u8(b'\n');
    }
    if size >= limits::COMPRESS_FROM_BYTES
        && let Some(compressed) = compress(&joined)
        && compressed.len() < size
    {
        return Payload { bytes: compressed.into(), encoding: Encoding::Zstd };
    }
    Payload { bytes: joined.freeze(), encoding: Encoding::Plain }
}

/// Most records that a sender puts together. More would save the broker little, and whoever consumes holds a number of
/// batches, not of records.
const TOGETHER_RECORDS: usize = 200;
/// Most bytes that a sender puts together, before compression. A larger record travels alone.
const TOGETHER_BYTES: usize = 256 * 1024;

/// Whether a sender adds a record of `next` bytes to a batch of `records` records and `bytes` bytes.
#[must_use]
pub fn fits(records: usize, bytes: usize, next: usize) -> bool {
    records < TOGETHER_RECORDS && bytes + next < TOGETHER_BYTES
}

/// Takes a payload apart into its records. Empty lines are skipped.
///
/// # Errors
/// See [`BatchError`].
pub fn decode(payload: &Bytes, encoding: Encoding) -> Result<Vec<Bytes>, BatchError> {
    let plain = match encoding {
        Encoding::Plain => payload.clone(),
        Encoding::Zstd => Bytes::from(unzstd(payload)?),
        Encoding::Lz4 => Bytes::from(unlz4(payload)?),
    };
    if plain.len() > limits::BATCH_BYTES {
        return Err(BatchError::TooLarge);
    }
    let mut records = Vec::new();
    let mut start = 0;
    while start < plain.len() {
        let end = memchr::memchr(b'\n', &plain[start..]).map_or(plain.len(), |at| start + at);
        if end > start {
            if records.len() == limits::BATCH_RECORDS {
                return Err(BatchError::TooMany);
            }
            records.push(plain.slice(start..end));
        }
        start = end + 1;
    }
    Ok(records)
}

fn compress(data: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(1).ok();
        }
        slot.as_mut()?.compress(data).ok()
    })
}

fn unzstd(data: &[u8]) -> Result<Vec<u8>, BatchError> {
    const DAMAGED: BatchError = BatchError::Damaged("zstd");
    // A frame says its size before anything is allocated; ours always do. One that does not say gets the full limit.
    let size = match zstd::zstd_safe::get_frame_content_size(data) {
        Ok(Some(size)) => usize::try_from(size).map_err(|_| BatchError::TooLarge)?,
        Ok(None) => limits::BATCH_BYTES,
        Err(_) => return Err(DAMAGED),
    };
    if size > limits::BATCH_BYTES {
        return Err(BatchError::TooLarge);
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Decompressor::new().ok();
        }
        slot.as_mut().ok_or(DAMAGED)?.decompress(data, size).map_err(|_| DAMAGED)
    })
}

fn unlz4(data: &[u8]) -> Result<Vec<u8>, BatchError> {
    const DAMAGED: BatchError = BatchError::Damaged("lz4");
    let (size, rest) = lz4_flex::block::uncompressed_size(data).map_err(|_| DAMAGED)?;
    if size > limits::BATCH_BYTES {
        return Err(BatchError::TooLarge);
    }
    lz4_flex::block::decompress(rest, size).map_err(|_| DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_batch_stays_plain_and_a_large_one_is_compressed() {
        let small = encode(&[br#"{"a":1}"#.as_slice()]);
        assert_eq!((small.encoding, &small.bytes[..]), (Encoding::Plain, b"{\"a\":1}\n".as_slice()));
        let large = encode(&vec![vec![b'x'; 1024]; 50]);
        assert_eq!(large.encoding, Encoding::Zstd);
        assert!(large.bytes.len() < 2000);
        assert_eq!(decode(&large.bytes, large.encoding).unwrap().len(), 50);
    }

    #[test]
    fn lz4_is_understood() {
        let compressed = lz4_flex::block::compress_prepend_size(b"{\"a\":1}\n{\"b\":2}\n");
        let records = decode(&compressed.into(), Encoding::Lz4).unwrap();
        assert_eq!(records, vec![Bytes::from_static(b"{\"a\":1}"), Bytes::from_static(b"{\"b\":2}")]);
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let zeros = vec![0u8; limits::BATCH_BYTES + 1];
        let bomb = zstd::bulk::compress(&zeros, 1).unwrap();
        assert_eq!(decode(&bomb.into(), Encoding::Zstd), Err(BatchError::TooLarge));
        let bomb = lz4_flex::block::compress_prepend_size(&zeros);
        assert_eq!(decode(&bomb.into(), Encoding::Lz4), Err(BatchError::TooLarge));
    }

    #[test]
    fn too_many_records_and_unknown_encodings_are_refused() {
        let lines = "1\n".repeat(limits::BATCH_RECORDS + 1);
        assert_eq!(decode(&lines.into(), Encoding::Plain), Err(BatchError::TooMany));
        assert!(matches!(Encoding::from_header(Some("gzip")), Err(BatchError::Encoding(_))));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(records in proptest::collection::vec("[a-z]{1,300}", 0..60)) {
            let payload = encode(&records);
            let decoded = decode(&payload.bytes, payload.encoding).unwrap();
            prop_assert_eq!(decoded, records.into_iter().map(Bytes::from).collect::<Vec<_>>());
        }

        #[test]
        fn garbage_never_panics(garbage in proptest::collection::vec(any::<u8>(), 0..2000)) {
            for encoding in [Encoding::Plain, Encoding::Zstd, Encoding::Lz4] {
                decode(&Bytes::from(garbage.clone()), encoding).ok();
            }
        }
    }
}
