//! Commands that need no server, run as their users run them.
#![expect(clippy::unwrap_used, reason = "the whole crate is a test")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `sluice` with nothing of the surroundings, and `input` on its standard input.
fn sluice(arguments: &[&str], input: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .env("SLUICE_URL", "http://127.0.0.1:9")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone already.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

#[track_caller]
fn check(arguments: &[&str], input: &str, exit: i32, stdout: &str, stderr: &str) {
    let output = sluice(arguments, input);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}\n{out}\n{err}");
    assert!(out.contains(stdout), "{arguments:?} prints {out}");
    assert!(err.contains(stderr), "{arguments:?} says {err}");
}

const GOOD: &str = "sluice: 1\nkind: template\nname: demo\nversion: 1.0.0\nsteps:\n  \
                    - { id: tick, use: timer/tick, schedule: { every: 5m } }\n  \
                    - { id: note, use: log/write }\n";

#[test]
fn a_good_file_is_valid() {
    check(&["validate", "-"], GOOD, 0, "", "valid");
    check(&["validate", "-", "-o", "json"], GOOD, 0, "\"valid\": true", "");
}

#[test]
fn all_mistakes_of_a_file_are_told_with_their_places() {
    let bad = GOOD.replace("log/write }", "log/wrote, retrys: 1 }").replace("every: 5m", "every: soon");
    for mistake in ["F0011", "<stdin>:6:", "<stdin>:7:", "error[A0110]"] {
        check(&["validate", "-"], &bad, 1, "", mistake);
    }
    check(&["validate", "-", "-o", "json"], &bad, 1, "\"code\": \"F0011\"", "A0110");
}

#[test]
fn expressions_are_evaluated_without_a_server() {
    let input = r#"{"total": 12, "big": 9007199254740993}"#;
    check(&["map", "--jsonata", "total * 2", "--input", "-"], input, 0, "24", "");
    check(&["map", "--jsonpath", "$.big", "--input", "-"], input, 0, "9007199254740993", "");
    check(&["map", "--jsonpath", "$.none", "--input", "-"], input, 0, "", "");
    check(&["map", "--jsonata", "total *", "--input", "-"], input, 1, "", "error[A0111]");
    check(&["map", "--input", "-"], input, 2, "", "required");
}

