//! The plan: which calls would make the licenses of a subscription equal its entitlements.
//! Equal → no call.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::dates::midnight;
use super::entitlement::{self, Entitlement, SourceContext, Standing, Switch};
use super::hash;
use super::license::{Action, LicenseRecord, Line, Observed};
use super::rules::{OnCancel, Rules, SeatMode};
use super::state::State;

pub mod entry;
mod order;

/// One license per unit stops here: more is a typing error, or an attack.
pub const LICENSES_PER_ITEM_MAX: i64 = 1_000;

/// A line and the license it deserves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    pub line: Line,
    pub item_id: String,
    pub entitlement: Entitlement,
}

/// What a subscription deserves at an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deserved {
    pub at: DateTime<Utc>,
    pub lines: Vec<Desired>,
    /// Items whose product is not in the catalog, or that want configuration otherwise.
    pub unmapped: Vec<String>,
    /// The next instant at which this changes by itself.
    pub next_transition_at: Option<DateTime<Utc>>,
}

/// One call of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub order_id: String,
    pub line: Line,
    pub order_generation: u32,
    pub action: Action,
    pub reason: String,
}

/// The lines of a subscription with the entitlement of each.
#[must_use]
pub fn deserved(state: &State, source: SourceContext<'_>, rules: &Rules, now: DateTime<Utc>) -> Deserved {
    let mut deserved = Deserved { at: now, ..Deserved::default() };
    let mut ordinals: BTreeMap<String, u32> = BTreeMap::new();
    let items = state.snapshot.as_ref().map(|s| s.value.items.as_slice()).unwrap_or_default();
    for item in items {
        let Some(entitlement) = entitlement::of_item(state, item, source, rules, now) else {
            deserved.unmapped.push(item.item_id.clone());
            continue;
        };
        if entitlement.wants_configuration() {
            deserved.unmapped.push(item.item_id.clone());
        }
        let next = [deserved.next_transition_at, entitlement.next_transition_at];
        deserved.next_transition_at = next.into_iter().flatten().min();
        for entitlement in units(entitlement) {
            let ordinal = ordinals.entry(entitlement.product_code.clone()).or_default();
            *ordinal += 1;
            let line = Line {
                source: source.name.to_owned(),
                subscription_id: state.subscription_id.clone(),
                product_code: entitlement.product_code.clone(),
                ordinal: *ordinal,
            };
            deserved.lines.push(Desired { line, item_id: item.item_id.clone(), entitlement });
        }
    }
    deserved
}

/// `seats = "licenses"`: one license per unit, of one seat each; none where none are left, one
/// where they are not counted.
fn units(entitlement: Entitlement) -> Vec<Entitlement> {
    if entitlement.seat_mode != SeatMode::Licenses {
        return vec![entitlement];
    }
    let count = entitlement.seats.unwrap_or(1).clamp(0, LICENSES_PER_ITEM_MAX);
    (0..count).map(|_| Entitlement { seats: None, ..entitlement.clone() }).collect()
}

/// The calls that are needed, in the order in which they are to be made.
#[must_use]
pub fn diff(deserved: &Deserved, held: &[LicenseRecord], state: &State) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut retired = Vec::new();
    let mut is_owed_one = false;
    let state_hash = state_hash_if_needed(held, state);
    for desired in &deserved.lines {
        let mine: Vec<&LicenseRecord> = held.iter().filter(|h| h.line == desired.line).collect();
        let current = mine.iter().copied().filter(|h| fits(h, &desired.entitlement)).max_by_key(|h| h.order_generation);
        let mut own = match current {
            Some(record) => align(desired, record, state, deserved.at),
            None => create(desired, &mine, state),
        };
        own.retain(|step| !is_parked(step, held, &state_hash));
        let is_there = current.is_some_and(|c| c.observed.is_some() || c.gone);
        is_owed_one |= !is_there && own.is_empty() && is_owed(&desired.entitlement);
        steps.extend(own);
        let replaced = mine.iter().filter(|h| current.is_none_or(|c| c.order_id != h.order_id));
        retired.extend(replaced.filter_map(|h| switch_off(h, "replaced")));
    }
    let gone = held.iter().filter(|h| !deserved.lines.iter().any(|d| d.line == h.line));
    // An unmapped product says nothing about the lines that were mapped before.
    if deserved.unmapped.is_empty() && state.has_all_items() {
        retired.extend(gone.filter_map(|h| {
            let fewer = deserved.lines.iter().any(|d| d.line.product_code == h.line.product_code);
            switch_off(h, if fewer { "fewer_licenses" } else { "product_removed" })
        }));
    }
    // The new license first, so that nobody is without one in between. While it is in doubt,
    // refused or not paid yet, the old one stays; its date ends it in any case.
    if !is_owed_one {
        retired.retain(|step| !is_parked(step, held, &state_hash));
        steps.extend(retired);
    }
    steps
}

