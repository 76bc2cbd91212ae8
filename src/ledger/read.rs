//! Reading the ledger in position order.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use futures_util::{TryStreamExt, pin_mut};
use tokio_postgres::Row;

use crate::postgres::{DbError, query};
use crate::sql;

/// Most bytes of bodies one read takes into memory; the rest is read next time.
pub const READ_BYTES_MAX: usize = 64 << 20;

/// Events after which a long read lets others have their turn.
const EVENTS_A_TURN: usize = 64;

/// An event with its own bytes.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub journal: i32,
    pub position: i64,
    pub dedupe_key: String,
    pub external_id: String,
    pub event_type: String,
    pub occurred_at: Option<DateTime<Utc>>,
    pub livemode: Option<bool>,
    pub received_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub carrier: i64,
    pub part: i32,
    pub headers: Vec<(String, String)>,
    /// We wrote it ourselves: an admin act, an intent, adopted rules.
    pub own: bool,
    /// `None`: erased.
    pub bytes: Option<Vec<u8>>,
}

impl StoredEvent {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let headers: Option<&str> = row.get("headers");
        // A delivery has headers, if only an empty list of those that are kept.
        let own = headers.is_none();
        let headers = match headers {
            Some(text) => serde_json::from_str::<std::collections::BTreeMap<String, String>>(text)
                .map_err(|_| DbError::Corrupt("the kept headers of an event are not JSON".to_owned()))?
                .into_iter()
                .collect(),
            None => Vec::new(),
        };
        Ok(Self {
            journal: row.get("journal"),
            position: row.get("position"),
            dedupe_key: row.get("dedupe_key"),
            external_id: row.get("external_id"),
            event_type: row.get("type"),
            occurred_at: row.get("occurred_at"),
            livemode: row.get("livemode"),
            received_at: row.get("received_at"),
            recorded_at: row.get("recorded_at"),
            carrier: row.get("carrier"),
            part: row.get("part"),
            headers,
            own,
            bytes: row.get("bytes"),
        })
    }
}

/// The next events after a position: at most `limit`, and at most about [`READ_BYTES_MAX`] bytes.
/// Each is given to `arrived` while the next are on their way.
///
/// # Errors
/// The database cannot be read.
pub async fn after(
    client: &impl GenericClient,
    journal: i32,
    position: i64,
    limit: i64,
    mut arrived: impl FnMut(StoredEvent),
) -> Result<(), DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&journal, &position, &limit];
    let rows =
        client.query_raw(&client.prepare_cached(sql!("schema/statements/read_after.sql")).await?, params).await?;
    pin_mut!(rows);
    let (mut events, mut bytes) = (0_usize, 0);
    while bytes < READ_BYTES_MAX
        && let Some(row) = rows.try_next().await?
    {
        let event = StoredEvent::from_row(&row)?;
        bytes += event.bytes.as_ref().map_or(0, Vec::len);
        arrived(event);
        events += 1;
        if events.is_multiple_of(EVENTS_A_TURN) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// The events at given positions, in position order.
///
/// # Errors
/// The database cannot be read.
pub async fn at(client: &impl GenericClient, journal: i32, positions: &[i64]) -> Result<Vec<StoredEvent>, DbError> {
    let rows = query(client, sql!("schema/statements/read_positions.sql"), &[&journal, &positions]).await?;
    rows.iter().map(StoredEvent::from_row).collect()
}

/// The request body of the delivery that `carrier` holds, verbatim. `None`: erased.
///
/// # Errors
/// The database cannot be read.
pub async fn body(client: &impl GenericClient, journal: i32, carrier: i64) -> Result<Option<Vec<u8>>, DbError> {
    let rows = query(client, sql!("schema/statements/body.sql"), &[&journal, &carrier]).await?;
    let parts = rows.iter().map(|row| row.get::<_, &[u8]>(1));
    Ok((!rows.is_empty()).then(|| {
        parts.fold(Vec::new(), |mut body, part| {
            body.extend_from_slice(part);
            body
        })
    }))
}

/// What was blanked in the delivery that `carrier` holds: (offset, length), rising.
///
/// # Errors
/// The database cannot be read.
pub async fn cuts(client: &impl GenericClient, journal: i32, carrier: i64) -> Result<Vec<(i32, i32)>, DbError> {
    let rows = query(client, sql!("schema/statements/cuts.sql"), &[&journal, &carrier]).await?;
    let cuts: Option<Vec<i32>> = rows.first().and_then(|row| row.get(0));
    Ok(cuts.unwrap_or_default().chunks_exact(2).map(|cut| (cut[0], cut[1])).collect())
}
