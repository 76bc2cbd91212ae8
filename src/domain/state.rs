//! The fold: a subscription's state as a function of the *set* of its facts.
//!
//! [`fold`] sorts the set by [`FactKey`], which is made of the provider's own data only, so
//! order of arrival, copies and delays cannot matter. [`State::advance`] takes a later instant
//! onto a state that is already folded; anything else is folded anew from the bytes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::coverage;
use super::dates::rfc3339;
use super::fact::{
    CustomerFacts, Dispute, Entity, EntityKind, Fact, FactBody, FactKey, Link, Payment, PaymentStatus, Refund,
    Snapshot, Status,
};
use super::instant::{Sighting, decide};

mod hashed;

/// A fact with the position of the event that said it, in the source's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub position: i64,
    pub fact: Fact,
}

/// A value with the clock it was last said at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said<T> {
    pub value: T,
    pub key: FactKey,
}

/// A payment, when it was first said to be paid, and whether its voiding was a gift (voided
/// while collection was paused).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentState {
    pub payment: Payment,
    pub key: FactKey,
    #[serde(default)]
    pub paid_at: Option<DateTime<Utc>>,
    pub waived: bool,
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
    /// Edges between the entities above.
    pub links: BTreeSet<Link>,
    pub last: Option<FactKey>,
    /// Identities of the facts that had only their event's clock: heard again, they are no news.
    #[serde(default)]
    pub heard: BTreeSet<String>,
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
fn distinct(facts: Vec<Recorded>) -> Vec<Recorded> {
    let mut set: BTreeMap<(Entity, String), Recorded> = BTreeMap::new();
    for recorded in facts {
        let identity = (recorded.fact.entity.clone(), recorded.fact.identity.clone());
        match set.get(&identity) {
            Some(held) if (&held.fact.key, held.position) <= (&recorded.fact.key, recorded.position) => {}
            _ => {
                set.insert(identity, recorded);
            }
        }
    }
    let mut facts: Vec<Recorded> = set.into_values().collect();
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
            for recorded in instant {
                self.apply_other(&recorded.fact);
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
        let value = with_missing_items(winner.after, prior);
        self.snapshot = Some(Said { value, key: winner.key.clone() });
        self.uncertain = decision.uncertain;
    }

    fn apply_other(&mut self, fact: &Fact) {
        let entity = fact.entity.key();
        match &fact.body {
            FactBody::Payment(payment) => self.apply_payment(entity, payment, &fact.key),
            FactBody::Refund(refund) => say(&mut self.refunds, entity, refund.clone(), &fact.key),
            FactBody::ChargeRefunds { amount, amount_refunded, full } => {
                let value = ChargeState { amount: *amount, amount_refunded: *amount_refunded, full: *full };
                say(&mut self.charges, entity, value, &fact.key);
            }
            FactBody::Dispute(dispute) => say(&mut self.disputes, entity, dispute.clone(), &fact.key),
            FactBody::Customer(customer) => self.apply_customer(entity, customer, &fact.key),
            FactBody::Subscription { .. } | FactBody::Notice => {}
        }
    }

    /// Inside one instant the further status stands: a snapshot may be newer than its event's name.
    fn apply_payment(&mut self, entity: String, payment: &Payment, key: &FactKey) {
        let collection_waived = self.snapshot.as_ref().is_some_and(|s| waives(&s.value));
        let lost = matches!(payment.status, PaymentStatus::Voided | PaymentStatus::Uncollectible);
        let held = self.payments.get(&entity);
        if held.is_some_and(|h| (h.key.at, progress(h.payment.status)) > (key.at, progress(payment.status))) {
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
            if payment.items.is_empty() {
                payment.items.clone_from(&held.payment.items);
            }
        }
        let waived = lost && (collection_waived || held.is_some_and(|h| h.waived));
        let paid_now = (payment.status == PaymentStatus::Paid).then_some(key.at);
        let paid_at = held.and_then(|h| h.paid_at).or(paid_now);
        self.payments.insert(entity, PaymentState { payment, key: key.clone(), paid_at, waived });
    }

    /// A subscription that does not list its items is for what was last paid for.
    fn take_items_of_payments(&mut self) {
        let paid = self.payments.values().filter(|p| p.paid_at.is_some() && !p.payment.items.is_empty());
        let last = paid.max_by(|a, b| (a.paid_at, &a.key).cmp(&(b.paid_at, &b.key)));
        if let (Some(last), Some(snapshot)) = (last, &mut self.snapshot)
            && !snapshot.value.items_complete
        {
            snapshot.value.items.clone_from(&last.payment.items);
        }
    }

    /// What a later fact does not mention stays as it was.
    fn apply_customer(&mut self, entity: String, customer: &CustomerFacts, key: &FactKey) {
        let held = self.customers.get(&entity).map(|s| s.value.clone()).unwrap_or_default();
        let value = CustomerFacts {
            email: customer.email.clone().or(held.email),
            first_name: customer.first_name.clone().or(held.first_name),
            last_name: customer.last_name.clone().or(held.last_name),
            company: customer.company.clone().or(held.company),
            deleted: customer.deleted || held.deleted,
        };
        say(&mut self.customers, entity, value, key);
    }

    fn note_provenance(&mut self, instant: &[Recorded]) {
        if instant.iter().all(|r| matches!(r.fact.body, FactBody::Customer(_))) {
            return; // no field is owed to what is said of the buyer
        }
        let fields = self.fields();
        self.provenance.retain(|name, _| fields.contains_key(name));
        for (name, value) in fields {
            let Some((first, last)) = self.cause(&name, instant) else { continue };
            match self.provenance.get_mut(&name) {
                Some(held) if held.value == value => held.confirmed_by = last,
                _ => {
                    self.provenance.insert(name, Provenance { value, event: first, confirmed_by: last });
                }
            }
        }
    }

    /// The first and the last event of this instant that a field's value is owed to: for
    /// coverage payments, refunds and disputes first; for the rest the snapshot that stands.
    fn cause(&self, field: &str, instant: &[Recorded]) -> Option<(i64, i64)> {
        let stands = |r: &&Recorded| {
            r.fact.entity.kind == EntityKind::Subscription
                && self.snapshot.as_ref().is_some_and(|s| s.key == r.fact.key)
        };
        let snapshot = instant.iter().find(stands).map(|r| (r.position, r.position));
        let bought = || self.payments.values().any(|p| !p.payment.items.is_empty());
        let by_money = field.ends_with("paid_through") || (field.starts_with("items.") && bought());
        if !by_money {
            return snapshot;
        }
        let mut money = instant.iter().filter(|r| {
            !matches!(r.fact.body, FactBody::Subscription { .. } | FactBody::Customer(_) | FactBody::Notice)
        });
        let first = money.next().map(|r| r.position);
        let last = money.next_back().map(|r| r.position).or(first);
        first.zip(last).or(snapshot)
    }

    /// The named fields that provenance and `diff` speak of.
    #[must_use]
    pub fn fields(&self) -> BTreeMap<String, Value> {
        let mut fields = BTreeMap::new();
        let Some(Said { value: snapshot, .. }) = &self.snapshot else { return fields };
        fields.insert("status".to_owned(), json!(snapshot.status));
        fields.insert("customer_id".to_owned(), json!(snapshot.customer_id));
        fields.insert("trial_end".to_owned(), json!(snapshot.trial_end.map(rfc3339)));
        fields.insert("cancel_at".to_owned(), json!(snapshot.cancel_at.map(rfc3339)));
        fields.insert("ended_at".to_owned(), json!(snapshot.ended_at.map(rfc3339)));
        for item in &snapshot.items {
            let name = |field: &str| format!("items.{}.{field}", item.item_id);
            fields.insert(name("product"), json!(item.product.keys));
            fields.insert(name("quantity"), json!(item.quantity));
            fields.insert(name("paid_through"), json!(coverage::canonical(self, item).map(rfc3339)));
        }
        fields
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

    #[must_use]
    pub fn status(&self) -> Status {
        self.snapshot.as_ref().map_or(Status::Unknown, |s| s.value.status)
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

/// How far a payment has come; decides inside one instant.
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
