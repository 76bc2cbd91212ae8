//! One batch of a source's journal: translate, note mentions and edges, fold what is touched.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deadpool_postgres::{GenericClient, Transaction};

use super::books;
use super::meaning::Meaning;
use super::meanings::Meanings;
use super::units::{Unit, Work, id_of, is_book};
use crate::domain::entitlement::SourceContext;
use crate::domain::fact::{EntityKind, Fact, FactBody};
use crate::domain::plan::deserved;
use crate::domain::rules::Rules;
use crate::domain::state::State;
use crate::ledger::rules::Adopted;
use crate::parallel;
use crate::postgres::DbError;
use crate::projections::Place;
use crate::projections::events::{self, EventRow, EventStatus, Found};
use crate::projections::links;
use crate::projections::overrides::{self, OverrideRow};
use crate::projections::subscriptions::{self, Folded};
use crate::registry::Source;
use crate::telemetry::meter;

/// Projects a batch that follows checkpoint `from`.
pub(super) async fn project(
    client: &Transaction<'_>,
    place: Place,
    source: &Source,
    adopted: &Adopted,
    from: i64,
    meanings: &Meanings,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    events::mention(client, place, &meanings.mentions).await?;
    project_mentioned(client, place, source, adopted, from, meanings, now).await
}

/// [`project`], where the mentions are saved already.
pub(super) async fn project_mentioned(
    client: &Transaction<'_>,
    place: Place,
    source: &Source,
    adopted: &Adopted,
    from: i64,
    meanings: &Meanings,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let each = &meanings.each;
    let poison = |m: &&Meaning| m.trouble.as_ref().is_some_and(|(s, _)| *s == EventStatus::Quarantined);
    each.iter().filter(poison).for_each(|_| meter::quarantined(&source.name));
    overrides::save(client, place, &granted(each)).await?;
    let new_edges = links::save(client, place, &meanings.edges).await?;
    let touched = touched(client, place, &meanings.entities, &new_edges).await?;
    // A batch of earlier events, read again, does not end what is known.
    let to = each.last().map_or(from, |m| m.position.max(from));
    let work = Work { place, source, meanings: each, touched: &touched, new_edges: &new_edges, from, to };
    let (kept, folded): (Vec<Unit>, Vec<Unit>) = work.fold_all(client).await?.into_iter().partition(Unit::is_book);
    let mut found: Vec<Found> = folded.iter().flat_map(Unit::found).collect();
    let mut rows: Vec<Folded> =
        parallel::map(folded, |unit| row(unit.state, unit.before.as_deref(), source, &adopted.rules, now));
    let spoke: Vec<(i64, String)> = kept.iter().flat_map(|unit| unit.spoke.clone()).collect();
    let states: Vec<State> = kept.into_iter().map(|unit| unit.state).collect();
    let split = books::split(client, place, source, adopted, &states, now).await?;
    rows.extend(split.rows);
    let customers: HashMap<&str, Option<&str>> =
        rows.iter().map(|r| (r.state.subscription_id.as_str(), r.state.customer_id())).collect();
    found.extend(spoke.into_iter().filter_map(|(position, entity)| {
        let chain = split.homes.get(&entity)?;
        let customer = customers.get(chain.as_str()).copied().flatten().map(ToOwned::to_owned);
        Some(Found { position, subscription: chain.clone(), customer, is_own: false })
    }));
    let known = Known { touched: &touched, customers, homes: &split.homes };
    let became = async {
        events::linked(client, place, &found).await?;
        let became: Vec<EventRow> = each.iter().map(|m| event_row(m, &known)).collect();
        // After the checkpoint no event has a row.
        if each.iter().all(|m| m.position > from) {
            events::save_first(client, place, &became).await
        } else {
            events::save(client, place, &became).await
        }
    };
    // One after the other for the database; what became of the events is worked out meanwhile.
    tokio::try_join!(subscriptions::save(client, place, &rows, now), became)?;
    drop(known);
    parallel::discard(rows);
    Ok(())
}

/// What admins said in this batch.
fn granted(meanings: &[Meaning]) -> Vec<OverrideRow> {
    let said = |m: &Meaning| {
        let position = m.position;
        let of = move |f: &Arc<Fact>| match &f.body {
            FactBody::Override { id, value } => Some(OverrideRow {
                id: id.clone(),
                subscription_id: value.subscription_id.clone(),
                granted: (!value.withdrawn).then_some(position),
                withdrawn: value.withdrawn.then_some(position),
            }),
            _ => None,
        };
        m.translation.facts.iter().filter_map(of).collect::<Vec<_>>()
    };
    meanings.iter().flat_map(said).collect()
}

