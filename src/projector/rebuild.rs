//! Rebuilds that an admin asked for. The projector fills every generation there is; this looks
//! how far one has come, compares it, and promotes it where that was asked for. Everything it
//! knows is in the database: a restart goes on with it.

use chrono::{DateTime, Utc};
use deadpool_postgres::{Client, GenericClient};
use serde::Serialize;
use serde_json::json;
use tracing::info;
use uuid::Uuid;

use super::Projector;
use crate::ledger::append::{AppendError, NewDelivery, append};
use crate::ledger::journal;
use crate::postgres::{DbError, execute, query};
use crate::projections::Place;
use crate::projections::generations::{self, Promotion};
use crate::sql;

mod compare;
mod customer;
mod error;
mod look;
mod scope;

pub use compare::{Difference, differences};
pub use error::ActError;
pub use look::run;
pub use scope::{Scope, Target};

/// Rebuilds that are listed.
const LIST_MAX: i64 = 100;

/// States of a rebuild that is not over, and not live.
const RUNNING: [&str; 3] = ["building", "catching_up", "ready"];

/// A rebuild, with its progress.
#[derive(Debug, Clone, Serialize)]
pub struct Rebuild {
    pub id: Uuid,
    /// `building` · `catching_up` · `ready` · `promoted` · `cancelled` · `rolled_back` · `failed`.
    pub state: String,
    pub scope: Scope,
    pub generation: i32,
    pub promote: String,
    pub who: String,
    pub reason: String,
    pub created_at: DateTime<Utc>,
    pub events_done: i64,
    pub events_total: i64,
    pub events_per_second: i64,
    pub eta_seconds: Option<i64>,
    pub differences: Option<i64>,
    pub calls: Option<i64>,
}

impl Rebuild {
    fn from_row(row: &tokio_postgres::Row) -> Self {
        let (done, total, seconds): (i64, i64, i64) =
            (row.get("events_done"), row.get("events_total"), row.get("seconds"));
        let per_second = done / seconds.max(1);
        let state: String = row.get("state");
        let running = matches!(state.as_str(), "building" | "catching_up");
        Self {
            id: row.get("id"),
            scope: Scope { source: row.get("source"), customer: row.get("customer") },
            generation: row.get("generation"),
            promote: row.get("promote"),
            who: row.get("who"),
            reason: row.get("reason"),
            created_at: row.get("created_at"),
            events_done: if running { done } else { total },
            events_total: total,
            events_per_second: per_second,
            eta_seconds: (running && per_second > 0).then(|| (total - done).max(0) / per_second),
            differences: row.get("differences"),
            calls: row.get("calls"),
            state,
        }
    }
}

/// Rebuilds, newest first; with `id` that one.
///
/// # Errors
/// The database cannot be read.
pub async fn list(client: &Client, id: Option<Uuid>) -> Result<Vec<Rebuild>, DbError> {
    Ok(query(client, sql!("schema/statements/rebuilds.sql"), &[&id, &LIST_MAX])
        .await?
        .iter()
        .map(Rebuild::from_row)
        .collect())
}

/// An admin act: who, and why. What a person tries again is an act of its own, what the service
/// tries again is not.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub who: &'a str,
    pub reason: &'a str,
    pub by_hand: bool,
}

/// An admin act is an event: who, what, why; in the journal of the source it is about, or of the system.
async fn record(
    projector: &Projector,
    client: &Client,
    act: &str,
    rebuild: (Uuid, &Scope),
    said: Said<'_>,
) -> Result<(), AppendError> {
    let (id, scope) = rebuild;
    let Said { who, reason, by_hand } = said;
    let key = if by_hand { format!("{act}:{id}:{}", Uuid::now_v7()) } else { format!("{act}:{id}") };
    let registry = &projector.registry;
    let source = scope.source.as_ref().and_then(|name| registry.sources.get(name));
    let body = json!({"act": act, "rebuild": id, "scope": scope, "who": who, "reason": reason});
    let delivery = NewDelivery::own(act, &key, &body, Utc::now());
    append(client, source.map_or(registry.system, |s| s.journal), None, &[delivery]).await?;
    projector.wake.notify_one();
    Ok(())
}

