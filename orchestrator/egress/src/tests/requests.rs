//! Requests for `http` URLs, and refusals of all kinds.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{Rig, get, head, mirror, proof};
use crate::{Limits, Policy};

#[track_caller]
fn refused(answer: &str, status: &str, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{code}: {answer}");
    assert!(answer.contains(&format!("details=\"{code}\"")), "{code}: {answer}");
    assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{code}: {answer}");
}

#[tokio::test]
async fn a_request_gets_out_by_a_rule_without_what_is_for_the_proxy() {
    let port = mirror().await;
    let rig = Rig::start(&["shop.test"]).await;
    rig.names.add("shop.test", &[&["127.0.0.1"]]);
    let answer = rig.ask(&get(&format!("http://Shop.test:{port}/orders?x=1"))).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("GET /orders?x=1 HTTP/1.1\r\n"), "{answer}");
    assert!(answer.contains(&format!("host: Shop.test:{port}\r\n")), "the host that was judged: {answer}");
    assert!(!answer.contains("other.test") && !answer.contains("proxy-authorization"), "{answer}");
    assert!(!answer.contains("forged"), "{answer}");
    assert_eq!(rig.rules.counted("passed"), 1);
}

#[tokio::test]
async fn who_does_not_prove_who_it_is_gets_nothing() {
    let port = mirror().await;
    let rig = Rig::start(&["127.0.0.1"]).await;
    let url = format!("http://127.0.0.1:{port}/");
    let without = get(&url).replace(&proof(), "");
    let wrong = get(&url).replace(&proof(), "proxy-authorization: Basic cnVuXzE6d3Jvbmc=\r\n");
    let doubled = get(&url).replace(&proof(), &proof().repeat(2));
    for request in [without, wrong, doubled] {
        let answer = rig.ask(&request).await;
        refused(&answer, "407", "E0001");
        assert!(answer.contains("proxy-authenticate: Basic"), "{answer}");
    }
    let malformed = rig.ask(&get("/metrics").replace(&proof(), "")).await;
    refused(&malformed, "407", "E0001");
    assert_eq!((rig.rules.counted("stranger"), rig.rules.counted("passed")), (4, 0));
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let rules = [
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "169.254.169.254",
        "*.wild.test",
        "nowhere.test",
        "10.1.2.3",
        "metadata.test",
        "mixed.test",
    ];
    let policy =
        Policy { allow_loopback: true, refused: vec!["10.1.0.0/16".parse().unwrap()], ..Policy::default() };
    let rig = Rig::with(&rules, policy, Limits::default()).await;
    rig.names.add("a.wild.test", &[&["192.168.0.1"]]);
    rig.names.add("metadata.test", &[&["169.254.169.254"]]);
    rig.names.add("mixed.test", &[&["127.0.0.1", "169.254.169.254"]]);
    for (url, status, code) in [
        ("http://other.test/", "403", "E0003"),
        ("http://169.254.169.254/latest/meta-data", "403", "E0004"),
        ("http://2852039166/", "403", "E0004"),
        ("http://0.0.0.0:1/", "403", "E0004"),
        ("http://10.1.2.3/", "403", "E0004"),
        ("http://a.wild.test/", "403", "E0004"),
        ("http://metadata.test/", "403", "E0004"),
        ("http://mixed.test/", "403", "E0004"),
        ("http://nowhere.test/", "502", "E0005"),
        (&format!("http://127.0.0.1:{closed}/"), "502", "E0006"),
        ("https://127.0.0.1/", "400", "E0002"),
        ("/metrics", "400", "E0002"),
    ] {
        refused(&rig.ask(&get(url)).await, status, code);
    }
    *rig.rules.away.lock().unwrap() = true;
    refused(&rig.ask(&get("http://127.0.0.1/")).await, "503", "E0009");
}

