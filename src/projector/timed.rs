//! What changes by time or rules alone: grace ends, cancellations take effect, new rules hold.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;

use super::{Projector, TICK_BUSY, books, database_now};
use crate::domain::entitlement::SourceContext;
use crate::domain::plan::deserved;
use crate::domain::rules::Rules;
use crate::domain::state::State;
use crate::ledger::rules;
use crate::postgres::{DbError, execute};
use crate::projections::subscriptions::{self, Retimed};
use crate::projections::{Place, generations};
use crate::registry::Source;
use crate::sql;

/// Subscriptions looked at in one transaction.
const PAGE: i64 = 500;

/// Marks the subscriptions whose next transition has come; answers with how many.
pub(super) async fn step(projector: &Projector, place: Place) -> Result<usize, DbError> {
    let Some(source) = projector.registry.source_of(place.journal) else { return Ok(0) };
    let mut client = projector.pool.get().await?;
    let now = database_now(&client).await?;
    let tx = client.transaction().await?;
    let due = subscriptions::due(&tx, place, now, PAGE).await?;
    if !due.is_empty() {
        let adopted = rules::adopted(&tx, projector.registry.system).await?;
        retime(&tx, place, source, &adopted.rules, &due, now).await?;
    }
    tx.commit().await?;
    Ok(due.len())
}

/// Looks at every subscription again, because the rules changed. It sets no mark: what the rules
/// lead to is a plan that somebody has to look at first.
///
/// # Errors
/// The database cannot be used.
pub async fn after_new_rules(projector: &Projector, source: &Source) -> Result<usize, DbError> {
    let mut client = projector.pool.get().await?;
    let live = generations::live(&client).await?;
    let Some(live) = live.get(&source.journal) else { return Ok(0) };
    let place = Place { generation: live.generation, journal: source.journal };
    let adopted = rules::adopted(&client, projector.registry.system).await?;
    books::kept_up(projector, place, &adopted).await?;
    let now = database_now(&client).await?;
    let (mut after, mut total) = (String::new(), 0);
    loop {
        let tx = client.transaction().await?;
        // With the projector's lease: no batch that was begun under the old rules is saved after us.
        if generations::take(&tx, place).await?.is_none() {
            tx.rollback().await?;
            tokio::time::sleep(TICK_BUSY).await;
            continue;
        }
        let page = subscriptions::page(&tx, place, &after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(total) };
        after.clone_from(&last.subscription_id);
        total += page.len();
        let rows = judged(source, &adopted.rules, &page, now);
        let next: Vec<Option<DateTime<Utc>>> = rows.iter().map(|r| r.next_transition_at).collect();
        let unmapped: Vec<bool> = rows.iter().map(|r| r.unmapped).collect();
        let ids: Vec<String> = rows.into_iter().map(|r| r.subscription_id).collect();
        let statement = sql!("projections/subscriptions/rejudge.sql");
        execute(&tx, statement, &[&place.generation, &place.journal, &ids, &next, &unmapped]).await?;
        tx.commit().await?;
    }
}

async fn retime(
    client: &impl GenericClient,
    place: Place,
    source: &Source,
    rules: &Rules,
    states: &[State],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    subscriptions::retime(client, place, &judged(source, rules, states, now), now).await
}

fn judged(source: &Source, rules: &Rules, states: &[State], now: DateTime<Utc>) -> Vec<Retimed> {
    let context = SourceContext { name: &source.name, live: source.settings.livemode };
    let judge = |state: &State| {
        let deserved = deserved(state, context, rules, now);
        Retimed {
            subscription_id: state.subscription_id.clone(),
            next_transition_at: deserved.next_transition_at,
            unmapped: !deserved.unmapped.is_empty(),
        }
    };
    states.iter().map(judge).collect()
}
