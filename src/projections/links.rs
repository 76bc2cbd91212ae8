//! Timeless edges between the things of one source.

use std::collections::HashSet;

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Place;
use crate::postgres::{DbError, copy, query};
use crate::sql;

/// One edge as stored, with the position of the event that said it first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub child: String,
    pub parent: String,
    pub position: i64,
}

/// Saves edges; answers with those that are new, as (child, parent). Nobody else may be saving
/// edges of this place meanwhile.
///
/// # Errors
/// The database cannot be written.
pub async fn save(tx: &Transaction<'_>, place: Place, edges: &[Edge]) -> Result<Vec<(String, String)>, DbError> {
    let children: Vec<&str> = edges.iter().map(|e| e.child.as_str()).collect();
    let parents: Vec<&str> = edges.iter().map(|e| e.parent.as_str()).collect();
    if edges.len() < copy::ROWS_MIN {
        let positions: Vec<i64> = edges.iter().map(|e| e.position).collect();
        let params: [&(dyn ToSql + Sync); 5] = [&place.generation, &place.journal, &children, &parents, &positions];
        return Ok(query(tx, sql!("projections/links/save.sql"), &params).await?.iter().map(ends).collect());
    }
    let params: [&(dyn ToSql + Sync); 4] = [&place.generation, &place.journal, &children, &parents];
    let held: HashSet<(String, String)> =
        query(tx, sql!("projections/links/held.sql"), &params).await?.iter().map(ends).collect();
    let ends = |edge: &Edge| (edge.child.clone(), edge.parent.clone());
    let new: Vec<&Edge> = edges.iter().filter(|edge| !held.contains(&ends(edge))).collect();
    copy_first(tx, place, &new).await?;
    Ok(new.into_iter().map(ends).collect())
}

fn ends(row: &Row) -> (String, String) {
    (row.get(0), row.get(1))
}

/// Edges that are not there yet.
async fn copy_first(tx: &Transaction<'_>, place: Place, edges: &[&Edge]) -> Result<(), DbError> {
    let Place { generation, journal } = place;
    let cells: Vec<_> = edges
        .iter()
        .map(|edge| {
            [
                generation.into(),
                journal.into(),
                edge.child.as_str().into(),
                edge.parent.as_str().into(),
                edge.position.into(),
            ]
        })
        .collect();
    let statement = tx.prepare_cached(sql!("projections/links/copy.sql")).await?;
    copy::rows(tx.copy_in(&statement).await?, &cells).await
}

/// (entity, subscription) for every subscription that each entity belongs to.
///
/// # Errors
/// The database cannot be read.
pub async fn up(
    client: &impl GenericClient,
    place: Place,
    entities: &[&str],
) -> Result<Vec<(String, String)>, DbError> {
    let params: [&(dyn ToSql + Sync); 3] = [&place.generation, &place.journal, &entities];
    Ok(query(client, sql!("projections/links/up.sql"), &params).await?.iter().map(|r| (r.get(0), r.get(1))).collect())
}

/// (subscription, edge) for every edge below each subscription, and its edges to customers.
///
/// # Errors
/// The database cannot be read.
pub async fn down(
    client: &impl GenericClient,
    place: Place,
    subscriptions: &[String],
) -> Result<Vec<(String, Edge)>, DbError> {
    let params: [&(dyn ToSql + Sync); 3] = [&place.generation, &place.journal, &subscriptions];
    let rows = query(client, sql!("projections/links/down.sql"), &params).await?;
    Ok(rows.iter().map(|r| (r.get(0), Edge { child: r.get(1), parent: r.get(2), position: r.get(3) })).collect())
}