/// A license that should be there, or that only a payment is missing for.
fn is_owed(entitlement: &Entitlement) -> bool {
    entitlement.switch == Switch::On || (entitlement.standing == Standing::None && entitlement.reason != "metered")
}

/// An order whose license type is the wanted one; a type cannot change after creation.
fn fits(record: &LicenseRecord, entitlement: &Entitlement) -> bool {
    if record.given_up {
        return false;
    }
    let held = record.observed.as_ref().and_then(|o| o.license_type.as_deref());
    match (held, entitlement.license_type.as_deref()) {
        (Some(held), Some(wanted)) => held == wanted,
        _ => true,
    }
}

fn step(record: &LicenseRecord, action: Action, reason: &str) -> Step {
    Step {
        order_id: record.order_id.clone(),
        line: record.line.clone(),
        order_generation: record.order_generation,
        action,
        reason: reason.to_owned(),
    }
}

fn switch_off(record: &LicenseRecord, reason: &str) -> Option<Step> {
    let observed = record.observed.as_ref().filter(|o| o.enabled && record.open.is_none() && !record.gone)?;
    Some(step(record, Action::Disable { license_id: observed.license_id }, reason))
}

/// An existing license brought to its entitlement: extend first, then enable; to stop, free
/// the devices first, because a disabled license cannot free them any more.
fn align(desired: &Desired, record: &LicenseRecord, state: &State, now: DateTime<Utc>) -> Vec<Step> {
    let entitlement = &desired.entitlement;
    if record.open.is_some() || record.gone {
        return Vec::new(); // in doubt: read before deciding; deleted by hand: a person decides
    }
    let Some(observed) = &record.observed else { return create(desired, &[record], state) };
    let license_id = observed.license_id;
    let mut actions = Vec::new();
    let ended = matches!(entitlement.standing, Standing::Ended | Standing::Suspended) && entitlement.reason != "lapsed";
    if ended && frees_devices(entitlement) && observed.enabled && !record.devices_released {
        actions.push(Action::ResetDevices { license_id });
    }
    match entitlement.switch {
        Switch::On => {
            if let Some(changes) = changes(entitlement, observed) {
                actions.push(Action::Update { license_id, changes });
            }
            if let Some(features) = entitlement.features.as_ref().filter(|f| **f != observed.features) {
                actions.push(Action::SetFeatures { license_id, features: features.clone() });
            }
            if !observed.enabled && record.disabled_by_us {
                actions.push(Action::Enable { license_id });
            }
        }
        Switch::Off if observed.enabled => {
            // What never was is not ended: a license that is over by its date is left alone.
            if entitlement.standing != Standing::None || runs_on(observed, now) {
                actions.push(Action::Disable { license_id });
            }
        }
        Switch::Leave if ended && entitlement.valid_until.is_some() && observed.enabled => {
            if let Some(changes) = date_change(entitlement, observed) {
                actions.push(Action::Update { license_id, changes: Value::Object(changes) });
            }
        }
        Switch::Leave if entitlement.reason == "lapsed" && outlasts(observed, entitlement, now) => {
            actions.push(Action::Disable { license_id });
        }
        Switch::Off | Switch::Leave => {}
    }
    actions.into_iter().map(|action| step(record, action, &entitlement.reason)).collect()
}

