//! The keys: what there is, what each means, and its default. `docs/operating.md` lists the same.

/// One key.
pub(super) struct Key {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// Its value when it is not set; none when it has to be, or may stay unset.
    pub(super) default: Option<&'static str>,
}

const fn key(name: &'static str, default: &'static str) -> Key {
    Key { name, default: Some(default) }
}

const fn unset(name: &'static str) -> Key {
    Key { name, default: None }
}

/// All keys of the server.
pub(super) const KEYS: &[Key] = &[
    key("installation", "sluice"),
    key("production", "false"),
    key("data_dir", "/var/lib/sluice"),
    key("api.listen", "127.0.0.1:7400"),
    key("api.insecure", "false"),
    unset("api.public_url"),
    key("metrics.listen", "127.0.0.1:7401"),
    unset("gateway.listen"),
    unset("gateway.advertise"),
    key("egress.mode", "proxy"),
    unset("egress.listen"),
    unset("egress.advertise"),
    unset("egress.refused_networks"),
    key("egress.allow_loopback", "false"),
    unset("broker.url"),
    unset("broker.management_url"),
    unset("broker.component_host"),
    unset("broker.component_port"),
    unset("broker.component_username"),
    unset("broker.component_password"),
    key("broker.queue_type", "auto"),
    unset("oauth.allowed_networks"),
    unset("oauth.refused_networks"),
    unset("runtime.docker_host"),
    unset("runtime.network"),
    unset("runtime.launcher"),
    key("limits.memory", "256MiB"),
    key("limits.cpus", "1"),
    key("limits.grace", "30s"),
    unset("engine.workers"),
    key("engine.prefetch", "64"),
    key("engine.suspicions", "3"),
    key("engine.high_watermark", "500"),
    key("engine.low_watermark", "100"),
    key("engine.liveness", "90s"),
    key("engine.keep_warm", "10m"),
    key("engine.idle_timeout", "15m"),
    key("history.per_second", "20"),
    key("history.body_bytes", "65536"),
    key("history.age", "7d"),
    key("history.count", "10000"),
    key("development.attach", "false"),
    unset("events.webhook_url"),
    unset("events.webhook_secret"),
    unset("telemetry.otlp_endpoint"),
    unset("telemetry.otlp_headers"),
    key("telemetry.sample_ratio", "0.1"),
    key("log.format", "text"),
    key("log.level", "info"),
];

/// All keys of the launcher.
pub(super) const LAUNCHER: &[Key] = &[
    key("installation", "sluice"),
    key("socket", "/run/sluice/launcher.sock"),
    unset("users"),
    unset("group"),
    unset("runtime.docker_host"),
    unset("runtime.network"),
    key("egress.mode", "proxy"),
    key("limits.memory", "4GiB"),
    key("limits.cpus", "4"),
    key("limits.containers", "500"),
    key("log.format", "text"),
    key("log.level", "info"),
];
