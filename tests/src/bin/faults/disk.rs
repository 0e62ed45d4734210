//! A small disk: a file with an ext4 file system, mounted by way of a loop device. Needs root.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::host::run;

/// The disk. Unmounted and removed when it is dropped.
pub(crate) struct Disk {
    _folder: TempDir,
    mount: PathBuf,
}

impl Disk {
    /// Makes and mounts one.
    ///
    /// # Errors
    /// When there are no loop devices, or no rights to mount.
    pub(crate) async fn make(purpose: &str, mib: u32) -> Result<Self> {
        // Not in memory, where `/tmp` may be.
        let prefix = format!("sluice-faults-{purpose}-");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in("/var/tmp")?;
        run("chmod", &["755", &folder.path().display().to_string()]).await?;
        let (image, mount) = (folder.path().join("image"), folder.path().join("disk"));
        tokio::fs::create_dir(&mount).await?;
        let (file, place) = (image.display().to_string(), mount.display().to_string());
        run("fallocate", &["-l", &format!("{mib}M"), &file]).await?;
        // Without blocks that only root may use: the orchestrator of a test runs as root.
        run("mkfs.ext4", &["-q", "-F", "-m", "0", &file]).await?;
        run("mount", &["-o", "loop", &file, &place]).await.context("cannot mount a loop device")?;
        Ok(Self { _folder: folder, mount })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Fills it up to the last `left` MiB.
    ///
    /// # Errors
    /// When it cannot be filled.
    pub(crate) async fn fill(&self, left: u64) -> Result<()> {
        let place = self.mount.display().to_string();
        let free = run("df", &["--output=avail", "-B1048576", &place]).await?;
        let free: u64 = free.lines().last().unwrap_or_default().trim().parse()?;
        let file = self.mount.join("filling").display().to_string();
        let bytes = format!("{}M", free.saturating_sub(left.max(2)).max(1));
        run("fallocate", &["-l", &bytes, &file]).await?;
        if left == 0 {
            // What is less than a whole MiB, too; it ends when nothing is left.
            let rest = format!("dd if=/dev/zero of={place}/filling2 bs=4096 2>/dev/null; true");
            run("sh", &["-c", &rest]).await?;
        }
        Ok(())
    }

    /// Removes what [`fill`](Self::fill) made.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) async fn free(&self) -> Result<()> {
        for name in ["filling", "filling2"] {
            tokio::fs::remove_file(self.mount.join(name)).await.ok();
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let umount = |lazy: bool| {
            let mut command = std::process::Command::new("umount");
            command.args(lazy.then_some("-l")).arg(&self.mount);
            command.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
        };
        // What still writes there, if anything, was killed; the disk goes with its last open file.
        let _gone = umount(false) || umount(true);
    }
}
