//! What a batch touches, folded: each subscription and each book as one.

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::GenericClient;

use super::meaning::Meaning;
use super::source::Touched;
use super::{books, gather};
use crate::domain::FOLD_VERSION;
use crate::domain::fact::{Entity, Link};
use crate::domain::state::{Recorded, State, fold};
use crate::postgres::DbError;
use crate::projections::Place;
use crate::projections::events;
use crate::projections::subscriptions;
use crate::registry::Source;

/// One batch, to be folded.
pub(super) struct Work<'a> {
    pub place: Place,
    pub source: &'a Source,
    pub meanings: &'a [Meaning],
    pub touched: &'a Touched,
    pub from: i64,
    pub to: i64,
}

/// What is folded as one: a subscription, or a book.
pub(super) struct Unit {
    pub key: String,
    pub state: State,
    /// The hash of the state before, where there is one.
    pub before: Option<String>,
    /// Where it was folded anew: which event spoke of which entity of it.
    pub spoke: Vec<(i64, String)>,
}

/// Position, subscription and customer of an event that may have been unlinked.
pub(super) type Found = (i64, String, Option<String>);

impl Unit {
    pub(super) fn is_book(&self) -> bool {
        is_book(&self.key)
    }

    pub(super) fn found(&self) -> impl Iterator<Item = Found> {
        let customer = self.state.customer_id().map(ToOwned::to_owned);
        self.spoke.iter().map(move |(position, _)| (*position, self.state.subscription_id.clone(), customer.clone()))
    }
}

pub(super) fn is_book(key: &str) -> bool {
    key.starts_with("book:")
}

/// A state as it was saved, with its fold version and hash.
type Saved = (State, i32, Option<String>);

impl Work<'_> {
    /// Folds everything touched: onto its state where all that is new is later, from the batch where
    /// that is the first to speak of it, from its bytes otherwise.
    pub(super) async fn fold_all(
        &self,
        client: &impl GenericClient,
        refold: &BTreeSet<String>,
    ) -> Result<Vec<Unit>, DbError> {
        let mut saved = self.saved(client).await?;
        let mut fresh = self.fresh();
        let is_new = |key: &&str| !saved.contains_key(*key) && !refold.contains(*key) && !is_book(key);
        let new = self.touched.subscriptions.iter().map(String::as_str).filter(is_new).collect();
        let unheard = self.unheard(client, new).await?;
        let mut units = Vec::with_capacity(self.touched.subscriptions.len());
        let mut anew = Vec::new();
        for key in &self.touched.subscriptions {
            let (facts, links) = fresh.remove(key).unwrap_or_default();
            match saved.remove(key) {
                Some((mut state, version, before))
                    if !refold.contains(key) && version == FOLD_VERSION && state.can_advance(&facts) =>
                {
                    state.advance(facts, links);
                    units.push(Unit { key: key.clone(), state, before, spoke: Vec::new() });
                }
                None if unheard.contains(key.as_str()) => {
                    let state = fold(id_of(key), facts, links);
                    units.push(Unit { key: key.clone(), state, before: None, spoke: Vec::new() });
                }
                saved => anew.push((key.clone(), saved.and_then(|(_, _, before)| before))),
            }
        }
        units.extend(self.fold_anew(client, anew).await?);
        Ok(units)
    }

    /// Those of these subscriptions that the batch is the first to speak of: neither they nor what
    /// is theirs was heard of before.
    async fn unheard<'k>(
        &self,
        client: &impl GenericClient,
        mut keys: BTreeSet<&'k str>,
    ) -> Result<BTreeSet<&'k str>, DbError> {
        let theirs = self.touched.up.iter().filter(|(_, up)| up.iter().any(|key| keys.contains(key.as_str())));
        let entities = theirs.map(|(entity, _)| entity.as_str()).chain(keys.iter().copied());
        let entities: Vec<&str> = entities.collect::<BTreeSet<_>>().into_iter().collect();
        for heard in events::heard_before(client, self.place, &entities, self.from).await? {
            keys.remove(heard.as_str());
            for key in self.touched.up.get(&heard).into_iter().flatten() {
                keys.remove(key.as_str());
            }
        }
        Ok(keys)
    }

    async fn saved(&self, client: &impl GenericClient) -> Result<HashMap<String, Saved>, DbError> {
        let ids = |of_books: bool| -> Vec<String> {
            let keys = self.touched.subscriptions.iter().filter(|key| is_book(key) == of_books);
            keys.map(|key| id_of(key).to_owned()).collect()
        };
        let mut saved: HashMap<String, Saved> = HashMap::new();
        for held in subscriptions::load(client, self.place, &ids(false)).await? {
            let key = Entity::subscription(held.state.subscription_id.as_str()).key();
            saved.insert(key, (held.state, held.fold_version, Some(held.state_hash)));
        }
        let wanted = ids(true);
        if !wanted.is_empty() {
            for held in crate::projections::books::load(client, self.place, &wanted).await? {
                saved.insert(books::key(&held.state.subscription_id), (held.state, held.fold_version, None));
            }
        }
        Ok(saved)
    }

    /// The batch's own facts and edges, by subscription.
    fn fresh(&self) -> HashMap<String, (Vec<Recorded>, Vec<Link>)> {
        let mut fresh: HashMap<String, (Vec<Recorded>, Vec<Link>)> = HashMap::new();
        for meaning in self.meanings {
            for fact in &meaning.translation.facts {
                for subscription in self.touched.up.get(&fact.entity.key()).into_iter().flatten() {
                    let recorded = Recorded { position: meaning.position, fact: fact.clone() };
                    fresh.entry(subscription.clone()).or_default().0.push(recorded);
                }
            }
            for link in &meaning.translation.links {
                for subscription in self.touched.up.get(&link.child.key()).into_iter().flatten() {
                    fresh.entry(subscription.clone()).or_default().1.push(link.clone());
                }
            }
        }
        fresh
    }

    async fn fold_anew(
        &self,
        client: &impl GenericClient,
        anew: Vec<(String, Option<String>)>,
    ) -> Result<Vec<Unit>, DbError> {
        if anew.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = anew.iter().map(|(key, _)| key.clone()).collect();
        let known: HashMap<i64, &Meaning> = self.meanings.iter().map(|m| (m.position, m)).collect();
        let mut gathered = gather::facts(client, self.place, self.source, &keys, &known, self.to).await?;
        let mut units = Vec::with_capacity(anew.len());
        for (key, before) in anew {
            let Some(gathered) = gathered.remove(&key) else { continue };
            let spoke = gathered.facts.iter().map(|r| (r.position, r.fact.entity.key())).collect();
            let state = fold(id_of(&key), gathered.facts, gathered.links);
            units.push(Unit { key, state, before, spoke });
        }
        Ok(units)
    }
}

/// The id of a subscription or a book in its key.
pub(super) fn id_of(key: &str) -> &str {
    key.split_once(':').map_or(key, |(_, id)| id)
}