/// Starts a rebuild; it takes the place of one that is not finished.
///
/// # Errors
/// The scope names nothing, a journal is not configured here, or the database cannot be written.
pub async fn start(
    projector: &Projector,
    scope: &Scope,
    who: &str,
    reason: &str,
    promote: &str,
) -> Result<Rebuild, ActError> {
    let mut client = projector.pool.get().await?;
    let journals = journal::all(&client).await?;
    let target = scope.target(projector, &client).await?;
    if target.is_none()
        && let Some(unknown) = journals.values().find(|j| !projector.registry.knows(j.id))
    {
        return Err(ActError::UnknownJournal(unknown.name.clone()));
    }
    let id = Uuid::now_v7();
    let said = Said { who, reason, by_hand: true };
    record(projector, &client, "rebuild_started", (id, scope), said).await?;
    for other in list(&client, None).await? {
        move_to(&client, other.id, &RUNNING, "cancelled", Found::default()).await?;
    }
    let generation = match target {
        Some(target) => target.open(&mut client).await?,
        None => generations::open(&mut client, &journals.into_keys().collect::<Vec<_>>(), None).await?,
    };
    execute(
        &client,
        sql!("schema/statements/rebuild_create.sql"),
        &[&id, &generation, &promote, &who, &reason, &scope.source, &scope.customer],
    )
    .await?;
    projector.wake.notify_one();
    let made = list(&client, Some(id)).await?.into_iter().next();
    Ok(made.ok_or_else(|| DbError::Corrupt("the rebuild is gone".to_owned()))?)
}

/// What is known of a rebuild when it moves on.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    differences: Option<i64>,
    calls: Option<i64>,
    events: Option<i64>,
}

async fn move_to(
    client: &impl GenericClient,
    id: Uuid,
    from: &[&str],
    to: &str,
    found: Found,
) -> Result<bool, DbError> {
    let Found { differences, calls, events } = found;
    let statement = sql!("schema/statements/rebuild_move.sql");
    Ok(execute(client, statement, &[&id, &from, &to, &differences, &calls, &events]).await? == 1)
}

/// The same, where it must be in that state. `None`: one that no admin asked for through the API.
async fn must_move(client: &impl GenericClient, id: Option<Uuid>, from: &str, to: &str) -> Result<(), ActError> {
    match id {
        Some(id) if !move_to(client, id, &[from], to, Found::default()).await? => {
            Err(ActError::WrongState(format!("not {from} any more")))
        }
        _ => Ok(()),
    }
}

/// Asked while the live generation is held, so that nobody can take its place any more.
async fn not_given_up(client: &impl GenericClient, generation: i32) -> Result<(), ActError> {
    if generations::is_given_up(client, generation).await? {
        return Err(ActError::given_up());
    }
    Ok(())
}

/// Tries so often to find both generations at equal positions.
const LEVEL_TRIES_MAX: usize = 100;

/// Swaps a ready rebuild in, or exchanges its rows.
///
/// # Errors
/// It is not ready, or the live generation keeps moving.
pub async fn promote(projector: &Projector, rebuild: &Rebuild, said: Said<'_>) -> Result<(), ActError> {
    if rebuild.state != "ready" {
        return Err(ActError::WrongState(rebuild.state.clone()));
    }
    let mut client = projector.pool.get().await?;
    let target = rebuild.scope.target(projector, &client).await?;
    if cancelled_if_given_up(&client, rebuild).await? {
        return Err(ActError::given_up());
    }
    let act = (rebuild.id, &rebuild.scope);
    record(projector, &client, "rebuild_promoted", act, said).await?;
    let promoted = match target {
        Some(target) => target.promote(projector, &mut client, rebuild.generation, Some(rebuild.id)).await,
        None => swap(projector, &mut client, rebuild, rebuild.generation, ("ready", "promoted")).await,
    };
    own_up(projector, &client, "rebuild_promotion_failed", act, said, promoted).await?;
    info!(rebuild = %rebuild.id, generation = rebuild.generation, "a rebuild was promoted");
    Ok(())
}

