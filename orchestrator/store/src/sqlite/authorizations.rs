//! Authorisations of instances and attempts at them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::InstanceName;
use sluice_ports::store::{AuthorizationAttempt, AuthorizationStore, StoredAuthorization};
use sluice_ports::{PortError, SealedSecret};
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Outcome};
use crate::row::{count, get, hash, json, maybe_time, parsed, time, to_count, to_json};
use crate::sqlite::{SqliteStore, events};

#[async_trait]
impl AuthorizationStore for SqliteStore {
    async fn authorization(&self, instance: &InstanceName) -> Result<Option<StoredAuthorization>, PortError> {
        let found = self.find_authorization(instance).await;
        found.map_err(|failure| failure.of(format!("read the authorisation of instance {instance}")))
    }

    async fn authorizations(&self) -> Result<Vec<StoredAuthorization>, PortError> {
        self.list_authorizations().await.map_err(|failure| failure.of("list authorisations"))
    }

    async fn put_authorization(&self, authorization: &StoredAuthorization) -> Result<(), PortError> {
        let stored = self.upsert_authorization(authorization).await;
        stored.map_err(|failure| {
            failure.of(format!("keep the authorisation of instance {}", authorization.instance))
        })
    }

    async fn begin_attempt(
        &self,
        attempt: &AuthorizationAttempt,
        now: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let stored = self.insert_attempt(attempt, now).await;
        stored.map_err(|failure| failure.of(format!("begin to authorise instance {}", attempt.instance)))
    }

