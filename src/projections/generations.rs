//! Generations: one complete build of the projections each, the live one swapped by rows.

use std::collections::BTreeMap;

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::IsolationLevel;
use tracing::warn;

use super::Place;
use crate::postgres::{DbError, execute, query, query_opt};
use crate::sql;

/// Tables are made and dropped while others read them: so often it is tried to get their locks.
const OPEN_TRIES_MAX: usize = 5;

/// A journal to follow into a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub place: Place,
    pub position: i64,
    /// `building` · `ready` · `live` · `previous`.
    pub state: String,
    /// Of a generation that holds one journal, or a part of it.
    pub scoped: bool,
}

/// Everything there is to follow, live generations first.
///
/// # Errors
/// The database cannot be read.
pub async fn checkpoints(client: &impl GenericClient) -> Result<Vec<Checkpoint>, DbError> {
    let rows = query(client, sql!("schema/statements/checkpoints.sql"), &[]).await?;
    Ok(rows
        .iter()
        .map(|r| Checkpoint {
            place: Place { generation: r.get(0), journal: r.get(1) },
            position: r.get(2),
            state: r.get(3),
            scoped: r.get(4),
        })
        .collect())
}

/// How far a journal was read into a generation.
///
/// # Errors
/// The database cannot be read.
pub async fn position(client: &impl GenericClient, place: Place) -> Result<i64, DbError> {
    let found = checkpoints(client).await?.into_iter().find(|c| c.place == place);
    Ok(found.map_or(0, |c| c.position))
}

/// The live generation of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub generation: i32,
    /// It has once reached the tail: calls may be made from what it says.
    pub caught_up: bool,
}

/// The live generation of each journal.
///
/// # Errors
/// The database cannot be read.
pub async fn live(client: &impl GenericClient) -> Result<BTreeMap<i32, Live>, DbError> {
    let rows = query(client, sql!("schema/statements/live.sql"), &[]).await?;
    Ok(rows.iter().map(|r| (r.get(0), Live { generation: r.get(1), caught_up: r.get(2) })).collect())
}

/// Notes that a checkpoint has reached the tail.
///
/// # Errors
/// The database cannot be written.
pub async fn drained(client: &impl GenericClient, place: Place) -> Result<(), DbError> {
    execute(client, sql!("schema/statements/checkpoint_drained.sql"), &[&place.generation, &place.journal]).await?;
    Ok(())
}

/// Takes the lease on a checkpoint until the transaction ends. `None`: somebody else works.
///
/// # Errors
/// The database cannot be read.
pub async fn take(tx: &Transaction<'_>, place: Place) -> Result<Option<i64>, DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&place.generation, &place.journal];
    Ok(query_opt(tx, sql!("schema/statements/checkpoint_take.sql"), &params).await?.map(|r| r.get(0)))
}

/// Whether there is such a checkpoint: none is left of a generation that was given up.
///
/// # Errors
/// The database cannot be read.
pub async fn is_followed(client: &impl GenericClient, place: Place) -> Result<bool, DbError> {
    let statement = "SELECT 1 FROM control.checkpoints WHERE generation = $1 AND journal = $2";
    Ok(query_opt(client, statement, &[&place.generation, &place.journal]).await?.is_some())
}

/// Moves a checkpoint in the transaction that saved the rows.
///
/// # Errors
/// The checkpoint was not where it was read: nothing may be committed.
pub async fn advance(tx: &Transaction<'_>, place: Place, from: i64, to: i64) -> Result<(), DbError> {
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&place.generation, &place.journal, &from, &to];
    match execute(tx, sql!("schema/statements/checkpoint_move.sql"), &params).await? {
        1 => Ok(()),
        _ => Err(DbError::Corrupt(format!("the checkpoint of journal {} moved under us", place.journal))),
    }
}

