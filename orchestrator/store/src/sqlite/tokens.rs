//! API tokens.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{ApiToken, TenantName, TokenId};
use sluice_ports::PortError;
use sluice_ports::store::TokenStore;
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Outcome};
use crate::row::{get, hash, json, maybe_parsed, maybe_time, parsed, time, to_json};
use crate::sqlite::SqliteStore;

#[async_trait]
impl TokenStore for SqliteStore {
    async fn put_token(&self, token: &ApiToken) -> Result<(), PortError> {
        self.insert_token(token).await.map_err(|failure| failure.of(format!("keep token {}", token.id)))
    }

    async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiToken>, PortError> {
        self.find_token(hash).await.map_err(|failure| failure.of("find a token"))
    }

    async fn tokens(&self) -> Result<Vec<ApiToken>, PortError> {
        self.list_tokens().await.map_err(|failure| failure.of("list tokens"))
    }

    async fn revoke_token(&self, id: TokenId, now: DateTime<Utc>) -> Result<(), PortError> {
        self.end_token(id, now).await.map_err(|failure| failure.of(format!("revoke token {id}")))
    }
}

impl SqliteStore {
    async fn insert_token(&self, token: &ApiToken) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(token.id.to_string())
            .bind(&token.name)
            .bind(token.hash.as_slice())
            .bind(to_json(&token.permissions)?)
            .bind(token.created_at.timestamp_millis())
            .bind(token.expires_at.map(|time| time.timestamp_millis()))
            .bind(token.revoked_at.map(|time| time.timestamp_millis()))
            .bind(token.tenant.as_ref().map(TenantName::as_str))
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    async fn find_token(&self, hash: &[u8; 32]) -> Outcome<Option<ApiToken>> {
        let found = sqlx::query("SELECT * FROM tokens WHERE hash = ?")
            .bind(hash.as_slice())
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(token).transpose()
    }

    async fn list_tokens(&self) -> Outcome<Vec<ApiToken>> {
        let rows =
            sqlx::query("SELECT * FROM tokens ORDER BY created_at, id").fetch_all(&self.readers).await?;
        rows.iter().map(token).collect()
    }

    async fn end_token(&self, id: TokenId, now: DateTime<Utc>) -> Outcome<()> {
        let mut write = self.begin().await?;
        // A token that was revoked before keeps that time.
        let ended = sqlx::query("UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?")
            .bind(now.timestamp_millis())
            .bind(id.to_string())
            .execute(&mut *write)
            .await?;
        if ended.rows_affected() == 0 {
            return Err(Failure::NotFound("there is no such token"));
        }
        Ok(write.commit().await?)
    }
}

fn token(row: &SqliteRow) -> Outcome<ApiToken> {
    Ok(ApiToken {
        id: parsed(row, "id")?,
        name: get(row, "name")?,
        tenant: maybe_parsed(row, "tenant")?,
        hash: hash(row, "hash")?,
        permissions: json(row, "permissions")?,
        created_at: time(row, "created_at")?,
        expires_at: maybe_time(row, "expires_at")?,
        revoked_at: maybe_time(row, "revoked_at")?,
    })
}
