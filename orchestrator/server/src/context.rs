//! Which server to talk to, with which token, and for whom: `SLUICE_URL`, `SLUICE_TOKEN` and `SLUICE_TENANT` (or
//! `--tenant`), else what `sluice login` kept of the first two.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::OnceLock;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sluice_domain::TenantName;
use url::Url;

use crate::failure::{Code, Failure};

/// Where the API is when nobody says so.
const LOCAL: &str = "http://127.0.0.1:7400";

/// The tenant that the command line names.
static TENANT: OnceLock<TenantName> = OnceLock::new();

/// Notes that all requests of this process are for a tenant.
pub(crate) fn speak_for(tenant: Option<TenantName>) {
    if let Some(tenant) = tenant {
        TENANT.set(tenant).ok();
    }
}

/// A server, a token for it, and a tenant to speak for.
pub(crate) struct Context {
    pub(crate) url: Url,
    pub(crate) token: Option<SecretString>,
    pub(crate) tenant: Option<TenantName>,
}

#[derive(Default, Deserialize)]
struct Kept {
    url: Option<String>,
    token: Option<String>,
}

impl Context {
    /// Finds the context.
    pub(crate) fn find() -> Result<Self, Failure> {
        let kept = read()?;
        let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let url = given("SLUICE_URL");
        // A kept token belongs to the kept server; another server must not get to see it.
        let same = url.is_none() || url.as_deref().map(trimmed) == kept.url.as_deref().map(trimmed);
        let token = given("SLUICE_TOKEN").or_else(|| kept.token.filter(|_| same)).map(SecretString::from);
        let url = parse(&url.or(kept.url).unwrap_or_else(|| LOCAL.to_owned()))?;
        let tenant = match (TENANT.get(), given("SLUICE_TENANT")) {
            (Some(named), _) => Some(named.clone()),
            (None, Some(text)) => {
                let named = text.parse();
                Some(named.map_err(|error| Failure::new(Code::Usage, format!("SLUICE_TENANT: {error}")))?)
            }
            (None, None) => None,
        };
        Ok(Self { url, token, tenant })
    }

    /// Keeps the context in a file that only its owner may read.
    pub(crate) fn keep(&self) -> Result<PathBuf, Failure> {
        let path = path()
            .ok_or_else(|| Failure::new(Code::Unreadable, "neither XDG_CONFIG_HOME nor HOME is set"))?;
        let failed =
            |error| Failure::new(Code::Unreadable, format!("cannot write {}: {error}", path.display()));
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        // A new file beside it, then a rename: the mode is right from the beginning, and no half file is ever read.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let token = self.token.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let text = format!("url = {}\ntoken = {}\n", quoted(self.url.as_str()), quoted(token));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
        std::fs::rename(&fresh, &path).map_err(failed)?;
        Ok(path)
    }
}

/// Reads a URL of a server.
pub(crate) fn parse(text: &str) -> Result<Url, Failure> {
    let url: Option<Url> = text.parse().ok().filter(|url: &Url| matches!(url.scheme(), "http" | "https"));
    url.filter(Url::has_host).ok_or_else(|| {
        Failure::new(Code::Usage, format!("`{text}` is no URL of a server"))
            .help(format!("write it like {LOCAL}"))
    })
}

fn trimmed(url: &str) -> &str {
    url.trim_end_matches('/')
}

fn path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("sluice").join("context.toml"))
}

fn read() -> Result<Kept, Failure> {
    let Some(path) = path().filter(|path| path.exists()) else { return Ok(Kept::default()) };
    let file = config::File::from(path.as_path()).format(config::FileFormat::Toml);
    let read = config::Config::builder().add_source(file).build().and_then(config::Config::try_deserialize);
    read.map_err(|_| {
        Failure::new(Code::Unreadable, format!("{} cannot be read", path.display()))
            .help("repeat `sluice login URL`")
    })
}

/// A TOML string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
