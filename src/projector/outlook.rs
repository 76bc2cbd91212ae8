//! What rules lead to: the calls that would make every license equal what they say, as data. To
//! look causes no call; the marks that cause some are set by whoever has looked.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Projector, books, database_now};
use crate::domain::entitlement::SourceContext;
use crate::domain::license::{Action, LicenseRecord};
use crate::domain::plan::{Step, deserved, diff};
use crate::domain::rules::Rules;
use crate::domain::state::State;
use crate::postgres::{DbError, execute};
use crate::projections::{self, Place, generations, licenses, subscriptions};
use crate::registry::Source;
use crate::sql;

/// Calls that are shown one by one; all are counted.
const CALLS_MAX: usize = 200;
/// Groups that are shown: sources times products times reasons are few.
const GROUPS_MAX: usize = 1_000;
/// Subscriptions read at once.
const PAGE: i64 = 500;
/// Books read at once; each has many orders.
const PAGE_OF_BOOKS: i64 = 50;

/// How many calls of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub create: u64,
    pub update: u64,
    pub deactivate: u64,
}

impl Summary {
    fn count(&mut self, action: &Action) {
        let place = match action {
            Action::CreateOrder { .. } => &mut self.create,
            Action::Update { .. } | Action::Enable { .. } | Action::SetFeatures { .. } => &mut self.update,
            Action::Disable { .. } | Action::ResetDevices { .. } => &mut self.deactivate,
        };
        *place += 1;
    }
}

/// Calls of one kind, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    pub source: String,
    pub product_code: String,
    pub action: &'static str,
    pub reason: String,
    pub count: u64,
}

/// The calls that rules lead to.
#[derive(Debug, Clone, Serialize)]
pub struct Outlook {
    /// Of every call: two outlooks of one hash are the same.
    pub hash: String,
    pub summary: Summary,
    pub groups: Vec<Group>,
    /// The first ones; how many there are is in the summary.
    pub calls: Vec<Step>,
}

/// Works out what rules lead to, over all live subscriptions of this instance's sources.
///
/// # Errors
/// The database cannot be read.
pub async fn of(projector: &Projector, client: &Client, rules: &Rules) -> Result<Outlook, DbError> {
    let mut seen = Seen::default();
    walk(projector, client, rules, async |_, _, steps| {
        seen.take(steps);
        Ok(())
    })
    .await?;
    Ok(seen.conclude())
}

/// Marks every subscription that rules lead to calls for: the reconciler compares it.
///
/// # Errors
/// The database cannot be used.
pub async fn mark(projector: &Projector, client: &Client, rules: &Rules) -> Result<(), DbError> {
    let now = database_now(client).await?;
    walk(projector, client, rules, async |place: Place, id: &str, steps: Vec<Step>| {
        if !steps.is_empty() {
            let ids = [id];
            let statement = sql!("projections/subscriptions/mark.sql");
            execute(client, statement, &[&place.generation, &place.journal, &ids.as_slice(), &now]).await?;
        }
        Ok(())
    })
    .await?;
    projector.saved.notify_waiters();
    Ok(())
}

async fn walk(
    projector: &Projector,
    client: &Client,
    rules: &Rules,
    mut each: impl AsyncFnMut(Place, &str, Vec<Step>) -> Result<(), DbError>,
) -> Result<(), DbError> {
    let live = generations::live(client).await?;
    let now = database_now(client).await?;
    for source in projector.registry.sources.values() {
        let Some(account) = projector.registry.accounts.get(&source.account) else { continue };
        let (Some(of_source), Some(of_account)) = (live.get(&source.journal), live.get(&account.journal)) else {
            continue;
        };
        let place = Place { generation: of_source.generation, journal: source.journal };
        let held_at = Place { generation: of_account.generation, journal: account.journal };
        let mut at = At::Subscription(String::new());
        while let Some(states) = next(client, place, source, rules, &mut at).await? {
            let held = licenses::of_states(client, held_at, &source.name, states.iter()).await?;
            for (state, held) in states.iter().zip(&held) {
                each(place, &state.subscription_id, steps(source, state, held, rules, now)).await?;
            }
        }
    }
    Ok(())
}

/// How far a walk has come: subscriptions first, then the chains of books.
enum At {
    Subscription(String),
    Book(String),
}

/// The next states, as these rules would have them.
async fn next(
    client: &Client,
    place: Place,
    source: &Source,
    rules: &Rules,
    at: &mut At,
) -> Result<Option<Vec<State>>, DbError> {
    if let At::Subscription(after) = at {
        let states = subscriptions::alone(client, place, after, PAGE).await?;
        if let Some(last) = states.last() {
            after.clone_from(&last.subscription_id);
            return Ok(Some(states));
        }
        *at = At::Book(String::new());
    }
    let At::Book(after) = at else { return Ok(None) };
    let page = projections::books::page(client, place, after, PAGE_OF_BOOKS).await?;
    let Some(last) = page.last() else { return Ok(None) };
    after.clone_from(&last.state.subscription_id);
    let mut states = Vec::new();
    for book in &page {
        states.extend(books::foreseen(client, place, source, rules, &book.state).await?);
    }
    Ok(Some(states))
}

fn steps(source: &Source, state: &State, held: &[LicenseRecord], rules: &Rules, now: DateTime<Utc>) -> Vec<Step> {
    let context = SourceContext { name: &source.name, live: source.settings.livemode };
    diff(&deserved(state, context, rules, now), held, state)
}

/// What was met on the walk.
#[derive(Default)]
struct Seen {
    all: Sha256,
    summary: Summary,
    groups: BTreeMap<(String, String, &'static str, String), u64>,
    calls: Vec<Step>,
}

impl Seen {
    fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.all.update(crate::domain::hash::of(&step));
            self.summary.count(&step.action);
            let (line, action) = (&step.line, step.action.name());
            let key = (line.source.clone(), line.product_code.clone(), action, step.reason.clone());
            *self.groups.entry(key).or_default() += 1;
            if self.calls.len() < CALLS_MAX {
                self.calls.push(step);
            }
        }
    }

    fn conclude(self) -> Outlook {
        let group =
            |((source, product_code, action, reason), count)| Group { source, product_code, action, reason, count };
        Outlook {
            hash: hex::encode(self.all.finalize()),
            summary: self.summary,
            groups: self.groups.into_iter().take(GROUPS_MAX).map(group).collect(),
            calls: self.calls,
        }
    }
}
