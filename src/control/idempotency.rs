//! Acts that may be repeated without harm: what an act with an `Idempotency-Key` was answered is
//! kept for a day, by the token that asked.

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::GenericClient;
use uuid::Uuid;

use crate::postgres::{DbError, execute, query_opt};
use crate::sql;

/// A repeat later than this is another act.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// Acts that are kept at most; admins do not do as many in a day.
const KEPT_MAX: i64 = 10_000;

/// What there is of an act with that key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is the first: do it.
    First,
    /// It was done, and answered so.
    Done { status: u16, answer: String },
    /// It was begun; its end is not known.
    Begun,
    /// The key was used for something else.
    Other,
}

/// Claims a key for a request.
///
/// # Errors
/// The database cannot be written.
pub async fn claim(
    client: &impl GenericClient,
    token: Uuid,
    key: &str,
    request: &[u8],
    now: DateTime<Utc>,
) -> Result<Claim, DbError> {
    let oldest = now - KEPT;
    execute(client, sql!("schema/statements/idempotency_forget.sql"), &[&oldest, &KEPT_MAX]).await?;
    if execute(client, sql!("schema/statements/idempotency_claim.sql"), &[&token, &key, &request]).await? == 1 {
        return Ok(Claim::First);
    }
    let row = query_opt(client, sql!("schema/statements/idempotency_find.sql"), &[&token, &key]).await?;
    let Some(row) = row else { return Ok(Claim::Begun) }; // given back a moment ago: ask again
    if row.get::<_, &[u8]>("request") != request {
        return Ok(Claim::Other);
    }
    let status: Option<i32> = row.get("status");
    let done = status.and_then(|s| u16::try_from(s).ok());
    Ok(done.map_or(Claim::Begun, |status| Claim::Done {
        status,
        answer: row.get::<_, Option<String>>("answer").unwrap_or_default(),
    }))
}

/// Keeps what an act was answered.
///
/// # Errors
/// The database cannot be written.
pub async fn keep(
    client: &impl GenericClient,
    token: Uuid,
    key: &str,
    status: u16,
    answer: &str,
) -> Result<(), DbError> {
    let statement = sql!("schema/statements/idempotency_answer.sql");
    execute(client, statement, &[&token, &key, &i32::from(status), &answer]).await?;
    Ok(())
}

/// Gives a key back: nothing was done.
///
/// # Errors
/// The database cannot be written.
pub async fn release(client: &impl GenericClient, token: Uuid, key: &str) -> Result<(), DbError> {
    execute(client, sql!("schema/statements/idempotency_release.sql"), &[&token, &key]).await?;
    Ok(())
}
