//! The broker.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use secrecy::ExposeSecret;
use sluice_rabbitmq::{BrokerFacts, BrokerUrl, Management, NodeFacts, QueueType, RabbitMq, may_connect};

use super::engine::versioned;
use super::finding::{Check, Finding};
use super::{PATIENCE, in_time, version};
use crate::config::Configuration;

/// A broker that may use less than this blocks publishers early.
const LEAST_MEMORY: u64 = 256 << 20;
/// With less than this the broker cannot write out what is in memory once the alarm rings. The broker's default is 50 MB.
const LEAST_DISK: u64 = 256 << 20;
/// A connection whose peer vanished is noticed after two of these.
const SLOWEST_HEARTBEAT: u64 = 30;
/// How long the well-known user may take to be refused.
const REFUSAL: Duration = Duration::from_secs(4);

pub(super) async fn look(configuration: &Configuration) -> Vec<Finding> {
    let (up, mut findings) = tokio::join!(connection(configuration), look_aside(configuration));
    findings.insert(0, up);
    findings
}

/// All that is seen without a connection of the server's own user.
pub(super) async fn look_aside(configuration: &Configuration) -> Vec<Finding> {
    let (facts, guest) = tokio::join!(facts(configuration), guest(&configuration.broker.url));
    let mut findings = match facts {
        Ok(Some(facts)) => judge(&facts),
        Ok(None) => {
            let found = "not configured: all containers share one broker user, and hostile ones can read each other's queues";
            vec![Finding::warning(Check::Management, found)]
        }
        Err(why) => vec![Finding::error(Check::Management, why)],
    };
    findings.push(guest);
    findings
}

async fn connection(configuration: &Configuration) -> Finding {
    let url = &configuration.broker.url;
    let up = RabbitMq::connect(url, QueueType::Classic).wait_until_up(PATIENCE).await;
    let found = up
        .map(|()| format!("{url} answers"))
        .map_err(|error| format!("{url}: {}", sluice_engine::chain(&error)));
    Finding::answered(Check::Broker, found)
}

async fn facts(configuration: &Configuration) -> Result<Option<BrokerFacts>, String> {
    let Some(url) = &configuration.broker.management else { return Ok(None) };
    let vhost = configuration.broker.url.vhost();
    let management = Management::new(url.expose_secret(), vhost, &configuration.installation);
    let management = management.map_err(|error| sluice_engine::chain(&error))?;
    in_time(async { management.facts().await.map_err(|error| sluice_engine::chain(&error)) }).await.map(Some)
}

fn judge(facts: &BrokerFacts) -> Vec<Finding> {
    let alarms: Vec<String> = facts.nodes.iter().flat_map(NodeFacts::alarms).collect();
    let low: Vec<String> = facts.nodes.iter().flat_map(low_watermarks).collect();
    let alarm = if alarms.is_empty() {
        Finding::fine(Check::BrokerAlarms, "none rings")
    } else {
        Finding::error(Check::BrokerAlarms, alarms.join("; "))
    };
    let mut findings = vec![
        Finding::fine(Check::Management, format!("a broker of {} nodes", facts.nodes.len())),
        versioned(Check::BrokerVersion, Some(&facts.version), version::is_rabbitmq_new),
        alarm,
        Finding::wrong(Check::Watermarks, "there is room above them", &low),
    ];
    if let Some(slowest) = facts.heartbeats.iter().max() {
        let found = format!("{slowest} s");
        findings.push(if *slowest == 0 || *slowest > SLOWEST_HEARTBEAT {
            let wrong = "a container that vanishes is noticed late, and what it held waits until then";
            Finding::warning(Check::Heartbeat, format!("{found}: {wrong}"))
        } else {
            Finding::fine(Check::Heartbeat, found)
        });
    }
    let unknown = "the broker does not tell it; its default of 30 minutes is too short for long steps";
    findings.push(Finding::warning(Check::ConsumerTimeout, unknown));
    findings
}

fn low_watermarks(node: &NodeFacts) -> Vec<String> {
    let mib = |bytes: u64| bytes >> 20;
    let mut low = Vec::new();
    if node.memory_limit < LEAST_MEMORY {
        low.push(format!("{} may use {} MiB of memory", node.name, mib(node.memory_limit)));
    }
    if node.disk_limit < LEAST_DISK {
        low.push(format!("{} lets the disk fill up to {} MiB", node.name, mib(node.disk_limit)));
    }
    low
}

/// Whether the well-known user can connect as others reach the broker.
async fn guest(url: &BrokerUrl) -> Finding {
    let Some(host) = from_outside(url.host()) else {
        return Finding::fine(Check::Guest, "this machine has no address but its loopback ones");
    };
    let text = format!("amqp://guest:guest@{}:{}/%2f", bracketed(&host), url.port());
    let Some(guest) = text.parse::<BrokerUrl>().ok().filter(|_| !url.tls()) else {
        return Finding::fine(Check::Guest, "not looked at: the broker speaks TLS");
    };
    if may_connect(&guest, REFUSAL).await {
        Finding::warning(Check::Guest, format!("guest, with its well-known password, connects at {host}"))
    } else {
        Finding::fine(Check::Guest, format!("guest cannot connect at {host}"))
    }
}

/// The address by which others reach a broker on this machine; that of any other broker as it is.
fn from_outside(host: &str) -> Option<String> {
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !local {
        return Some(host.to_owned());
    }
    // Nothing is sent: the system only chooses the address that it would send from.
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then(|| ip.to_string())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeFacts {
        NodeFacts {
            name: "rabbit@a".to_owned(),
            memory_limit: 1 << 30,
            disk_limit: 512 << 20,
            memory_alarm: false,
            disk_alarm: false,
        }
    }

    fn codes(facts: &BrokerFacts, level: super::super::Level) -> Vec<&'static str> {
        judge(facts).iter().filter(|one| one.level == level).map(|one| one.code).collect()
    }

    #[test]
    fn a_broker_is_judged_by_what_it_tells() {
        use super::super::Level::{Error, Warning};
        let good = BrokerFacts { version: "4.3.5".to_owned(), nodes: vec![node()], heartbeats: vec![20, 10] };
        assert_eq!(codes(&good, Warning), ["D0018"]);
        assert!(codes(&good, Error).is_empty());
        let poor = NodeFacts { memory_limit: 10 << 20, disk_limit: 50_000_000, disk_alarm: true, ..node() };
        let bad = BrokerFacts { version: "3.10.8".to_owned(), nodes: vec![poor], heartbeats: vec![60] };
        assert_eq!(codes(&bad, Warning), ["D0008", "D0016", "D0017", "D0018"]);
        assert_eq!(codes(&bad, Error), ["D0015"]);
        let off = BrokerFacts { heartbeats: vec![0], ..good };
        assert_eq!(codes(&off, Warning), ["D0017", "D0018"], "no heartbeat is the slowest");
    }

    #[test]
    fn another_machine_is_reached_by_its_own_name() {
        assert_eq!(from_outside("broker.example"), Some("broker.example".to_owned()));
        assert_ne!(from_outside("127.0.0.1"), Some("127.0.0.1".to_owned()));
        assert_eq!((bracketed("::1").as_str(), bracketed("a").as_str()), ("[::1]", "a"));
    }
}
