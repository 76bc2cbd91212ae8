//! Timeless edges between the things of one source.

use deadpool_postgres::GenericClient;

use super::Place;
use crate::postgres::{DbError, query};
use crate::sql;

/// One edge as stored, with the position of the event that said it first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub child: String,
    pub parent: String,
    pub position: i64,
}

/// Saves edges; answers with those that are new, as (child, parent).
///
/// # Errors
/// The database cannot be written.
pub async fn save(client: &impl GenericClient, place: Place, edges: &[Edge]) -> Result<Vec<(String, String)>, DbError> {
    let children: Vec<&str> = edges.iter().map(|e| e.child.as_str()).collect();
    let parents: Vec<&str> = edges.iter().map(|e| e.parent.as_str()).collect();
    let positions: Vec<i64> = edges.iter().map(|e| e.position).collect();
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&place.generation, &place.journal, &children, &parents, &positions];
    Ok(query(client, sql!("projections/links/save.sql"), &params).await?.iter().map(|r| (r.get(0), r.get(1))).collect())
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
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&place.generation, &place.journal, &entities];
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
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&place.generation, &place.journal, &subscriptions];
    let rows = query(client, sql!("projections/links/down.sql"), &params).await?;
    Ok(rows.iter().map(|r| (r.get(0), Edge { child: r.get(1), parent: r.get(2), position: r.get(3) })).collect())
}
