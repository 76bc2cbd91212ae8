//! One batch of a source's journal: translate, note mentions and edges, fold what is touched.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;

use super::gather;
use super::meaning::Meaning;
use crate::domain::FOLD_VERSION;
use crate::domain::entitlement::SourceContext;
use crate::domain::fact::{EntityKind, FactBody, Link};
use crate::domain::plan::deserved;
use crate::domain::rules::Rules;
use crate::domain::state::{Recorded, State, fold};
use crate::postgres::DbError;
use crate::projections::Place;
use crate::projections::events::{self, EventRow, EventStatus};
use crate::projections::links::{self, Edge};
use crate::projections::subscriptions::{self, Folded, Held};
use crate::registry::Source;
use crate::telemetry::meter;

/// Projects a batch that follows checkpoint `from`.
pub(super) async fn project(
    client: &impl GenericClient,
    place: Place,
    source: &Source,
    rules: &Rules,
    from: i64,
    meanings: &[Meaning],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let poison = |m: &&Meaning| m.trouble.as_ref().is_some_and(|(s, _)| *s == EventStatus::Quarantined);
    meanings.iter().filter(poison).for_each(|_| meter::quarantined(&source.name));
    let new_edges = note(client, place, meanings).await?;
    let touched = touched(client, place, meanings, &new_edges).await?;
    let refold = needs_refold(client, place, &touched, &new_edges, from).await?;
    let to = meanings.last().map_or(from, |m| m.position);
    let work = Work { place, source, meanings, touched: &touched, to };
    let states = work.fold_all(client, &refold).await?;
    let context = SourceContext { name: &source.name, live: source.settings.livemode };
    let rows: Vec<Folded> = states.into_iter().map(|(state, held)| row(state, held, context, rules, now)).collect();
    subscriptions::save(client, place, &rows, now).await?;
    events::save(client, place, &event_rows(meanings, &touched, &rows)).await
}

/// Saves mentions and edges; answers with the edges that are new.
async fn note(
    client: &impl GenericClient,
    place: Place,
    meanings: &[Meaning],
) -> Result<Vec<(String, String)>, DbError> {
    let mut mentions: BTreeSet<(String, i64)> = BTreeSet::new();
    let mut edges: BTreeMap<(String, String), i64> = BTreeMap::new();
    for meaning in meanings {
        for fact in &meaning.translation.facts {
            mentions.insert((fact.entity.key(), meaning.position));
        }
        for Link { child, parent } in &meaning.translation.links {
            edges.entry((child.key(), parent.key())).or_insert(meaning.position);
        }
    }
    let mentions: Vec<(String, i64)> = mentions.into_iter().collect();
    events::mention(client, place, &mentions).await?;
    let edges: Vec<Edge> =
        edges.into_iter().map(|((child, parent), position)| Edge { child, parent, position }).collect();
    links::save(client, place, &edges).await
}

/// Which subscriptions the batch touches, and through which entities.
struct Touched {
    /// entity → subscriptions it belongs to.
    up: HashMap<String, BTreeSet<String>>,
    subscriptions: BTreeSet<String>,
}

async fn touched(
    client: &impl GenericClient,
    place: Place,
    meanings: &[Meaning],
    new_edges: &[(String, String)],
) -> Result<Touched, DbError> {
    let of_facts = meanings.iter().flat_map(|m| &m.translation.facts).map(|f| f.entity.key());
    // A subscription that is only named by an edge has nothing to fold yet; what hangs below a
    // new edge reaches its subscriptions through the edge's child.
    let of_edges = new_edges.iter().map(|(child, _)| child.clone());
    let entities: Vec<String> = of_facts.chain(of_edges).collect::<BTreeSet<_>>().into_iter().collect();
    let mut up: HashMap<String, BTreeSet<String>> = HashMap::new();
    for (entity, subscription) in links::up(client, place, &entities).await? {
        up.entry(entity).or_default().insert(subscription);
    }
    let subscriptions = up.values().flatten().cloned().collect();
    Ok(Touched { up, subscriptions })
}

/// Subscriptions that a new edge ties to something older: its facts must be fetched.
async fn needs_refold(
    client: &impl GenericClient,
    place: Place,
    touched: &Touched,
    new_edges: &[(String, String)],
    from: i64,
) -> Result<BTreeSet<String>, DbError> {
    if new_edges.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ends: Vec<String> = new_edges
        .iter()
        .map(|(child, parent)| if parent.starts_with("cus:") { parent.clone() } else { child.clone() })
        .collect();
    let older: BTreeSet<String> = events::mentioned_before(client, place, &ends, from).await?.into_iter().collect();
    let tied = new_edges.iter().zip(&ends).filter(|(_, end)| older.contains(*end)).map(|((child, _), _)| child);
    Ok(tied.filter_map(|child| touched.up.get(child)).flatten().cloned().collect())
}

struct Work<'a> {
    place: Place,
    source: &'a Source,
    meanings: &'a [Meaning],
    touched: &'a Touched,
    to: i64,
}

