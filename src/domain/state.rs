//! The fold: a subscription's state as a function of the *set* of its facts.
//!
//! [`fold`] sorts the set by [`FactKey`], which is made of the provider's own data only, so
//! order of arrival, copies and delays cannot matter. [`State::advance`] takes a later instant
//! onto a state that is already folded; anything else is folded anew from the bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fact::{
    CustomerFacts, Dispute, Entity, Fact, FactBody, FactKey, Item, Link, Payment, PaymentStatus, Purchase, Refund,
    Snapshot, Status,
};
use super::instant::{Sighting, decide};
use super::overrides::Override;
use super::rows::RowState;

mod hashed;
mod provenance;
pub(super) mod written;

/// A fact with the position of the event that said it, in the source's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub position: i64,
    pub fact: Arc<Fact>,
}

/// A value with the clock it was last said at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said<T> {
    pub value: T,
    #[serde(serialize_with = "written::key")]
    pub key: FactKey,
}

/// A payment, when it was first said to be paid, and whether its voiding was a gift (voided
/// while collection was paused).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentState {
    pub payment: Payment,
    #[serde(serialize_with = "written::key")]
    pub key: FactKey,
    #[serde(default)]
    pub paid_at: Option<DateTime<Utc>>,
    pub waived: bool,
    /// The event whose word stands.
    #[serde(default)]
    pub position: i64,
}

/// What a charge says of the money it gave back, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeState {
    pub amount: i64,
    pub amount_refunded: i64,
    pub full: bool,
}

/// Which event a field's value comes from: the first of the current run of equal values in
/// fold order, and the last that said the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    pub value: Value,
    pub event: i64,
    pub confirmed_by: i64,
}

/// Everything the facts say of one subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub subscription_id: String,
    pub snapshot: Option<Said<Snapshot>>,
    /// The last instant could not be decided from the provider's data.
    pub uncertain: bool,
    /// By entity key (`inv:…`, `ord:…`); so are the others.
    pub payments: BTreeMap<String, PaymentState>,
    pub refunds: BTreeMap<String, Said<Refund>>,
    pub charges: BTreeMap<String, Said<ChargeState>>,
    pub disputes: BTreeMap<String, Said<Dispute>>,
    pub customers: BTreeMap<String, Said<CustomerFacts>>,
    /// What admins decided, by its id.
    #[serde(default)]
    pub overrides: BTreeMap<String, Said<Override>>,
    /// Records of sales, where the provider keeps no subscriptions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, RowState>,
    /// Edges between the entities above.
    #[serde(serialize_with = "written::links")]
    pub links: BTreeSet<Link>,
    #[serde(serialize_with = "written::last")]
    pub last: Option<FactKey>,
    /// Identities of the facts that had only their event's clock: heard again, they are no news.
    #[serde(default)]
    pub heard: BTreeSet<String>,
    #[serde(serialize_with = "written::provenance")]
    pub provenance: BTreeMap<String, Provenance>,
}

/// Folds the set of facts of one subscription.
#[must_use]
pub fn fold(subscription_id: &str, facts: Vec<Recorded>, links: impl IntoIterator<Item = Link>) -> State {
    let mut state = State { subscription_id: subscription_id.to_owned(), ..State::default() };
    state.links.extend(links);
    state.apply(distinct(facts));
    state
}

/// The set: one fact per entity and identity, the smallest key standing, in key order.
fn distinct(mut facts: Vec<Recorded>) -> Vec<Recorded> {
    fn named(r: &Recorded) -> (&Entity, &str) {
        (&r.fact.entity, &r.fact.identity)
    }
    facts.sort_by(|a, b| (named(a), &a.fact.key, a.position).cmp(&(named(b), &b.fact.key, b.position)));
    facts.dedup_by(|later, held| named(later) == named(held));
    facts.sort_by(|a, b| (&a.fact.key, &a.fact.entity).cmp(&(&b.fact.key, &b.fact.entity)));
    facts
}

