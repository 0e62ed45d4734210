//! A component that misbehaves in ways that no component written with the SDK can: a static program of some lines, alone
//! in an image.

use anyhow::{Context, Result};
use sluice_tests::docker;

use crate::host::run;

/// What it does is its first line of code: it cannot be told, since it never asks the gateway.
const SOURCE: &str = r#"
#include <string.h>
#include <unistd.h>
#include <stdlib.h>
#include <fcntl.h>
static void shout(void) {
  static char line[4096];
  memset(line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  for (;;) if (write(1, line, sizeof line) < 0) return;
}
static void multiply(void) {
  for (;;) {
    if (fork() < 0) usleep(1000);
    open("/dev/null", O_RDONLY);
  }
}
int main(int count, char **words) {
  const char *deed = count > 1 ? words[1] : "crash";
  if (!strcmp(deed, "shout")) shout();
  if (!strcmp(deed, "fork")) multiply();
  return 1;
}
"#;

const DESCRIPTOR: &str =
    r#"{"name":"NAME","version":"1.0.0","title":"Rogue","actions":{"go":{"title":"Go"}}}"#;

/// The image of the component `rogue`, which ends with code 1 at once.
pub(crate) async fn image() -> Result<String> {
    build("rogue", "crash").await
}

/// The image of a component that does something else for as long as it lives: `shout` writes to its standard output,
/// `fork` makes processes and opens files.
pub(crate) async fn build(name: &str, deed: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let (source, program) = (folder.path().join("rogue.c"), folder.path().join("rogue"));
    tokio::fs::write(&source, SOURCE).await?;
    let (source, program) = (source.display().to_string(), program.display().to_string());
    run("cc", &["-static", "-O1", "-o", &program, &source]).await.context("a C compiler is needed")?;
    let dockerfile =
        format!("FROM scratch\nCOPY rogue /rogue\nUSER 10001:10001\nENTRYPOINT [\"/rogue\", \"{deed}\"]\n");
    tokio::fs::write(folder.path().join("Dockerfile"), dockerfile).await?;
    let (image, place) = (format!("sluice-faults/{name}:1.0.0"), folder.path().display().to_string());
    let label = format!("io.sluice.component={}", DESCRIPTOR.replace("NAME", name));
    // The builder of old engines needs nothing but the engine.
    let build = ["build", "--quiet", "--label", &label, "--tag", &image, &place];
    docker(&build).await.map(|_| image)
}

/// Removes the images.
pub(crate) async fn remove() {
    docker(&[
        "rmi",
        "-f",
        "sluice-faults/rogue:1.0.0",
        "sluice-faults/shouting:1.0.0",
        "sluice-faults/forking:1.0.0",
    ])
    .await
    .ok();
}

/// A flow of a message that such a component shall take.
pub(crate) fn template_of(component: &str, name: &str, more: &str) -> String {
    format!(
        "sluice: 1\nkind: template\nname: {name}\nversion: 1.0.0\nsteps:\n  - {{ id: stream, use: faulty/stream, config: {{ count: 1 }} }}\n  - {{ id: go, use: {component}/go, isolation: step{more} }}\n"
    )
}
