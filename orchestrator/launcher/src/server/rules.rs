//! What may be asked, whoever asks: containers of one's own, within the limits.

use sluice_domain::Limits;

use super::Most;
use crate::refusal::{Code, Refusal};

/// Most characters of a name behind the installation's part of it.
const REST: usize = 64;

/// A name of a container of an installation is `sluice-<installation>-<rest>`. The rest holds no `-`, so that it is the
/// name of no other installation's container: that one's own name would have to be in it.
pub(super) fn name(installation: &str, name: &str) -> Result<(), Refusal> {
    let rest = name.strip_prefix("sluice-").and_then(|rest| rest.strip_prefix(installation));
    let rest = rest.and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && (1..=REST).contains(&rest.len()) {
        return Ok(());
    }
    let detail =
        format!("names of containers are `sluice-{installation}-` and 1 to {REST} letters, digits and `_`");
    Err(Refusal::new(Code::Foreign, detail))
}

/// What a start asks for must be within the limits. What it leaves open is the template's, which is.
pub(super) fn limits(most: Most, limits: Limits) -> Result<(), Refusal> {
    if let Some(memory) = limits.memory.filter(|memory| *memory > most.memory) {
        let detail = format!("{memory} of memory are more than {}", most.memory);
        return Err(Refusal::new(Code::AboveLimits, detail));
    }
    if let Some(cpus) = limits.cpus.filter(|cpus| *cpus > most.cpus) {
        let detail = format!("{cpus} processors are more than {}", most.cpus);
        return Err(Refusal::new(Code::AboveLimits, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sluice_domain::{Cpus, Memory};

    use super::*;

    #[test]
    fn names_are_those_of_the_installation() {
        for (text, fits) in [
            ("sluice-main-dep_0123456789", true),
            ("sluice-main-a", true),
            ("sluice-main-", false),
            ("sluice-main", false),
            ("sluice-main-b-dep_1", false),
            ("sluice-mainx-dep_1", false),
            ("sluice-other-dep_1", false),
            ("main-dep_1", false),
            ("/sluice-main-dep_1", false),
            ("sluice-main-../x", false),
            ("sluice-main-a/json?x", false),
            ("rabbitmq", false),
            ("", false),
        ] {
            assert_eq!(name("main", text).is_ok(), fits, "{text}");
        }
        assert!(name("main", &format!("sluice-main-{}", "a".repeat(65))).is_err());
        // Of two installations the one's name may begin as the other's.
        assert!(name("a", "sluice-a-b-x").is_err() && name("a-b", "sluice-a-b-x").is_ok());
    }

    #[test]
    fn limits_are_those_of_the_launcher() {
        let cpus = |cores: f64| Cpus::try_from(cores).unwrap();
        let most = Most { memory: Memory::mib(512), cpus: cpus(1.5), containers: 1 };
        for (memory, cores, fits) in [
            (None, None, true),
            (Some(Memory::mib(512)), Some(cpus(1.5)), true),
            (Some(Memory::mib(513)), None, false),
            (Some(Memory::mib(1)), Some(cpus(1.501)), false),
        ] {
            let asked = limits(most, Limits { memory, cpus: cores });
            assert_eq!(asked.is_ok(), fits, "{memory:?} {cores:?}");
        }
    }
}