impl State {
    /// Whether `facts` may be folded on: all later than everything folded so far, and none
    /// of them a resend of what was. An old copy of the buyer may be among them.
    #[must_use]
    pub fn can_advance(&self, facts: &[Recorded]) -> bool {
        let Some(last) = &self.last else { return false };
        let is_resent = |fact: &Fact| fact.by_event_clock && self.heard.contains(&fact.identity);
        let is_later = |fact: &Fact| fact.key.at > last.at && !is_resent(fact);
        facts.iter().all(|r| is_later(&r.fact) || self.is_old_copy(&r.fact, last))
    }

    /// What an invoice repeats of its buyer is as old as the day it was made, and nothing but what
    /// else was said of that buyer can be meant differently by it: it may be folded on if it is
    /// the last word on them, or repeats all that is held. (Another rendering of the very event
    /// that is held may not: which of the two counts, only the whole set tells.)
    fn is_old_copy(&self, fact: &Fact, last: &FactKey) -> bool {
        let FactBody::Customer(copy) = &fact.body else { return false };
        let is_harmless = |held: &Said<CustomerFacts>| {
            let is_other_event = fact.key.external_id != held.key.external_id;
            is_other_event && (fact.key > held.key || held.value == *copy)
        };
        let held = self.customers.get(&fact.entity.key());
        !fact.by_event_clock && fact.key <= *last && held.is_none_or(is_harmless)
    }

    /// Folds later facts on. The caller has checked [`State::can_advance`].
    pub fn advance(&mut self, facts: Vec<Recorded>, links: impl IntoIterator<Item = Link>) {
        self.links.extend(links);
        self.apply(distinct(facts));
    }

    fn apply(&mut self, facts: Vec<Recorded>) {
        for instant in facts.chunk_by(|a, b| a.fact.key.at == b.fact.key.at) {
            self.apply_snapshots(instant);
            self.apply_rows(instant);
            for recorded in instant {
                self.apply_other(&recorded.fact, recorded.position);
                if recorded.fact.by_event_clock {
                    self.heard.insert(recorded.fact.identity.clone());
                }
            }
            self.take_items_of_payments();
            self.last = instant.last().map(|r| r.fact.key.clone()).max(self.last.take());
            self.note_provenance(instant);
        }
    }

    fn apply_snapshots(&mut self, instant: &[Recorded]) {
        let mine = Entity::subscription(self.subscription_id.as_str());
        let sightings: Vec<Sighting<'_>> = instant
            .iter()
            .filter(|r| r.fact.entity == mine)
            .filter_map(|r| match &r.fact.body {
                FactBody::Subscription { after, before } => {
                    Some(Sighting { key: &r.fact.key, before: before.as_deref(), after })
                }
                _ => None,
            })
            .collect();
        if sightings.is_empty() {
            return;
        }
        let prior = self.snapshot.as_ref().map(|s| &s.value);
        let decision = decide(prior, &sightings);
        let winner = sightings[decision.winner];
        if prior.is_some_and(|p| p.terminal && !winner.after.terminal) {
            return; // the provider's own word is final
        }
        if prior.is_some_and(|p| p.revision > winner.after.revision) {
            return; // an older version, told later
        }
        let mut value = with_missing_items(winner.after, prior);
        if value.named_only {
            let others = sightings.iter().rev().map(|s| s.after);
            others.filter(|s| !s.named_only).chain(prior).for_each(|fuller| describe(&mut value.items, fuller));
        }
        self.snapshot = Some(Said { value, key: winner.key.clone() });
        self.uncertain = decision.uncertain;
    }

