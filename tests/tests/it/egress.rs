//! Components go out by the proxy, as far as their rules let them, and no other way.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, World, docker, eventually, unique, workload};

/// Instances of `http`, one for each sink, and one of the component that does what a hostile one would.
fn instances(base: &str) -> String {
    format!(
        "sluice: 1\nkind: instance\nname: api\nconnector: http\nsettings: {{ base_url: \"{base}\" }}\n---\n\
         sluice: 1\nkind: instance\nname: bad\nconnector: faulty\n"
    )
}

async fn invoke(world: &World, instance: &str, function: &str, body: Value) -> Result<Value> {
    let path = format!("/api/v1/instances/{instance}/invoke/{function}");
    world.api.call("POST", &path, Some(body)).await
}

/// What `faulty` says of an attempt, made with this config.
async fn attempt(world: &World, config: Value) -> Result<Value> {
    let mut config = config;
    config["do"] = json!("dial");
    let done =
        invoke(world, "bad", "act", json!({ "config": config, "input": {}, "timeout_seconds": 45 })).await?;
    ensure!(done["status"] == "succeeded", "{done}");
    Ok(done["outputs"][0]["body"].clone())
}

/// Another network of containers, on which this machine has another address. Goes when it is dropped.
struct Elsewhere {
    name: String,
    host: String,
}

