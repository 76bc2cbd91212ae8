//! Books: all orders of one buyer folded together, where no subscription keeps them together.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::Place;
use crate::domain::FOLD_VERSION;
use crate::domain::state::State;
use crate::postgres::{DbError, execute, query};
use crate::sql;

/// A book as it was loaded; its state is called as the book is.
#[derive(Debug, Clone)]
pub struct Held {
    pub state: State,
    pub fold_version: i32,
}

/// A state that this build cannot read is one of another fold: it is folded anew.
fn held(row: &Row) -> Held {
    const OF_NO_FOLD: i32 = 0;
    match serde_json::from_value(row.get("state")) {
        Ok(state) => Held { state, fold_version: row.get("fold_version") },
        Err(_) => {
            Held { state: State { subscription_id: row.get("book"), ..State::default() }, fold_version: OF_NO_FOLD }
        }
    }
}

/// Loads some books.
///
/// # Errors
/// The database cannot be read.
pub async fn load(client: &impl GenericClient, place: Place, books: &[String]) -> Result<Vec<Held>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&place.generation, &place.journal, &books];
    Ok(query(client, sql!("projections/books/load.sql"), &params).await?.iter().map(held).collect())
}

/// One page of all books, by name.
///
/// # Errors
/// The database cannot be read.
pub async fn page(client: &impl GenericClient, place: Place, after: &str, limit: i64) -> Result<Vec<Held>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &after, &limit];
    Ok(query(client, sql!("projections/books/page.sql"), &params).await?.iter().map(held).collect())
}

/// Books that were split by other rules than those that count.
///
/// # Errors
/// The database cannot be read.
pub async fn of_other_rules(
    client: &impl GenericClient,
    place: Place,
    rules_hash: &str,
    limit: i64,
) -> Result<Vec<Held>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&place.generation, &place.journal, &rules_hash, &limit];
    Ok(query(client, sql!("projections/books/of_other_rules.sql"), &params).await?.iter().map(held).collect())
}

/// Saves books with the rules they were split by.
///
/// # Errors
/// The database cannot be written.
pub async fn save(
    client: &impl GenericClient,
    place: Place,
    books: &[&State],
    rules_hash: &str,
) -> Result<(), DbError> {
    let mut states = Vec::with_capacity(books.len());
    for book in books {
        states.push(serde_json::to_string(book).map_err(|e| DbError::Corrupt(e.to_string()))?);
    }
    let names: Vec<&str> = books.iter().map(|b| b.subscription_id.as_str()).collect();
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&place.generation, &place.journal, &names, &states, &FOLD_VERSION, &rules_hash];
    execute(client, sql!("projections/books/save.sql"), &params).await?;
    Ok(())
}
