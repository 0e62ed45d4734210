//! The rules of the house, as tests: arrows between crates, file lengths, headers, documented error codes.
#![expect(clippy::unwrap_used, reason = "a file of this repository that cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All Rust files of the workspace, relative to its root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["orchestrator", "component-sdk", "components", "tests"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The manifests by package name.
fn manifests() -> BTreeMap<String, String> {
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let folders = members
        .lines()
        .filter_map(|line| line.trim().trim_end_matches(',').strip_prefix('"')?.strip_suffix('"'));
    folders
        .map(|folder| {
            let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
            let name =
                text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).unwrap();
            (name.to_owned(), text)
        })
        .collect()
}

/// The dependencies of a manifest that are not only for its tests.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[dependencies]").nth(1).unwrap_or("").split("\n[").next().unwrap_or("");
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn crates_point_inward_only() {
    let allowed: &[(&str, &[&str])] = &[
        ("sluice-protocol", &[]),
        ("sluice-mapping", &[]),
        ("sluice-formats", &[]),
        ("sluice-addresses", &[]),
        ("sluice-script", &[]),
        ("sluice-declarative", &["sluice-protocol", "sluice-mapping"]),
        ("sluice-sdk", &["sluice-protocol", "sluice-mapping"]),
        ("sluice-domain", &["sluice-protocol", "sluice-mapping", "sluice-declarative"]),
        ("sluice-planner", &["sluice-domain", "sluice-mapping", "sluice-protocol", "sluice-declarative"]),
        ("sluice-openapi", &["sluice-declarative", "sluice-protocol"]),
        ("sluice-import", &["sluice-domain", "sluice-families", "sluice-mapping", "sluice-protocol"]),
        ("sluice-webhook", &["sluice-declarative", "sluice-formats"]),
        ("sluice-ports", &["sluice-domain", "sluice-protocol"]),
        (
            "sluice-engine",
            &[
                "sluice-domain",
                "sluice-planner",
                "sluice-ports",
                "sluice-protocol",
                "sluice-mapping",
                "sluice-declarative",
                "sluice-formats",
                "sluice-webhook",
            ],
        ),
        ("sluice-docker", &["sluice-domain", "sluice-ports", "sluice-protocol"]),
        ("sluice-launcher", &["sluice-domain", "sluice-ports"]),
        ("sluice-egress", &["sluice-ports", "sluice-protocol", "sluice-addresses"]),
        ("sluice-rabbitmq", &["sluice-domain", "sluice-ports", "sluice-protocol"]),
        ("sluice-store", &["sluice-domain", "sluice-ports", "sluice-protocol"]),
        ("sluice-oauth", &["sluice-domain", "sluice-ports", "sluice-addresses"]),
        ("sluice-testkit", &["sluice-domain", "sluice-ports", "sluice-protocol"]),
        (
            "sluice-http",
            &[
                "sluice-domain",
                "sluice-planner",
                "sluice-engine",
                "sluice-ports",
                "sluice-protocol",
                "sluice-mapping",
            ],
        ),
        (
            "sluice-workbench",
            &[
                "sluice-declarative",
                "sluice-domain",
                "sluice-engine",
                "sluice-planner",
                "sluice-ports",
                "sluice-protocol",
            ],
        ),
        (
            "sluice-component-rest",
            &[
                "sluice-sdk",
                "sluice-declarative",
                "sluice-mapping",
                "sluice-formats",
                "sluice-addresses",
                "sluice-script",
            ],
        ),
        ("sluice-families", &["sluice-protocol"]),
        ("sluice-component-bridge", &["sluice-sdk", "sluice-families"]),
        ("sluice-tests", &["sluice-protocol", "sluice-families"]),
    ];
    let allowed: BTreeMap<&str, &[&str]> = allowed.iter().copied().collect();
    for (name, manifest) in manifests() {
        let ours: BTreeSet<String> =
            dependencies(&manifest).into_iter().filter(|name| name.starts_with("sluice")).collect();
        if name == "sluice" {
            continue;
        }
        let may: BTreeSet<String> = match allowed.get(name.as_str()) {
            Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            None if name.starts_with("sluice-component-") => BTreeSet::from(["sluice-sdk".to_owned()]),
            None => panic!("{name} has no rule; add it here and to docs/architecture.md"),
        };
        let more: Vec<_> = ours.difference(&may).collect();
        assert!(more.is_empty(), "{name} may not name {more:?}");
    }
}

#[test]
fn each_outside_library_is_known_to_its_adapter_only() {
    let owners: &[(&str, &[&str])] = &[
        ("bollard", &["sluice-docker"]),
        ("sqlx", &["sluice-store"]),
        ("axum", &["sluice-http", "sluice-component-bridge"]),
        ("amq-protocol", &["sluice-component-bridge"]),
        ("lapin", &["sluice-rabbitmq", "sluice-sdk", "sluice-component-rabbitmq", "sluice-tests"]),
        ("jsonata-core", &["sluice-mapping"]),
        ("jsonpath-rust", &["sluice-mapping"]),
        ("rquickjs", &["sluice-script"]),
    ];
    for (name, manifest) in manifests() {
        let used = dependencies(&manifest);
        for (library, owners) in owners {
            assert!(
                !used.contains(*library) || owners.contains(&name.as_str()),
                "{name} may not name {library}"
            );
        }
    }
    for pure in ["sluice-domain", "sluice-planner", "sluice-openapi", "sluice-import"] {
        let used = dependencies(&manifests()[pure]);
        for outside in ["tokio", "tracing", "rand", "reqwest"] {
            assert!(!used.contains(outside), "{pure} is pure and may not name {outside}");
        }
    }
}

