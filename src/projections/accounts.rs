//! Accounts: how an admin last said that they are to be reconciled.

use deadpool_postgres::GenericClient;

use super::Place;
use crate::domain::account::Mode;
use crate::postgres::{DbError, execute, query_opt};
use crate::sql;

/// Keeps the mode that was said last.
///
/// # Errors
/// The database cannot be written.
pub async fn save_mode(client: &impl GenericClient, place: Place, mode: &str, said_at: i64) -> Result<(), DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &mode, &said_at];
    execute(client, sql!("projections/accounts/save_mode.sql"), &params).await?;
    Ok(())
}

/// The mode that was said last, and the position of the event that said it.
///
/// # Errors
/// The database cannot be read.
pub async fn mode(client: &impl GenericClient, place: Place) -> Result<Option<(Mode, i64)>, DbError> {
    let row = query_opt(client, sql!("projections/accounts/mode.sql"), &[&place.generation, &place.journal]).await?;
    row.map(|row| {
        let mode = serde_json::Value::String(row.get("mode"));
        let mode = serde_json::from_value(mode).map_err(|_| DbError::Corrupt("an unknown mode".to_owned()))?;
        Ok((mode, row.get("said_at")))
    })
    .transpose()
}
