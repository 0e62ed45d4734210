//! Compiled versions of flows, and when each was last seen at work.

use sluice_domain::compiled::CompiledFlow;
use sluice_domain::{FlowId, FlowVersion};
use sluice_ports::store::{Activity, NewVersion};
use sqlx::{Row, SqliteConnection};

use crate::failure::{Failure, Outcome};
use crate::row::{get, json, parsed, time, to_json};
use crate::sqlite::SqliteStore;

const CHANGED: Failure = Failure::Conflict("the flow was changed meanwhile");

impl SqliteStore {
    pub(super) async fn insert_version(&self, new: &NewVersion) -> Outcome<()> {
        let NewVersion { flow, compiled, replaces } = new;
        if (flow.id, flow.version) != (compiled.id, compiled.version) {
            return Err(Failure::Refused("the flow and the compiled version do not belong together"));
        }
        let mut write = self.begin().await?;
        if current(&mut write, flow.id).await? != *replaces {
            return Err(CHANGED);
        }
        // The name of another flow and a version that is there already both break a unique key, which is a conflict.
        sqlx::query(
            "INSERT INTO flows VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
             SET name = excluded.name, version = excluded.version, doc = excluded.doc",
        )
        .bind(flow.id.to_string())
        .bind(flow.name.as_str())
        .bind(flow.version.0)
        .bind(to_json(flow)?)
        .execute(&mut *write)
        .await?;
        sqlx::query("INSERT INTO flow_versions (flow, version, doc) VALUES (?, ?, ?)")
            .bind(flow.id.to_string())
            .bind(flow.version.0)
            .bind(to_json(compiled)?)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    pub(super) async fn find_version(
        &self,
        id: FlowId,
        version: FlowVersion,
    ) -> Outcome<Option<CompiledFlow>> {
        let found = sqlx::query("SELECT doc FROM flow_versions WHERE flow = ? AND version = ?")
            .bind(id.to_string())
            .bind(version.0)
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(|row| json(row, "doc")).transpose()
    }

    pub(super) async fn list_versions(&self) -> Outcome<Vec<CompiledFlow>> {
        let all = "SELECT doc FROM flow_versions ORDER BY flow, version";
        sqlx::query(all).map(|row| json(&row, "doc")).fetch_all(&self.readers).await?.into_iter().collect()
    }

    pub(super) async fn delete_version(&self, id: FlowId, version: FlowVersion) -> Outcome<()> {
        let mut write = self.begin().await?;
        if current(&mut write, id).await? == Some(version) {
            return Err(Failure::Conflict("it is the flow's current version"));
        }
        sqlx::query("DELETE FROM flow_versions WHERE flow = ? AND version = ?")
            .bind(id.to_string())
            .bind(version.0)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    pub(super) async fn update_activity(&self, seen: &[Activity]) -> Outcome<()> {
        let mut write = self.begin().await?;
        for activity in seen {
            sqlx::query(
                "UPDATE flow_versions SET seen_at = max(coalesce(seen_at, ?1), ?1) WHERE flow = ?2 AND version = ?3",
            )
            .bind(activity.seen_at.timestamp_millis())
            .bind(activity.flow.to_string())
            .bind(activity.version.0)
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    pub(super) async fn list_activity(&self) -> Outcome<Vec<Activity>> {
        let rows = sqlx::query(
            "SELECT flow, version, seen_at FROM flow_versions WHERE seen_at IS NOT NULL ORDER BY flow, version",
        )
        .fetch_all(&self.readers)
        .await?;
        let read = rows.iter().map(|row| {
            Ok(Activity {
                flow: parsed(row, "flow")?,
                version: FlowVersion(get(row, "version")?),
                seen_at: time(row, "seen_at")?,
            })
        });
        read.collect()
    }
}

/// The version that a flow is at; none when there is no such flow.
async fn current(write: &mut SqliteConnection, id: FlowId) -> Outcome<Option<FlowVersion>> {
    let found = sqlx::query("SELECT version FROM flows WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(write)
        .await?;
    Ok(found.map(|row| row.try_get("version")).transpose()?.map(FlowVersion))
}
