//! Exchanging a part of one journal's live rows with those that another generation holds: what a
//! rebuild of one source or customer is promoted and rolled back by.

use deadpool_postgres::{GenericClient, Transaction};

use super::Place;
use super::generations::owe_plans;
use crate::postgres::{DbError, execute, query};
use crate::sql;

/// Which rows of a journal are exchanged. `None` everywhere: all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    pub subscriptions: Option<Vec<String>>,
    pub books: Option<Vec<String>>,
    pub positions: Option<Vec<i64>>,
    pub entities: Option<Vec<String>>,
    /// (child, parent)
    pub edges: Option<(Vec<String>, Vec<String>)>,
}

/// Holds the live row and the checkpoints of one journal in both generations, so that nobody
/// folds or promotes meanwhile. Answers with the live position, where the other has read as far
/// or has no checkpoint of its own; `None`: it follows on and has not come as far.
///
/// # Errors
/// The database cannot be written.
pub async fn hold(tx: &Transaction<'_>, live: Place, staged: i32) -> Result<Option<i64>, DbError> {
    tx.query_one("SELECT generation FROM control.generations WHERE generation = $1 FOR UPDATE", &[&live.generation])
        .await?;
    let both = vec![live.generation, staged];
    let rows = tx
        .query(
            "SELECT generation, position FROM control.checkpoints
             WHERE generation = ANY($1) AND journal = $2 ORDER BY generation FOR UPDATE",
            &[&both, &live.journal],
        )
        .await?;
    let position = |generation: i32| rows.iter().find(|r| r.get::<_, i32>(0) == generation).map(|r| r.get::<_, i64>(1));
    let Some(read) = position(live.generation) else { return Ok(None) };
    Ok(position(staged).is_none_or(|staged| staged == read).then_some(read))
}

/// Exchanges a part of a journal's live rows with those of another generation, which keeps the
/// old ones. Marks that wait for the reconciler stay with the live rows: it causes no call,
/// but a plan of the calls that follow from it.
///
/// # Errors
/// The database cannot be written.
pub async fn exchange(tx: &Transaction<'_>, live: Place, staged: i32, part: &Part) -> Result<(), DbError> {
    let marks = sql!("projections/subscriptions/carry_marks_of.sql");
    execute(tx, marks, &[&live.generation, &staged, &live.journal, &part.subscriptions]).await?;
    owe_plans(tx, &format!("what follows from rows that were exchanged with those of generation {staged}")).await?;
    let (own, other) = (live.generation, staged);
    // A journal of no number is where the live rows wait until their place is free.
    let aside = -live.journal;
    let all = Part::default();
    move_rows(tx, (own, live.journal), (own, aside), part).await?;
    move_rows(tx, (other, live.journal), (own, live.journal), part).await?;
    move_rows(tx, (own, aside), (other, live.journal), &all).await
}

async fn move_rows(tx: &Transaction<'_>, from: (i32, i32), to: (i32, i32), part: &Part) -> Result<(), DbError> {
    let (children, parents) = part.edges.clone().unzip();
    let [a, b, c, d]: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&from.0, &from.1, &to.0, &to.1];
    execute(tx, sql!("projections/subscriptions/move.sql"), &[a, b, c, d, &part.subscriptions]).await?;
    execute(tx, sql!("projections/books/move.sql"), &[a, b, c, d, &part.books]).await?;
    execute(tx, sql!("projections/events/move.sql"), &[a, b, c, d, &part.positions]).await?;
    execute(tx, sql!("projections/events/move_mentions.sql"), &[a, b, c, d, &part.entities, &part.positions]).await?;
    execute(tx, sql!("projections/links/move.sql"), &[a, b, c, d, &children, &parents]).await?;
    Ok(())
}

/// After an exchange the other generation is what there is to go back to.
///
/// # Errors
/// The database cannot be written.
pub async fn keep_as_previous(tx: &Transaction<'_>, staged: i32) -> Result<(), DbError> {
    tx.execute(
        "UPDATE control.generations SET state = CASE WHEN generation = $1 THEN 'previous' ELSE 'dropped' END
         WHERE generation = $1 OR state = 'previous'",
        &[&staged],
    )
    .await?;
    Ok(())
}

/// How a part of a journal differs from its live rows.
///
/// # Errors
/// The database cannot be read.
pub async fn differences_of(
    client: &impl GenericClient,
    live: Place,
    staged: i32,
    subscriptions: Option<&[String]>,
) -> Result<Vec<String>, DbError> {
    let statement = sql!("projections/subscriptions/differences_of.sql");
    let rows = query(client, statement, &[&live.generation, &staged, &live.journal, &subscriptions]).await?;
    Ok(rows.iter().map(|r| r.get(0)).collect())
}

/// Gives up every row of one journal in a generation that is not live.
///
/// # Errors
/// The database cannot be written.
pub async fn empty(tx: &Transaction<'_>, place: Place) -> Result<(), DbError> {
    for statement in [
        sql!("projections/subscriptions/empty.sql"),
        sql!("projections/books/empty.sql"),
        sql!("projections/events/empty.sql"),
        sql!("projections/events/empty_mentions.sql"),
        sql!("projections/links/empty.sql"),
    ] {
        execute(tx, statement, &[&place.generation, &place.journal]).await?;
    }
    Ok(())
}