#[test]
fn every_crate_inherits_the_lints() {
    for (name, manifest) in manifests() {
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} does not inherit the lints");
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{name} has {lines} lines; 400 is the rule, 600 the ceiling");
        assert!(text.starts_with("//!"), "{name} does not begin with //!");
        assert!(!name.ends_with("/mod.rs"), "{name}: foo.rs beside foo/, not mod.rs");
        if name.ends_with("/lib.rs") {
            assert!(lines <= 80, "{name} is a table of contents, and has {lines} lines");
        }
    }
}

#[test]
fn tests_wait_on_conditions_and_are_never_ignored() {
    let (ignored, asleep) = (concat!("#[", "ignore"), concat!("thread", "::sleep"));
    for (name, text) in sources() {
        assert!(!text.contains(ignored), "{name} ignores a test");
        let simulates = name.starts_with("components/faulty/") || name.contains("/examples/");
        assert!(simulates || !text.contains(asleep), "{name} sleeps");
    }
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    let all: String =
        sources().into_iter().filter(|(name, _)| !name.starts_with("tests/")).map(|(_, text)| text).collect();
    let mut pages = 0;
    for entry in std::fs::read_dir(root().join("docs/errors")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let Some(code) = name.strip_suffix(".md") else { continue };
        if code == "README" {
            continue;
        }
        assert!(all.contains(code), "docs/errors/{name} is about a code that does not exist");
        pages += 1;
    }
    assert!(pages > 50, "only {pages} pages");
}

#[test]
fn every_failpoint_is_a_crash_point_and_every_crash_point_a_failpoint() {
    let named = |text: &str, calls: &[&str]| -> BTreeSet<String> {
        let found = calls.iter().flat_map(|call| text.split(*call).skip(1));
        found.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    let of_code = sources().into_iter().filter(|(name, _)| name.starts_with("orchestrator/"));
    let calls = ["failpoint::reach(\"", "failpoint::pass(\"", "reached(\""];
    let struck: BTreeSet<String> = of_code.flat_map(|(_, text)| named(&text, &calls)).collect();
    let points = std::fs::read_to_string(root().join("tests/src/crash/points.rs")).unwrap();
    // A long one begins on a line of its own.
    let points: String = points.split_whitespace().collect();
    let tried = named(&points, &["point(\"", "sure(\""]);
    assert!(tried.len() > 30, "only {} crash points", tried.len());
    assert_eq!(struck, tried);
}

/// The names of metrics in a text, without what histograms put behind them.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("sluice_") || word.starts_with("process_"));
    let base = |name: &str| {
        let cut = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        cut.unwrap_or(name).to_owned()
    };
    metrics.map(base).collect()
}

#[test]
fn boards_and_alerts_name_metrics_that_exist() {
    // A test of the metrics compares these rows with what there is.
    let docs = std::fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let known: BTreeSet<String> = rows.flat_map(|(name, _)| metrics_in(name)).collect();
    let folder = root().join("deploy/grafana");
    let board = std::fs::read_to_string(folder.join("sluice.json")).unwrap();
    let board: serde_json::Value = serde_json::from_str(&board).unwrap();
    let mut queries = Vec::new();
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    assert!(queries.len() > 30, "only {} queries", queries.len());
    let alerts = std::fs::read_to_string(folder.join("alerts.yaml")).unwrap();
    assert!(alerts.matches("- alert: ").count() > 10);
    for (name, text) in [("sluice.json", queries.join("\n")), ("alerts.yaml", alerts)] {
        let used = metrics_in(&text);
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}");
    }
}

/// What connectors and the server call is decided by their settings. People's own command line obeys their own environment.
#[test]
fn no_client_takes_a_proxy_from_the_environment() {
    let people = ["orchestrator/server/src/cli/", "orchestrator/server/src/client.rs"];
    let mut seen = 0;
    for (name, text) in sources() {
        let is_test = name.contains("tests") || name.contains("examples");
        if is_test || people.iter().any(|path| name.starts_with(path)) {
            continue;
        }
        let clients = text.matches("Client::builder()").count() + text.matches("Client::new()").count();
        assert!(
            clients <= text.matches(".no_proxy()").count(),
            "{name} makes a client that heeds HTTP_PROXY"
        );
        seen += clients;
    }
    assert!(seen > 5, "{seen} clients were found");
}

/// What `cargo deny` says too, where it is installed: nothing from other registries, folders or repositories, and none of
/// the libraries that would bring another TLS, another YAML or known holes.
#[test]
fn libraries_come_from_the_registry_alone() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let banned =
        ["openssl", "openssl-sys", "native-tls", "serde_yaml", "serde_yml", "rsa", "tokio-tar", "async-tar"];
    let ours: BTreeSet<String> = manifests().into_keys().collect();
    let mut libraries = 0;
    for package in lock.split("[[package]]").skip(1) {
        let field = |key: &str| {
            let prefix = format!("{key} = \"");
            package.lines().find_map(|line| line.strip_prefix(&prefix)?.strip_suffix('"'))
        };
        let name = field("name").unwrap();
        assert!(!banned.contains(&name), "{name} is not to be used");
        match field("source") {
            None => assert!(ours.contains(name), "{name} comes from a folder that is none of ours"),
            Some(source) => {
                assert_eq!(source, registry, "{name}");
                assert!(field("checksum").is_some(), "{name} has no checksum");
                libraries += 1;
            }
        }
    }
    assert!(libraries > 100, "{libraries} libraries were found");
}
