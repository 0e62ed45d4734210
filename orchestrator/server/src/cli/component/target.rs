//! What a command is about: an image, a folder or a file.

use std::path::PathBuf;

use sluice_domain::ImageRef;

use crate::failure::{Code, Failure};

/// The file of a declarative connector in a folder that `init` made.
pub(super) const CONNECTOR: &str = "connector.yaml";

/// An image, a folder or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Image(ImageRef),
    Folder(PathBuf),
    File(PathBuf),
}

impl Target {
    /// A path that is there is a folder or a file; anything else is an image, unless it is written as a path. A folder
    /// that holds nothing but a connector file stands for that.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let path = PathBuf::from(text);
        if path.is_dir() {
            let connector = path.join(CONNECTOR);
            let declarative = connector.is_file() && !path.join("component.json").exists();
            return Ok(if declarative { Self::File(connector) } else { Self::Folder(path) });
        }
        if path.is_file() {
            return Ok(Self::File(path));
        }
        let as_path = [".", "/", "~"].iter().any(|it| text.starts_with(it))
            || [".yaml", ".yml", ".json"].iter().any(|it| text.ends_with(it));
        if as_path {
            return Err(Failure::new(Code::Unreadable, format!("there is no file or folder {text}")));
        }
        let image = text.parse().map_err(|error| Failure::new(Code::Usage, format!("{error}")))?;
        Ok(Self::Image(image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_no_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "").unwrap();
        let text = |path: &PathBuf| path.display().to_string();
        assert_eq!(Target::parse(&text(&path)).unwrap(), Target::File(path.clone()));
        let at = folder.path().to_path_buf();
        assert_eq!(Target::parse(&text(&at)).unwrap(), Target::Folder(at.clone()));
        let connector = at.join(CONNECTOR);
        std::fs::write(&connector, "").unwrap();
        assert_eq!(Target::parse(&text(&at)).unwrap(), Target::File(connector));
        assert_eq!(Target::parse("sluice/log:1").unwrap(), Target::Image("sluice/log:1".parse().unwrap()));
        for wrong in ["./none", "none.yaml", "/none", "a b"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
