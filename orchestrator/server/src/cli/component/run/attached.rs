//! A component whose process runs here, in the place of its containers.
//!
//! The server holds the containers back as long as it hears from here. So one loop does everything and never waits for
//! long: builds and ends of processes go on beside it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sluice_http::dto;
use sluice_protocol::Descriptor;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::interrupts::Interrupts;
use super::watch::Watch;
use super::worker::Worker;
use crate::cli::Done;
use crate::cli::component::inspected::Inspected;
use crate::cli::component::tool;
use crate::client::Client;
use crate::failure::{Code, Exit, Failure};
use crate::files;
use crate::output::{Out, fail, note};

/// The descriptor in a component's folder.
const DESCRIPTOR: &str = "component.json";
/// How often processes are looked after.
const LOOK: Duration = Duration::from_millis(200);
/// How often the attachment is renewed and files are looked at. The server takes 30 seconds of silence for the end.
const RENEW: Duration = Duration::from_secs(1);

/// What is run here.
struct Desk<'a> {
    out: &'a Out,
    client: Client,
    folder: PathBuf,
    descriptor: Descriptor,
    /// What runs: a program and its arguments.
    command: Vec<OsString>,
    /// Whether Cargo makes it.
    built: bool,
    watch: Option<Watch>,
    building: Option<JoinHandle<Result<PathBuf, Failure>>>,
    /// The id of the attachment, while there is one.
    attachment: Option<String>,
    workers: BTreeMap<String, Worker>,
    /// Whether the server was away at the last renewal.
    away: bool,
    /// Whether it comes to its end, and why if that is a failure.
    ending: Option<Option<Failure>>,
}

/// Runs the component of a folder until it is interrupted.
pub(super) async fn run(folder: PathBuf, command: Vec<OsString>, watch: bool, out: &Out) -> Done {
    let text = files::text(&folder.join(DESCRIPTOR))?;
    let (descriptor, findings) = sluice_workbench::descriptor(&text);
    let Some(descriptor) = descriptor.filter(|_| sluice_workbench::usable(&findings)) else {
        return Inspected::new(folder.display().to_string(), None, findings).show(out);
    };
    let built = command.is_empty();
    if built && !folder.join("Cargo.toml").is_file() {
        let message = format!("{} has no Cargo.toml", folder.display());
        return Err(Failure::new(Code::Usage, message).help("--command PROGRAM ARGS... says what to run"));
    }
    let watch = if watch { Some(Watch::new(&folder)?) } else { None };
    let command =
        if built { vec![tool::cargo_build(&folder, false).await?.into_os_string()] } else { command };
    let mut desk = Desk {
        out,
        client: Client::find()?,
        folder,
        descriptor,
        command,
        built,
        watch,
        building: None,
        attachment: None,
        workers: BTreeMap::new(),
        away: false,
        ending: None,
    };
    let mut interrupts = Interrupts::listen()?;
    desk.attach().await?;
    desk.work(&mut interrupts).await;
    desk.detach().await;
    match desk.ending.flatten() {
        Some(failure) => Err(failure),
        None => Ok(None),
    }
}

