//! Reading the configuration of the server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::SecretString;
use sluice_domain::Delay;
use sluice_oauth::Network;
use sluice_rabbitmq::BrokerUrl;
use url::Url;

use super::keys::KEYS;
use super::reader::Reader;
use super::{
    BrokerPlace, Configuration, EngineNumbers, EventWebhook, Faults, GatewayPlace, ProviderPlace,
    QueueChoice, Telemetry, WayOut,
};

/// What the environment's names begin with.
const PREFIX: &str = "SLUICE__";

/// Reads a configuration from an optional file and the environment's variables.
pub(crate) fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Configuration, Faults> {
    let mut reader = Reader::new(KEYS, PREFIX, file, environment);
    let configuration = reader.build();
    match configuration {
        Some(configuration) if reader.faults.is_empty() => Ok(configuration),
        _ => Err(Faults(reader.faults)),
    }
}

impl Reader {
    fn build(&mut self) -> Option<Configuration> {
        let installation = self.installation();
        let production = self.optional("production");
        let api_listen = self.optional::<SocketAddr>("api.listen");
        let insecure = self.optional::<bool>("api.insecure");
        if let (Some(listen), Some(true)) = (api_listen, insecure)
            && !listen.ip().is_loopback()
        {
            self.fault("api.insecure", "without tokens the API may listen on the loopback address only");
        }
        let metrics_listen = self.optional("metrics.listen");
        let gateway = GatewayPlace {
            listen: self.optional("gateway.listen"),
            advertise: self.web_url("gateway.advertise"),
        };
        let egress = self.egress();
        let public_url = self.web_url("api.public_url");
        let broker = self.broker();
        let allowed = self.networks("oauth.allowed_networks");
        let refused = self.networks("oauth.refused_networks");
        let launcher = self.launcher();
        let limits = self.limits();
        let grace = self.optional::<Delay>("limits.grace");
        if let (Some(Some(_)), Some(grace)) = (&launcher, grace)
            && grace.get() > sluice_launcher::GRACE
        {
            self.fault("limits.grace", "with runtime.launcher it is at most 1d");
        }
        let engine = self.engine();
        let attach = self.optional("development.attach");
        let webhook = self.webhook();
        let telemetry = self.telemetry();
        let log_json = self.log_format();
        Some(Configuration {
            installation: installation?,
            production: production?,
            data_dir: self.text("data_dir")?.into(),
            api_listen: api_listen?,
            public_url,
            insecure: insecure?,
            metrics_listen: metrics_listen?,
            gateway,
            egress: egress?,
            broker: broker?,
            providers: ProviderPlace { allowed: allowed?, refused: refused? },
            docker_host: self.text("runtime.docker_host"),
            network: self.text("runtime.network"),
            launcher: launcher?,
            limits: limits?,
            grace: grace?.get(),
            engine: engine?,
            attach: attach?,
            webhook: webhook?,
            telemetry: telemetry?,
            log_json: log_json?,
            log_level: self.text("log.level")?,
        })
    }

    fn egress(&mut self) -> Option<WayOut> {
        let open = self.egress_open();
        let listen = self.optional("egress.listen");
        let advertise = self.web_url("egress.advertise");
        if advertise.as_ref().is_some_and(|url| url.starts_with("https://")) {
            self.fault("egress.advertise", "the proxy speaks plain HTTP: it is no http URL");
        }
        let refused = self.networks("egress.refused_networks");
        let loopback = self.optional("egress.allow_loopback");
        Some(WayOut { open: open?, listen, advertise, refused: refused?, loopback: loopback? })
    }

    /// Whether components go out by themselves.
    pub(super) fn egress_open(&mut self) -> Option<bool> {
        match self.text("egress.mode")?.as_str() {
            "proxy" => Some(false),
            "open" => Some(true),
            other => {
                self.fault("egress.mode", format!("`{other}` is neither proxy nor open"));
                None
            }
        }
    }

    fn web_url(&mut self, name: &str) -> Option<String> {
        let url = self.text(name)?;
        if url.starts_with("http://") || url.starts_with("https://") {
            return Some(url.trim_end_matches('/').to_owned());
        }
        self.fault(name, "it is no http or https URL");
        None
    }

    /// Networks with commas between them. All that are none, not just the first.
    fn networks(&mut self, name: &str) -> Option<Vec<Network>> {
        let text = self.text(name).unwrap_or_default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let (good, bad): (Vec<_>, Vec<_>) = parts.map(str::parse::<Network>).partition(Result::is_ok);
        for error in bad.iter().filter_map(|one| one.as_ref().err()) {
            self.fault(name, error);
        }
        bad.is_empty().then(|| good.into_iter().flatten().collect())
    }

    /// Nothing when this process speaks to the container engine itself.
    fn launcher(&mut self) -> Option<Option<PathBuf>> {
        let Some(text) = self.text("runtime.launcher") else { return Some(None) };
        let path = PathBuf::from(text.strip_prefix("unix://").unwrap_or(&text));
        if !path.is_absolute() {
            self.fault("runtime.launcher", "it is no socket, for example unix:///run/sluice/launcher.sock");
            return None;
        }
        let both: Vec<&str> = ["runtime.docker_host", "runtime.network"]
            .into_iter()
            .filter(|key| self.text(key).is_some())
            .collect();
        for key in &both {
            self.fault(key, "with runtime.launcher this is set in the configuration of the launcher");
        }
        both.is_empty().then_some(Some(path))
    }

