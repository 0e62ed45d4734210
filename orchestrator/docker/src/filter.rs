//! Whether the machine's packet filter sees what goes from container to container on one bridge.
//!
//! The engine keeps containers apart by rules of that filter. The kernel asks it about bridged frames only where it is
//! told to (`net.bridge.bridge-nf-call-iptables`), and whoever turns that off makes the rules mean nothing.

use std::fs::read_to_string;
use std::path::Path;

use bollard::models::{NetworkInspect, SystemInfo, SystemVersion};

use crate::network::bridge_of;

/// How an engine says that the filter is off, among its warnings.
const WARNING: &str = "bridge-nf-call-iptables is disabled";
/// From this version of its API on an engine says nothing of it any more.
const SILENT: (u32, u32) = (1, 48);

/// As far as the engine tells, or this machine if the bridge is here.
pub(crate) fn of(
    network: Option<&NetworkInspect>,
    engine: &SystemVersion,
    info: &SystemInfo,
) -> Option<bool> {
    network.and_then(|network| here(Path::new("/"), &bridge_of(network)?)).or_else(|| told(engine, info))
}

/// What this machine does with a bridge; nothing where the bridge is not in the network namespace of this process.
pub(crate) fn here(root: &Path, bridge: &str) -> Option<bool> {
    let interfaces = read_to_string(root.join("proc/net/dev")).ok()?;
    let is_bridge =
        |line: &str| line.trim_start().strip_prefix(bridge).is_some_and(|rest| rest.starts_with(':'));
    if !interfaces.lines().any(is_bridge) {
        return None;
    }
    let is_on = |path: &Path| read_to_string(path).is_ok_and(|text| text.trim() == "1");
    let all = root.join("proc/sys/net/bridge/bridge-nf-call-iptables");
    let alone = root.join("sys/class/net").join(bridge).join("bridge/nf_call_iptables");
    Some(is_on(&all) || is_on(&alone))
}

fn told(engine: &SystemVersion, info: &SystemInfo) -> Option<bool> {
    if info.warnings.iter().flatten().any(|warning| warning.contains(WARNING)) {
        return Some(false);
    }
    let (major, minor) = engine.api_version.as_deref()?.split_once('.')?;
    let version: (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    // Only Docker's own engine tells.
    let is_docker = engine.components.iter().flatten().any(|component| component.name == "Engine");
    (is_docker && version < SILENT).then_some(true)
}

#[cfg(test)]
mod tests {
    use bollard::models::SystemVersionComponents;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_machine_tells_of_its_own_bridges_only() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(here(root, "slc-1"), None, "no list of interfaces");
        write(
            root,
            "proc/net/dev",
            "Inter-| Receive\n face |bytes\n    lo: 1 2\n slc-12: 1 2\n slc-1: 3 4\n",
        );
        assert_eq!(here(root, "slc-2"), None);
        assert_eq!(here(root, "slc"), None, "the beginning of a name is another");
        assert_eq!(here(root, "slc-1"), Some(false), "the kernel does not know of it");
        for (all, alone, expect) in [("0", "0", false), ("1", "0", true), ("0", "1", true)] {
            write(root, "proc/sys/net/bridge/bridge-nf-call-iptables", &format!("{all}\n"));
            write(root, "sys/class/net/slc-1/bridge/nf_call_iptables", &format!("{alone}\n"));
            assert_eq!(here(root, "slc-1"), Some(expect), "{all} {alone}");
        }
    }

    #[test]
    fn an_engine_tells_as_long_as_it_knows() {
        let check = |name: &str, api: &str, warning: Option<&str>, expect| {
            let component =
                SystemVersionComponents { name: name.to_owned(), ..SystemVersionComponents::default() };
            let engine = SystemVersion {
                api_version: Some(api.to_owned()),
                components: Some(vec![component]),
                ..SystemVersion::default()
            };
            let warnings = warning.map(|text| vec![text.to_owned()]);
            let info = SystemInfo { warnings, ..SystemInfo::default() };
            assert_eq!(of(None, &engine, &info), expect, "{name} {api} {warning:?}");
        };
        check("Engine", "1.41", Some("WARNING: bridge-nf-call-iptables is disabled"), Some(false));
        check("Engine", "1.41", Some("WARNING: bridge-nf-call-ip6tables is disabled"), Some(true));
        check("Engine", "1.41", None, Some(true));
        check("Engine", "1.47", None, Some(true));
        check("Engine", "1.48", None, None);
        check("Engine", "1.54", None, None);
        check("Engine", "2.0", None, None);
        check("Engine", "x", None, None);
        check("Podman Engine", "1.41", None, None);
    }
}