impl Desk<'_> {
    async fn attach(&mut self) -> Result<(), Failure> {
        let (name, version) = (&self.descriptor.name, &self.descriptor.version);
        let body = dto::Attach { descriptor: serde_json::to_value(&self.descriptor).unwrap_or_default() };
        let made = self.client.post(&["api", "v1", "attachments"], &[], &body).await;
        let made: dto::Attachment = made.map_err(|failure: Failure| match failure.exit {
            Exit::NotFound => failure.help(format!(
                "`sluice component build {}` and `sluice connector install sluice/{name}:{version}` put it there",
                self.folder.display()
            )),
            _ => failure,
        })?;
        self.out.done(&format!(
            "Attached to {name} {version} on {} ({}). Its containers finish what they began; they come back when this ends.",
            self.client.url(),
            made.id
        ));
        self.out.done("A process begins for each deployment that flows or invocations use.");
        self.attachment = Some(made.id);
        Ok(())
    }

    /// Works until everything has ended.
    async fn work(&mut self, interrupts: &mut Interrupts) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renewed: Option<Instant> = None;
        loop {
            tokio::select! {
                () = interrupts.next() => self.interrupted(),
                _ = tick.tick() => {}
            }
            if renewed.is_none_or(|at| at.elapsed() >= RENEW) {
                renewed = Some(Instant::now());
                self.look_at_files();
                self.renew().await;
            }
            self.take_build().await;
            self.look_after_workers().await;
            if self.ending.is_some() && self.workers.is_empty() {
                return;
            }
        }
    }

    fn interrupted(&mut self) {
        if self.ending.is_none() {
            self.out.done("Ending: processes finish what they began. Once more ends them at once.");
            self.end(None);
        } else {
            self.workers.values_mut().for_each(Worker::kill);
        }
    }

    fn end(&mut self, why: Option<Failure>) {
        self.ending.get_or_insert(why);
        self.stop_build();
        self.workers.values_mut().for_each(|worker| worker.take_in(None));
    }

    fn stop_build(&mut self) {
        if let Some(building) = self.building.take() {
            building.abort();
        }
    }

    /// Begins a build, or restarts at once, when a file changed.
    fn look_at_files(&mut self) {
        let Some(path) = self.watch.as_mut().and_then(Watch::changed) else { return };
        if self.ending.is_some() {
            return;
        }
        let text = files::text(&self.folder.join(DESCRIPTOR)).unwrap_or_default();
        if Descriptor::from_json(&text).ok().as_ref() != Some(&self.descriptor) {
            note(&format!(
                "{DESCRIPTOR} differs from the one that is installed, which flows are checked against: build and install it, \
                 and begin anew. What runs here stays as it was."
            ));
            return;
        }
        self.out.done(&format!("{} changed.", path.display()));
        if self.built {
            self.stop_build();
            let folder = self.folder.clone();
            self.building = Some(tokio::spawn(async move { tool::cargo_build(&folder, false).await }));
        } else {
            self.workers.values_mut().for_each(Worker::end);
        }
    }

    /// Takes what a build made. After one that failed the last good one stays.
    async fn take_build(&mut self) {
        let Some(building) = self.building.take_if(|building| building.is_finished()) else { return };
        match building.await {
            Ok(Ok(binary)) => {
                self.command = vec![binary.into_os_string()];
                self.workers.values_mut().for_each(Worker::end);
            }
            Ok(Err(failure)) => fail(&failure),
            Err(error) => note(&format!("the build came to nothing: {error}")),
        }
    }

    /// Tells the server that this goes on, and takes in what is to be served.
    async fn renew(&mut self) {
        let Some(attachment) = &self.attachment else { return self.attach_again().await };
        let running = self.workers.iter().filter(|(_, worker)| worker.has_process());
        let body = dto::RenewAttachment { processes: running.map(|(id, _)| id.clone()).collect() };
        let path = ["api", "v1", "attachments", attachment, "renew"];
        match self.client.post::<_, dto::Attachment>(&path, &[], &body).await {
            Ok(attachment) => {
                self.away = false;
                self.take_in(attachment.deployments);
            }
            Err(failure) if failure.exit == Exit::NotFound => {
                note("The server ended the attachment: it was started anew, or heard nothing for too long.");
                self.attachment = None;
                self.take_in(Vec::new());
            }
            Err(failure) if failure.exit == Exit::Unauthorized => self.end(Some(failure)),
            Err(failure) => self.server_away(&failure),
        }
    }

    /// Attaches once more, when nothing of the last attachment runs any more.
    async fn attach_again(&mut self) {
        if self.ending.is_some() || !self.workers.is_empty() {
            return;
        }
        match self.attach().await {
            Ok(()) => self.away = false,
            Err(failure) if failure.exit == Exit::Failed => self.server_away(&failure),
            Err(failure) => self.end(Some(failure)),
        }
    }

    fn server_away(&mut self, failure: &Failure) {
        if !self.away {
            note(&format!("{}; trying again", failure.message));
        }
        self.away = true;
    }

    fn take_in(&mut self, deployments: Vec<dto::AttachableDeployment>) {
        let ending = self.ending.is_some();
        let mut wanted: BTreeMap<String, dto::AttachableDeployment> =
            deployments.into_iter().filter(|_| !ending).map(|one| (one.id.clone(), one)).collect();
        for (id, worker) in &mut self.workers {
            worker.take_in(wanted.remove(id));
        }
        self.workers.extend(wanted.into_iter().map(|(id, one)| (id, Worker::new(one))));
    }

    async fn look_after_workers(&mut self) {
        let mut failed = None;
        for worker in self.workers.values_mut() {
            worker.look(self.out);
            if let Some(attachment) = self.attachment.as_deref().filter(|_| failed.is_none()) {
                failed = worker.begin((&self.client, attachment), &self.command, self.out).await.err();
            }
        }
        if failed.is_some() {
            self.end(failed);
        }
        self.workers.retain(|_, worker| !worker.is_over());
    }

    async fn detach(&mut self) {
        let Some(attachment) = self.attachment.take() else { return };
        match self.client.delete(&["api", "v1", "attachments", &attachment], &[]).await {
            Err(failure) if failure.exit != Exit::NotFound => {
                note(&format!("{}; the attachment ends by itself", failure.message));
            }
            _ => self.out.done("Detached; containers come back."),
        }
    }
}
