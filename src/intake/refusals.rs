//! Deliveries that were turned away: a bounded ring, written at a capped rate. A flood of bad
//! signatures costs us a counter, not a database.

use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use tokio::sync::mpsc;
use tracing::warn;

use crate::postgres::{DbError, execute};
use crate::sql;

/// Rows in the ring.
const RING_ROWS: i64 = 10_000;
/// Refusals that may wait to be written; more are only logged as lost.
const QUEUE_MAX: usize = 1_000;
/// Pause after each row: at most 50 rows a second.
const PAUSE: Duration = Duration::from_millis(20);

/// One delivery that was turned away.
#[derive(Debug, Clone)]
pub struct Refused {
    pub at: DateTime<Utc>,
    pub source: String,
    /// `wrong_signature`, `stale_timestamp`, `too_large`, …
    pub code: &'static str,
    pub detail: String,
    pub remote: Option<String>,
    pub body_bytes: Option<i64>,
}

/// The way into the ring.
#[derive(Debug, Clone)]
pub struct Refusals(mpsc::Sender<Refused>);

impl Refusals {
    pub(super) fn start(pool: Pool) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Refused>(QUEUE_MAX);
        tokio::spawn(async move {
            while let Some(refused) = receiver.recv().await {
                if let Err(e) = write(&pool, &refused).await {
                    warn!(error = %e, "a refusal could not be noted");
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self(sender)
    }

    /// Notes a refusal, if there is room.
    pub fn note(&self, refused: Refused) {
        warn!(source = refused.source, code = refused.code, "a delivery was refused");
        let _ = self.0.try_send(refused);
    }
}

async fn write(pool: &Pool, refused: &Refused) -> Result<(), DbError> {
    let client = pool.get().await?;
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 7] = [
        &RING_ROWS,
        &refused.at,
        &refused.source,
        &refused.code,
        &refused.detail,
        &refused.remote,
        &refused.body_bytes,
    ];
    execute(&client, sql!("schema/statements/note_refusal.sql"), &params).await?;
    Ok(())
}
