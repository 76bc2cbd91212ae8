//! Licenses: what the journal of a LicenseSpring account says of each order of ours.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::Place;
use crate::domain::license::LicenseRecord;
use crate::domain::state::State;
use crate::postgres::{DbError, execute, query};
use crate::sql;

fn record_of(row: &Row) -> Result<LicenseRecord, DbError> {
    let json: serde_json::Value = row.get("record");
    serde_json::from_value(json).map_err(|e| DbError::Corrupt(format!("a stored license record cannot be read: {e}")))
}

/// The records of some orders.
///
/// # Errors
/// The database cannot be read.
pub async fn load(
    client: &impl GenericClient,
    place: Place,
    order_ids: &[String],
) -> Result<Vec<LicenseRecord>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&place.generation, &place.journal, &order_ids];
    query(client, sql!("projections/licenses/load.sql"), &params).await?.iter().map(record_of).collect()
}

/// The records of some subscriptions of a source.
///
/// # Errors
/// The database cannot be read.
pub async fn of_subscriptions(
    client: &impl GenericClient,
    place: Place,
    source: &str,
    ids: &[String],
) -> Result<Vec<LicenseRecord>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &source, &ids];
    query(client, sql!("projections/licenses/of_subscriptions.sql"), &params).await?.iter().map(record_of).collect()
}

/// The records of one subscription, under whichever of its ids they were made.
///
/// # Errors
/// The database cannot be read.
pub async fn of_state(
    client: &impl GenericClient,
    place: Place,
    source: &str,
    state: &State,
) -> Result<Vec<LicenseRecord>, DbError> {
    Ok(state.adopt(of_subscriptions(client, place, source, &state.license_ids()).await?))
}

/// Records with an intent that has been without outcome since `before` or earlier.
///
/// # Errors
/// The database cannot be read.
pub async fn open(
    client: &impl GenericClient,
    place: Place,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<LicenseRecord>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &before, &limit];
    query(client, sql!("projections/licenses/open.sql"), &params).await?.iter().map(record_of).collect()
}

/// Saves records.
///
/// # Errors
/// The database cannot be written.
pub async fn save(client: &impl GenericClient, place: Place, records: &[LicenseRecord]) -> Result<(), DbError> {
    let mut json = Vec::with_capacity(records.len());
    for record in records {
        json.push(serde_json::to_string(record).map_err(|e| DbError::Corrupt(e.to_string()))?);
    }
    let orders: Vec<&str> = records.iter().map(|r| r.order_id.as_str()).collect();
    let sources: Vec<&str> = records.iter().map(|r| r.line.source.as_str()).collect();
    let subscriptions: Vec<&str> = records.iter().map(|r| r.line.subscription_id.as_str()).collect();
    let licenses: Vec<Option<i64>> = records.iter().map(|r| r.observed.as_ref().map(|o| o.license_id)).collect();
    let states: Vec<&str> = records.iter().map(LicenseRecord::state).collect();
    let open: Vec<Option<DateTime<Utc>>> = records.iter().map(|r| r.open.as_ref().map(|o| o.recorded_at)).collect();
    execute(
        client,
        sql!("projections/licenses/save.sql"),
        &[&place.generation, &place.journal, &orders, &sources, &subscriptions, &licenses, &states, &json, &open],
    )
    .await?;
    Ok(())
}