/// Makes sure that every journal has a live generation, and every generation a checkpoint for
/// every journal. Called at start and whenever a journal was opened.
///
/// Where no generation is live (a fresh database, or projections that were renewed) one is
/// opened; it becomes live at once: the reconciler waits until it has caught up.
///
/// # Errors
/// The database cannot be written.
pub async fn ensure(client: &mut deadpool_postgres::Client, journals: &[i32]) -> Result<(), DbError> {
    let tx = client.transaction().await?;
    tx.batch_execute("LOCK TABLE control.generations IN SHARE ROW EXCLUSIVE MODE").await?;
    let held = tx.query_opt("SELECT generation FROM control.generations WHERE state = 'live'", &[]).await?;
    let generation: i32 = match held {
        Some(row) => row.get(0),
        None => open_in(&tx, "live", None).await?,
    };
    for id in journals {
        tx.execute(
            "INSERT INTO control.live (journal, generation) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[id, &generation],
        )
        .await?;
        tx.execute(
            "INSERT INTO control.checkpoints (generation, journal)
             SELECT generation, $1 FROM control.generations WHERE state <> 'dropped' AND scope_journal IS NULL
             ON CONFLICT DO NOTHING",
            &[id],
        )
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn open_in(tx: &Transaction<'_>, state: &str, scope: Option<i32>) -> Result<i32, DbError> {
    let row = tx
        .query_one(
            "INSERT INTO control.generations (generation, state, scope_journal)
             SELECT coalesce(max(generation), 0) + 1, $1, $2 FROM control.generations RETURNING generation",
            &[&state, &scope],
        )
        .await?;
    let generation: i32 = row.get(0);
    tx.execute("SELECT control.open_generation($1)", &[&generation]).await?;
    Ok(generation)
}

/// Tells the planner how large the ledger and a generation's tables have become.
///
/// # Errors
/// The database cannot be used.
pub async fn analyze(client: &impl GenericClient, generation: i32) -> Result<(), DbError> {
    execute(client, "SELECT control.analyze_generation($1)", &[&generation]).await.map(drop)
}

/// Opens a generation to be built beside the live one. One that an earlier rebuild left behind
/// half-built is given up: the newest rebuild counts. With `scope` it will never be live itself:
/// its rows of that journal are to be exchanged with the live ones.
///
/// # Errors
/// The database cannot be written.
pub async fn open(
    client: &mut deadpool_postgres::Client,
    journals: &[i32],
    scope: Option<i32>,
) -> Result<i32, DbError> {
    let mut tries = 1;
    let generation = loop {
        match open_once(client, journals, scope).await {
            Err(e) if e.is_lock_conflict() && tries < OPEN_TRIES_MAX => tries += 1,
            opened => break opened?,
        }
    };
    if let Err(e) = sweep(client).await {
        // Two at once get in each other's way; whoever comes next sweeps again.
        warn!(error = %e, "old rows could not be dropped now");
    }
    Ok(generation)
}

async fn open_once(
    client: &mut deadpool_postgres::Client,
    journals: &[i32],
    scope: Option<i32>,
) -> Result<i32, DbError> {
    let tx = client.transaction().await?;
    tx.batch_execute("LOCK TABLE control.generations IN SHARE ROW EXCLUSIVE MODE").await?;
    tx.execute("UPDATE control.generations SET state = 'dropped' WHERE state IN ('building', 'ready')", &[]).await?;
    let generation = open_in(&tx, "building", scope).await?;
    for id in journals {
        tx.execute("INSERT INTO control.checkpoints (generation, journal) VALUES ($1, $2)", &[&generation, id]).await?;
    }
    tx.commit().await?;
    Ok(generation)
}

/// How a generation differs from the live one: subscriptions whose fold or license record is
/// not the same. `None`: the two have not read equally far in these journals, and cannot be
/// compared now. One snapshot of the database, so that nobody has to stop for it.
///
/// # Errors
/// The database cannot be read.
pub async fn differences(
    client: &mut deadpool_postgres::Client,
    live: i32,
    generation: i32,
    journals: &[i32],
) -> Result<Option<Vec<String>>, DbError> {
    let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let tx = snapshot.start().await?;
    if !are_level(&tx, live, generation, Some(journals)).await? {
        return Ok(None);
    }
    let rows = query(&tx, sql!("projections/subscriptions/differences.sql"), &[&live, &generation]).await?;
    Ok(Some(rows.iter().map(|r| r.get(0)).collect()))
}

/// Whether two generations have read equally far in these journals (`None`: in all).
async fn are_level(
    tx: &Transaction<'_>,
    live: i32,
    generation: i32,
    journals: Option<&[i32]>,
) -> Result<bool, DbError> {
    let apart = tx
        .query_one(
            "SELECT count(*) FROM control.checkpoints l
             LEFT JOIN control.checkpoints n ON n.journal = l.journal AND n.generation = $2
             WHERE l.generation = $1 AND l.position IS DISTINCT FROM n.position
               AND ($3::int4[] IS NULL OR l.journal = ANY($3))",
            &[&live, &generation, &journals],
        )
        .await?;
    Ok(apart.get::<_, i64>(0) == 0)
}

/// Whether a generation was given up, for a newer one or by an admin.
///
/// # Errors
/// The database cannot be read.
pub async fn is_given_up(client: &impl GenericClient, generation: i32) -> Result<bool, DbError> {
    let statement = "SELECT state = 'dropped' FROM control.generations WHERE generation = $1";
    Ok(query_opt(client, statement, &[&generation]).await?.is_none_or(|r| r.get(0)))
}

/// What a promotion came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promotion {
    Promoted {
        previous: i32,
    },
    /// The new generation has not read as far as the live one: follow on and try again.
    NotCaughtUp,
    /// A newer rebuild has taken its place.
    GivenUp,
}

/// Swaps a generation in for the live one, in one transaction, at equal positions. Marks that
/// wait for the reconciler are carried over, no others are made: a promotion causes no call, but a
/// plan of the calls that follow from it.
///
/// # Errors
/// The database cannot be written.
pub async fn promote(client: &mut deadpool_postgres::Client, generation: i32) -> Result<Promotion, DbError> {
    let tx = client.transaction().await?;
    let row = tx.query_one("SELECT generation FROM control.generations WHERE state = 'live' FOR UPDATE", &[]).await?;
    let live: i32 = row.get(0);
    let asked =
        tx.query_opt("SELECT state FROM control.generations WHERE generation = $1 FOR UPDATE", &[&generation]).await?;
    if asked.is_none_or(|r| r.get::<_, String>(0) == "dropped") {
        return Ok(Promotion::GivenUp);
    }
    if live == generation {
        return Ok(Promotion::Promoted { previous: live }); // another instance was faster
    }
    let both = vec![live, generation];
    tx.query(
        "SELECT 1 FROM control.checkpoints WHERE generation = ANY($1) ORDER BY journal, generation FOR UPDATE",
        &[&both],
    )
    .await?;
    if !are_level(&tx, live, generation, None).await? {
        return Ok(Promotion::NotCaughtUp);
    }
    tx.execute(sql!("projections/subscriptions/carry_marks.sql"), &[&live, &generation]).await?;
    tx.execute(sql!("projections/subscriptions/carry_superseded.sql"), &[&live, &generation]).await?;
    owe_plans(&tx, &format!("what follows from generation {generation}, which was promoted")).await?;
    tx.execute("UPDATE control.live SET generation = $1", &[&generation]).await?;
    tx.execute(
        "UPDATE control.generations SET state = 'dropped' WHERE state = 'previous' AND generation <> $1",
        &[&generation],
    )
    .await?;
    tx.execute("UPDATE control.generations SET state = 'previous' WHERE generation = $1", &[&live]).await?;
    tx.execute(
        "UPDATE control.generations SET state = 'live', promoted_at = clock_timestamp() WHERE generation = $1",
        &[&generation],
    )
    .await?;
    tx.commit().await?;
    sweep(client).await?;
    Ok(Promotion::Promoted { previous: live })
}

/// Rows take others' place: each account is owed a plan of what follows.
pub(super) async fn owe_plans(tx: &Transaction<'_>, reason: &str) -> Result<(), DbError> {
    execute(tx, sql!("schema/statements/plan_owe.sql"), &[&reason]).await?;
    Ok(())
}

/// Gives a generation up and drops its rows.
///
/// # Errors
/// It is live, or the database cannot be written.
pub async fn discard(client: &deadpool_postgres::Client, generation: i32) -> Result<(), DbError> {
    client
        .execute(
            "UPDATE control.generations SET state = 'dropped' WHERE generation = $1 AND state <> 'live'",
            &[&generation],
        )
        .await?;
    sweep(client).await
}

/// Drops the rows of generations that were given up.
///
/// # Errors
/// The database cannot be written.
pub async fn sweep(client: &deadpool_postgres::Client) -> Result<(), DbError> {
    let rows = client
        .query(
            "SELECT g.generation FROM control.generations g
             WHERE g.state = 'dropped'
               AND (EXISTS (SELECT 1 FROM control.checkpoints c WHERE c.generation = g.generation)
                    OR to_regclass('projection.subscriptions_g' || g.generation) IS NOT NULL)",
            &[],
        )
        .await?;
    for row in rows {
        let generation: i32 = row.get(0);
        // The checkpoints first: without one no projector works on what is about to go.
        client.execute("DELETE FROM control.checkpoints WHERE generation = $1", &[&generation]).await?;
        // One table a transaction: to hold one and wait for the next would be a deadlock with
        // whoever reads them in another order.
        while client.query_one("SELECT control.drop_generation($1)", &[&generation]).await?.get(0) {}
    }
    Ok(())
}
