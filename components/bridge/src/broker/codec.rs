//! Frames on a socket.

use std::io;

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame, parse_frame};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Most bytes of a frame, its head and end included: 1 MiB.
pub(super) const FRAME_BYTES: u32 = 1024 * 1024;
/// Bytes of a frame besides its payload.
pub(super) const AROUND: usize = 8;

/// Reads the first words of a client.
pub(super) async fn read_greeting(from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut greeting = [0; 8];
    from.read_exact(&mut greeting).await?;
    if &greeting == b"AMQP\x00\x00\x09\x01" {
        Ok(())
    } else {
        Err(io::Error::other("it speaks no AMQP 0-9-1"))
    }
}

/// The next frame; `None` at the end.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<AMQPFrame>> {
    let mut frame = vec![0; 7];
    match from.read_exact(&mut frame).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    };
    let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]);
    if size > FRAME_BYTES {
        return Err(io::Error::other(format!("a frame has {size} bytes")));
    }
    frame.resize(AROUND + size as usize, 0);
    from.read_exact(&mut frame[7..]).await?;
    match parse_frame(frame.as_slice()) {
        Ok((_, frame)) => Ok(Some(frame)),
        Err(_) => Err(io::Error::other("a frame cannot be read")),
    }
}

/// Appends a frame.
pub(super) fn write(frame: &AMQPFrame, into: Vec<u8>) -> Vec<u8> {
    let begun = into.len();
    match gen_frame(frame)(WriteContext::from(into)) {
        Ok(written) => written.into_inner().0,
        // Only a text of more than 255 bytes where a short one belongs does that; there is none.
        Err(error) => {
            tracing::error!(%error, begun, "a frame cannot be written");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use amq_protocol::protocol::{AMQPClass, basic};

    use super::*;

    #[tokio::test]
    async fn frames_are_read_as_they_were_written() {
        let frames = [
            AMQPFrame::Heartbeat,
            AMQPFrame::Method(
                1,
                AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag: 7, multiple: true })),
            ),
            AMQPFrame::Body(2, vec![1; 300_000]),
        ];
        let bytes = frames.iter().fold(Vec::new(), |bytes, frame| write(frame, bytes));
        let mut from = bytes.as_slice();
        for frame in frames {
            assert_eq!(read(&mut from).await.unwrap(), Some(frame));
        }
        assert_eq!(read(&mut from).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error() {
        assert!(read_greeting(&mut &b"GET / HTTP/1.1"[..]).await.is_err());
        for bytes in [
            &b"\x01\x00\x01\xff\xff\xff\xff"[..],
            b"\x09\x00\x01\x00\x00\x00\x00\xce",
            b"\x01\x00\x01\x00\x00\x00\x01x",
        ] {
            assert!(read(&mut &*bytes).await.is_err(), "{bytes:?}");
        }
    }
}