/// An act that was said to be done and then was not is said to have failed.
async fn own_up(
    projector: &Projector,
    client: &Client,
    failure: &str,
    act: (Uuid, &Scope),
    said: Said<'_>,
    done: Result<(), ActError>,
) -> Result<(), ActError> {
    if let Err(e) = &done {
        let why = e.to_string();
        record(projector, client, failure, act, Said { reason: &why, ..said }).await?;
    }
    done
}

/// Gives a rebuild up and drops its rows.
///
/// # Errors
/// It is over already.
pub async fn cancel(projector: &Projector, rebuild: &Rebuild, said: Said<'_>) -> Result<(), ActError> {
    let client = projector.pool.get().await?;
    if !move_to(&client, rebuild.id, &RUNNING, "cancelled", Found::default()).await? {
        return Err(ActError::WrongState(rebuild.state.clone()));
    }
    record(projector, &client, "rebuild_cancelled", (rebuild.id, &rebuild.scope), said).await?;
    generations::discard(&client, rebuild.generation).await?;
    Ok(())
}

/// Swaps the generation before a promoted rebuild back in, or the rows it took the place of; they
/// have been following all the time.
///
/// # Errors
/// The rebuild is not the one that is live, or nothing is left to go back to.
pub async fn roll_back(projector: &Projector, rebuild: &Rebuild, said: Said<'_>) -> Result<(), ActError> {
    let mut client = projector.pool.get().await?;
    let target = rebuild.scope.target(projector, &client).await?;
    let previous = match &target {
        Some(_) => (!generations::is_given_up(&client, rebuild.generation).await?).then_some(rebuild.generation),
        None => previous(&client, rebuild.generation).await?,
    };
    let ("promoted", Some(previous)) = (rebuild.state.as_str(), previous) else {
        return Err(ActError::WrongState(format!("{}, and not the one that is live", rebuild.state)));
    };
    let act = (rebuild.id, &rebuild.scope);
    record(projector, &client, "rebuild_rolled_back", act, said).await?;
    let rolled_back = match target {
        Some(target) => target.roll_back(projector, &mut client, previous, Some(rebuild.id)).await,
        None => swap(projector, &mut client, rebuild, previous, ("promoted", "rolled_back")).await,
    };
    own_up(projector, &client, "rebuild_rollback_failed", act, said, rolled_back).await
}

/// The generation before a live one.
async fn previous(client: &Client, live: i32) -> Result<Option<i32>, DbError> {
    let checkpoints = generations::checkpoints(client).await?;
    let is_live = checkpoints.iter().any(|c| c.state == "live" && c.place.generation == live);
    let previous = checkpoints.iter().find(|c| c.state == "previous" && !c.scoped).filter(|_| is_live);
    Ok(previous.map(|c| c.place.generation))
}

/// Makes a generation the live one, and moves the rebuild on with it.
async fn swap(
    projector: &Projector,
    client: &mut Client,
    rebuild: &Rebuild,
    generation: i32,
    (from, to): (&str, &str),
) -> Result<(), ActError> {
    for _ in 0..LEVEL_TRIES_MAX {
        follow(projector, client, generation).await?;
        match generations::promote(client, generation).await? {
            Promotion::Promoted { .. } => {
                move_to(client, rebuild.id, &[from], to, Found::default()).await?;
                return Ok(());
            }
            Promotion::GivenUp => return Err(ActError::given_up()),
            Promotion::NotCaughtUp => {}
        }
    }
    Err(ActError::NotCaughtUp)
}

/// Brings the live generation and another to the tails.
async fn follow(projector: &Projector, client: &Client, generation: i32) -> Result<(), DbError> {
    let live = generations::live(client).await?;
    for (journal, live) in live.iter().filter(|(j, _)| projector.registry.knows(**j)) {
        projector.drain(Place { generation: live.generation, journal: *journal }).await?;
        projector.drain(Place { generation, journal: *journal }).await?;
    }
    Ok(())
}

/// One that was begun since, here or by a command, may have taken its place.
async fn cancelled_if_given_up(client: &Client, rebuild: &Rebuild) -> Result<bool, DbError> {
    let given_up =
        RUNNING.contains(&rebuild.state.as_str()) && generations::is_given_up(client, rebuild.generation).await?;
    if given_up {
        move_to(client, rebuild.id, &RUNNING, "cancelled", Found::default()).await?;
    }
    Ok(given_up)
}
