//! What steps keep from run to run.

use serde_json::Value;
use sluice_domain::{FlowId, StepId};

use crate::failure::Outcome;
use crate::row::{json, to_json};
use crate::sqlite::SqliteStore;

impl SqliteStore {
    pub(super) async fn find_state(&self, flow: FlowId, step: &StepId) -> Outcome<Option<Value>> {
        let found = sqlx::query("SELECT value FROM step_states WHERE flow = ? AND step = ?")
            .bind(flow.to_string())
            .bind(step.as_str())
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(|row| json(row, "value")).transpose()
    }

    pub(super) async fn replace_state(&self, flow: FlowId, step: &StepId, value: &Value) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query(
            "INSERT INTO step_states VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        )
        .bind(flow.to_string())
        .bind(step.as_str())
        .bind(to_json(value)?)
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }
}
