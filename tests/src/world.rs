//! A whole Sluice of a test's own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::docker::remove_installation;
use crate::launcher::SERVER;
use crate::orchestrator::first_token;
use crate::{Api, Broker, Launcher, Orchestrator, docker, engine, eventually, unique};

/// How long a container may take to come up, or back.
const PATIENCE: Duration = Duration::from_secs(90);

/// A virtual host, a container network, a data directory and an orchestrator.
pub struct World {
    /// The name that tells its containers, network and virtual host from others.
    pub name: String,
    /// Its virtual host.
    pub broker: Broker,
    /// The operator API.
    pub api: Api,
    /// The address of this machine as its containers see it.
    pub host: String,
    metrics: String,
    environment: Vec<(String, String)>,
    orchestrator: Option<Orchestrator>,
    /// What reaches the container engine for the orchestrator, where it does not itself.
    pub launcher: Option<Launcher>,
    data: Data,
}

/// Where the store is.
enum Data {
    /// A folder that goes with the world.
    Own(TempDir),
    /// A folder of somebody else.
    Given(PathBuf),
}

/// The image of a component of this repository, as `deploy/images/build` names it. `SLUICE_TEST_IMAGE_TAG` chooses images
/// that were built with `--tag`.
#[must_use]
pub fn component_image(name: &str) -> String {
    let tag = std::env::var("SLUICE_TEST_IMAGE_TAG").ok().filter(|tag| !tag.is_empty());
    format!("sluice/{name}:{}", tag.as_deref().unwrap_or(env!("CARGO_PKG_VERSION")))
}

impl World {
    /// Makes a world in which these components are installed.
    ///
    /// # Errors
    /// When Docker or the broker is away, or an image was not built.
    pub async fn start(purpose: &str, components: &[&str]) -> Result<Self> {
        Self::start_with(purpose, components, &[]).await
    }

    /// As [`start`](Self::start), with more settings as environment variables.
    ///
    /// # Errors
    /// When Docker or the broker is away, or an image was not built.
    pub async fn start_with(purpose: &str, components: &[&str], settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_on(Broker::create(&unique(purpose)).await?, None, components, settings).await
    }

    /// As [`start`](Self::start), with an orchestrator that has no rights of its own and reaches the container engine by
    /// way of a launcher. Needs root.
    ///
    /// # Errors
    /// When Docker or the broker is away, an image was not built, or this is not root.
    pub async fn start_behind_launcher(purpose: &str, components: &[&str]) -> Result<Self> {
        let broker = Broker::create(&unique(purpose)).await?;
        let launcher = Launcher::start(broker.vhost()).await?;
        let url = format!("unix://{}", launcher.socket().display());
        let settings = [("SLUICE__RUNTIME__LAUNCHER", url.as_str())];
        Self::make(broker, None, components, &settings, Some(launcher)).await
    }

    /// As [`start_with`](Self::start_with), on a virtual host that is there, with its name, and with its data in a folder
    /// that stays if one is given.
    ///
    /// # Errors
    /// When Docker or the broker is away, or an image was not built.
    pub async fn start_on(
        broker: Broker,
        data: Option<&Path>,
        components: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        Self::make(broker, data, components, settings, None).await
    }