/// A license that lapsed ends by its own date; not so one with a later date, from when more was
/// known to be paid than is now.
fn outlasts(observed: &Observed, entitlement: &Entitlement, now: DateTime<Utc>) -> bool {
    let is_later = observed.valid_until.zip(entitlement.valid_until).is_some_and(|(date, end)| end < date);
    observed.enabled && is_later && runs_on(observed, now)
}

/// Its date, where it has one, is yet to come.
fn runs_on(observed: &Observed, now: DateTime<Utc>) -> bool {
    observed.valid_until.is_none_or(|date| midnight(date) > now)
}

fn frees_devices(entitlement: &Entitlement) -> bool {
    entitlement.standing == Standing::Ended
        && matches!(entitlement.on_cancel, OnCancel::DeactivateDevices | OnCancel::DeactivateAndDisable)
}

/// Only differing fields, with the companion `is_trial` that a date demands.
fn changes(entitlement: &Entitlement, observed: &Observed) -> Option<Value> {
    let mut changes = date_change(entitlement, observed).unwrap_or_default();
    if let Some((field, seats, held)) = seat_field(entitlement, observed)
        && held != Some(seats)
    {
        changes.insert(field.to_owned(), json!(seats));
    }
    (!changes.is_empty()).then_some(Value::Object(changes))
}

fn date_change(entitlement: &Entitlement, observed: &Observed) -> Option<Map<String, Value>> {
    let date = entitlement.valid_until?;
    let mut changes = Map::new();
    if observed.valid_until != Some(date) {
        changes.insert("validity_period".to_owned(), json!(date));
    }
    if !changes.is_empty() || observed.is_trial != entitlement.is_trial {
        changes.insert("is_trial".to_owned(), json!(entitlement.is_trial));
    }
    (!changes.is_empty()).then_some(changes)
}

fn seat_field(entitlement: &Entitlement, observed: &Observed) -> Option<(&'static str, i64, Option<i64>)> {
    let seats = entitlement.seats?;
    match entitlement.seat_mode {
        SeatMode::MaxActivations => Some(("max_activations", seats, observed.max_activations)),
        SeatMode::FloatingUsers => Some(("floating_users", seats, observed.floating_users)),
        SeatMode::MaxLicenseUsers => Some(("max_license_users", seats, observed.max_license_users)),
        SeatMode::Licenses => None,
    }
}

/// A new order, when the line is worth one now. Its generation is one above any the line had.
fn create(desired: &Desired, mine: &[&LicenseRecord], state: &State) -> Vec<Step> {
    let entitlement = &desired.entitlement;
    if entitlement.switch != Switch::On || mine.iter().any(|h| h.open.is_some()) {
        return Vec::new();
    }
    // A license for a user needs one; the address may be in an event that is still to come.
    if entitlement.user_based && state.customer().email.is_none_or(|email| email.is_empty()) {
        return Vec::new();
    }
    // An order of ours that was never seen to exist is asked for again under the same id.
    let absent = mine.iter().find(|h| h.observed.is_none() && !h.given_up);
    let generation = match absent {
        Some(record) => record.order_generation,
        None => mine.iter().map(|h| h.order_generation).max().map_or(1, |g| g + 1),
    };
    let order_id = desired.line.order_id(generation);
    let body = order::body(&order_id, desired, state);
    vec![Step {
        order_id,
        line: desired.line.clone(),
        order_generation: generation,
        action: Action::CreateOrder { body },
        reason: entitlement.reason.clone(),
    }]
}

/// A rejection holds for as long as the subscription says the same; a refusal until the call differs.
fn is_parked(step: &Step, held: &[LicenseRecord], state_hash: &str) -> bool {
    let parked = held.iter().find(|h| h.order_id == step.order_id).and_then(|h| h.parked.as_ref());
    parked.is_some_and(|p| {
        p.action_hash == hash::of(&step.action) && p.state_hash.as_ref().is_none_or(|of| of == state_hash)
    })
}

/// Hashing a state costs more than a comparison: only where a rejection hangs on it.
fn state_hash_if_needed(held: &[LicenseRecord], state: &State) -> String {
    let needed = held.iter().any(|h| h.parked.as_ref().is_some_and(|p| p.state_hash.is_some()));
    if needed { state.state_hash() } else { String::new() }
}
