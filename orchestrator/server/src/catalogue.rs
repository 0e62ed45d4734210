//! What `sluice validate` knows without a server: the components that come with Sluice, and folders of others.

use std::path::Path;

use chrono::DateTime;
use sluice_domain::{Connector, PinnedImage, Source};
use sluice_planner::{Catalogue, Documents};
use sluice_protocol::Descriptor;

use crate::failure::{Code, Failure};

/// The descriptors of the components that come with Sluice.
const BUNDLED: [&str; 5] = [
    include_str!("../../../components/http/component.json"),
    include_str!("../../../components/log/component.json"),
    include_str!("../../../components/rabbitmq/component.json"),
    include_str!("../../../components/rest/component.json"),
    include_str!("../../../components/timer/component.json"),
];

/// The bundled components, those in `folder` (which win), and the instances of the files.
pub(crate) fn offline(folder: Option<&Path>, documents: &Documents) -> Result<Catalogue, Failure> {
    let mut connectors = Vec::new();
    for text in BUNDLED {
        connectors.push(connector(text, "a bundled component")?);
    }
    for path in folder.map(descriptors).transpose()?.unwrap_or_default() {
        let text = crate::files::text(&path)?;
        connectors.push(connector(&text, &path.display().to_string())?);
    }
    connectors.extend(documents.connectors.iter().map(|doc| doc.connector(DateTime::UNIX_EPOCH)));
    let instances = documents.instances.iter().map(|doc| (doc.name.clone(), doc.facts()));
    Ok(Catalogue { connectors, instances: instances.collect(), ..Catalogue::default() })
}

/// The `component.json` of a folder, and those of the folders in it.
fn descriptors(folder: &Path) -> Result<Vec<std::path::PathBuf>, Failure> {
    let failed =
        |error| Failure::new(Code::Unreadable, format!("{} cannot be read: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path().join("component.json"));
    }
    found.push(folder.join("component.json"));
    found.retain(|path| path.is_file());
    found.sort();
    if found.is_empty() {
        return Err(Failure::new(Code::Unreadable, format!("{} has no component.json", folder.display())));
    }
    Ok(found)
}

/// A connector as if it were installed.
fn connector(text: &str, name: &str) -> Result<Connector, Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(Code::Unreadable, format!("{name}: {}", sluice_engine::chain(error)))
    };
    let descriptor = Descriptor::from_json(text).map_err(|error| failed(&error))?;
    let image = format!("sluice/{}:{}", descriptor.name, descriptor.version.to_string().replace('+', "-"));
    Ok(Connector {
        source: Source::Image(PinnedImage {
            image: image.parse().map_err(|error| failed(&error))?,
            digest: format!("sha256:{}", "0".repeat(64)).parse().map_err(|error| failed(&error))?,
        }),
        installed_at: DateTime::UNIX_EPOCH,
        descriptor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_components_can_be_read() {
        assert_eq!(offline(None, &Documents::default()).unwrap().connectors.len(), BUNDLED.len());
    }
}
