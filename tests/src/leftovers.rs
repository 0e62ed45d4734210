//! What runs that were killed left on this machine: virtual hosts, broker users, containers, networks.
//!
//! Each virtual host of a test says in its description whose it is. Where that process is no more, everything of that name
//! is removed. Left alone, networks use up the container engine's addresses, and queues the broker's time.

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::Broker;
use crate::docker::remove_installation;

const OWNER: &str = "a test of process ";

static CLEARED: OnceCell<()> = OnceCell::const_new();

/// The description of a virtual host of this process.
pub(crate) fn description() -> String {
    let pid = std::process::id();
    format!("{OWNER}{pid}, started at {}", started(pid).unwrap_or_default())
}

/// Removes what ended processes left, once in this process.
///
/// # Errors
/// When the broker does not answer.
pub(crate) async fn clear(broker: &Broker) -> Result<()> {
    CLEARED.get_or_try_init(|| async { clear_all(broker).await }).await.map(|_| ())
}

async fn clear_all(broker: &Broker) -> Result<()> {
    let hosts = broker.call("GET", &["vhosts"], None).await?;
    let left = hosts.as_array().into_iter().flatten().filter(|host| is_left(host));
    for host in left {
        let name = host["name"].as_str().context("a virtual host without a name")?;
        // Another run may clear at the same time: what is gone already is as good.
        for user in broker.users(&format!("sluice-{name}-")).await? {
            broker.call("DELETE", &["users", &user], None).await.ok();
        }
        remove_installation(name);
        broker.call("DELETE", &["vhosts", name], None).await.ok();
    }
    Ok(())
}

fn is_left(host: &Value) -> bool {
    let owner = host["description"].as_str().and_then(|text| text.strip_prefix(OWNER));
    let process = owner.and_then(|owner| owner.split_once(", started at "));
    process.is_some_and(|(pid, at)| {
        let now = pid.parse().ok().and_then(started);
        now.is_none_or(|now| now.to_string() != at)
    })
}

/// When a process was started, in ticks since the machine was: with the number it is no other one's.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in brackets, may hold blanks. The field is the 22nd, and the 20th behind it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_an_ended_process_left_is_left() {
        for (description, left) in [
            (description(), false),
            (format!("{OWNER}{}, started at 1", std::process::id()), true),
            (format!("{OWNER}4294967295, started at 1"), true),
            ("the broker of a team".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_left(&json!({ "description": description })), left, "{description}");
        }
    }
}
