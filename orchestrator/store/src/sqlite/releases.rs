//! Which version of a connector is in use.

use sluice_domain::Connector;
use sluice_ports::store::Release;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Outcome};
use crate::row::{parsed, time};
use crate::sqlite::{SqliteStore, events};

impl SqliteStore {
    pub(super) async fn insert_release(&self, release: &Release) -> Outcome<()> {
        let mut write = self.begin().await?;
        let known = sqlx::query("SELECT 1 FROM connectors WHERE name = ? AND version = ?")
            .bind(release.connector.as_str())
            .bind(release.version.to_string())
            .fetch_optional(&mut *write)
            .await?;
        if known.is_none() {
            return Err(Failure::NotFound("there is no such version"));
        }
        let last = sqlx::query("SELECT version FROM releases WHERE connector = ? ORDER BY id DESC LIMIT 1")
            .bind(release.connector.as_str())
            .fetch_optional(&mut *write)
            .await?;
        let last = last.as_ref().map(|row| parsed::<semver::Version>(row, "version")).transpose()?;
        if last.as_ref() != Some(&release.version) {
            insert(&mut write, release, last).await?;
        }
        Ok(write.commit().await?)
    }

    pub(super) async fn list_releases(&self) -> Outcome<Vec<Release>> {
        let rows = sqlx::query("SELECT * FROM releases ORDER BY id").fetch_all(&self.readers).await?;
        rows.iter().map(release).collect()
    }
}

/// Puts a version that was just installed to use, when none of its connector is. Versions that are older than releases
/// are had none: then the newest of those is what was in use.
pub(super) async fn release_first(write: &mut SqliteConnection, connector: &Connector) -> Outcome<()> {
    let name = connector.name().as_str();
    let released = sqlx::query("SELECT 1 FROM releases WHERE connector = ? LIMIT 1")
        .bind(name)
        .fetch_optional(&mut *write)
        .await?;
    if released.is_some() {
        return Ok(());
    }
    let rows = sqlx::query("SELECT version FROM connectors WHERE name = ?")
        .bind(name)
        .fetch_all(&mut *write)
        .await?;
    let versions =
        rows.iter().map(|row| parsed(row, "version")).collect::<Outcome<Vec<semver::Version>>>()?;
    let others = versions.into_iter().filter(|version| version != connector.version());
    let in_use = others.max_by_key(|version| (version.pre.is_empty(), version.clone()));
    let release = Release {
        connector: connector.name().clone(),
        version: in_use.unwrap_or_else(|| connector.version().clone()),
        at: connector.installed_at,
    };
    insert(write, &release, None).await
}

async fn insert(
    write: &mut SqliteConnection,
    release: &Release,
    before: Option<semver::Version>,
) -> Outcome<()> {
    sqlx::query("INSERT INTO releases (connector, version, at) VALUES (?, ?, ?)")
        .bind(release.connector.as_str())
        .bind(release.version.to_string())
        .bind(release.at.timestamp_millis())
        .execute(&mut *write)
        .await?;
    events::note(write, release.at, &release.event(before)).await
}

fn release(row: &SqliteRow) -> Outcome<Release> {
    Ok(Release {
        connector: parsed(row, "connector")?,
        version: parsed(row, "version")?,
        at: time(row, "at")?,
    })
}