    async fn bind_attempt(
        &self,
        state: &[u8; 32],
        browser: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, PortError> {
        self.mark_attempt(state, browser, now).await.map_err(|failure| failure.of("bind an authorisation"))
    }

    async fn take_attempt(
        &self,
        state: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, PortError> {
        self.remove_attempt(state, now).await.map_err(|failure| failure.of("finish an authorisation"))
    }
}

impl SqliteStore {
    async fn find_authorization(&self, instance: &InstanceName) -> Outcome<Option<StoredAuthorization>> {
        let found = sqlx::query("SELECT * FROM authorizations WHERE instance = ?")
            .bind(instance.as_str())
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(authorization).transpose()
    }

    async fn list_authorizations(&self) -> Outcome<Vec<StoredAuthorization>> {
        let rows =
            sqlx::query("SELECT * FROM authorizations ORDER BY instance").fetch_all(&self.readers).await?;
        rows.iter().map(authorization).collect()
    }

    async fn upsert_authorization(&self, new: &StoredAuthorization) -> Outcome<()> {
        let mut write = self.begin().await?;
        let known = sqlx::query("SELECT 1 FROM instances WHERE name = ?")
            .bind(new.instance.as_str())
            .fetch_optional(&mut *write)
            .await?;
        if known.is_none() {
            return Err(Failure::NotFound("there is no such instance"));
        }
        let before = sqlx::query("SELECT * FROM authorizations WHERE instance = ?")
            .bind(new.instance.as_str())
            .fetch_optional(&mut *write)
            .await?;
        let before = before.as_ref().map(authorization).transpose()?;
        if before.as_ref().map_or(0, |before| before.version) + 1 != new.version {
            return Err(Failure::Conflict("the authorisation was changed meanwhile"));
        }
        if let Some(what) = new.event(before.as_ref()) {
            events::note(&mut write, new.updated_at, &what).await?;
        }
        sqlx::query("INSERT OR REPLACE INTO authorizations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(new.instance.as_str())
            .bind(to_count(new.version))
            .bind(new.state.as_str())
            .bind(&new.detail)
            .bind(new.access.as_ref().map(|secret| &secret.key_id))
            .bind(new.access.as_ref().map(|secret| &secret.sealed))
            .bind(new.refresh.as_ref().map(|secret| &secret.key_id))
            .bind(new.refresh.as_ref().map(|secret| &secret.sealed))
            .bind(new.expires_at.map(|time| time.timestamp_millis()))
            .bind(to_json(&new.scopes)?)
            .bind(new.updated_at.timestamp_millis())
            .bind(new.authorized_at.map(|time| time.timestamp_millis()))
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    async fn insert_attempt(&self, attempt: &AuthorizationAttempt, now: DateTime<Utc>) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("DELETE FROM authorization_attempts WHERE expires_at <= ?")
            .bind(now.timestamp_millis())
            .execute(&mut *write)
            .await?;
        let known = sqlx::query("SELECT 1 FROM instances WHERE name = ?")
            .bind(attempt.instance.as_str())
            .fetch_optional(&mut *write)
            .await?;
        if known.is_none() {
            return Err(Failure::NotFound("there is no such instance"));
        }
        sqlx::query("INSERT INTO authorization_attempts VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(attempt.state.as_slice())
            .bind(attempt.browser.as_ref().map(|hash| hash.as_slice()))
            .bind(attempt.instance.as_str())
            .bind(attempt.verifier.as_ref().map(|secret| &secret.key_id))
            .bind(attempt.verifier.as_ref().map(|secret| &secret.sealed))
            .bind(&attempt.redirect_uri)
            .bind(attempt.expires_at.timestamp_millis())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    async fn mark_attempt(
        &self,
        state: &[u8; 32],
        browser: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Outcome<Option<AuthorizationAttempt>> {
        let mut write = self.begin().await?;
        let marked = sqlx::query(
            "UPDATE authorization_attempts SET browser = ? WHERE state = ? AND browser IS NULL AND expires_at > ? RETURNING *",
        )
        .bind(browser.as_slice())
        .bind(state.as_slice())
        .bind(now.timestamp_millis())
        .fetch_optional(&mut *write)
        .await?;
        write.commit().await?;
        marked.as_ref().map(attempt).transpose()
    }

    async fn remove_attempt(
        &self,
        state: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Outcome<Option<AuthorizationAttempt>> {
        let mut write = self.begin().await?;
        let taken = sqlx::query("DELETE FROM authorization_attempts WHERE state = ? RETURNING *")
            .bind(state.as_slice())
            .fetch_optional(&mut *write)
            .await?;
        write.commit().await?;
        let taken = taken.as_ref().map(attempt).transpose()?;
        Ok(taken.filter(|attempt| attempt.expires_at > now))
    }
}

fn authorization(row: &SqliteRow) -> Outcome<StoredAuthorization> {
    Ok(StoredAuthorization {
        instance: parsed(row, "instance")?,
        version: count(row, "version")?,
        state: parsed(row, "state")?,
        detail: get(row, "detail")?,
        access: sealed(row, "access_key", "access")?,
        refresh: sealed(row, "refresh_key", "refresh")?,
        expires_at: maybe_time(row, "expires_at")?,
        scopes: json(row, "scopes")?,
        updated_at: time(row, "updated_at")?,
        authorized_at: maybe_time(row, "authorized_at")?,
    })
}

fn attempt(row: &SqliteRow) -> Outcome<AuthorizationAttempt> {
    let bound = get::<Option<&[u8]>>(row, "browser")?.is_some();
    Ok(AuthorizationAttempt {
        state: hash(row, "state")?,
        browser: if bound { Some(hash(row, "browser")?) } else { None },
        instance: parsed(row, "instance")?,
        verifier: sealed(row, "verifier_key", "verifier")?,
        redirect_uri: get(row, "redirect_uri")?,
        expires_at: time(row, "expires_at")?,
    })
}

fn sealed(row: &SqliteRow, key: &'static str, column: &'static str) -> Outcome<Option<SealedSecret>> {
    let (key_id, sealed) = (get::<Option<String>>(row, key)?, get::<Option<Vec<u8>>>(row, column)?);
    Ok(key_id.zip(sealed).map(|(key_id, sealed)| SealedSecret { key_id, sealed }))
}
