//! What configurations are read to, and how their faults are told.

use super::read;

fn check(variables: &[(&str, &str)]) -> Result<super::Configuration, Vec<String>> {
    read(None, variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
        .map_err(|faults| faults.0)
}

const BROKER: (&str, &str) = ("SLUICE__BROKER__URL", "amqp://u:hunter2@127.0.0.1:5672/x");
const MANAGEMENT: (&str, &str) = ("SLUICE__BROKER__MANAGEMENT_URL", "http://u:hunter2@127.0.0.1:15672");

#[test]
fn two_urls_are_enough() {
    let configuration = check(&[BROKER, MANAGEMENT]).ok().unwrap();
    assert_eq!(configuration.api_listen.to_string(), "127.0.0.1:7400");
    assert_eq!(configuration.broker.url.vhost(), "x");
    assert!(!configuration.insecure);
}

#[test]
fn all_faults_are_told_at_once_and_none_tells_a_secret() {
    let faults = check(&[
        ("SLUICE__BROKER__URL", "hunter2"),
        ("SLUICE__API__LISTEN", "everywhere"),
        ("SLUICE__ENGINE__WORKERS", "0"),
        ("SLUICE__LOG__FORMAT", "xml"),
        ("SLUICE__LIMITS__MEMORY", "1KB"),
        ("SLUICE__COLOUR", "red"),
        ("SLUICE__ENGINE__IDLE_TIMEOUT", "forever"),
        ("SLUICE__OAUTH__ALLOWED_NETWORKS", "10.0.0.0/8, home, 10.0.0.0/33"),
        ("SLUICE__BROKER__COMPONENT_PASSWORD_FILE", "/nowhere/at/all"),
    ])
    .err()
    .unwrap();
    for key in [
        "broker.url",
        "api.listen",
        "engine.workers",
        "log.format",
        "limits.memory",
        "colour",
        "or `never`",
        "PASSWORD_FILE",
        "management_url",
        "`home` is no network",
        "`10.0.0.0/33` is no network",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(key)), "{key} in {faults:?}");
    }
    assert!(!faults.join(" ").contains("hunter2"));
}

#[test]
fn providers_of_tokens_are_on_the_internet_unless_networks_are_named() {
    let usual = check(&[BROKER, MANAGEMENT]).ok().unwrap().providers;
    assert!(usual.allowed.is_empty() && usual.refused.is_empty());
    let allowed = ("SLUICE__OAUTH__ALLOWED_NETWORKS", "127.0.0.1,10.0.0.0/8 ,");
    let refused = ("SLUICE__OAUTH__REFUSED_NETWORKS", "10.9.0.0/16");
    let named = check(&[BROKER, MANAGEMENT, allowed, refused]).ok().unwrap().providers;
    let texts =
        |networks: &[sluice_oauth::Network]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&named.allowed), ["127.0.0.1/32", "10.0.0.0/8"]);
    assert_eq!(texts(&named.refused), ["10.9.0.0/16"]);
}

#[test]
fn spans_go_nowhere_unless_a_collector_is_named() {
    assert!(check(&[BROKER, MANAGEMENT]).ok().unwrap().telemetry.is_none());
    let endpoint = ("SLUICE__TELEMETRY__OTLP_ENDPOINT", "https://collector.example/otlp");
    let headers = ("SLUICE__TELEMETRY__OTLP_HEADERS", "authorization=Bearer hunter2, x-scope=a");
    let found = check(&[BROKER, MANAGEMENT, endpoint, headers]).ok().unwrap().telemetry.unwrap();
    assert_eq!((found.endpoint.as_str(), found.ratio), ("https://collector.example/otlp", 0.1));
    assert_eq!(
        found.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["authorization", "x-scope"]
    );
    let faults = check(&[
        BROKER,
        MANAGEMENT,
        ("SLUICE__TELEMETRY__OTLP_ENDPOINT", "hunter2"),
        ("SLUICE__TELEMETRY__OTLP_HEADERS", "hunter2"),
        ("SLUICE__TELEMETRY__SAMPLE_RATIO", "2"),
    ])
    .err()
    .unwrap();
    for key in ["telemetry.otlp_endpoint", "telemetry.otlp_headers", "telemetry.sample_ratio"] {
        assert!(faults.iter().any(|fault| fault.contains(key)), "{key} in {faults:?}");
    }
    assert!(!faults.join(" ").contains("hunter2"));
}

#[test]
fn without_tokens_only_the_loopback_address_will_do() {
    let open = ("SLUICE__API__LISTEN", "0.0.0.0:7400");
    let faults = check(&[BROKER, MANAGEMENT, open, ("SLUICE__API__INSECURE", "true")]).err().unwrap();
    assert!(faults[0].contains("loopback"), "{faults:?}");
}

#[test]
fn a_secret_may_come_from_a_file_and_the_environment_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("url");
    std::fs::write(&secret, "amqp://u:p@broker:5672/y\n").unwrap();
    let file = folder.path().join("sluice.toml");
    std::fs::write(&file, "installation = \"a\"\n[api]\nlisten = \"127.0.0.1:1\"\n[engine]\nworkers = 3\n")
        .unwrap();
    let variables = [
        ("SLUICE__BROKER__URL_FILE".to_owned(), secret.display().to_string()),
        (MANAGEMENT.0.to_owned(), MANAGEMENT.1.to_owned()),
        ("SLUICE__INSTALLATION".to_owned(), "b".to_owned()),
    ];
    let configuration = read(Some(&file), variables).ok().unwrap();
    assert_eq!((configuration.installation.as_str(), configuration.broker.url.host()), ("b", "broker"));
    assert_eq!(configuration.engine.workers, Some(3));
}

#[test]
fn the_launcher_is_a_socket_and_has_the_container_engine() {
    let launcher = |url: &'static str| ("SLUICE__RUNTIME__LAUNCHER", url);
    assert_eq!(check(&[BROKER, MANAGEMENT]).ok().unwrap().launcher, None);
    let found = check(&[BROKER, MANAGEMENT, launcher("unix:///run/sluice/launcher.sock")]).ok().unwrap();
    assert_eq!(found.launcher.unwrap(), std::path::Path::new("/run/sluice/launcher.sock"));
    let faults = check(&[BROKER, MANAGEMENT, launcher("tcp://127.0.0.1:2375")]).err().unwrap();
    assert!(faults[0].contains("runtime.launcher"), "{faults:?}");
    let grace = ("SLUICE__LIMITS__GRACE", "2d");
    let faults = check(&[BROKER, MANAGEMENT, launcher("/run/x.sock"), grace]).err().unwrap();
    assert!(faults[0].contains("limits.grace"), "{faults:?}");
    assert!(check(&[BROKER, MANAGEMENT, grace]).is_ok(), "without one it may be longer");
    let host = ("SLUICE__RUNTIME__DOCKER_HOST", "unix:///var/run/docker.sock");
    let network = ("SLUICE__RUNTIME__NETWORK", "theirs");
    let faults = check(&[BROKER, MANAGEMENT, launcher("/run/x.sock"), host, network]).err().unwrap();
    for key in ["runtime.docker_host", "runtime.network"] {
        assert!(faults.iter().any(|fault| fault.contains(key)), "{key} in {faults:?}");
    }
}