    async fn make(
        broker: Broker,
        data: Option<&Path>,
        components: &[&str],
        settings: &[(&str, &str)],
        launcher: Option<Launcher>,
    ) -> Result<Self> {
        // A provider may be installed already by another world.
        rustls::crypto::ring::default_provider().install_default().ok();
        let name = broker.vhost().to_owned();
        let data = match data {
            Some(folder) => Data::Given(folder.to_owned()),
            None => Data::Own(tempfile::tempdir()?),
        };
        let listen = |port: u16| format!("127.0.0.1:{port}");
        let (api_port, metrics_port) = (free_port()?, free_port()?);
        let mut environment: Vec<(String, String)> = [
            ("SLUICE__INSTALLATION", name.clone()),
            ("SLUICE__DATA_DIR", data.path().to_string_lossy().into_owned()),
            ("SLUICE__API__LISTEN", listen(api_port)),
            ("SLUICE__METRICS__LISTEN", listen(metrics_port)),
            ("SLUICE__BROKER__URL", broker.amqp_url()),
            ("SLUICE__BROKER__MANAGEMENT_URL", broker.management_url()),
            ("SLUICE__LOG__LEVEL", "info".to_owned()),
            // Providers of tokens are on the host's address in the network of containers.
            ("SLUICE__OAUTH__ALLOWED_NETWORKS", "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16".to_owned()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        environment.extend(engine().map(|host| ("SLUICE__RUNTIME__DOCKER_HOST".to_owned(), host)));
        environment.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let base = format!("http://127.0.0.1:{api_port}");
        let first = Api::new(&base, "")?;
        let orchestrator = orchestrate(launcher.as_ref(), data.path(), &environment, &first).await?;
        let api = Api::new(&base, &first_token(data.path()).await?)?;
        let format = "{{(index .IPAM.Config 0).Gateway}}";
        let host = docker(&["network", "inspect", "--format", format, &format!("sluice-{name}")]).await?;
        let metrics = format!("http://127.0.0.1:{metrics_port}/metrics");
        let orchestrator = Some(orchestrator);
        let world = Self { name, broker, api, host, metrics, environment, orchestrator, launcher, data };
        for component in components {
            let body = json!({ "image": component_image(component) });
            world
                .api
                .call("POST", "/api/v1/connectors", Some(body))
                .await
                .context("run deploy/images/build first")?;
        }
        Ok(world)
    }

    /// The data directory; `log` and `out` in it are what the orchestrator wrote.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The orchestrator that runs now.
    #[must_use]
    pub fn orchestrator(&self) -> Option<&Orchestrator> {
        self.orchestrator.as_ref()
    }

    async fn orchestrate(&self) -> Result<Orchestrator> {
        orchestrate(self.launcher.as_ref(), self.data.path(), &self.environment, &self.api).await
    }

    /// Ends the orchestrator without warning and starts another on the same data.
    ///
    /// # Errors
    /// When the new one does not become ready.
    pub async fn kill_and_restart(&mut self) -> Result<()> {
        if let Some(orchestrator) = self.orchestrator.take() {
            orchestrator.kill().await?;
        }
        self.orchestrator = Some(self.orchestrate().await?);
        Ok(())
    }

    /// Ends the orchestrator without warning, if it runs.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        match self.orchestrator.take() {
            Some(orchestrator) => orchestrator.kill().await,
            None => Ok(()),
        }
    }

    /// Waits until the orchestrator ends by itself; how it did.
    ///
    /// # Errors
    /// When none runs, or it does not end in time.
    pub async fn ended(&mut self, patience: Duration) -> Result<std::process::ExitStatus> {
        let status = self.orchestrator.as_mut().context("it does not run")?.ended(patience).await?;
        self.orchestrator = None;
        Ok(status)
    }

