//! Subscriptions: the folded state, its hashes, and what is due.

use chrono::{DateTime, Utc};
use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;

use super::Place;
use crate::domain::FOLD_VERSION;
use crate::domain::state::State;
use crate::parallel;
use crate::postgres::{DbError, copy, execute, query};
use crate::sql;

/// A row as it was loaded.
#[derive(Debug, Clone)]
pub struct Held {
    pub state: State,
    pub state_hash: String,
    pub fold_version: i32,
    pub version: i64,
}

/// A row to be saved.
#[derive(Debug, Clone)]
pub struct Folded {
    pub state: State,
    pub state_hash: String,
    pub fold_hash: String,
    pub unmapped: bool,
    pub next_transition_at: Option<DateTime<Utc>>,
    /// The reconciler should compare it.
    pub dirty: bool,
    /// The book it is a chain of.
    pub book: Option<String>,
    /// Another chain of its book has taken it in: it is there for its licenses alone.
    pub superseded: bool,
    /// What its buyer is looked for by.
    pub buyer: Option<String>,
    /// There is no row of it yet.
    pub is_first: bool,
}

fn state_of(row: &Row, column: &str) -> Result<State, DbError> {
    serde_json::from_str(row.get(column)).map_err(|e| DbError::Corrupt(format!("a stored state cannot be read: {e}")))
}

/// Loads the rows of some subscriptions.
///
/// # Errors
/// The database cannot be read.
pub async fn load(client: &impl GenericClient, place: Place, ids: &[String]) -> Result<Vec<Held>, DbError> {
    let rows =
        query(client, sql!("projections/subscriptions/load.sql"), &[&place.generation, &place.journal, &ids]).await?;
    Ok(parallel::map(rows, |row| held(&row)))
}

/// The chains that some books were split into, and what has those ids, each with its book.
///
/// # Errors
/// The database cannot be read.
pub async fn of_books(
    client: &impl GenericClient,
    place: Place,
    books: &[String],
    ids: &[String],
) -> Result<Vec<(String, Held)>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &books, &ids];
    let rows = query(client, sql!("projections/subscriptions/of_books.sql"), &params).await?;
    Ok(rows.iter().map(|row| (row.get::<_, Option<String>>("book").unwrap_or_default(), held(row))).collect())
}

/// The book that a subscription is a chain of.
///
/// # Errors
/// The database cannot be read.
pub async fn book_of(client: &impl GenericClient, place: Place, id: &str) -> Result<Option<String>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&place.generation, &place.journal, &id];
    Ok(query(client, sql!("projections/subscriptions/book.sql"), &params).await?.first().map(|row| row.get("book")))
}

/// A state that this build cannot read is one of another fold: it is folded anew.
fn held(row: &Row) -> Held {
    const OF_NO_FOLD: i32 = 0;
    let (state, fold_version) = match state_of(row, "state") {
        Ok(state) => (state, row.get("fold_version")),
        Err(_) => (State { subscription_id: row.get("subscription_id"), ..State::default() }, OF_NO_FOLD),
    };
    Held { state, state_hash: row.get("state_hash"), fold_version, version: row.get("version") }
}

/// Saves folded states.
///
/// # Errors
/// The database cannot be written.
pub async fn save(tx: &Transaction<'_>, place: Place, rows: &[Folded], now: DateTime<Utc>) -> Result<(), DbError> {
    let states = parallel::map(rows.iter().collect(), |row: &Folded| serde_json::to_string(&row.state));
    let states: Vec<String> =
        states.into_iter().collect::<Result<_, _>>().map_err(|e| DbError::Corrupt(e.to_string()))?;
    let rows = rows.iter().zip(states.iter().map(String::as_str));
    let (first, held): (Vec<_>, Vec<_>) = rows.partition(|(row, _)| row.is_first);
    if first.len() < copy::ROWS_MIN {
        return put(tx, place, &[first, held].concat(), now).await;
    }
    copy_first(tx, place, &first, now).await?;
    put(tx, place, &held, now).await
}

