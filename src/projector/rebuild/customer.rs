//! The rows of one customer, folded anew from the bytes of every event that speaks of them. What
//! speaks of them is found by the live mentions and edges, and by those that come up on the way.

use std::collections::BTreeSet;

use deadpool_postgres::{GenericClient, Transaction};

use super::ActError;
use crate::domain::fact::{Entity, EntityKind};
use crate::ledger::{read, rules};
use crate::postgres::{DbError, query, query_opt};
use crate::projections::exchange::Part;
use crate::projections::{Place, events, links};
use crate::projector::meaning;
use crate::projector::meanings::Meanings;
use crate::projector::{Projector, books, database_now, source};
use crate::registry::Source;
use crate::sql;

/// Events of one customer that are folded in one transaction; whoever has more is rebuilt with
/// their source.
const EVENTS_MAX: usize = 100_000;
/// Events read in one go: their bodies are in memory together.
const CHUNK_EVENTS: usize = 500;
/// An event may lead to entities that lead to more events; no chain of links is as long as this.
const ROUNDS_MAX: usize = 32;

/// The subscriptions of a customer in some generations, and the books that hold their orders.
pub(super) async fn subscriptions(
    client: &impl GenericClient,
    generations: &[i32],
    journal: i32,
    customer: &str,
) -> Result<(BTreeSet<String>, BTreeSet<String>), DbError> {
    let entity = Entity::new(EntityKind::Customer, customer).key();
    let statement = sql!("projections/books/of_customer.sql");
    let rows = query(client, statement, &[&generations, &journal, &customer, &entity]).await?;
    let books: Vec<String> = rows.iter().map(|r| r.get(0)).collect();
    let statement = sql!("projections/subscriptions/ids_of_customer.sql");
    let rows = query(client, statement, &[&generations, &journal, &customer, &entity, &books]).await?;
    Ok((rows.iter().map(|r| r.get(0)).collect(), books.into_iter().collect()))
}

/// What belongs to a customer, in two generations together.
#[derive(Default)]
struct Reach {
    subscriptions: BTreeSet<String>,
    books: BTreeSet<String>,
    entities: BTreeSet<String>,
    edges: BTreeSet<(String, String)>,
    /// Events that the live generation knows to speak of it.
    positions: BTreeSet<i64>,
}

impl Reach {
    async fn find(tx: &Transaction<'_>, live: Place, staged: Place, customer: &str) -> Result<Self, DbError> {
        let both = [live.generation, staged.generation];
        let (subscriptions, books) = subscriptions(tx, &both, live.journal, customer).await?;
        let mut reach = Self { subscriptions, books, ..Self::default() };
        let keys = reach.subscriptions.iter().map(|id| Entity::subscription(id).key());
        let keys: Vec<String> = keys.chain(reach.books.iter().map(|book| books::key(book))).collect();
        reach.entities.extend(keys.iter().cloned());
        for place in [live, staged] {
            for (_, edge) in links::down(tx, place, &keys).await? {
                if place == live {
                    reach.positions.insert(edge.position);
                }
                reach.entities.extend([edge.child.clone(), edge.parent.clone()]);
                reach.edges.insert((edge.child, edge.parent));
            }
        }
        let entities: Vec<String> = reach.entities.iter().cloned().collect();
        reach.positions.extend(events::mentions(tx, live, &entities).await?.into_iter().map(|(_, position)| position));
        Ok(reach)
    }

    fn part(self) -> Part {
        Part {
            subscriptions: Some(self.subscriptions.into_iter().collect()),
            books: Some(self.books.into_iter().collect()),
            positions: Some(self.positions.into_iter().collect()),
            entities: Some(self.entities.into_iter().collect()),
            edges: Some(self.edges.into_iter().unzip()),
        }
    }
}

/// The rows of a customer that are folded beside the live ones.
pub(super) struct Rows<'a> {
    pub projector: &'a Projector,
    pub source: &'a Source,
    pub live: Place,
    pub staged: Place,
    pub customer: &'a str,
}

impl Rows<'_> {
    /// Fills an empty generation, as of the live position.
    pub(super) async fn build(&self, tx: &Transaction<'_>, position: i64) -> Result<Part, ActError> {
        self.fill(tx, position).await
    }

    /// Lets the rows of before an exchange read what came since.
    pub(super) async fn catch_up(&self, tx: &Transaction<'_>) -> Result<Part, ActError> {
        let place = [&self.staged.generation, &self.staged.journal] as [&(dyn tokio_postgres::types::ToSql + Sync); 2];
        let row = query_opt(tx, sql!("projections/events/last.sql"), &place).await?;
        self.fill(tx, row.map_or(0, |r| r.get(0))).await
    }

    /// Reads every event that the generation has not read, until no more come up. What is new
    /// after `from` follows on what is there; the rest is folded from its bytes.
    async fn fill(&self, tx: &Transaction<'_>, mut from: i64) -> Result<Part, ActError> {
        let (live, staged) = (self.live, self.staged);
        for _ in 0..ROUNDS_MAX {
            let reach = Reach::find(tx, live, staged, self.customer).await?;
            if reach.positions.len() > EVENTS_MAX {
                return Err(ActError::TooLarge(reach.positions.len()));
            }
            let all: Vec<i64> = reach.positions.iter().copied().collect();
            let held = sql!("projections/events/held.sql");
            let held = query(tx, held, &[&staged.generation, &staged.journal, &all]).await?;
            let held: BTreeSet<i64> = held.iter().map(|r| r.get(0)).collect();
            let unread: Vec<i64> = reach.positions.difference(&held).copied().collect();
            if unread.is_empty() {
                return Ok(reach.part());
            }
            let adopted = rules::adopted(tx, self.projector.registry.system).await?;
            let now = database_now(tx).await?;
            for chunk in unread.chunks(CHUNK_EVENTS) {
                let batch = read::at(tx, live.journal, chunk).await?;
                let meanings = Meanings::of(batch.iter().map(|e| meaning::of(self.source, e)).collect());
                source::project(tx, staged, self.source, &adopted, from, &meanings, now).await?;
                from = chunk.last().copied().unwrap_or(from).max(from);
            }
        }
        Err(ActError::WrongState("not to be had: its events lead to ever more events".to_owned()))
    }
}
