//! Dead letters.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{DeadLetter, DeadLetterId, DeadLetterState};
use sluice_ports::PortError;
use sluice_ports::store::{DeadLetterFilter, DeadLetterStore};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};

use crate::failure::{Failure, Outcome};
use crate::row::{get, json, maybe_json, maybe_parsed, named, of_flows, parsed, time, to_json};
use crate::sqlite::SqliteStore;

#[async_trait]
impl DeadLetterStore for SqliteStore {
    async fn put_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), PortError> {
        self.insert_letters(letters).await.map_err(|failure| failure.of("keep dead letters"))
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>, PortError> {
        self.list_letters(filter).await.map_err(|failure| failure.of("list dead letters"))
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, PortError> {
        let found = async {
            let row = sqlx::query("SELECT * FROM dead_letters WHERE id = ?")
                .bind(id.to_string())
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(letter).transpose()
        };
        found.await.map_err(|failure: Failure| failure.of(format!("read dead letter {id}")))
    }

    async fn edit_dead_letter(
        &self,
        id: DeadLetterId,
        body: &str,
        now: DateTime<Utc>,
    ) -> Result<DeadLetter, PortError> {
        self.edit_letter(id, body, now).await.map_err(|failure| failure.of(format!("edit dead letter {id}")))
    }

    async fn move_dead_letter(
        &self,
        id: DeadLetterId,
        to: DeadLetterState,
        now: DateTime<Utc>,
    ) -> Result<Option<DeadLetter>, PortError> {
        self.move_letter(id, to, now).await.map_err(|failure| failure.of(format!("move dead letter {id}")))
    }

    async fn count_waiting(&self) -> Result<u64, PortError> {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM dead_letters WHERE state = 'waiting'");
        let counted = count.fetch_one(&self.readers).await;
        let counted = counted.map_err(|error| Failure::from(error).of("count dead letters"))?;
        Ok(u64::try_from(counted).unwrap_or(0))
    }
}

impl SqliteStore {
    async fn insert_letters(&self, letters: &[DeadLetter]) -> Outcome<()> {
        let mut write = self.begin().await?;
        for letter in letters {
            insert(&mut write, letter).await?;
        }
        Ok(write.commit().await?)
    }

    async fn list_letters(&self, filter: &DeadLetterFilter) -> Outcome<Vec<DeadLetter>> {
        let mut query = QueryBuilder::new("SELECT * FROM dead_letters WHERE true");
        of_flows(&mut query, filter.flows.as_deref())?;
        if let Some(state) = filter.state {
            query.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some((created_at, id)) = filter.before {
            query.push(" AND (created_at, id) < (").push_bind(created_at.timestamp_millis());
            query.push(", ").push_bind(id.to_string()).push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(filter.limit.clamp(1, 1000));
        query.build().fetch_all(&self.readers).await?.iter().map(letter).collect()
    }

    async fn edit_letter(&self, id: DeadLetterId, body: &str, now: DateTime<Utc>) -> Outcome<DeadLetter> {
        let mut write = self.begin().await?;
        let edited = sqlx::query(
            "UPDATE dead_letters SET body = ?, updated_at = ? WHERE id = ? AND state = 'waiting' RETURNING *",
        )
        .bind(body)
        .bind(now.timestamp_millis())
        .bind(id.to_string())
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = edited else {
            must_exist(&mut write, id).await?;
            return Err(Failure::Conflict("it does not wait any more"));
        };
        let edited = letter(&row)?;
        write.commit().await?;
        Ok(edited)
    }

    async fn move_letter(
        &self,
        id: DeadLetterId,
        to: DeadLetterState,
        now: DateTime<Utc>,
    ) -> Outcome<Option<DeadLetter>> {
        let redrives = match to {
            DeadLetterState::Waiting => return Err(Failure::Refused("nothing is moved on to waiting")),
            DeadLetterState::Redriven => 1,
            DeadLetterState::Discarded => 0,
        };
        let mut write = self.begin().await?;
        let moved = sqlx::query(
            "UPDATE dead_letters SET state = ?, redrives = redrives + ?, updated_at = ?
             WHERE id = ? AND state = 'waiting' RETURNING *",
        )
        .bind(to.as_str())
        .bind(redrives)
        .bind(now.timestamp_millis())
        .bind(id.to_string())
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = moved else {
            must_exist(&mut write, id).await?;
            return Ok(None);
        };
        let moved = letter(&row)?;
        write.commit().await?;
        Ok(Some(moved))
    }
}

async fn must_exist(write: &mut SqliteConnection, id: DeadLetterId) -> Outcome<()> {
    let found = sqlx::query("SELECT 1 FROM dead_letters WHERE id = ?").bind(id.to_string());
    match found.fetch_optional(write).await? {
        Some(_) => Ok(()),
        None => Err(Failure::NotFound("there is no such dead letter")),
    }
}

async fn insert(write: &mut SqliteConnection, letter: &DeadLetter) -> Outcome<()> {
    let exit = letter.exit.as_ref().map(to_json).transpose()?;
    sqlx::query(
        "INSERT INTO dead_letters (id, message, execution, flow, step, reason, error, attempts, suspected, exit, body,
             headers, context, state, redrives, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
    )
    .bind(letter.id.to_string())
    .bind(letter.message.to_string())
    .bind(letter.execution.map(|id| id.to_string()))
    .bind(letter.step.as_ref().map(|step| step.flow.to_string()))
    .bind(letter.step.as_ref().map(ToString::to_string))
    .bind(letter.reason.as_str())
    .bind(to_json(&letter.error)?)
    .bind(letter.attempts)
    .bind(letter.suspected)
    .bind(exit)
    .bind(&letter.body)
    .bind(to_json(&letter.headers)?)
    .bind(&letter.context)
    .bind(letter.state.as_str())
    .bind(letter.redrives)
    .bind(letter.created_at.timestamp_millis())
    .bind(letter.updated_at.timestamp_millis())
    .execute(write)
    .await?;
    Ok(())
}

fn letter(row: &SqliteRow) -> Outcome<DeadLetter> {
    Ok(DeadLetter {
        id: parsed(row, "id")?,
        message: parsed(row, "message")?,
        execution: maybe_parsed(row, "execution")?,
        step: maybe_parsed(row, "step")?,
        reason: named(row, "reason")?,
        error: json(row, "error")?,
        attempts: get(row, "attempts")?,
        suspected: get(row, "suspected")?,
        exit: maybe_json(row, "exit")?,
        body: get(row, "body")?,
        headers: json(row, "headers")?,
        context: get(row, "context")?,
        state: named(row, "state")?,
        redrives: get(row, "redrives")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