/// Rows and how their states are written, in place of those that are there.
async fn put(
    client: &impl GenericClient,
    place: Place,
    rows: &[(&Folded, &str)],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let states: Vec<&str> = rows.iter().map(|(_, state)| *state).collect();
    let rows: Vec<&Folded> = rows.iter().map(|(row, _)| *row).collect();
    let column = |get: fn(&Folded) -> &str| rows.iter().map(|row| get(row)).collect::<Vec<&str>>();
    let ids = column(|r| &r.state.subscription_id);
    let customers: Vec<Option<&str>> = rows.iter().map(|r| r.state.customer_id()).collect();
    let statuses = column(|r| r.state.status().as_str());
    let hashes = column(|r| &r.state_hash);
    let folds = column(|r| &r.fold_hash);
    let unmapped: Vec<bool> = rows.iter().map(|r| r.unmapped).collect();
    let uncertain: Vec<bool> = rows.iter().map(|r| r.state.uncertain).collect();
    let next: Vec<Option<DateTime<Utc>>> = rows.iter().map(|r| r.next_transition_at).collect();
    let dirty: Vec<bool> = rows.iter().map(|r| r.dirty).collect();
    let superseded: Vec<bool> = rows.iter().map(|r| r.superseded).collect();
    let books: Vec<Option<&str>> = rows.iter().map(|r| r.book.as_deref()).collect();
    let buyers: Vec<Option<&str>> = rows.iter().map(|r| r.buyer.as_deref()).collect();
    execute(
        client,
        sql!("projections/subscriptions/save.sql"),
        &[
            &place.generation,
            &place.journal,
            &ids,
            &customers,
            &statuses,
            &states,
            &hashes,
            &folds,
            &FOLD_VERSION,
            &unmapped,
            &uncertain,
            &next,
            &dirty,
            &now,
            &books,
            &superseded,
            &buyers,
        ],
    )
    .await?;
    Ok(())
}

/// Rows that are not there yet.
async fn copy_first(
    tx: &Transaction<'_>,
    place: Place,
    rows: &[(&Folded, &str)],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    const VERSION: i64 = 1;
    let cells: Vec<_> = rows
        .iter()
        .map(|(row, state)| {
            [
                place.generation.into(),
                place.journal.into(),
                row.state.subscription_id.as_str().into(),
                row.state.customer_id().into(),
                row.buyer.as_deref().into(),
                row.book.as_deref().into(),
                row.superseded.into(),
                row.state.status().as_str().into(),
                (*state).into(),
                row.state_hash.as_str().into(),
                row.fold_hash.as_str().into(),
                FOLD_VERSION.into(),
                row.unmapped.into(),
                row.state.uncertain.into(),
                row.next_transition_at.into(),
                row.dirty.then_some(now).into(),
                VERSION.into(),
                Some(now).into(),
            ]
        })
        .collect();
    let statement = tx.prepare_cached(sql!("projections/subscriptions/copy.sql")).await?;
    copy::rows(tx.copy_in(&statement).await?, &cells).await
}

/// Subscriptions whose next transition has come, locked for this transaction.
///
/// # Errors
/// The database cannot be read.
pub async fn due(
    client: &impl GenericClient,
    place: Place,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<State>, DbError> {
    let rows =
        query(client, sql!("projections/subscriptions/due.sql"), &[&place.generation, &place.journal, &now, &limit])
            .await?;
    rows.iter().map(|row| state_of(row, "state")).collect()
}

/// One page of all subscriptions, by id.
///
/// # Errors
/// The database cannot be read.
pub async fn page(client: &impl GenericClient, place: Place, after: &str, limit: i64) -> Result<Vec<State>, DbError> {
    let rows = query(
        client,
        sql!("projections/subscriptions/all_ids.sql"),
        &[&place.generation, &place.journal, &after, &limit],
    )
    .await?;
    rows.iter().map(|row| state_of(row, "state")).collect()
}

/// One page of the subscriptions that are no chain of a book, by id.
///
/// # Errors
/// The database cannot be read.
pub async fn alone(client: &impl GenericClient, place: Place, after: &str, limit: i64) -> Result<Vec<State>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &after, &limit];
    let rows = query(client, sql!("projections/subscriptions/alone.sql"), &params).await?;
    rows.iter().map(|row| state_of(row, "state")).collect()
}

