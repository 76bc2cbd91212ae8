//! Joins of customers, as events of the system journal.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::append::{AppendError, NewDelivery, append};
use crate::domain::joins::{CustomerRef, Join};
use crate::postgres::{DbError, query};
use crate::sql;

pub const JOINED: &str = "customers_joined";
pub const PARTED: &str = "customers_parted";
/// Acts that are read; more joins than that are no work of hands.
const ACTS_MAX: i64 = 10_000;

#[derive(Serialize, Deserialize)]
struct Body {
    id: String,
    #[serde(default)]
    customers: BTreeSet<CustomerRef>,
    who: String,
    reason: String,
}

/// A join that holds, and who said so.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    #[serde(flatten)]
    pub join: Join,
    pub position: i64,
    pub recorded_at: DateTime<Utc>,
    pub who: String,
    pub reason: String,
}

/// The joins that hold, newest first.
///
/// # Errors
/// The database cannot be read.
pub async fn all(client: &impl GenericClient, system: i32) -> Result<Vec<Held>, DbError> {
    known_before(client, system, i64::MAX).await
}

/// The joins that held before a position of the system journal.
///
/// # Errors
/// The database cannot be read.
pub async fn known_before(client: &impl GenericClient, system: i32, before: i64) -> Result<Vec<Held>, DbError> {
    let of_type = async |kind: &str| {
        let rows = query(client, sql!("schema/statements/all_of_type.sql"), &[&system, &kind, &ACTS_MAX]).await?;
        Ok::<_, DbError>(rows.into_iter().filter(|row| row.get::<_, i64>(0) < before).collect::<Vec<_>>())
    };
    let parted: BTreeSet<String> = of_type(PARTED).await?.iter().filter_map(|row| Some(body(row.get(2))?.id)).collect();
    let held = |row: &tokio_postgres::Row| {
        let Body { id, customers, who, reason } = body(row.get(2))?;
        let join = Join { id, customers };
        Some(Held { join, position: row.get(0), recorded_at: row.get(1), who, reason })
    };
    Ok(of_type(JOINED).await?.iter().filter_map(held).filter(|held| !parted.contains(&held.join.id)).collect())
}

fn body(bytes: &[u8]) -> Option<Body> {
    serde_json::from_slice(bytes).ok()
}

/// Joins customers: who, and why. Answers with the join's id and its position.
///
/// # Errors
/// Nothing was joined.
pub async fn join(
    client: &impl GenericClient,
    system: i32,
    customers: BTreeSet<CustomerRef>,
    (who, reason): (&str, &str),
    now: DateTime<Utc>,
) -> Result<(Join, i64), AppendError> {
    let join = Join { id: Uuid::now_v7().to_string(), customers };
    let body =
        Body { id: join.id.clone(), customers: join.customers.clone(), who: who.to_owned(), reason: reason.to_owned() };
    let position = write(client, system, JOINED, &body, now).await?;
    Ok((join, position))
}

/// Takes a join back. The first word counts: a second changes nothing.
///
/// # Errors
/// Nothing was written.
pub async fn part(
    client: &impl GenericClient,
    system: i32,
    id: &str,
    (who, reason): (&str, &str),
    now: DateTime<Utc>,
) -> Result<i64, AppendError> {
    let body = Body { id: id.to_owned(), customers: BTreeSet::new(), who: who.to_owned(), reason: reason.to_owned() };
    write(client, system, PARTED, &body, now).await
}

async fn write(
    client: &impl GenericClient,
    system: i32,
    kind: &str,
    body: &Body,
    now: DateTime<Utc>,
) -> Result<i64, AppendError> {
    let said = serde_json::to_value(body).map_err(|e| DbError::Corrupt(e.to_string()))?;
    let delivery = NewDelivery::own(kind, &format!("{kind}:{}", body.id), &said, now);
    let appended = append(client, system, None, &[delivery]).await?;
    Ok(appended.first().map_or(0, |a| a.position))
}