/// Which subscriptions the batch touches, and through which entities.
pub(super) struct Touched {
    /// entity → subscriptions it belongs to.
    pub up: HashMap<String, BTreeSet<String>>,
    pub subscriptions: BTreeSet<String>,
}

async fn touched(
    client: &impl GenericClient,
    place: Place,
    of_facts: &[String],
    new_edges: &[(String, String)],
) -> Result<Touched, DbError> {
    // A subscription that is only named by an edge has nothing to fold yet; what hangs below a
    // new edge reaches its subscriptions through the edge's child.
    let of_edges: BTreeSet<&String> = new_edges.iter().map(|(child, _)| child).collect();
    let of_edges = of_edges.into_iter().filter(|child| of_facts.binary_search(child).is_err());
    let entities: Vec<&str> = of_facts.iter().chain(of_edges).map(String::as_str).collect();
    let mut up: HashMap<String, BTreeSet<String>> = HashMap::new();
    for (entity, subscription) in links::up(client, place, &entities).await? {
        up.entry(entity).or_default().insert(subscription);
    }
    let subscriptions = up.values().flatten().cloned().collect();
    Ok(Touched { up, subscriptions })
}

/// A state's row; dirty, if its hash is another than before.
pub(super) fn row(state: State, before: Option<&str>, source: &Source, rules: &Rules, now: DateTime<Utc>) -> Folded {
    let context = SourceContext { name: &source.name, live: source.settings.livemode };
    let deserved = deserved(&state, context, rules, now);
    let (state_hash, fold_hash) = state.hashes();
    Folded {
        is_first: before.is_none(),
        dirty: before.is_none_or(|hash| hash != state_hash),
        unmapped: !deserved.unmapped.is_empty(),
        next_transition_at: deserved.next_transition_at,
        buyer: state.buyer(),
        state_hash,
        fold_hash,
        state,
        book: None,
        superseded: false,
    }
}

/// What is known of the things that a batch speaks of.
struct Known<'a> {
    touched: &'a Touched,
    customers: HashMap<&'a str, Option<&'a str>>,
    homes: &'a HashMap<String, String>,
}

impl Known<'_> {
    /// The subscription, or the chain, that an entity belongs to.
    fn subscription(&self, entity: &str) -> Option<String> {
        let up = self.touched.up.get(entity)?;
        let own = up.iter().find(|key| !is_book(key)).map(|key| id_of(key).to_owned());
        own.or_else(|| self.homes.get(entity).cloned())
    }
}

/// What became of an event.
fn event_row(meaning: &Meaning, known: &Known<'_>) -> EventRow {
    let facts = &meaning.translation.facts;
    // A buyer may have several subscriptions: what else the event speaks of comes first.
    let (buyers, others): (Vec<_>, Vec<_>) = facts.iter().partition(|f| f.entity.kind == EntityKind::Customer);
    let mentioned = others.iter().map(|f| f.entity.key());
    let mentioned = mentioned.chain(meaning.translation.links.iter().map(|l| l.child.key()));
    let mut mentioned = mentioned.chain(buyers.iter().map(|f| f.entity.key()));
    let overridden = facts.iter().find_map(|f| match &f.body {
        FactBody::Override { value, .. } => Some(value.subscription_id.clone()),
        _ => None,
    });
    let subscription = overridden.clone().or_else(|| mentioned.find_map(|entity| known.subscription(&entity)));
    let own_customer = facts.iter().find(|f| f.entity.kind == EntityKind::Customer).map(|f| f.entity.id.clone());
    let customer =
        subscription.as_deref().and_then(|s| known.customers.get(s).copied().flatten()).map(ToOwned::to_owned);
    let is_effect = |body: &FactBody| !matches!(body, FactBody::Notice | FactBody::Customer(_) | FactBody::Proposal(_));
    let mut effects = facts.iter().filter(|f| is_effect(&f.body)).peekable();
    let effect = effects.peek().is_some();
    // That its buyer has a subscription does not make a payment one for it.
    let linked = overridden.is_some() || effects.any(|f| known.subscription(&f.entity.key()).is_some());
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
        error: meaning.trouble.as_ref().map(|(_, why)| why).or(meaning.translation.missing.as_ref()).cloned(),
    }
}