/// One page for readers, by id, of some status or any: each state, and whether a product of it is
/// not in the catalog. A state that this build cannot read is empty until it is folded anew.
///
/// # Errors
/// The database cannot be read.
pub async fn listed(
    client: &impl GenericClient,
    place: Place,
    after: &str,
    limit: i64,
    status: Option<&str>,
) -> Result<Vec<(State, bool)>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&place.generation, &place.journal, &after, &limit, &status];
    let rows = query(client, sql!("projections/subscriptions/list.sql"), &params).await?;
    let state = |row: &Row| {
        let empty = || State { subscription_id: row.get("subscription_id"), ..State::default() };
        (state_of(row, "state").unwrap_or_else(|_| empty()), row.get("unmapped"))
    };
    Ok(rows.iter().map(state).collect())
}

/// A subscription whose entitlement has to be looked at again.
#[derive(Debug, Clone)]
pub struct Retimed {
    pub subscription_id: String,
    pub next_transition_at: Option<DateTime<Utc>>,
    pub unmapped: bool,
}

/// Time or rules moved, the state did not: new transition times, and a mark for the reconciler.
///
/// # Errors
/// The database cannot be written.
pub async fn retime(
    client: &impl GenericClient,
    place: Place,
    rows: &[Retimed],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let ids: Vec<&str> = rows.iter().map(|r| r.subscription_id.as_str()).collect();
    let next: Vec<Option<DateTime<Utc>>> = rows.iter().map(|r| r.next_transition_at).collect();
    let unmapped: Vec<bool> = rows.iter().map(|r| r.unmapped).collect();
    execute(
        client,
        sql!("projections/subscriptions/retime.sql"),
        &[&place.generation, &place.journal, &ids, &next, &unmapped, &now],
    )
    .await?;
    Ok(())
}

/// A subscription that waits for the reconciler.
#[derive(Debug, Clone)]
pub struct Dirty {
    pub state: State,
    pub state_hash: String,
    pub version: i64,
}

/// The subscriptions that have been dirty since `since` or before, oldest first.
///
/// # Errors
/// The database cannot be read.
pub async fn dirty(
    client: &impl GenericClient,
    place: Place,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Dirty>, DbError> {
    let rows = query(
        client,
        sql!("projections/subscriptions/dirty.sql"),
        &[&place.generation, &place.journal, &since, &limit],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Dirty { state: state_of(row, "state")?, state_hash: row.get("state_hash"), version: row.get("version") })
        })
        .collect()
}

/// The ids of all that are dirty.
///
/// # Errors
/// The database cannot be read.
pub async fn marked(client: &impl GenericClient, place: Place) -> Result<Vec<String>, DbError> {
    let rows =
        query(client, sql!("projections/subscriptions/marked.sql"), &[&place.generation, &place.journal]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The reconciler compared this version; a newer one stays dirty.
///
/// # Errors
/// The database cannot be written.
pub async fn clean(client: &impl GenericClient, place: Place, id: &str, version: i64) -> Result<(), DbError> {
    execute(client, sql!("projections/subscriptions/clean.sql"), &[&place.generation, &place.journal, &id, &version])
        .await?;
    Ok(())
}

/// Keeps a subscription's mark, and lets it be looked at again only then.
///
/// # Errors
/// The database cannot be written.
pub async fn defer(client: &impl GenericClient, place: Place, id: &str, until: DateTime<Utc>) -> Result<(), DbError> {
    execute(client, sql!("projections/subscriptions/defer.sql"), &[&place.generation, &place.journal, &id, &until])
        .await?;
    Ok(())
}

/// Marks a subscription for the reconciler, if there is one.
///
/// # Errors
/// The database cannot be written.
pub async fn mark(client: &impl GenericClient, place: Place, id: &str, now: DateTime<Utc>) -> Result<(), DbError> {
    execute(client, sql!("projections/subscriptions/mark_one.sql"), &[&place.generation, &place.journal, &id, &now])
        .await?;
    Ok(())
}

/// Takes out subscriptions that are now called otherwise, and gives their events the new name.
///
/// # Errors
/// The database cannot be written.
pub async fn rename(
    client: &impl GenericClient,
    place: Place,
    names: &[(String, Option<String>)],
) -> Result<(), DbError> {
    if names.is_empty() {
        return Ok(());
    }
    let (old, new): (Vec<&String>, Vec<&Option<String>>) = names.iter().map(|(old, new)| (old, new)).unzip();
    execute(client, sql!("projections/subscriptions/remove.sql"), &[&place.generation, &place.journal, &old]).await?;
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &old, &new];
    execute(client, sql!("projections/events/rename.sql"), &params).await?;
    Ok(())
}
