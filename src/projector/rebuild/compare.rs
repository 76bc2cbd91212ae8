//! What a rebuild changes: its rows against the live ones, and the calls that would follow.

use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::Serialize;

use super::{ActError, LEVEL_TRIES_MAX, Rebuild, follow, previous};
use crate::domain::entitlement::SourceContext;
use crate::domain::plan::{Step as Call, deserved, diff};
use crate::ledger::rules;
use crate::postgres::DbError;
use crate::projections::{Place, generations, licenses, subscriptions};
use crate::projector::{Projector, database_now};

/// Differing subscriptions whose calls are worked out; more are only counted.
const CALLS_FOR_MAX: usize = 1_000;

/// One subscription or license that is not the same in both generations.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    pub what: String,
    /// The LicenseSpring calls that would follow from the new generation.
    pub calls: Vec<Call>,
}

/// What is not the same in a rebuild's generation and the live one, and the calls that would follow.
///
/// # Errors
/// The live generation keeps moving, or the database cannot be read.
pub async fn differences(
    projector: &Projector,
    client: &mut Client,
    rebuild: &Rebuild,
) -> Result<Vec<Difference>, ActError> {
    Ok(counted(projector, client, rebuild).await?.0)
}

/// The same, and from how many events a customer's rows were folded.
pub(super) async fn counted(
    projector: &Projector,
    client: &mut Client,
    rebuild: &Rebuild,
) -> Result<(Vec<Difference>, Option<usize>), ActError> {
    let generation = rebuild.generation;
    let live = generations::live(client).await?;
    let Some(live_generation) = live.values().next().map(|l| l.generation) else { return Ok((Vec::new(), None)) };
    let is_over = ["cancelled", "rolled_back", "failed"].contains(&rebuild.state.as_str());
    if is_over || generations::is_given_up(client, generation).await? {
        return Ok((Vec::new(), None)); // its rows are gone
    }
    let (differing, events) = match rebuild.scope.target(projector, client).await? {
        Some(target) if rebuild.state == "promoted" => (target.replaced(projector, client, generation).await?, None),
        Some(target) => target.differences(projector, client, generation).await?,
        None if rebuild.state == "promoted" => {
            let before = previous(client, generation).await?;
            let Some(before) = before else { return Ok((Vec::new(), None)) };
            (level_differences(projector, client, before, generation).await?, None)
        }
        None => (level_differences(projector, client, live_generation, generation).await?, None),
    };
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
    Ok((found, events))
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
