//! Licenses: what the journal of a LicenseSpring account says of each order of ours.

use std::collections::BTreeMap;

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

/// The same of several, read at once: one list for each state.
///
/// # Errors
/// The database cannot be read.
pub async fn of_states(
    client: &impl GenericClient,
    place: Place,
    source: &str,
    states: impl Iterator<Item = &State> + Clone,
) -> Result<Vec<Vec<LicenseRecord>>, DbError> {
    let ids: Vec<String> = states.clone().flat_map(State::license_ids).collect();
    let mut held: BTreeMap<String, Vec<LicenseRecord>> = BTreeMap::new();
    for record in of_subscriptions(client, place, source, &ids).await? {
        held.entry(record.line.subscription_id.clone()).or_default().push(record);
    }
    let mine = |state: &State| {
        let ids = state.license_ids();
        state.adopt(ids.iter().filter_map(|id| held.get(id)).flatten().cloned().collect())
    };
    Ok(states.map(mine).collect())
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

/// Records to be looked at once more: a slow request may have been done after the first look.
///
/// # Errors
/// The database cannot be read.
pub async fn recheck(
    client: &impl GenericClient,
    place: Place,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<LicenseRecord>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &now, &limit];
    query(client, sql!("projections/licenses/recheck.sql"), &params).await?.iter().map(record_of).collect()
}

/// Records that are not as we left them.
///
/// # Errors
/// The database cannot be read.
pub async fn drifted(client: &impl GenericClient, place: Place, limit: i64) -> Result<Vec<LicenseRecord>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&place.generation, &place.journal, &limit];
    query(client, sql!("projections/licenses/drifted.sql"), &params).await?.iter().map(record_of).collect()
}

/// How many enabled licenses of a source end by their own date, and when; the earliest dates.
///
/// # Errors
/// The database cannot be read.
pub async fn lapsing(
    client: &impl GenericClient,
    place: Place,
    source: &str,
    dates: i64,
) -> Result<Vec<(String, i64)>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &source, &dates];
    let rows = query(client, sql!("projections/licenses/lapsing.sql"), &params).await?;
    Ok(rows.iter().map(|r| (r.get("valid_until"), r.get("licenses"))).collect())
}

/// One page of all records, by order id.
///
/// # Errors
/// The database cannot be read.
pub async fn page(
    client: &impl GenericClient,
    place: Place,
    after: &str,
    limit: i64,
) -> Result<Vec<LicenseRecord>, DbError> {
    let any: Option<&str> = None;
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&place.generation, &place.journal, &after, &limit, &any];
    query(client, sql!("projections/licenses/list.sql"), &params).await?.iter().map(record_of).collect()
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
    let recheck: Vec<Option<DateTime<Utc>>> = records.iter().map(|r| r.recheck_at).collect();
    let drifted: Vec<bool> = records.iter().map(|r| r.seen.is_some() || (r.gone && !r.given_up)).collect();
    execute(
        client,
        sql!("projections/licenses/save.sql"),
        &[
            &place.generation,
            &place.journal,
            &orders,
            &sources,
            &subscriptions,
            &licenses,
            &states,
            &json,
            &open,
            &recheck,
            &drifted,
        ],
    )
    .await?;
    Ok(())
}