#[tokio::test]
async fn loopback_and_our_own_listeners_are_closed_unless_the_operator_says_otherwise() {
    let port = mirror().await;
    let rules = ["127.0.0.1", "localhost.test", "::ffff:127.0.0.1"];
    let rig = Rig::with(&rules, Policy::default(), Limits::default()).await;
    rig.names.add("localhost.test", &[&["127.0.0.1"]]);
    for host in ["127.0.0.1", "localhost.test", "[::ffff:127.0.0.1]", "2130706433"] {
        refused(&rig.ask(&get(&format!("http://{host}:{port}/"))).await, "403", "E0004");
    }
    let own = Policy {
        allow_loopback: true,
        own: vec![format!("127.0.0.1:{port}").parse().unwrap()],
        ..Policy::default()
    };
    let rig = Rig::with(&["127.0.0.1"], own, Limits::default()).await;
    refused(&rig.ask(&get(&format!("http://127.0.0.1:{port}/"))).await, "403", "E0004");
}

#[tokio::test]
async fn a_name_whose_address_changes_is_judged_at_the_look_up_that_is_dialled() {
    let port = mirror().await;
    let rig = Rig::start(&["rebound.test"]).await;
    rig.names.add("rebound.test", &[&["127.0.0.1"], &["169.254.169.254"]]);
    let url = format!("http://rebound.test:{port}/");
    assert!(rig.ask(&get(&url)).await.starts_with("HTTP/1.1 200"));
    refused(&rig.ask(&get(&url)).await, "403", "E0004");
}

#[tokio::test]
async fn a_component_may_ask_for_less_than_its_rules_give() {
    let port = mirror().await;
    let rig = Rig::start(&["127.0.0.1"]).await;
    let request = get(&format!("http://127.0.0.1:{port}/"));
    refused(&rig.ask(&request.replace("host:", "sluice-reach: public\r\nhost:")).await, "403", "E0004");
    let answer = rig.ask(&request.replace("host:", "sluice-reach: internal\r\nhost:")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("sluice-reach"), "{answer}");
}

#[tokio::test]
async fn requests_that_follow_each_other_share_a_connection_and_are_judged_each() {
    let (port, other) = (mirror().await, mirror().await);
    let rig = Rig::start(&["127.0.0.1"]).await;
    let ask = |port: u16| get(&format!("http://127.0.0.1:{port}/")).replace("connection: close\r\n", "");
    let mut stream = rig.send(&ask(port)).await;
    let mut connections = Vec::new();
    for (next, rules) in [(port, ["127.0.0.1"]), (other, ["127.0.0.1"]), (port, ["127.0.0.1"])] {
        connections.push(answered(&mut stream).await);
        rig.rules.set(&rules);
        stream.write_all(ask(next).as_bytes()).await.unwrap();
    }
    connections.push(answered(&mut stream).await);
    assert_eq!(connections[0], "1");
    assert_eq!(connections[2], "1", "of the other server");
    // Whether the second one shares the first's connection is a matter of time; a third server connection is one too many.
    assert!(["1", "2"].contains(&connections[1].as_str()), "{connections:?}");
    stream.write_all(ask(port).replace("127.0.0.1", "10.0.0.1").as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 403"));
}

/// Reads an answer and says on which connection of its server it came.
async fn answered(stream: &mut tokio::net::TcpStream) -> String {
    let head = head(stream).await;
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {head}"))
    };
    let mut body = vec![0; field("content-length: ").parse().unwrap()];
    let number = field("x-connection: ").to_owned();
    stream.read_exact(&mut body).await.unwrap();
    number
}

#[tokio::test]
async fn headers_have_bounds() {
    let rig = Rig::start(&["127.0.0.1"]).await;
    let many: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(128 * 1024));
    for more in [many, long] {
        let answer = rig.ask(&get("http://127.0.0.1/").replace("host:", &format!("{more}host:"))).await;
        // What is still being sent when it is refused may break the connection before the answer is read.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert_eq!(rig.rules.counted("passed"), 0);
    for nonsense in
        ["\0\0\0\0\r\n\r\n", "GET http://127.0.0.1/ HTTP/9.9\r\n\r\n", "CONNECT  HTTP/1.1\r\n\r\n"]
    {
        let answer = rig.ask(nonsense).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}
