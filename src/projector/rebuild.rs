//! Rebuilds that an admin asked for. The projector fills every generation there is; this looks
//! how far one has come, compares it, and promotes it where that was asked for. Everything it
//! knows is in the database: a restart goes on with it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tracing::{error, info};
use uuid::Uuid;

use super::{Projector, database_now};
use crate::domain::entitlement::SourceContext;
use crate::domain::plan::{Step as Call, deserved, diff};
use crate::ledger::append::{AppendError, NewDelivery, append};
use crate::ledger::{journal, rules};
use crate::postgres::{DbError, execute, query};
use crate::projections::generations::{self, Promotion};
use crate::projections::{Place, licenses, subscriptions};
use crate::sql;

/// Between two looks.
const TICK: Duration = Duration::from_millis(500);
/// Rebuilds that are listed.
const LIST_MAX: i64 = 100;
/// Differing subscriptions whose calls are worked out; more are only counted.
const CALLS_FOR_MAX: usize = 1_000;

/// A rebuild, with its progress.
#[derive(Debug, Clone, Serialize)]
pub struct Rebuild {
    pub id: Uuid,
    /// `building` · `catching_up` · `ready` · `promoted` · `cancelled` · `rolled_back` · `failed`.
    pub state: String,
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

/// One subscription or license that is not the same in both generations.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    pub what: String,
    /// The LicenseSpring calls that would follow from the new generation.
    pub calls: Vec<Call>,
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

/// An admin act is an event: who, what, why.
async fn record(
    projector: &Projector,
    client: &Client,
    act: &str,
    id: Uuid,
    who: &str,
    reason: &str,
) -> Result<(), AppendError> {
    let now = Utc::now();
    let body = json!({"act": act, "rebuild": id, "who": who, "reason": reason});
    let delivery = NewDelivery::own(act, &format!("{act}:{id}"), &body, now);
    append(client, projector.registry.system, None, &[delivery]).await?;
    projector.wake.notify_one();
    Ok(())
}

/// Starts a rebuild of everything; it takes the place of one that is not finished.
///
/// # Errors
/// A journal is not configured here, or the database cannot be written.
pub async fn start(projector: &Projector, who: &str, reason: &str, promote: &str) -> Result<Rebuild, ActError> {
    let mut client = projector.pool.get().await?;
    let journals = journal::all(&client).await?;
    if let Some(unknown) = journals.values().find(|j| !projector.registry.knows(j.id)) {
        return Err(ActError::UnknownJournal(unknown.name.clone()));
    }
    let id = Uuid::now_v7();
    record(projector, &client, "rebuild_started", id, who, reason).await?;
    for other in list(&client, None).await? {
        move_to(&client, other.id, &["building", "catching_up", "ready"], "cancelled", None).await?;
    }
    let journals: Vec<i32> = journals.into_keys().collect();
    let generation = generations::open(&mut client, &journals).await?;
    execute(&client, sql!("schema/statements/rebuild_create.sql"), &[&id, &generation, &promote, &who, &reason])
        .await?;
    projector.wake.notify_one();
    let made = list(&client, Some(id)).await?.into_iter().next();
    Ok(made.ok_or_else(|| DbError::Corrupt("the rebuild is gone".to_owned()))?)
}

async fn move_to(
    client: &Client,
    id: Uuid,
    from: &[&str],
    to: &str,
    found: Option<(i64, i64)>,
) -> Result<bool, DbError> {
    let (differences, calls) = (found.map(|f| f.0), found.map(|f| f.1));
    Ok(execute(client, sql!("schema/statements/rebuild_move.sql"), &[&id, &from, &to, &differences, &calls]).await?
        == 1)
}

/// Why an act on a rebuild did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("this rebuild is {0}")]
    WrongState(String),
    #[error("the live generation keeps moving; try again")]
    NotCaughtUp,
    /// Its rows can only be made by who knows its provider; a new generation would lose them.
    #[error("the journal {0} is not in this instance's configuration: name it there, then rebuild")]
    UnknownJournal(String),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl From<DbError> for ActError {
    fn from(e: DbError) -> Self {
        Self::Append(AppendError::Database(e))
    }
}

impl From<deadpool_postgres::PoolError> for ActError {
    fn from(e: deadpool_postgres::PoolError) -> Self {
        DbError::from(e).into()
    }
}

/// Tries so often to find both generations at equal positions.
const LEVEL_TRIES_MAX: usize = 100;

/// Swaps a ready rebuild in.
///
/// # Errors
/// It is not ready, or the live generation keeps moving.
pub async fn promote(projector: &Projector, rebuild: &Rebuild, who: &str, reason: &str) -> Result<(), ActError> {
    if rebuild.state != "ready" {
        return Err(ActError::WrongState(rebuild.state.clone()));
    }
    let mut client = projector.pool.get().await?;
    record(projector, &client, "rebuild_promoted", rebuild.id, who, reason).await?;
    swap(projector, &mut client, rebuild.generation).await?;
    move_to(&client, rebuild.id, &["ready"], "promoted", None).await?;
    info!(rebuild = %rebuild.id, generation = rebuild.generation, "a rebuild was promoted");
    Ok(())
}

/// Gives a rebuild up and drops its rows.
///
/// # Errors
/// It is over already.
pub async fn cancel(projector: &Projector, rebuild: &Rebuild, who: &str, reason: &str) -> Result<(), ActError> {
    let client = projector.pool.get().await?;
    if !move_to(&client, rebuild.id, &["building", "catching_up", "ready"], "cancelled", None).await? {
        return Err(ActError::WrongState(rebuild.state.clone()));
    }
    record(projector, &client, "rebuild_cancelled", rebuild.id, who, reason).await?;
    generations::discard(&client, rebuild.generation).await?;
    Ok(())
}

/// Swaps the generation before a promoted rebuild back in; it has been following all the time.
///
/// # Errors
/// The rebuild is not the one that is live, or nothing is left to go back to.
pub async fn roll_back(projector: &Projector, rebuild: &Rebuild, who: &str, reason: &str) -> Result<(), ActError> {
    let mut client = projector.pool.get().await?;
    let checkpoints = generations::checkpoints(&client).await?;
    let is_live = checkpoints.iter().any(|c| c.state == "live" && c.place.generation == rebuild.generation);
    let previous = checkpoints.iter().find(|c| c.state == "previous").map(|c| c.place.generation);
    let (true, "promoted", Some(previous)) = (is_live, rebuild.state.as_str(), previous) else {
        return Err(ActError::WrongState(format!("{}, and not the one that is live", rebuild.state)));
    };
    record(projector, &client, "rebuild_rolled_back", rebuild.id, who, reason).await?;
    swap(projector, &mut client, previous).await?;
    move_to(&client, rebuild.id, &["promoted"], "rolled_back", None).await?;
    Ok(())
}

async fn swap(projector: &Projector, client: &mut Client, generation: i32) -> Result<(), ActError> {
    for _ in 0..LEVEL_TRIES_MAX {
        follow(projector, client, generation).await?;
        match generations::promote(client, generation).await? {
            Promotion::Promoted { .. } => return Ok(()),
            Promotion::GivenUp => return Err(ActError::WrongState("given up".to_owned())),
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

/// What is not the same in a rebuild's generation and the live one, and the calls that would follow.
///
/// # Errors
/// The live generation keeps moving, or the database cannot be read.
pub async fn differences(
    projector: &Projector,
    client: &mut Client,
    generation: i32,
) -> Result<Vec<Difference>, ActError> {
    let live = generations::live(client).await?;
    let Some(live_generation) = live.values().next().map(|l| l.generation) else { return Ok(Vec::new()) };
    let differing = level_differences(projector, client, live_generation, generation).await?;
    let adopted = rules::adopted(client, projector.registry.system).await?;
    let now = database_now(client).await?;
    let mut found = Vec::new();
    for what in differing {
        let calls = if found.len() < CALLS_FOR_MAX {
            calls(projector, client, generation, live_generation, &what, &adopted, now).await?
        } else {
            Vec::new()
        };
        found.push(Difference { what, calls });
    }
    Ok(found)
}

/// Compared at equal positions: what only one of the two has read yet is no difference.
async fn level_differences(
    projector: &Projector,
    client: &mut Client,
    live: i32,
    generation: i32,
) -> Result<Vec<String>, ActError> {
    let followed: Vec<i32> = generations::checkpoints(client)
        .await?
        .iter()
        .filter(|c| c.place.generation == generation && projector.registry.knows(c.place.journal))
        .map(|c| c.place.journal)
        .collect();
    if followed.is_empty() {
        return Ok(Vec::new()); // given up: its rows are gone
    }
    for _ in 0..LEVEL_TRIES_MAX {
        if let Some(found) = generations::differences(client, live, generation, &followed).await? {
            return Ok(found);
        }
        follow(projector, client, generation).await?;
    }
    Err(ActError::NotCaughtUp)
}

async fn calls(
    projector: &Projector,
    client: &Client,
    generation: i32,
    live_generation: i32,
    what: &str,
    adopted: &rules::Adopted,
    now: DateTime<Utc>,
) -> Result<Vec<Call>, DbError> {
    let Some((source, id)) = what.split_once('/') else { return Ok(Vec::new()) };
    let Some(source) = projector.registry.sources.get(source) else { return Ok(Vec::new()) };
    let Some(account) = projector.registry.accounts.get(&source.account) else { return Ok(Vec::new()) };
    let place = Place { generation, journal: source.journal };
    let ids = [id.to_owned()];
    let Some(held) = subscriptions::load(client, place, &ids).await?.into_iter().next() else { return Ok(Vec::new()) };
    let licenses_at = Place { generation: live_generation, journal: account.journal };
    let licenses = licenses::of_state(client, licenses_at, &source.name, &held.state).await?;
    let context = SourceContext { name: &source.name, live: source.settings.livemode };
    Ok(diff(&deserved(&held.state, context, &adopted.rules, now), &licenses, &held.state))
}

/// Looks after rebuilds until told to stop.
pub async fn run(projector: Projector, mut stop: watch::Receiver<bool>) {
    let saved = Arc::clone(&projector.saved);
    while !*stop.borrow() {
        if let Err(e) = look(&projector).await {
            error!(error = %e, "rebuilds could not be looked after; trying again");
        }
        tokio::select! {
            _ = stop.changed() => break,
            () = tokio::time::sleep(TICK) => {}
            () = async { saved.notified().await; tokio::time::sleep(TICK / 5).await } => {}
        }
    }
}

async fn look(projector: &Projector) -> Result<(), ActError> {
    let mut client = projector.pool.get().await?;
    for rebuild in list(&client, None).await? {
        match rebuild.state.as_str() {
            "building" if caught_up(&client, rebuild.generation).await? => {
                move_to(&client, rebuild.id, &["building"], "catching_up", None).await?;
            }
            "catching_up" => compare(projector, &mut client, &rebuild).await?,
            "ready"
                if rebuild.promote == "always"
                    || (rebuild.promote == "when_equal" && rebuild.differences == Some(0)) =>
            {
                promote(projector, &rebuild, &rebuild.who, &rebuild.reason).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Every journal was read to where its tail is now.
async fn caught_up(client: &Client, generation: i32) -> Result<bool, DbError> {
    for checkpoint in generations::checkpoints(client).await?.iter().filter(|c| c.place.generation == generation) {
        if checkpoint.position < journal::tail(client, checkpoint.place.journal).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn compare(projector: &Projector, client: &mut Client, rebuild: &Rebuild) -> Result<(), ActError> {
    follow(projector, client, rebuild.generation).await?;
    let found = differences(projector, client, rebuild.generation).await?;
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let calls = found.iter().map(|d| d.calls.len()).sum();
    move_to(client, rebuild.id, &["catching_up"], "ready", Some((count(found.len()), count(calls)))).await?;
    Ok(())
}
