//! What a Dockerfile says of the image that it makes, as far as one can tell without building it.

use crate::{Finding, FindingCode};

/// A stage of a build, with what is said in it and in the stages of this file that it goes on from.
#[derive(Debug, Clone, Default)]
struct Stage {
    name: String,
    from_scratch: bool,
    command: bool,
    user: Option<String>,
    volume: Option<String>,
    ports: Option<String>,
}

/// What is wrong with the image of the last stage; and whether that begins from nothing.
pub(super) fn dockerfile(text: &str) -> (Vec<Finding>, bool) {
    let Some(last) = stages(text).pop() else {
        let finding = Finding::new(FindingCode::DockerfileWrong, "the Dockerfile has no FROM");
        return (vec![finding.at("Dockerfile")], false);
    };
    let mut found = Vec::new();
    let mut say = |code, message: String| found.push(Finding::new(code, message).at("Dockerfile"));
    if last.from_scratch && !last.command {
        say(FindingCode::DockerfileWrong, "the last stage has no ENTRYPOINT".to_owned());
    }
    if let Some(volume) = &last.volume {
        say(FindingCode::Volume, format!("the last stage declares the volume {volume}"));
    }
    let root = |user: &String| matches!(user.split(':').next(), Some("" | "0" | "root"));
    if last.from_scratch && last.user.as_ref().is_none_or(root) {
        say(FindingCode::RunsAsRoot, "the last stage names no user, or root".to_owned());
    }
    if let Some(ports) = &last.ports {
        say(FindingCode::ExposesPorts, format!("the last stage exposes {ports}"));
    }
    (found, last.from_scratch)
}

fn stages(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for line in instructions(text) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
        if word == "FROM" {
            let stage = begin(rest, &stages);
            stages.push(stage);
            continue;
        }
        let Some(stage) = stages.last_mut() else { continue };
        match word.as_str() {
            "ENTRYPOINT" | "CMD" => stage.command = true,
            "USER" => stage.user = Some(rest.to_owned()),
            "VOLUME" => stage.volume = Some(rest.to_owned()),
            "EXPOSE" => stage.ports = Some(rest.to_owned()),
            _ => {}
        }
    }
    stages
}

fn begin(rest: &str, before: &[Stage]) -> Stage {
    let mut words = rest.split_whitespace().filter(|word| !word.starts_with("--"));
    let base = words.next().unwrap_or_default();
    let name = match words.next() {
        Some(word) if word.eq_ignore_ascii_case("as") => words.next().unwrap_or_default(),
        _ => "",
    };
    let known = before.iter().find(|stage| !stage.name.is_empty() && stage.name == base);
    let mut stage = known.cloned().unwrap_or_default();
    stage.from_scratch |= base == "scratch";
    name.clone_into(&mut stage.name);
    stage
}

/// The instructions, each on one line, without comments.
fn instructions(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(begun) => open += begun,
            None => {
                open += line;
                all.push(std::mem::take(&mut open));
            }
        }
    }
    all.push(open);
    all.retain(|line| !line.trim().is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let codes: Vec<String> = dockerfile(text).0.into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, expect, "{text}");
    }

    #[test]
    fn the_last_stage_makes_the_image() {
        check(include_str!("../../../../components/log/Dockerfile"), &[]);
        check("FROM rust AS build\nVOLUME /x\nFROM scratch\nUSER 1\nENTRYPOINT [\"/c\"]\n", &[]);
        check("FROM scratch AS one\nUSER 1\nENTRYPOINT [\"/c\"]\nFROM one\nexpose 80\n", &["C0108"]);
    }

    #[test]
    fn what_makes_no_usable_image_is_found() {
        check("# nothing\n", &["C0306"]);
        check("FROM scratch\nCOPY c /c\n", &["C0306", "C0107"]);
        check("FROM scratch\nUSER root\nVOLUME \\\n  /data\nCMD [\"/c\"]\n", &["C0105", "C0107"]);
    }
}
