//! Overrides: where in its source's journal each was granted and withdrawn.

use deadpool_postgres::GenericClient;

use super::Place;
use crate::postgres::{DbError, execute, query};
use crate::sql;

/// Overrides that are listed.
const LIST_MAX: i64 = 10_000;

/// One override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideRow {
    pub id: String,
    pub subscription_id: String,
    pub granted: Option<i64>,
    pub withdrawn: Option<i64>,
}

/// Saves grants and withdrawals.
///
/// # Errors
/// The database cannot be written.
pub async fn save(client: &impl GenericClient, place: Place, rows: &[OverrideRow]) -> Result<(), DbError> {
    for row in rows {
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&place.generation, &place.journal, &row.id, &row.subscription_id, &row.granted, &row.withdrawn];
        execute(client, sql!("projections/overrides/save.sql"), &params).await?;
    }
    Ok(())
}

/// Overrides of a source, newest first; with `id` that one.
///
/// # Errors
/// The database cannot be read.
pub async fn list(client: &impl GenericClient, place: Place, id: Option<&str>) -> Result<Vec<OverrideRow>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &id, &LIST_MAX];
    let rows = query(client, sql!("projections/overrides/list.sql"), &params).await?;
    Ok(rows
        .iter()
        .map(|r| OverrideRow {
            id: r.get("id"),
            subscription_id: r.get("subscription_id"),
            granted: r.get("granted"),
            withdrawn: r.get("withdrawn"),
        })
        .collect())
}