impl Work<'_> {
    /// Folds every touched subscription: onto its state where all that is new is later, from
    /// its bytes otherwise.
    async fn fold_all(
        &self,
        client: &impl GenericClient,
        refold: &BTreeSet<String>,
    ) -> Result<Vec<(State, Option<Held>)>, DbError> {
        let ids: Vec<String> = self.touched.subscriptions.iter().map(|s| id_of(s).to_owned()).collect();
        let mut held: HashMap<String, Held> = subscriptions::load(client, self.place, &ids)
            .await?
            .into_iter()
            .map(|h| (h.state.subscription_id.clone(), h))
            .collect();
        let mut fresh = self.fresh();
        let mut states = Vec::with_capacity(ids.len());
        let mut anew = Vec::new();
        for subscription in &self.touched.subscriptions {
            let known = held.remove(id_of(subscription));
            let (facts, links) = fresh.remove(subscription).unwrap_or_default();
            match known {
                Some(mut known)
                    if !refold.contains(subscription)
                        && known.fold_version == FOLD_VERSION
                        && known.state.can_advance(&facts) =>
                {
                    let mut state = std::mem::take(&mut known.state);
                    state.advance(facts, links);
                    states.push((state, Some(known)));
                }
                known => anew.push((subscription.clone(), known)),
            }
        }
        states.extend(self.fold_anew(client, anew).await?);
        Ok(states)
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
        anew: Vec<(String, Option<Held>)>,
    ) -> Result<Vec<(State, Option<Held>)>, DbError> {
        if anew.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = anew.iter().map(|(s, _)| s.clone()).collect();
        let known: HashMap<i64, &Meaning> = self.meanings.iter().map(|m| (m.position, m)).collect();
        let mut gathered = gather::facts(client, self.place, self.source, &keys, &known, self.to).await?;
        let mut found = Vec::new();
        let mut states = Vec::with_capacity(anew.len());
        for (subscription, held) in anew {
            let Some(gathered) = gathered.remove(&subscription) else { continue };
            let state = fold(id_of(&subscription), gathered.facts, gathered.links);
            let customer = state.customer_id().map(ToOwned::to_owned);
            found.extend(gathered.positions.into_iter().map(|p| (p, state.subscription_id.clone(), customer.clone())));
            states.push((state, held));
        }
        events::linked(client, self.place, &found).await?;
        Ok(states)
    }
}

fn id_of(subscription: &str) -> &str {
    subscription.strip_prefix("sub:").unwrap_or(subscription)
}

fn row(state: State, held: Option<Held>, context: SourceContext<'_>, rules: &Rules, now: DateTime<Utc>) -> Folded {
    let deserved = deserved(&state, context, rules, now);
    let (state_hash, fold_hash) = state.hashes();
    Folded {
        dirty: held.is_none_or(|h| h.state_hash != state_hash),
        unmapped: !deserved.unmapped.is_empty(),
        next_transition_at: deserved.next_transition_at,
        state_hash,
        fold_hash,
        state,
    }
}

/// What became of each event.
fn event_rows(meanings: &[Meaning], touched: &Touched, rows: &[Folded]) -> Vec<EventRow> {
    let customers: HashMap<&str, Option<&str>> =
        rows.iter().map(|r| (r.state.subscription_id.as_str(), r.state.customer_id())).collect();
    meanings.iter().map(|meaning| event_row(meaning, touched, &customers)).collect()
}

fn event_row(meaning: &Meaning, touched: &Touched, customers: &HashMap<&str, Option<&str>>) -> EventRow {
    let facts = &meaning.translation.facts;
    let subscription = facts
        .iter()
        .map(|f| f.entity.key())
        .chain(meaning.translation.links.iter().map(|l| l.child.key()))
        .filter_map(|e| touched.up.get(&e))
        .flatten()
        .next()
        .map(|s| id_of(s).to_owned());
    let own_customer = facts.iter().find(|f| f.entity.kind == EntityKind::Customer).map(|f| f.entity.id.clone());
    let customer = subscription.as_deref().and_then(|s| customers.get(s).copied().flatten()).map(ToOwned::to_owned);
    let mut effects = facts.iter().filter(|f| !matches!(f.body, FactBody::Notice | FactBody::Customer(_))).peekable();
    let effect = effects.peek().is_some();
    // That its buyer has a subscription does not make a payment one for it.
    let linked = effects.any(|f| touched.up.contains_key(&f.entity.key()));
    let status = match (&meaning.trouble, effect, &subscription) {
        (Some((status, _)), _, _) => *status,
        (None, true, _) if linked => EventStatus::Applied,
        (None, true, _) => EventStatus::Unlinked,
        (None, false, Some(_)) if facts.iter().any(|f| matches!(f.body, FactBody::Customer(_))) => EventStatus::Applied,
        (None, false, _) => EventStatus::Recorded,
    };
    EventRow {
        position: meaning.position,
        status,
        entity: facts.first().map(|f| f.entity.key()),
        customer_id: customer.or(own_customer),
        subscription_id: subscription,
        error: meaning.trouble.as_ref().map(|(_, why)| why.clone()),
    }
}