    /// Starts an orchestrator with more settings, and waits for nothing.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn launch(&mut self, settings: &[(&str, &str)]) -> Result<()> {
        let more = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let environment: Vec<_> = self.environment.iter().cloned().chain(more).collect();
        self.orchestrator = Some(Orchestrator::launch(self.data.path(), &environment)?);
        Ok(())
    }

    /// Waits until the orchestrator is ready; false when it has ended instead.
    ///
    /// # Errors
    /// When none runs, or it is not ready in time.
    pub async fn ready(&mut self, patience: Duration) -> Result<bool> {
        let orchestrator = self.orchestrator.as_mut().context("it does not run")?;
        match orchestrator.ready(self.data.path(), &self.api, patience).await {
            Ok(()) => Ok(true),
            Err(_) if orchestrator.has_ended()? => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks the orchestrator to end and starts another on the same data.
    ///
    /// # Errors
    /// When the old one does not end well, or the new one does not become ready.
    pub async fn restart(&mut self) -> Result<std::process::ExitStatus> {
        let old = self.orchestrator.take().context("it does not run")?;
        let status = old.terminate().await?;
        self.orchestrator = Some(self.orchestrate().await?);
        Ok(status)
    }

    /// An instance document for this world's broker, and the secrets that go with it.
    #[must_use]
    pub fn broker_instance(&self, name: &str) -> (String, Value) {
        let (_, port, user, password) = self.broker.parts();
        let text = format!(
            "sluice: 1\nkind: instance\nname: {name}\nconnector: rabbitmq\nsettings: {{ url: \"amqp://{}:{port}/{}\" }}\nsecrets: {{ username: {{ env: U }}, password: {{ env: P }} }}\n",
            self.host,
            self.broker.vhost()
        );
        (text, json!({ name: { "username": user, "password": password } }))
    }

    /// Applies a template whose instance `name` is a connection to this world's broker; what the API answered.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn apply_with_broker(&self, name: &str, template: &str) -> Result<Value> {
        let (instance, secrets) = self.broker_instance(name);
        let body = json!({
            "files": [{ "name": "test.yaml", "text": instance + template }],
            "instances": { name: name }, "secrets": secrets,
        });
        self.api.call("POST", "/api/v1/apply", Some(body)).await.context("apply")
    }

    /// Waits until a flow runs.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn running(&self, flow: &str) -> Result<()> {
        eventually(&format!("flow {flow} to run"), Duration::from_secs(120), || async {
            let view = self.api.get(&format!("/api/v1/flows/{flow}")).await?;
            anyhow::ensure!(view["status"] == "running", "{} {}", view["status"], view["reasons"]);
            Ok(Some(()))
        })
        .await
    }

    /// The settings of its orchestrator.
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// What the metrics listener says.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(http.get(&self.metrics).send().await?.error_for_status()?.text().await?)
    }

    /// The names of the containers of this world.
    ///
    /// # Errors
    /// When Docker does not answer.
    pub async fn containers(&self) -> Result<Vec<String>> {
        let label = format!("label=io.sluice.installation={}", self.name);
        let names = docker(&["ps", "--filter", &label, "--format", "{{.Names}}"]).await?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The container of a component. One may answer before the reconciler has looked at it, so this waits for that.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn container(&self, component: &str) -> Result<String> {
        eventually(&format!("a container of {component}"), PATIENCE, || async {
            let deployments = self.api.get("/api/v1/deployments").await?;
            let list =
                deployments["items"].as_array().or_else(|| deployments.as_array()).context("no list")?;
            let of = |deployment: &&Value| deployment["component"] == component;
            let name = list.iter().filter(of).find_map(|deployment| deployment["container"]["name"].as_str());
            Ok(name.map(str::to_owned))
        })
        .await
    }

    /// Sends a signal that ends it to the container of a component, and waits until it was started again. A container
    /// that is on its way down or up from before is waited for: it can take no signal.
    ///
    /// # Errors
    /// When no container of it takes the signal, or none comes back.
    pub async fn end_container(&self, component: &str, signal: &str) -> Result<()> {
        let state = |container: String| async move {
            docker(&["inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", &container]).await
        };
        let before = eventually(&format!("{component} to take {signal}"), PATIENCE, || async {
            let container = self.container(component).await?;
            let before = state(container.clone()).await?;
            docker(&["kill", "--signal", signal, &container]).await?;
            Ok(Some(before))
        })
        .await?;
        eventually(&format!("{component} to run after {signal}"), PATIENCE, || async {
            let now = state(self.container(component).await?).await?;
            Ok((now.starts_with("true") && now != before).then_some(()))
        })
        .await
    }

    /// The process of a component, as this machine numbers it.
    ///
    /// # Errors
    /// When its container does not run.
    pub async fn process(&self, component: &str) -> Result<u32> {
        let container = self.container(component).await?;
        Ok(docker(&["inspect", "--format", "{{.State.Pid}}", &container]).await?.parse()?)
    }

    /// Ends everything and removes what it made.
    ///
    /// # Errors
    /// When something stays.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(orchestrator) = self.orchestrator.take() {
            orchestrator.kill().await?;
        }
        let users = format!("sluice-{}-", self.name);
        for user in self.broker.users(&users).await? {
            self.broker.call("DELETE", &["users", &user], None).await?;
        }
        self.broker.remove().await?;
        remove_installation(&self.name);
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A test that did not come to its end leaves its log where its reader sees it.
        if self.orchestrator.is_some() {
            let kept = std::env::temp_dir().join(format!("{}.log", self.name));
            std::fs::copy(self.data.path().join("log"), kept).ok();
        }
        // Killed before its containers go, which it would make again.
        drop(self.orchestrator.take());
        remove_installation(&self.name);
    }
}

async fn orchestrate(
    launcher: Option<&Launcher>,
    data: &Path,
    environment: &[(String, String)],
    api: &Api,
) -> Result<Orchestrator> {
    match launcher {
        Some(_) => Orchestrator::start_as(SERVER, data, environment, api).await,
        None => Orchestrator::start(data, environment, api).await,
    }
}

/// A port that is free now. Below those that the system gives to outgoing connections (from 32768 on), so that it is still
/// free when an orchestrator is started on it again.
fn free_port() -> Result<u16> {
    let tried = (0..1000).map(|_| rand::rng().random_range(15_000..32_000_u16));
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    tried.into_iter().find(free).context("no port is free")
}

impl Data {
    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }
}
