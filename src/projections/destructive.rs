//! Destructive intents: what the guard counts. Rows of the ledger's own making, so that neither
//! a restart nor another instance forgets them.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;

use super::Place;
use crate::domain::guard::{Counts, DAY, HOUR};
use crate::postgres::{DbError, execute, query_opt};
use crate::sql;

/// An intent that takes something away.
#[derive(Debug, Clone)]
pub struct Intended {
    pub position: i64,
    pub at: DateTime<Utc>,
    pub order_id: String,
    pub n: i64,
    pub action: &'static str,
    pub announced: bool,
    pub approved: bool,
}

/// Saves intents.
///
/// # Errors
/// The database cannot be written.
pub async fn save(client: &impl GenericClient, place: Place, rows: &[Intended]) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let positions: Vec<i64> = rows.iter().map(|r| r.position).collect();
    let instants: Vec<DateTime<Utc>> = rows.iter().map(|r| r.at).collect();
    let orders: Vec<&str> = rows.iter().map(|r| r.order_id.as_str()).collect();
    let numbers: Vec<i64> = rows.iter().map(|r| r.n).collect();
    let actions: Vec<&str> = rows.iter().map(|r| r.action).collect();
    let announced: Vec<bool> = rows.iter().map(|r| r.announced).collect();
    let approved: Vec<bool> = rows.iter().map(|r| r.approved).collect();
    execute(
        client,
        sql!("projections/destructive/save.sql"),
        &[&place.generation, &place.journal, &positions, &instants, &orders, &numbers, &actions, &announced, &approved],
    )
    .await?;
    Ok(())
}

/// Takes back those that were certainly not done: (order id, number).
///
/// # Errors
/// The database cannot be written.
pub async fn undo(client: &impl GenericClient, place: Place, undone: &[(String, i64)]) -> Result<(), DbError> {
    if undone.is_empty() {
        return Ok(());
    }
    let (orders, numbers): (Vec<&str>, Vec<i64>) = undone.iter().map(|(o, n)| (o.as_str(), *n)).unzip();
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&place.generation, &place.journal, &orders, &numbers];
    execute(client, sql!("projections/destructive/undo.sql"), &params).await?;
    Ok(())
}

/// What was intended in the windows that end now.
///
/// # Errors
/// The database cannot be read.
pub async fn count(client: &impl GenericClient, place: Place, now: DateTime<Utc>) -> Result<Counts, DbError> {
    let (hour, day) = (now - HOUR, now - DAY);
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &hour, &day];
    let counted = query_opt(client, sql!("projections/destructive/count.sql"), &params).await?;
    let enabled = query_opt(client, sql!("projections/destructive/enabled.sql"), &params[..3]).await?;
    let number = |row: &Option<tokio_postgres::Row>, name: &str| row.as_ref().map_or(0, |r| r.get::<_, i64>(name));
    Ok(Counts {
        hour: number(&counted, "hour"),
        day: number(&counted, "day"),
        announced_day: number(&counted, "announced_day"),
        enabled: number(&enabled, "enabled"),
    })
}
