//! What a batch touches, folded: each subscription and each book as one.

use std::collections::{BTreeSet, HashMap, HashSet};

use deadpool_postgres::GenericClient;

use super::meaning::Meaning;
use super::source::Touched;
use super::{books, gather};
use crate::domain::FOLD_VERSION;
use crate::domain::fact::{Entity, Link};
use crate::domain::state::{Recorded, State, fold};
use crate::parallel;
use crate::postgres::DbError;
use crate::projections::Place;
use crate::projections::events::{self, Found};
use crate::projections::subscriptions;
use crate::registry::Source;

/// One batch, to be folded.
pub(super) struct Work<'a> {
    pub place: Place,
    pub source: &'a Source,
    pub meanings: &'a [Meaning],
    pub touched: &'a Touched,
    /// As (child, parent).
    pub new_edges: &'a [(String, String)],
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

impl Unit {
    pub(super) fn is_book(&self) -> bool {
        is_book(&self.key)
    }

    pub(super) fn found(&self) -> impl Iterator<Item = Found> {
        let customer = self.state.customer_id().map(ToOwned::to_owned);
        self.spoke.iter().map(move |(position, entity)| Found {
            position: *position,
            subscription: self.state.subscription_id.clone(),
            customer: customer.clone(),
            // What is said of its buyer is said of all that is theirs.
            is_own: !entity.starts_with("cus:"),
        })
    }
}

pub(super) fn is_book(key: &str) -> bool {
    key.starts_with("book:")
}

/// The end of a new edge that may be older than the edge. A subscription has its customer for a parent.
fn end((child, parent): &(String, String)) -> &str {
    if parent.starts_with("cus:") { parent } else { child }
}

/// What was heard before.
struct Before<'a> {
    /// Subscriptions that a new edge ties to something older: its facts must be fetched.
    tied: HashSet<&'a str>,
    /// Those that the batch is the first to speak of: neither they nor what is theirs was heard of.
    unheard: BTreeSet<&'a str>,
}

/// A state as it was saved, with its fold version and hash.
type Saved = (State, i32, Option<String>);

impl Work<'_> {
    /// Folds everything touched: onto its state where all that is new is later, from the batch where
    /// that is the first to speak of it, from its bytes otherwise.
    pub(super) async fn fold_all(&self, client: &impl GenericClient) -> Result<Vec<Unit>, DbError> {
        // Worked out while the database looks for the others.
        let (saved, mut fresh) = tokio::join!(self.saved(client), async { self.fresh() });
        let mut saved = saved?;
        let before = self.heard_before(client, &saved).await?;
        let mut ready = Vec::with_capacity(self.touched.subscriptions.len());
        let mut anew = Vec::new();
        for key in &self.touched.subscriptions {
            let (facts, links) = fresh.remove(key).unwrap_or_default();
            let is_tied = before.tied.contains(key.as_str());
            match saved.remove(key) {
                Some((state, version, before)) if !is_tied && version == FOLD_VERSION && state.can_advance(&facts) => {
                    ready.push(Ready { key, onto: Some(state), before, facts, links });
                }
                None if !is_tied && before.unheard.contains(key.as_str()) => {
                    ready.push(Ready { key, onto: None, before: None, facts, links });
                }
                saved => anew.push((key.clone(), saved.and_then(|(_, _, before)| before))),
            }
        }
        let mut units = parallel::map(ready, Ready::fold);
        units.extend(self.fold_anew(client, anew).await?);
        Ok(units)
    }

    /// What was heard before of what is new: of new subscriptions with all that is theirs, and of
    /// what new edges tie to them.
    async fn heard_before(
        &self,
        client: &impl GenericClient,
        saved: &HashMap<String, Saved>,
    ) -> Result<Before<'_>, DbError> {
        let keys = self.touched.subscriptions.iter().filter(|key| !saved.contains_key(*key) && !is_book(key));
        let mut unheard: BTreeSet<&str> = keys.map(String::as_str).collect();
        let theirs = self.touched.up.iter().filter(|(_, up)| up.iter().any(|key| unheard.contains(key.as_str())));
        let ends = self.new_edges.iter().map(end);
        let entities: BTreeSet<&str> =
            theirs.map(|(entity, _)| entity.as_str()).chain(unheard.iter().copied()).chain(ends).collect();
        let entities: Vec<&str> = entities.into_iter().collect();
        let heard = events::heard_before(client, self.place, &entities, self.from).await?;
        let known: HashSet<&str> =
            heard.iter().filter(|(_, known)| *known).map(|(entity, _)| entity.as_str()).collect();
        let of = |entity: &str| self.touched.up.get(entity).into_iter().flatten().map(String::as_str);
        let ties = self.new_edges.iter().filter(|edge| known.contains(end(edge)));
        let tied = ties.flat_map(|(child, _)| of(child)).collect();
        for (entity, _) in &heard {
            unheard.remove(entity.as_str());
            of(entity).for_each(|key| _ = unheard.remove(key));
        }
        Ok(Before { tied, unheard })
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

/// What can be folded without a look into the ledger: onto a state, or as all there is.
struct Ready<'k> {
    key: &'k str,
    onto: Option<State>,
    before: Option<String>,
    facts: Vec<Recorded>,
    links: Vec<Link>,
}

impl Ready<'_> {
    fn fold(self) -> Unit {
        let Self { key, onto, before, facts, links } = self;
        let state = match onto {
            Some(mut state) => {
                state.advance(facts, links);
                state
            }
            None => fold(id_of(key), facts, links),
        };
        Unit { key: key.to_owned(), state, before, spoke: Vec::new() }
    }
}

/// The id of a subscription or a book in its key.
pub(super) fn id_of(key: &str) -> &str {
    key.split_once(':').map_or(key, |(_, id)| id)
}
