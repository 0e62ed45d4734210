//! A real engine, and an image to run on it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use sluice_docker::{Docker, DockerConfig};
use sluice_domain::ImageRef;
use sluice_ports::runtime::Runtime;
use sluice_testkit::contract::runtime::RuntimeHarness;

/// An installation of its own on the local engine. Takes everything away when it goes.
pub(crate) struct Harness {
    pub(crate) docker: Arc<Docker>,
    installation: String,
}

impl Harness {
    pub(crate) async fn new(name: &str) -> Self {
        let installation = format!("test-{name}-{}", std::process::id());
        let docker = connect(&installation, None);
        if let Err(error) = docker.version().await {
            panic!("these tests need a Docker engine, and there is none: {error}: {:?}", error.source);
        }
        let harness = Self { docker: Arc::new(docker), installation };
        harness.import("echo", &[]);
        harness
    }

    /// Makes an image of the stand-in component and nothing else, with changes on top.
    pub(crate) fn import(&self, name: &str, changes: &[&str]) -> ImageRef {
        let image = format!("{}:{name}", self.installation);
        let program = stand_in();
        let folder = program.parent().expect("a file is in a folder");
        let mut tar = Command::new("tar")
            .args(["-c", "-C"])
            .arg(folder)
            .arg("echo_stdin")
            .stdout(Stdio::piped())
            .spawn()
            .expect("tar is installed");
        let imported = Command::new("docker")
            .args(["import", "--change", r#"ENTRYPOINT ["/echo_stdin"]"#])
            .args(changes)
            .args(["-", &image])
            .stdin(tar.stdout.take().expect("it is piped"))
            .output()
            .expect("the docker command is installed");
        assert!(tar.wait().expect("tar was started").success());
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        image.parse().expect("it is an image reference")
    }
}

impl RuntimeHarness for Harness {
    fn runtime(&self) -> Arc<dyn Runtime> {
        self.docker.clone()
    }

    fn image(&self) -> ImageRef {
        format!("{}:echo", self.installation).parse().expect("it is an image reference")
    }

    fn prefix(&self) -> String {
        self.installation.clone()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let label = format!("label=io.sluice.installation={}", self.installation);
        let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for id in lines(try_docker(&["ps", "-aq", "--filter", &label])) {
            try_docker(&["rm", "-f", &id]);
        }
        for id in lines(try_docker(&["network", "ls", "-q", "--filter", &label])) {
            try_docker(&["network", "rm", &id]);
        }
        for id in lines(try_docker(&["images", "-q", &self.installation])) {
            try_docker(&["rmi", "-f", &id]);
        }
    }
}

pub(crate) fn connect(installation: &str, host: Option<&str>) -> Docker {
    let host = host.map(str::to_owned);
    let config = DockerConfig { host, installation: installation.to_owned(), network: None, open: false };
    Docker::connect(config).expect("the configuration is right")
}

/// As [`connect`], on a network that is made by somebody else.
pub(crate) fn connect_on(installation: &str, network: &str) -> Docker {
    let network = Some(network.to_owned());
    let config = DockerConfig { host: None, installation: installation.to_owned(), network, open: false };
    Docker::connect(config).expect("the configuration is right")
}

/// Runs the docker command and returns what it said, on both streams. It has to succeed.
pub(crate) fn docker_command(arguments: &[&str]) -> String {
    let output = docker_output(arguments);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "docker {}: {said}", arguments.join(" "));
    said
}

/// Runs the docker command, which need not succeed.
fn try_docker(arguments: &[&str]) -> String {
    String::from_utf8_lossy(&docker_output(arguments).stdout).into_owned()
}

fn docker_output(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().expect("the docker command is installed")
}

/// The example that stands in for a component, next to this test.
fn stand_in() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let built =
        test.parent().and_then(|deps| deps.parent()).expect("tests are in a folder of the target folder");
    let program = built.join("examples/echo_stdin");
    assert!(program.exists(), "{program:?} is missing: run `cargo build -p sluice-docker --examples` first");
    program
}
