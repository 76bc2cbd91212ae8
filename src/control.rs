//! Who may come in: access tokens with roles, stored as hashes. Below: saved plans and sweeps.

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::GenericClient;
use rand::RngCore;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub mod plans;
pub mod sweeps;

use crate::postgres::{DbError, execute, query, query_opt};
use crate::sql;

pub mod idempotency;

/// Random bytes in a token: it cannot be guessed, so a plain hash of it can be stored.
const TOKEN_BYTES: usize = 32;

/// Longest life a token is given.
const DAYS_MAX: i64 = 3_650;

/// What a token may do. An admin may do all that an auditor may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Auditor,
    Admin,
}

impl Role {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

/// A token as it is listed: never its secret.
#[derive(Debug, Clone, Serialize)]
pub struct Token {
    pub id: Uuid,
    pub name: String,
    pub role: Role,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

fn from_row(row: &tokio_postgres::Row) -> Token {
    let role: &str = row.get("role");
    Token {
        id: row.get("id"),
        name: row.get("name"),
        role: if role == "admin" { Role::Admin } else { Role::Auditor },
        expires_at: row.get("expires_at"),
        revoked_at: row.get("revoked_at"),
    }
}

/// A lifetime as it is written: `90d` or `12h`.
///
/// # Errors
/// What it should look like.
pub fn lifetime(text: &str) -> Result<TimeDelta, String> {
    let wrong = || format!("must be a number of days or hours such as 90d or 12h, at most {DAYS_MAX}d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let lifetime = match unit {
        "d" => TimeDelta::try_days(number),
        "h" => TimeDelta::try_hours(number),
        _ => None,
    };
    lifetime.filter(|l| *l > TimeDelta::zero() && *l <= TimeDelta::days(DAYS_MAX)).ok_or_else(wrong)
}

fn hash_of(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Makes a token; the secret is in the answer and nowhere else.
///
/// # Errors
/// The database cannot be written.
pub async fn create(
    client: &impl GenericClient,
    name: &str,
    role: Role,
    expires_at: Option<DateTime<Utc>>,
) -> Result<(Token, String), DbError> {
    let mut random = [0u8; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut random);
    let secret = format!("sl_{}_{}", role.as_str(), hex::encode(random));
    let token = insert(client, name, role, expires_at, &secret).await?;
    Ok((token, secret))
}

/// Keeps a token whose secret is known (the demo's, across restarts).
///
/// # Errors
/// The database cannot be written.
pub async fn insert(
    client: &impl GenericClient,
    name: &str,
    role: Role,
    expires_at: Option<DateTime<Utc>>,
    secret: &str,
) -> Result<Token, DbError> {
    let id = Uuid::now_v7();
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&id, &name, &role.as_str(), &hash_of(secret), &expires_at];
    execute(client, sql!("schema/statements/token_create.sql"), &params).await?;
    Ok(Token { id, name: name.to_owned(), role, expires_at, revoked_at: None })
}

/// The token with that secret, if it may be used now.
///
/// # Errors
/// The database cannot be read.
pub async fn find(client: &impl GenericClient, secret: &str) -> Result<Option<Token>, DbError> {
    // Looked up by hash: the time this takes says nothing about the secret.
    let row = query_opt(client, sql!("schema/statements/token_find.sql"), &[&hash_of(secret)]).await?;
    Ok(row.as_ref().map(from_row))
}

/// Every token, newest first.
///
/// # Errors
/// The database cannot be read.
pub async fn list(client: &impl GenericClient) -> Result<Vec<Token>, DbError> {
    Ok(query(client, sql!("schema/statements/token_list.sql"), &[]).await?.iter().map(from_row).collect())
}

/// Revokes a token. `false`: there is none of that id that could still be used.
///
/// # Errors
/// The database cannot be written.
pub async fn revoke(client: &impl GenericClient, id: Uuid) -> Result<bool, DbError> {
    Ok(execute(client, sql!("schema/statements/token_revoke.sql"), &[&id]).await? == 1)
}
