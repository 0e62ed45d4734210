//! An image as a component: from what it says of itself to what is wrong with it.

use sluice_planner::nearest;
use sluice_ports::runtime::ImageFacts;
use sluice_protocol::IMAGE_LABEL;

use crate::{Finding, FindingCode};

/// Most names that are offered for a missing one.
const OFFERED: usize = 3;

/// What is wrong with an image on an engine of this platform (`linux/amd64`). Its descriptor is not looked at here.
#[must_use]
pub fn image(facts: &ImageFacts, engine: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |code, message: String| found.push(Finding::new(code, message));
    if facts.platform != engine {
        let message = format!("the image is for {}, the container engine is {engine}", facts.platform);
        say(FindingCode::OtherPlatform, message);
    }
    if facts.descriptor.is_none() {
        say(FindingCode::NoLabel, format!("the image has no label {IMAGE_LABEL}, so it is no component"));
    }
    if !facts.volumes.is_empty() {
        say(FindingCode::Volume, format!("the image declares the volume {}", facts.volumes.join(", ")));
    }
    if facts.command.is_empty() {
        say(FindingCode::NoCommand, "the image says nothing about what to run".to_owned());
    }
    let user = facts.user.split(':').next().unwrap_or_default();
    if matches!(user, "" | "0" | "root") {
        say(FindingCode::RunsAsRoot, "the image names no user, or root".to_owned());
    }
    if !facts.ports.is_empty() {
        say(FindingCode::ExposesPorts, format!("the image exposes {}", facts.ports.join(", ")));
    }
    if !facts.shells.is_empty() {
        say(FindingCode::HasShell, format!("the image has {}", facts.shells.join(", ")));
    }
    found
}

/// The finding that an image is not there, with the names that were probably meant.
#[must_use]
pub fn missing_image(name: &str, names: &[String]) -> Finding {
    let finding =
        Finding::new(FindingCode::ImageMissing, format!("there is no image {name} on this machine"));
    let repository = repository(name);
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let mut offered: Vec<&str> =
        names.iter().map(String::as_str).filter(|known| self::repository(known) == repository).collect();
    if offered.is_empty() {
        offered = names
            .iter()
            .map(String::as_str)
            .filter(|known| last(self::repository(known)) == last(repository))
            .collect();
    }
    if offered.is_empty() {
        offered.extend(nearest(name, names.iter().map(String::as_str)));
    }
    if offered.is_empty() {
        let repositories = names.iter().map(|known| self::repository(known));
        offered.extend(nearest(repository, repositories));
    }
    offered.truncate(OFFERED);
    match offered.as_slice() {
        [] => finding,
        near => {
            let help = format!("did you mean {}? {}", near.join(", "), finding.help);
            finding.help(help)
        }
    }
}

/// An image's name without its tag.
fn repository(name: &str) -> &str {
    match name.rfind(':') {
        Some(colon) if !name[colon..].contains('/') => &name[..colon],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> ImageFacts {
        ImageFacts {
            platform: "linux/amd64".to_owned(),
            descriptor: Some(String::new()),
            user: "10001:10001".to_owned(),
            command: vec!["/component".to_owned()],
            ..ImageFacts::default()
        }
    }

    fn codes(facts: &ImageFacts) -> Vec<String> {
        image(facts, "linux/amd64").into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_good_image_has_no_findings() {
        assert_eq!(codes(&facts()), [""; 0]);
    }

    #[test]
    fn everything_that_is_wrong_with_an_image_is_found() {
        let bad = ImageFacts {
            platform: "linux/arm64".to_owned(),
            ports: vec!["80/tcp".to_owned()],
            volumes: vec!["/data".to_owned()],
            shells: vec!["/bin/sh".to_owned()],
            user: "root:root".to_owned(),
            ..ImageFacts::default()
        };
        assert_eq!(codes(&bad), ["C0103", "C0104", "C0105", "C0106", "C0107", "C0108", "C0109"]);
    }

    #[test]
    fn names_that_are_near_are_offered() {
        let names = ["sluice/log:0.1.0", "sluice/http:0.1.0", "busybox:latest"].map(str::to_owned);
        for (name, expect) in [
            ("sluice/log:0.2.0", "did you mean sluice/log:0.1.0?"),
            ("log", "did you mean sluice/log:0.1.0?"),
            ("sluice/htpt:0.1.0", "did you mean sluice/http:0.1.0?"),
        ] {
            let help = missing_image(name, &names).help;
            assert!(help.starts_with(expect), "{name}: {help}");
        }
        assert!(!missing_image("postgres:17", &names).help.contains("did you mean"));
    }
}
