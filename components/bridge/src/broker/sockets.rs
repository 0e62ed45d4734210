//! What lies in the sockets of a port: bytes that one side wrote and the other did not read.
//!
//! Source: `Documentation/networking/proc_net_tcp.rst` of Linux.

/// The state of a socket that listens. Its queue is of connections.
const LISTENS: &str = "0A";

/// Whether a connection from or to a port of this machine holds something. Not known where the system does not say.
pub(super) async fn hold_something(port: u16) -> bool {
    let table = tokio::fs::read_to_string("/proc/self/net/tcp").await.unwrap_or_default();
    holds(&table, port)
}

fn holds(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (Some(local), Some(remote), Some(state), Some(queues)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return false;
        };
        let is_ours = local.ends_with(&port) || remote.ends_with(&port);
        is_ours && state != LISTENS && queues.chars().any(|digit| !matches!(digit, '0' | ':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_of_connections_of_a_port_count() {
        let table = |state: &str, queues: &str| {
            format!(
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n   \
                 0: 0100007F:1628 0100007F:D3A2 {state} {queues} 00:00000000 00000000\n"
            )
        };
        assert!(holds(&table("01", "00000000:0000002A"), 0x1628));
        assert!(holds(&table("01", "00000001:00000000"), 0xD3A2));
        assert!(!holds(&table("01", "00000000:0000002A"), 0x1629));
        assert!(!holds(&table("01", "00000000:00000000"), 0x1628));
        assert!(!holds(&table(LISTENS, "00000000:00000001"), 0x1628));
        assert!(!holds("", 0x1628));
    }

    #[tokio::test]
    async fn bytes_that_nobody_reads_are_seen_until_somebody_does() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut writer = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut reader, _) = listener.accept().await.unwrap();
        writer.write_all(b"x").await.unwrap();
        assert!(hold_something(port).await);
        reader.read_exact(&mut [0]).await.unwrap();
        while hold_something(port).await {}
    }
}