    fn apply_other(&mut self, fact: &Fact, position: i64) {
        let entity = fact.entity.key();
        match &fact.body {
            FactBody::Payment(payment) => self.apply_payment(entity, payment, &fact.key, position),
            FactBody::Refund(refund) => say(&mut self.refunds, entity, refund.clone(), &fact.key),
            FactBody::ChargeRefunds { amount, amount_refunded, full } => {
                let value = ChargeState { amount: *amount, amount_refunded: *amount_refunded, full: *full };
                say(&mut self.charges, entity, value, &fact.key);
            }
            FactBody::Dispute(dispute) => say(&mut self.disputes, entity, dispute.clone(), &fact.key),
            FactBody::Customer(customer) => self.apply_customer(entity, customer, &fact.key),
            FactBody::Override { id, value } => say(&mut self.overrides, id.clone(), value.clone(), &fact.key),
            FactBody::Subscription { .. } | FactBody::Row(_) | FactBody::Proposal(_) | FactBody::Notice => {}
        }
    }

    /// Inside one instant the later word stands, where the provider says which that is; else the
    /// further status: a snapshot may be newer than its event's name.
    fn apply_payment(&mut self, entity: String, payment: &Payment, key: &FactKey, position: i64) {
        let collection_waived = self.snapshot.as_ref().is_some_and(|s| waives(&s.value));
        let lost = matches!(payment.status, PaymentStatus::Voided | PaymentStatus::Uncollectible);
        let held = self.payments.get(&entity);
        let is_further = |h: &PaymentState| progress(h.payment.status) > progress(payment.status);
        if held.is_some_and(|h| h.key.at > key.at || (is_one_moment(&h.key, key) && is_further(h))) {
            return;
        }
        let mut payment = payment.clone();
        if payment.lines.is_empty()
            && let Some(held) = held
        {
            payment.lines.clone_from(&held.payment.lines);
        }
        if let Some(held) = held {
            // What a later word does not mention stays as it was.
            payment.amount_paid = payment.amount_paid.or(held.payment.amount_paid);
            payment.purchase = match (payment.purchase, held.payment.purchase) {
                (Some(new), Some(held)) if new.is_guess => Some(Purchase { renews: new.renews, ..held }),
                (new, held) => new.or(held),
            };
            if payment.items.is_empty() {
                payment.items.clone_from(&held.payment.items);
            }
        }
        let waived = lost && (collection_waived || held.is_some_and(|h| h.waived));
        let paid_now = (payment.status == PaymentStatus::Paid).then_some(key.at);
        let paid_at = held.and_then(|h| h.paid_at).or(paid_now);
        self.payments.insert(entity, PaymentState { payment, key: key.clone(), paid_at, waived, position });
    }

    /// A subscription that does not list its items is for what was last paid for.
    fn take_items_of_payments(&mut self) {
        let Some(last) = self.last_paid_items() else { return };
        // What is down to nothing was taken out, or given back.
        let items = last.iter().filter(|i| i.quantity != Some(0)).cloned().collect();
        if let Some(snapshot) = self.snapshot.as_mut().filter(|s| !s.value.items_complete) {
            snapshot.value.items = items;
        }
    }

    fn last_paid_items(&self) -> Option<&[Item]> {
        let paid = self.payments.values().filter(|p| p.paid_at.is_some() && !p.payment.items.is_empty());
        let last = paid.max_by(|a, b| (a.paid_at, &a.key).cmp(&(b.paid_at, &b.key)))?;
        Some(&last.payment.items)
    }

