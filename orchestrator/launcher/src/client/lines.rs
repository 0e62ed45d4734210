//! Streams: a line of JSON for each item.

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::Begun;
use crate::wire::LINE;

/// The items of an answer. Ends with the answer, with the connection, and at a line that is none.
pub(super) fn items<T: DeserializeOwned + Send + 'static>(begun: Begun) -> BoxStream<'static, T> {
    let reader = Reader { begun, buffer: BytesMut::new() };
    stream::unfold(reader, async |mut reader| {
        let line = reader.next().await?;
        match serde_json::from_slice(&line) {
            Ok(item) => Some((item, reader)),
            Err(_) => {
                tracing::debug!("the launcher sent a line that is none");
                None
            }
        }
    })
    .boxed()
}

struct Reader {
    begun: Begun,
    buffer: BytesMut,
}

impl Reader {
    /// The next line without its break.
    async fn next(&mut self) -> Option<Bytes> {
        // What was looked through already holds no break.
        let mut looked = 0;
        loop {
            if let Some(at) = self.buffer[looked..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(looked + at + 1);
                line.truncate(looked + at);
                return Some(line.freeze());
            }
            looked = self.buffer.len();
            if looked > LINE {
                tracing::debug!("the launcher sent a line that is too long");
                return None;
            }
            // A frame without data is one of trailers.
            let frame = self.begun.body.frame().await?.ok()?;
            self.buffer.extend_from_slice(&frame.into_data().ok()?);
        }
    }
}
