//! Looking after rebuilds: how far each has come, and what it does next by itself.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Client;
use tokio::sync::watch;
use tracing::{error, warn};

use super::{ActError, Found, RUNNING, Rebuild, Said, cancelled_if_given_up, compare, list, move_to, promote};
use crate::ledger::journal;
use crate::postgres::DbError;
use crate::projections::generations;
use crate::projector::Projector;

/// Between two looks.
const TICK: Duration = Duration::from_millis(500);

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

/// One that cannot go on holds up no other.
async fn look(projector: &Projector) -> Result<(), DbError> {
    let mut client = projector.pool.get().await?;
    for rebuild in list(&client, None).await? {
        match go_on(projector, &mut client, &rebuild).await {
            Ok(()) | Err(ActError::Scope("source", _) | ActError::NotCaughtUp) => {} // another instance's, or later
            Err(e @ (ActError::TooLarge(_) | ActError::Scope(..))) => {
                warn!(rebuild = %rebuild.id, error = %e, "a rebuild failed");
                move_to(&client, rebuild.id, &RUNNING, "failed", Found::default()).await?;
                generations::discard(&client, rebuild.generation).await?;
            }
            Err(e) => error!(rebuild = %rebuild.id, error = %e, "a rebuild cannot go on; trying again"),
        }
    }
    Ok(())
}

async fn go_on(projector: &Projector, client: &mut Client, rebuild: &Rebuild) -> Result<(), ActError> {
    if cancelled_if_given_up(client, rebuild).await? {
        return Ok(());
    }
    match rebuild.state.as_str() {
        "building" if caught_up(projector, client, rebuild).await? => {
            move_to(client, rebuild.id, &["building"], "catching_up", Found::default()).await?;
        }
        "catching_up" => {
            let (found, events) = compare::counted(projector, client, rebuild).await?;
            let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            let calls = found.iter().map(|d| d.calls.len()).sum();
            let found =
                Found { differences: Some(count(found.len())), calls: Some(count(calls)), events: events.map(count) };
            move_to(client, rebuild.id, &["catching_up"], "ready", found).await?;
        }
        "ready"
            if rebuild.promote == "always" || (rebuild.promote == "when_equal" && rebuild.differences == Some(0)) =>
        {
            let said = Said { who: &rebuild.who, reason: &rebuild.reason, by_hand: false };
            promote(projector, rebuild, said).await?;
        }
        _ => {}
    }
    Ok(())
}

/// Every journal was read to where its tail is now.
async fn caught_up(projector: &Projector, client: &Client, rebuild: &Rebuild) -> Result<bool, ActError> {
    let generation = rebuild.generation;
    if let Some(target) = rebuild.scope.target(projector, client).await? {
        return Ok(target.is_caught_up(client, generation).await?);
    }
    for checkpoint in generations::checkpoints(client).await?.iter().filter(|c| c.place.generation == generation) {
        if checkpoint.position < journal::tail(client, checkpoint.place.journal).await? {
            return Ok(false);
        }
    }
    Ok(true)
}
