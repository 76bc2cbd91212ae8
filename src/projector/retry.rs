//! Reading a quarantined event again, after an upgrade or for another look.

use super::meaning;
use super::meanings::Meanings;
use super::{Projector, TICK_BUSY, database_now, source};
use crate::ledger::{read, rules};
use crate::postgres::{DbError, query_opt};
use crate::projections::{Place, generations};
use crate::registry::Source;
use crate::sql;

/// What an event is now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Now {
    pub status: String,
    pub reason: Option<String>,
    pub customer_id: Option<String>,
    pub subscription_id: Option<String>,
}

/// What became of an event in the live generation; `None`: it was not read yet.
///
/// # Errors
/// The database cannot be read.
pub async fn now(
    client: &impl deadpool_postgres::GenericClient,
    place: Place,
    position: i64,
) -> Result<Option<Now>, DbError> {
    let statement = sql!("projections/events/one.sql");
    let row = query_opt(client, statement, &[&place.generation, &place.journal, &position]).await?;
    Ok(row.map(|r| Now {
        status: r.get("status"),
        reason: r.get("error"),
        customer_id: r.get("customer_id"),
        subscription_id: r.get("subscription_id"),
    }))
}

/// Translates and folds one event again, in every generation that has read past it.
///
/// # Errors
/// It cannot be saved now either, or the database cannot be used; it stays as it was.
pub async fn again(projector: &Projector, of: &Source, position: i64) -> Result<(), DbError> {
    let mut client = projector.pool.get().await?;
    let checkpoints = generations::checkpoints(&client).await?;
    for checkpoint in checkpoints.iter().filter(|c| c.place.journal == of.journal && c.position >= position) {
        loop {
            let tx = client.transaction().await?;
            let Some(from) = generations::take(&tx, checkpoint.place).await? else {
                tx.rollback().await?;
                tokio::time::sleep(TICK_BUSY).await;
                continue;
            };
            let batch = read::at(&tx, of.journal, &[position]).await?;
            let adopted = rules::adopted(&tx, projector.registry.system).await?;
            let now = database_now(&tx).await?;
            let meanings = Meanings::of(batch.iter().map(|e| meaning::of(of, e)).collect());
            source::project(&tx, checkpoint.place, of, &adopted, from, &meanings, now).await?;
            tx.commit().await?;
            break;
        }
    }
    projector.saved.notify_waiters();
    Ok(())
}
