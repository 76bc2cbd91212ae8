//! Books: what is split into chains, and split again when the rules change.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;

use super::source::row;
use super::{Projector, TICK_BUSY, database_now};
use crate::domain::chains;
use crate::domain::fact::{Entity, EntityKind};
use crate::domain::rules::Rules;
use crate::domain::state::State;
use crate::ledger::rules::Adopted;
use crate::postgres::DbError;
use crate::projections::subscriptions::{Folded, Held};
use crate::projections::{Place, books, generations, subscriptions};
use crate::registry::Source;

/// Books split again in one transaction.
const PAGE: i64 = 100;

/// What some books came to.
#[derive(Default)]
pub(super) struct Split {
    pub rows: Vec<Folded>,
    /// Entity key → the chain it belongs to.
    pub homes: HashMap<String, String>,
}

/// Splits books into chains and saves them; the rows of the chains are the caller's to save.
pub(super) async fn split(
    client: &impl GenericClient,
    place: Place,
    source: &Source,
    adopted: &Adopted,
    books: &[State],
    now: DateTime<Utc>,
) -> Result<Split, DbError> {
    if books.is_empty() {
        return Ok(Split::default());
    }
    let mut whole: Vec<(&State, Vec<State>)> =
        books.iter().map(|book| (book, chains::split(book, &source.name, &adopted.rules))).collect();
    // An order that was a stranger's and then somebody's is in two books; the buyer's counts.
    whole.sort_by_key(|(book, _)| is_of_one_order(&book.subscription_id));
    let held = held(client, place, &whole).await?;
    let mut split = Split::default();
    let mut seen: HashSet<String> = HashSet::new();
    for (book, chains) in &whole {
        let name = &book.subscription_id;
        split.homes.extend(chains::homes(chains));
        for chain in chains {
            let before = held.get(&chain.subscription_id);
            let is_theirs = before.is_some_and(|(b, _)| b != name && !is_of_one_order(b));
            if seen.insert(chain.subscription_id.clone()) && !(is_of_one_order(name) && is_theirs) {
                split.rows.push(of_book(name, chain.clone(), before, source, adopted, now));
            }
        }
    }
    let mut gone: Vec<(String, Option<String>)> = Vec::new();
    let names: HashSet<&str> = books.iter().map(|b| b.subscription_id.as_str()).collect();
    for (id, before) in held.iter().filter(|(id, (b, _))| !seen.contains(*id) && names.contains(b.as_str())) {
        if !before.1.state.rows.is_empty() {
            // Its rows, and the licenses made for them, are another group's now.
            let now = split.homes.get(&Entity::new(EntityKind::Row, id.as_str()).key());
            gone.push((id.clone(), now.cloned()));
            continue;
        }
        let left = chains::closed(&before.1.state);
        debug_assert_eq!(&left.subscription_id, id);
        let row = of_book(&before.0, left, Some(before), source, adopted, now);
        split.rows.push(Folded { superseded: true, ..row });
    }
    subscriptions::rename(client, place, &gone).await?;
    let states: Vec<&State> = books.iter().collect();
    books::save(client, place, &states, &adopted.hash).await?;
    Ok(split)
}

/// A book that holds one order alone, whose buyer is not known.
fn is_of_one_order(book: &str) -> bool {
    book.starts_with("order-")
}

/// The rows there are: of these books, and under the ids of their chains.
async fn held(
    client: &impl GenericClient,
    place: Place,
    whole: &[(&State, Vec<State>)],
) -> Result<BTreeMap<String, (String, Held)>, DbError> {
    let names: Vec<String> = whole.iter().map(|(book, _)| book.subscription_id.clone()).collect();
    let ids: Vec<String> = whole.iter().flat_map(|(_, c)| c).map(|c| c.subscription_id.clone()).collect();
    let rows = subscriptions::of_books(client, place, &names, &ids).await?;
    Ok(rows.into_iter().map(|(book, held)| (held.state.subscription_id.clone(), (book, held))).collect())
}

fn of_book(
    book: &str,
    chain: State,
    before: Option<&(String, Held)>,
    source: &Source,
    adopted: &Adopted,
    now: DateTime<Utc>,
) -> Folded {
    let before = before.map(|(_, held)| held.state_hash.as_str());
    Folded { book: Some(book.to_owned()), ..row(chain, before, source, &adopted.rules, now) }
}

/// Splits again what was split by rules that do not count any more, a page at a time; answers
/// with how many. The mark is in each row: whoever dies in the middle loses nothing. It sets no
/// mark for the reconciler: what new rules lead to is a plan that somebody has to look at first.
pub(super) async fn keep_up(projector: &Projector, place: Place, adopted: &Adopted) -> Result<usize, DbError> {
    let Some(source) = projector.registry.source_of(place.journal) else { return Ok(0) };
    let mut client = projector.pool.get().await?;
    let tx = client.transaction().await?;
    let stale = books::of_other_rules(&tx, place, &adopted.hash, PAGE).await?;
    // With the projector's lease: no batch is saved beside us.
    if stale.is_empty() || generations::take(&tx, place).await?.is_none() {
        return Ok(0);
    }
    let now = database_now(&tx).await?;
    let states: Vec<State> = stale.into_iter().map(|held| held.state).collect();
    let mut split = split(&tx, place, source, adopted, &states, now).await?;
    split.rows.iter_mut().for_each(|row| row.dirty = false);
    subscriptions::save(&tx, place, &split.rows, now).await?;
    tx.commit().await?;
    Ok(states.len())
}

/// Waits until nothing is left in a generation that was split by other rules.
///
/// # Errors
/// The database cannot be used.
pub(super) async fn kept_up(projector: &Projector, place: Place, adopted: &Adopted) -> Result<(), DbError> {
    let client = projector.pool.get().await?;
    while !books::of_other_rules(&client, place, &adopted.hash, 1).await?.is_empty() {
        if keep_up(projector, place, adopted).await? == 0 {
            tokio::time::sleep(TICK_BUSY).await; // somebody else has the lease
        }
    }
    Ok(())
}

/// The chains that a book is split into by some rules, and those it was split into and is not any more.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn foreseen(
    client: &impl GenericClient,
    place: Place,
    source: &Source,
    rules: &Rules,
    book: &State,
) -> Result<Vec<State>, DbError> {
    let mut chains = chains::split(book, &source.name, rules);
    for (_, held) in subscriptions::of_books(client, place, std::slice::from_ref(&book.subscription_id), &[]).await? {
        // A group of rows that is called otherwise leaves nothing behind.
        let is_left = held.state.rows.is_empty();
        if is_left && !chains.iter().any(|chain| chain.subscription_id == held.state.subscription_id) {
            chains.push(chains::closed(&held.state));
        }
    }
    Ok(chains)
}

/// The key of a book as an entity.
#[must_use]
pub fn key(book: &str) -> String {
    Entity::new(EntityKind::Book, book).key()
}
