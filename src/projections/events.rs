//! What became of each event, and which events speak of an entity.

use deadpool_postgres::{Client, GenericClient, Transaction};

use super::Place;
use crate::postgres::{DbError, copy, execute, query, query_opt};
use crate::sql;

/// `applied` · `recorded` · `unlinked` · `unknown_type` · `unreadable` · `quarantined`
/// (`unmapped` and `pending` are worked out when read).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStatus {
    Applied,
    Recorded,
    Unlinked,
    UnknownType,
    Unreadable,
    Quarantined,
}

impl EventStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Recorded => "recorded",
            Self::Unlinked => "unlinked",
            Self::UnknownType => "unknown_type",
            Self::Unreadable => "unreadable",
            Self::Quarantined => "quarantined",
        }
    }
}

/// One row.
#[derive(Debug, Clone)]
pub struct EventRow {
    pub position: i64,
    pub status: EventStatus,
    pub entity: Option<String>,
    pub customer_id: Option<String>,
    pub subscription_id: Option<String>,
    pub error: Option<String>,
}

/// Saves what became of events.
///
/// # Errors
/// The database cannot be written.
pub async fn save(client: &impl GenericClient, place: Place, rows: &[EventRow]) -> Result<(), DbError> {
    let positions: Vec<i64> = rows.iter().map(|r| r.position).collect();
    let statuses: Vec<&str> = rows.iter().map(|r| r.status.as_str()).collect();
    let entities: Vec<Option<&str>> = rows.iter().map(|r| r.entity.as_deref()).collect();
    let customers: Vec<Option<&str>> = rows.iter().map(|r| r.customer_id.as_deref()).collect();
    let subscriptions: Vec<Option<&str>> = rows.iter().map(|r| r.subscription_id.as_deref()).collect();
    let errors: Vec<Option<&str>> = rows.iter().map(|r| r.error.as_deref()).collect();
    execute(
        client,
        sql!("projections/events/save.sql"),
        &[&place.generation, &place.journal, &positions, &statuses, &entities, &customers, &subscriptions, &errors],
    )
    .await?;
    Ok(())
}

/// Saves what became of events that have no row yet.
///
/// # Errors
/// The database cannot be written, or one of them has a row.
pub async fn save_first(tx: &Transaction<'_>, place: Place, rows: &[EventRow]) -> Result<(), DbError> {
    if rows.len() < copy::ROWS_MIN {
        return save(tx, place, rows).await;
    }
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                place.generation.into(),
                place.journal.into(),
                row.position.into(),
                row.status.as_str().into(),
                row.entity.as_deref().into(),
                row.customer_id.as_deref().into(),
                row.subscription_id.as_deref().into(),
                row.error.as_deref().into(),
            ]
        })
        .collect();
    let statement = tx.prepare_cached(sql!("projections/events/copy.sql")).await?;
    copy::rows(tx.copy_in(&statement).await?, &cells).await
}

/// Notes that events speak of entities.
///
/// # Errors
/// The database cannot be written.
pub async fn mention(client: &impl GenericClient, place: Place, mentions: &[(String, i64)]) -> Result<(), DbError> {
    let (entities, positions): (Vec<&str>, Vec<i64>) = mentions.iter().map(|(e, p)| (e.as_str(), *p)).unzip();
    execute(
        client,
        sql!("projections/events/mention.sql"),
        &[&place.generation, &place.journal, &entities, &positions],
    )
    .await?;
    Ok(())
}

/// The same, where they are probably not noted yet: COPY is twice as fast. What is noted already, by
/// somebody who did not get to the end of the batch, is no reason to fail.
///
/// # Errors
/// The database cannot be written.
pub async fn mention_first(client: &Client, place: Place, mentions: &[(String, i64)]) -> Result<(), DbError> {
    match copy_mentions(client, place, mentions).await {
        Err(e) if e.is_data_error() => mention(client, place, mentions).await,
        copied => copied,
    }
}

async fn copy_mentions(client: &Client, place: Place, mentions: &[(String, i64)]) -> Result<(), DbError> {
    let Place { generation, journal } = place;
    let cells: Vec<_> = mentions
        .iter()
        .map(|(entity, position)| [generation.into(), journal.into(), entity.as_str().into(), (*position).into()])
        .collect();
    let statement = client.prepare_cached(sql!("projections/events/copy_mentions.sql")).await?;
    copy::rows(client.copy_in(&statement).await?, &cells).await
}

/// Which of these entities were heard of up to a position; `true`: known, by a fact or as the parent
/// of an edge, and not only as the child of one.
///
/// # Errors
/// The database cannot be read.
pub async fn heard_before(
    client: &impl GenericClient,
    place: Place,
    entities: &[&str],
    position: i64,
) -> Result<Vec<(String, bool)>, DbError> {
    if entities.is_empty() {
        return Ok(Vec::new());
    }
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&place.generation, &place.journal, &entities, &position];
    let rows = query(client, sql!("projections/events/heard_before.sql"), &params).await?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
}

/// The subscription that what is said of an entity is part of.
///
/// # Errors
/// The database cannot be read.
pub async fn subscription_of(
    client: &impl GenericClient,
    place: Place,
    entity: &str,
) -> Result<Option<String>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&place.generation, &place.journal, &entity];
    Ok(query_opt(client, sql!("projections/events/subscription_of.sql"), &params).await?.map(|r| r.get(0)))
}

/// Every (entity, position) that speaks of these entities.
///
/// # Errors
/// The database cannot be read.
pub async fn mentions(
    client: &impl GenericClient,
    place: Place,
    entities: &[String],
) -> Result<Vec<(String, i64)>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&place.generation, &place.journal, &entities];
    Ok(query(client, sql!("projections/events/mentions.sql"), &params)
        .await?
        .iter()
        .map(|r| (r.get(0), r.get(1)))
        .collect())
}

/// An event that is found to speak of a subscription.
#[derive(Debug, Clone)]
pub struct Found {
    pub position: i64,
    pub subscription: String,
    pub customer: Option<String>,
    /// It speaks of the subscription itself, or of what belongs to it alone.
    pub is_own: bool,
}

/// Events that had no subscription, or only a share in their buyer's orders, have found theirs.
///
/// # Errors
/// The database cannot be written.
pub async fn linked(client: &impl GenericClient, place: Place, rows: &[Found]) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let positions: Vec<i64> = rows.iter().map(|r| r.position).collect();
    let subscriptions: Vec<&str> = rows.iter().map(|r| r.subscription.as_str()).collect();
    let customers: Vec<Option<&str>> = rows.iter().map(|r| r.customer.as_deref()).collect();
    let own: Vec<bool> = rows.iter().map(|r| r.is_own).collect();
    execute(
        client,
        sql!("projections/events/linked.sql"),
        &[&place.generation, &place.journal, &positions, &subscriptions, &customers, &own],
    )
    .await?;
    Ok(())
}