#[test]
fn a_mapping_is_evaluated_without_a_server() {
    let mapping = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(mapping.path(), "sum: = body.total + 1\nsame: $.body.total\nliteral: shop\n").unwrap();
    let path = mapping.path().to_str().unwrap();
    let expect = "{\n  \"sum\": 13,\n  \"same\": 12,\n  \"literal\": \"shop\"\n}";
    check(&["map", "-f", path, "--input", "-"], r#"{"body": {"total": 12}}"#, 0, expect, "");
    check(&["map", "-f", path, "--body", "--input", "-"], r#"{"total": 12}"#, 0, expect, "");
}

#[test]
fn a_server_that_does_not_answer_is_told_with_help() {
    check(&["flow", "list"], "", 1, "", "error[A0101]");
    check(&["login", "ftp://x"], "token", 2, "", "error[A0106]");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    // Its address is taken, so it tells of that in its log, which takes nothing, and ends in good order.
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let data = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .arg("serve")
        .current_dir(data.path())
        .env_clear()
        .env("SLUICE__API__LISTEN", taken.local_addr().unwrap().to_string())
        .env("SLUICE__DATA_DIR", data.path())
        .env("SLUICE__BROKER__URL", "amqp://user:password@127.0.0.1:9/none")
        .env("SLUICE__BROKER__MANAGEMENT_URL", "http://user:password@127.0.0.1:9")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(full)
        .status()
        .unwrap();
    assert_eq!(ended.code(), Some(1), "it panicked, or found another fault: {ended}");
}

#[test]
fn missing_secrets_stop_an_apply_before_anything_is_sent() {
    let instance =
        "sluice: 1\nkind: instance\nname: shop\nconnector: rabbitmq\nsecrets: { a: { env: NOT_SET } }\n";
    check(&["apply", "-f", "-"], instance, 1, "", "error[A0103]");
}

#[test]
fn discarding_everything_needs_a_yes() {
    check(&["dead", "discard", "--all"], "", 2, "", "--yes");
    check(&["dead", "discard"], "", 2, "", "required");
}

#[test]
fn sessions_are_about_instances_and_known_deeds() {
    check(&["session", "create"], "", 2, "", "required");
    check(&["session", "create", "crm", "--allow", "status,everything"], "", 2, "", "everything");
    check(&["session", "create", "crm", "--allow", "status,invoke"], "", 1, "", "error[A0101]");
}

#[test]
fn what_is_run_here_is_a_folder_or_a_file() {
    check(&["component", "run", "sluice/log:1"], "", 2, "", "error[A0106]");
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    check(&["component", "run", at], "", 1, "", "error[A0102]");
    let descriptor =
        r#"{"name":"log","version":"1.0.0","title":"Log","actions":{"write":{"title":"Write"}}}"#;
    std::fs::write(folder.path().join("component.json"), descriptor).unwrap();
    check(&["component", "run", at], "", 2, "", "--command");
    check(&["component", "run", at, "--command", "cat", "-x"], "", 1, "", "error[A0101]");
    std::fs::write(folder.path().join("component.json"), "{}").unwrap();
    check(&["component", "run", at, "--command", "cat"], "", 1, "C0202", "");
}

#[test]
fn a_launcher_is_told_whom_to_answer_before_it_listens() {
    check(&["launcher"], "", 64, "", "users");
    check(&["launcher", "--config", "/nowhere/launcher.toml"], "", 64, "", "/nowhere/launcher.toml");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        check(&["completion", shell], "", 0, "sluice", "");
    }
}

const FOREIGN: &str = r#"{"name":"Orders","cron":"*/5 * * * *","graph":{"nodes":[
    {"id":"step_1","command":"acme/shop:getOrders"},{"id":"step_2","command":"acme/crm:put","vpn_agent_id":"a"}],
    "edges":[{"source":"step_1","target":"step_2","config":{"mapper":{"to":"customer.email"}}}]}}"#;

#[test]
fn flows_of_other_platforms_are_imported() {
    let sound = FOREIGN.replace(r#","vpn_agent_id":"a""#, "");
    check(&["import", "elasticio", "-"], &sound, 0, "to: = body.customer.email", "warning[M0404]");
    check(&["import", "elasticio", "-", "-o", "json"], FOREIGN, 1, "\"complete\": false", "");
    check(&["import", "oih", "-"], FOREIGN, 1, "", "error[A0121]");
    check(&["import", "elasticio", "-"], "{}", 1, "", "error[A0121]");
    check(&["import", "elasticio", "-", "--connector", "x"], "{}", 2, "", "ID=NAME");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    check(&["import", "elasticio", "-", "--out", out], &sound, 0, "orders.template.yaml", "");
    check(&["import", "elasticio", "-", "--out", out], &sound, 1, "", "error[A0122]");
    // Only the connectors are missing.
    check(&["validate", out], "", 1, "", "F0021");
}

#[test]
fn folders_of_other_platforms_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "component.json",
        r#"{"title":"Shop","triggers":{"getOrders":{"dynamicMetadata":true}},"envVars":{"KEY":{}}}"#,
    );
    write(
        "package.json",
        r#"{"name":"shop","version":"1.2.3","dependencies":{"elasticio-sailor-nodejs":"^2.6.0"}}"#,
    );
    let at = folder.path().to_str().unwrap();
    check(&["component", "inspect", at], "", 0, "a component of elastic.io (sailor 2.6.0): Shop", "");
    let lock = r#"{"packages":{"node_modules/elasticio-sailor-nodejs":{"version":"2.7.8"}}}"#;
    write("package-lock.json", lock);
    for told in ["sailor 2.7.8", "get_orders", "dynamic", "environment: KEY", "\"version\": \"1.2.3\""] {
        check(&["component", "inspect", at], "", 0, told, "");
    }
    write("component.json", r#"{"title":"Shop"}"#);
    check(&["component", "inspect", at], "", 1, "", "error[A0120]");
    write("package.json", r#"{"name":"shop"}"#);
    check(&["component", "inspect", at], "", 1, "C0302", "");
}