    /// Whether what is not among its items is no part of the subscription: they are its own whole
    /// list, or what was last paid for.
    #[must_use]
    pub fn has_all_items(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|s| s.value.items_complete || self.last_paid_items().is_some())
    }

    /// What a later fact does not mention stays as it was.
    fn apply_customer(&mut self, entity: String, customer: &CustomerFacts, key: &FactKey) {
        let held = self.customers.get(&entity).map(|s| s.value.clone()).unwrap_or_default();
        if held.deleted && !customer.deleted {
            return; // a copy in something older than the deletion, told later
        }
        let value = CustomerFacts {
            email: customer.email.clone().or(held.email),
            first_name: customer.first_name.clone().or(held.first_name),
            last_name: customer.last_name.clone().or(held.last_name),
            company: customer.company.clone().or(held.company),
            deleted: customer.deleted,
        };
        say(&mut self.customers, entity, value, key);
    }

    /// The customer this subscription belongs to, as the snapshot names it.
    #[must_use]
    pub fn customer_id(&self) -> Option<&str> {
        self.snapshot.as_ref().and_then(|s| s.value.customer_id.as_deref())
    }

    /// What is known of the buyer.
    #[must_use]
    pub fn customer(&self) -> CustomerFacts {
        self.customer_id()
            .and_then(|id| self.customers.get(&Entity::customer(id).key()))
            .map(|s| s.value.clone())
            .unwrap_or_default()
    }

    /// What a buyer is looked for by: addresses, names, companies.
    #[must_use]
    pub fn buyer(&self) -> Option<String> {
        let words: Vec<String> = self.customers.values().filter_map(|said| said.value.words()).collect();
        (!words.is_empty()).then(|| words.join("\n"))
    }

    /// When the provider deleted the customer.
    #[must_use]
    pub fn customer_deleted_at(&self) -> Option<DateTime<Utc>> {
        let customer = self.customers.get(&Entity::customer(self.customer_id()?).key())?;
        customer.value.deleted.then_some(customer.key.at)
    }

    #[must_use]
    pub fn status(&self) -> Status {
        self.snapshot.as_ref().map_or(Status::Unknown, |s| s.value.status)
    }

    /// The ids by which a provider would speak of it: its own, and those of its payments.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        let own = self.subscription_id.strip_prefix("order-").unwrap_or(&self.subscription_id);
        let parts = self.payments.keys().chain(self.rows.keys());
        let parts = parts.filter_map(|key| key.split_once(':').map(|(_, id)| id));
        parts.chain([own, self.subscription_id.as_str()]).collect()
    }

    /// The latest instant any fact speaks of.
    #[must_use]
    pub fn last_at(&self) -> Option<DateTime<Utc>> {
        self.last.as_ref().map(|k| k.at)
    }
}

/// Later (or equal) clocks replace; the key is total, so this does not depend on order.
fn say<T>(map: &mut BTreeMap<String, Said<T>>, entity: String, value: T, key: &FactKey) {
    if map.get(&entity).is_none_or(|held| held.key <= *key) {
        map.insert(entity, Said { value, key: key.clone() });
    }
}

/// One instant, in which the provider does not say what came first.
fn is_one_moment(a: &FactKey, b: &FactKey) -> bool {
    a.at == b.at && (a.within == b.within || a.within == 0 || b.within == 0)
}

/// How far a payment has come; decides inside one moment.
fn progress(status: PaymentStatus) -> u8 {
    match status {
        PaymentStatus::Open => 0,
        PaymentStatus::Failed => 1,
        PaymentStatus::Uncollectible => 2,
        PaymentStatus::Voided => 3,
        PaymentStatus::Paid => 4,
    }
}

/// Collection is paused in a way that lets the period count although nobody pays.
#[must_use]
pub fn waives(snapshot: &Snapshot) -> bool {
    snapshot.pause_collection.as_ref().is_some_and(|p| matches!(p.behavior.as_str(), "void" | "mark_uncollectible"))
}

/// What a fuller snapshot says of products that another one only names.
fn describe(items: &mut [Item], fuller: &Snapshot) {
    for item in items {
        let same = |twin: &&Item| {
            twin.item_id == item.item_id && item.product.keys.iter().all(|(k, v)| twin.product.keys.get(k) == Some(v))
        };
        let Some(twin) = fuller.items.iter().find(same) else { continue };
        item.product.keys.clone_from(&twin.product.keys);
        if item.product.attributes.is_empty() {
            item.product.attributes.clone_from(&twin.product.attributes);
        }
    }
}

/// A list that was cut off proves nothing about the items it does not show.
fn with_missing_items(after: &Snapshot, prior: Option<&Snapshot>) -> Snapshot {
    let mut snapshot = after.clone();
    if let (false, Some(prior)) = (after.items_complete, prior) {
        for item in &prior.items {
            if !snapshot.items.iter().any(|i| i.item_id == item.item_id) {
                snapshot.items.push(item.clone());
            }
        }
    }
    snapshot.items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    snapshot
}