impl Elsewhere {
    async fn make() -> Result<Self> {
        let name = unique("elsewhere");
        docker(&["network", "create", &name]).await?;
        let format = "{{(index .IPAM.Config 0).Gateway}}";
        let host = docker(&["network", "inspect", "--format", format, &name]).await?;
        Ok(Self { name, host })
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        std::process::Command::new("docker").args(["network", "rm", &self.name]).output().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn components_go_out_by_the_proxy_and_nowhere_else() -> Result<()> {
    let world = World::start("egress", &["http", "faulty"]).await?;
    let (sink, other) = (HttpSink::start().await?, HttpSink::start().await?);
    let elsewhere = Elsewhere::make().await?;
    let (host, beyond) = (&world.host, &elsewhere.host);
    let port = |url: &str| url.rsplit_once(':').map(|(_, port)| port.to_owned()).context("no port");
    let (allowed, closed) = (sink.url(host), other.url(host));
    world.api.apply(&instances(&allowed), json!({})).await?;

    // What the instance names is reached, by way of the proxy.
    let done =
        invoke(&world, "api", "request", json!({ "config": { "url": "/orders" }, "input": {} })).await?;
    ensure!(done["status"] == "succeeded" && sink.count() == 1, "{done}");
    ensure!(
        world.metrics().await?.contains("sluice_egress_requests_total{result=\"passed\"} 1"),
        "it was counted"
    );

    // The same connector, led elsewhere by an input.
    for (url, code) in [
        (format!("{closed}/x"), "E0003"),
        (format!("http://127.0.0.1:{}/x", port(&closed)?), "E0003"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "E0003"),
        ("https://example.com/".to_owned(), "E0003"),
    ] {
        let body = json!({ "config": {}, "input": { "method": "GET", "url": url } });
        let done = invoke(&world, "api", "request", body).await?;
        ensure!(done["error"]["code"] == "host_refused", "{url}: {done}");
        ensure!(done["error"]["message"].as_str().unwrap_or_default().contains(code), "{url}: {done}");
    }

    // Rules that people write do not open what nobody may reach.
    for url in [
        format!("http://127.0.0.1:{}/", port(&closed)?),
        format!("http://localhost:{}/", port(&closed)?),
        format!("http://0.0.0.0:{}/", port(&closed)?),
        "http://169.254.169.254/".to_owned(),
        "http://[::ffff:169.254.169.254]/".to_owned(),
        format!("http://{host}:7402/"),
        format!("http://{host}:7403/"),
    ] {
        let tried = attempt(&world, json!({ "url": url, "reach": url })).await?;
        let refused = tried["proxied"]["refused"].as_str().unwrap_or_default();
        ensure!(refused.contains("E0004"), "{url}: {tried}");
    }
    let tried = attempt(&world, json!({ "url": closed, "reach": closed })).await?;
    ensure!(tried["proxied"]["status"] == 200 && other.count() == 1, "{tried}");
    let tried = attempt(&world, json!({ "url": format!("{closed}/again") })).await?;
    // A run outside of flows keeps its way for a while: its container may still have connections. Another host has none.
    ensure!(tried["proxied"]["status"] == 200, "{tried}");

    // Past the proxy there is no way: not to other addresses of this machine, not beyond it, not by names.
    for to in [
        format!("{beyond}:{}", port(&closed)?),
        format!("{beyond}:5672"),
        "169.254.169.254:80".to_owned(),
        "93.184.216.34:443".to_owned(),
        "10.0.0.1:80".to_owned(),
    ] {
        let tried = attempt(&world, json!({ "to": to })).await?;
        ensure!(tried["straight"]["connected"] == false, "{to}: {tried}");
    }
    let tried = attempt(&world, json!({ "name": "example.com" })).await?;
    ensure!(tried["name"] == json!([]), "{tried}");
    ensure!(other.count() == 2, "nobody else came: {}", other.count());

    let network = format!("sluice-{}", world.name);
    let internal = docker(&["network", "inspect", "--format", "{{.Internal}}", &network]).await?;
    ensure!(internal == "true", "{internal}");
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_serves_nobody_without_a_password_and_rules_change_with_the_instance() -> Result<()> {
    let world = World::start("egressrules", &["http", "faulty"]).await?;
    let (first, second) = (HttpSink::start().await?, HttpSink::start().await?);
    let (one, two) = (first.url(&world.host), second.url(&world.host));
    world.api.apply(&instances(&one), json!({})).await?;
    let proxy = format!("{}:7403", world.host);
    let target = one.trim_start_matches("http://");
    for proof in [
        String::new(),
        "Proxy-Authorization: Basic cnVuXzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxOnNlY3JldA==\r\n".to_owned(),
        "Proxy-Authorization: Bearer sluice_run_x\r\n".to_owned(),
    ] {
        let text = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{proof}\r\n");
        let tried = attempt(&world, json!({ "proxy": proxy, "text": text, "reach": one })).await?;
        let asked = tried["asked"].as_str().unwrap_or_default();
        ensure!(asked.starts_with("HTTP/1.1 407") && asked.contains("E0001"), "{tried}");
    }
    let tried = attempt(&world, json!({ "proxy": proxy, "text": "GET /metrics HTTP/1.1\r\n\r\n" })).await?;
    ensure!(tried["asked"].as_str().unwrap_or_default().starts_with("HTTP/1.1 4"), "{tried}");

    // What the password is, nobody can read.
    let (container, inspected) = {
        let container = world.container("faulty").await?;
        (container.clone(), docker(&["inspect", &container]).await?)
    };
    ensure!(!inspected.contains(":7403"), "{container} shows its way out");

    let get = |url: &str| json!({ "config": {}, "input": { "method": "GET", "url": url } });
    for (open, closed, sink) in [(&one, &two, &first), (&two, &one, &second)] {
        world.api.apply(&instances(open), json!({})).await?;
        let done = invoke(&world, "api", "request", get(&format!("{open}/x"))).await?;
        ensure!(done["status"] == "succeeded" && sink.count() == 1, "{done}");
        let done = invoke(&world, "api", "request", get(&format!("{closed}/x"))).await?;
        ensure!(done["error"]["code"] == "host_refused", "{done}");
    }
    ensure!((first.count(), second.count()) == (1, 1), "each had one request");
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_broker_is_reached_by_the_proxy() -> Result<()> {
    let world = World::start("egressamqp", &["rabbitmq", "http", "faulty"]).await?;
    let sink = HttpSink::start().await?;
    let elsewhere = Elsewhere::make().await?;
    let beyond = &elsewhere.host;
    let (_, port, user, password) = world.broker.parts();
    world.api.apply("sluice: 1\nkind: instance\nname: bad\nconnector: faulty\n", json!({})).await?;
    let tried = attempt(&world, json!({ "to": format!("{beyond}:{port}") })).await?;
    ensure!(tried["straight"]["connected"] == false, "it is not reached straight: {tried}");

    let amqp = world.broker.connect().await?;
    amqp.queue("orders", None).await?;
    let files = format!(
        "sluice: 1\nkind: instance\nname: theirs\nconnector: rabbitmq\nsettings: {{ url: \"amqp://{beyond}:{port}/{}\" }}\n\
         secrets: {{ username: {{ env: U }}, password: {{ env: P }} }}\n---\n\
         sluice: 1\nkind: template\nname: mirror\nversion: 1.0.0\ninstances: {{ shop: {{ connector: rabbitmq }} }}\nsteps:\n\
         \x20 - {{ id: orders, use: shop/listen, config: {{ queue: orders }} }}\n\
         \x20 - {{ id: push, use: http/request, config: {{ method: POST, url: \"{}/got\" }} }}\n\
         \x20 - {{ id: back, use: shop/publish, after: [orders], config: {{ routing_key: mirrored }} }}\n",
        world.broker.vhost(),
        sink.url(&world.host)
    );
    amqp.queue("mirrored", None).await?;
    let body = json!({
        "files": [{ "name": "mirror.yaml", "text": files }], "instances": { "shop": "theirs" },
        "secrets": { "theirs": { "username": user, "password": password } },
    });
    world.api.call("POST", "/api/v1/apply", Some(body)).await?;
    world.running("mirror").await?;
    let orders = (0..20)
        .map(|number| (format!("order-{number}"), json!({ "number": number }).to_string().into_bytes()));
    amqp.publish_all("", "orders", &orders.collect::<Vec<_>>()).await?;
    eventually("every order to arrive", Duration::from_secs(90), || async {
        Ok((sink.count() >= 20).then_some(()))
    })
    .await?;
    eventually("every order to be mirrored", Duration::from_secs(90), || async {
        Ok((amqp.depth("mirrored").await? >= 20).then_some(()))
    })
    .await?;
    ensure!(
        world
            .metrics()
            .await?
            .lines()
            .any(|line| line.starts_with("sluice_egress_tunnels ") && !line.ends_with(" 0"))
    );
    world.stop().await
}

/// Sluice's own broker, where it is not on the address that containers reach by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_elsewhere_is_reached_by_the_proxy_without_a_rule_of_anybody() -> Result<()> {
    let elsewhere = Elsewhere::make().await?;
    let settings = [("SLUICE__BROKER__COMPONENT_HOST", elsewhere.host.as_str())];
    let world = World::start_with("egressfar", &["timer", "log"], &settings).await?;
    world.api.apply(&workload::ticking("far", "1s"), json!({})).await?;
    world.running("far").await?;
    eventually("ticks to be told of", Duration::from_secs(90), || async {
        let counters = world.api.counters("far", "tick").await?;
        Ok(counters["emitted"].as_u64().is_some_and(|emitted| emitted >= 2).then_some(()))
    })
    .await?;
    // Each of the two containers has a connection to publish and one to consume.
    eventually("four connections by the proxy", Duration::from_secs(90), || async {
        let metrics = world.metrics().await?;
        let tunnels = metrics.lines().find_map(|line| line.strip_prefix("sluice_egress_tunnels "));
        let enough = tunnels.is_some_and(|count| count.parse::<f64>().is_ok_and(|count| count >= 4.0));
        ensure!(enough, "{tunnels:?}");
        Ok(Some(()))
    })
    .await?;
    world.stop().await
}