    fn broker(&mut self) -> Option<BrokerPlace> {
        // Not `optional`, whose faults repeat the value: it may hold a password.
        let url = match self.text("broker.url").map(|text| text.parse::<BrokerUrl>()) {
            Some(Ok(url)) => Some(url),
            Some(Err(error)) => {
                self.fault("broker.url", error);
                None
            }
            None => {
                self.fault(
                    "broker.url",
                    "it is needed, for example amqp://user:password@127.0.0.1:5672/sluice",
                );
                None
            }
        };
        let management = self.text("broker.management_url").map(SecretString::from);
        let component_user =
            match (self.text("broker.component_username"), self.text("broker.component_password")) {
                (Some(user), Some(password)) => Some((user, password.into())),
                (None, None) => None,
                _ => {
                    self.fault("broker.component_username", "user and password of components go together");
                    None
                }
            };
        if management.is_none() && component_user.is_none() {
            let what = "set it, so that each container gets a broker user of its own, or set broker.component_username and broker.component_password";
            self.fault("broker.management_url", what);
        }
        let queue_type = match self.text("broker.queue_type")?.as_str() {
            "auto" => QueueChoice::Auto,
            "classic" => QueueChoice::Classic,
            "quorum" => QueueChoice::Quorum,
            other => {
                self.fault("broker.queue_type", format!("`{other}` is none of auto, classic and quorum"));
                return None;
            }
        };
        let component_host = self.text("broker.component_host");
        let component_port = self.optional("broker.component_port");
        Some(BrokerPlace {
            url: url?,
            management,
            component_host,
            component_port,
            component_user,
            queue_type,
        })
    }

    /// Nothing when events are told to nobody.
    fn webhook(&mut self) -> Option<Option<EventWebhook>> {
        let Some(url) = self.text("events.webhook_url") else { return Some(None) };
        // Not `optional`, whose faults repeat the value: some services have a secret in it.
        let url = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if url.is_none() {
            self.fault("events.webhook_url", "it is no http or https URL");
        }
        let secret =
            self.text("events.webhook_secret").filter(|secret| sluice_webhook::is_signing_secret(secret));
        if secret.is_none() {
            let what = "notices are signed: set 24 to 64 random bytes in base 64, with or without whsec_ before them";
            self.fault("events.webhook_secret", what);
        }
        Some(Some(EventWebhook { url: url?, secret: secret?.into() }))
    }

    /// Nothing when nobody is told of spans.
    fn telemetry(&mut self) -> Option<Option<Telemetry>> {
        let ratio = self.number("telemetry.sample_ratio", 0.0, 1.0);
        let headers = self.headers("telemetry.otlp_headers");
        let Some(url) = self.text("telemetry.otlp_endpoint") else { return Some(None) };
        // Not `optional`, whose faults repeat the value: some services have a secret in it.
        let endpoint = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if endpoint.is_none() {
            self.fault("telemetry.otlp_endpoint", "it is no http or https URL");
        }
        Some(Some(Telemetry { endpoint: endpoint?, headers: headers?, ratio: ratio? }))
    }

    /// `name=value` with commas between them. Faults do not repeat the values.
    fn headers(&mut self, name: &str) -> Option<Vec<(String, SecretString)>> {
        let text = self.text(name).unwrap_or_default();
        let mut headers = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let read = part.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
            let good = read.filter(|(name, value)| {
                HeaderName::try_from(*name).is_ok() && HeaderValue::try_from(*value).is_ok()
            });
            let Some((name, value)) = good else {
                self.fault(name, "they are of the form name=value,name=value");
                return None;
            };
            headers.push((name.to_owned(), SecretString::from(value.to_owned())));
        }
        Some(headers)
    }

    fn engine(&mut self) -> Option<EngineNumbers> {
        let workers =
            self.text("engine.workers").is_some().then(|| self.number("engine.workers", 1, 64)).flatten();
        let prefetch = self.number("engine.prefetch", 1, 1000);
        let suspicions = self.number("engine.suspicions", 0, 100);
        let high = self.number("engine.high_watermark", 1, 20_000);
        let low = self.number("engine.low_watermark", 0, 20_000);
        if let (Some(high), Some(low)) = (high, low)
            && low >= high
        {
            self.fault("engine.low_watermark", format!("{low} is not below engine.high_watermark, {high}"));
        }
        let liveness = self.optional::<Delay>("engine.liveness");
        let keep_warm = self.optional::<Delay>("engine.keep_warm");
        let idle_timeout = match self.text("engine.idle_timeout") {
            Some(text) if text == "never" => Some(None),
            Some(text) => match text.parse::<Delay>() {
                Ok(delay) => Some(Some(delay.get())),
                Err(error) => {
                    self.fault("engine.idle_timeout", format!("`{text}`: {error}; or `never`"));
                    None
                }
            },
            None => None,
        };
        let per_second = self.number("history.per_second", 0, 1_000_000);
        let body_bytes = self.number("history.body_bytes", 0, 1024 * 1024);
        let age = self.optional::<Delay>("history.age");
        let count = self.number("history.count", 1, 100_000_000);
        Some(EngineNumbers {
            workers,
            prefetch: prefetch?,
            suspicions: suspicions?,
            high_watermark: high?,
            low_watermark: low?,
            liveness: liveness?.get(),
            keep_warm: keep_warm?.get(),
            idle_timeout: idle_timeout?,
            recorded_per_second: per_second?,
            recorded_bytes: body_bytes?,
            retention_age: age?.get(),
            retention_count: count?,
        })
    }
}
