//! Gathering every fact of some subscriptions from the ledger, for a fold from the bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deadpool_postgres::GenericClient;

use crate::domain::fact::{Entity, EntityKind, Link};
use crate::domain::state::Recorded;
use crate::ledger::read;
use crate::postgres::DbError;
use crate::projections::{Place, events, links};
use crate::registry::Source;

use super::meaning::{self, Meaning};

/// Positions read in one go: their bodies are in memory together, and one may have megabytes.
const READ_POSITIONS_MAX: usize = 100;

/// Everything that speaks of one subscription.
#[derive(Default)]
pub struct Gathered {
    pub facts: Vec<Recorded>,
    pub links: BTreeSet<Link>,
    /// Positions of all events that speak of it.
    pub positions: BTreeSet<i64>,
}

/// Reads the facts of `subscriptions` (entity keys, `sub:…`); what is in `known` is not read again.
/// Only events up to `up_to` count.
///
/// # Errors
/// The database cannot be read.
pub async fn facts(
    client: &impl GenericClient,
    place: Place,
    source: &Source,
    subscriptions: &[String],
    known: &HashMap<i64, &Meaning>,
    up_to: i64,
) -> Result<BTreeMap<String, Gathered>, DbError> {
    let mut closures: BTreeMap<String, BTreeSet<String>> =
        subscriptions.iter().map(|s| (s.clone(), BTreeSet::from([s.clone()]))).collect();
    let mut gathered: BTreeMap<String, Gathered> =
        subscriptions.iter().map(|s| (s.clone(), Gathered::default())).collect();
    for (subscription, edge) in links::down(client, place, subscriptions).await? {
        if edge.position > up_to {
            continue;
        }
        if let Some(closure) = closures.get_mut(&subscription) {
            closure.insert(edge.child.clone());
            // A subscription that claims an order of a book is not part of the book.
            if edge.parent.starts_with("cus:") {
                closure.insert(edge.parent.clone());
            }
        }
        if let (Some(target), Some(link)) = (gathered.get_mut(&subscription), link_of(&edge.child, &edge.parent)) {
            target.links.insert(link);
        }
    }
    let entities: Vec<String> = closures.values().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let mut positions: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for (entity, position) in events::mentions(client, place, &entities).await? {
        if position <= up_to {
            positions.entry(entity).or_default().insert(position);
        }
    }
    let wanted: BTreeSet<i64> = positions.values().flatten().copied().filter(|p| !known.contains_key(p)).collect();
    let wanted: Vec<i64> = wanted.into_iter().collect();
    let mut read_now: HashMap<i64, Meaning> = HashMap::new();
    for chunk in wanted.chunks(READ_POSITIONS_MAX) {
        for event in read::at(client, place.journal, chunk).await? {
            read_now.insert(event.position, meaning::of(source, &event));
        }
    }
    for (subscription, closure) in &closures {
        let Some(target) = gathered.get_mut(subscription) else { continue };
        target.positions = closure.iter().filter_map(|e| positions.get(e)).flatten().copied().collect();
        for position in &target.positions {
            let meaning = known.get(position).copied().or_else(|| read_now.get(position));
            let facts = meaning.map(|m| m.translation.facts.as_slice()).unwrap_or_default();
            let mine = facts.iter().filter(|f| closure.contains(&f.entity.key()));
            target.facts.extend(mine.map(|f| Recorded { position: *position, fact: f.clone() }));
        }
    }
    Ok(gathered)
}

/// An edge of the tables as a link, where both ends can be named.
#[must_use]
pub fn link_of(child: &str, parent: &str) -> Option<Link> {
    Some(Link { child: entity_of(child)?, parent: entity_of(parent)? })
}

fn entity_of(key: &str) -> Option<Entity> {
    const KINDS: [EntityKind; 11] = [
        EntityKind::Subscription,
        EntityKind::Invoice,
        EntityKind::PaymentIntent,
        EntityKind::Charge,
        EntityKind::Order,
        EntityKind::Refund,
        EntityKind::Dispute,
        EntityKind::Customer,
        EntityKind::Product,
        EntityKind::Book,
        EntityKind::Row,
    ];
    let (prefix, id) = key.split_once(':')?;
    KINDS.into_iter().find(|k| k.prefix() == prefix).map(|kind| Entity::new(kind, id))
}
