//! Containers of one bridge reach the machine and nobody else: not one container another, whoever they belong to.

use std::net::{Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{Api, World, docker, eventually};

const PORT: u16 = 9321;
const BAD: &str = "sluice: 1\nkind: instance\nname: bad\nconnector: faulty\n";

/// Lets the hostile component of a tenant do something; what it says of it.
async fn act(tenant: &Api, config: Value) -> Result<Value> {
    let body = json!({ "config": config, "input": {}, "timeout_seconds": 45 });
    let done = tenant.call("POST", "/api/v1/instances/bad/invoke/act", Some(body)).await?;
    ensure!(done["status"] == "succeeded", "{done}");
    Ok(done["outputs"][0]["body"].clone())
}

/// A container on the network of a world.
struct Beside {
    address: Ipv4Addr,
    link_local: Ipv6Addr,
}

impl Beside {
    async fn find(container: &str) -> Result<Self> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}";
        let found = docker(&["inspect", "--format", format, container]).await?;
        let (address, hardware) = found.split_once(' ').context("no address")?;
        let hardware: Vec<u8> =
            hardware.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
        let &[a, b, c, d, e, f] = hardware.as_slice() else { anyhow::bail!("{found}") };
        let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
        let (one, two, three, four) = (pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f));
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, one, two, three, four);
        Ok(Self { address: address.parse()?, link_local })
    }
}

/// The address of all on the network of a world.
async fn broadcast(world: &World) -> Result<Ipv4Addr> {
    let network = format!("sluice-{}", world.name);
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    let subnet = docker(&["network", "inspect", "--format", format, &network]).await?;
    let (first, bits) = subnet.split_once('/').context("no subnet")?;
    let hosts = u32::MAX.checked_shr(bits.parse()?).unwrap_or(0);
    Ok(Ipv4Addr::from(u32::from(first.parse::<Ipv4Addr>()?) | hosts))
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_two_tenants_cannot_reach_each_other() -> Result<()> {
    let world = World::start("neighbours", &["faulty"]).await?;
    let (victim, attacker) = (world.api.of_tenant("victim"), world.api.of_tenant("attacker"));
    for tenant in [&victim, &attacker] {
        tenant.apply(BAD, json!({})).await?;
    }
    act(&victim, json!({ "do": "listen", "port": PORT })).await?;
    let first = world.containers().await?;
    let [container] = first.as_slice() else { anyhow::bail!("{first:?}") };
    let beside = Beside::find(container).await?;

    let config = json!({
        "do": "reach", "container": beside.address, "link_local": beside.link_local, "host": world.host,
        "broadcast": broadcast(&world).await?, "port": PORT,
    });
    let tried = act(&attacker, config).await?;
    ensure!(world.containers().await?.len() == 2, "each tenant has a container of its own");
    for way in ["tcp", "tcp_by_host", "echo"] {
        ensure!(tried[way] == false, "{way}: {tried}");
    }
    ensure!(tried["echo_of_host"] == true, "an echo can be sent at all: {tried}");
    ensure!(tried["udp"][0] == "sent", "packets can be sent at all: {tried}");
    ensure!(tried["own_version_6"] == "", "there is no version 6: {tried}");
    for list in ["raw", "version_6"] {
        let refused = tried[list].as_array().context("no list")?;
        let done = |one: &&Value| *one == "opened" || *one == "sent";
        ensure!(!refused.is_empty() && !refused.iter().any(|one| done(&one)), "{list}: {tried}");
    }

    // The machine is no way around: its proxy refuses what an operator of one tenant writes of another's container.
    let url = format!("http://{}:{PORT}/", beside.address);
    let tried = act(&attacker, json!({ "do": "dial", "url": url, "reach": url })).await?;
    let refused = tried["proxied"]["refused"].as_str().unwrap_or_default();
    ensure!(refused.contains("E0004"), "{tried}");

    // What was sent before would have come before.
    TcpStream::connect((beside.address, PORT)).context("the machine reaches it")?;
    UdpSocket::bind(("0.0.0.0", 0))?.send_to(b"hello", (beside.address, PORT))?;
    let machine = world.host.as_str();
    let heard = eventually("the machine to be heard", Duration::from_secs(30), || async {
        let heard = act(&victim, json!({ "do": "heard" })).await?;
        let heard: Vec<String> = serde_json::from_value(heard["heard"].clone())?;
        let both = ["tcp", "udp"].iter().all(|what| heard.contains(&format!("{what} {machine}")));
        Ok(both.then_some(heard))
    })
    .await?;
    ensure!(heard.len() == 2, "nobody else was heard: {heard:?}");
    world.stop().await
}
