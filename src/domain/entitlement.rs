//! The license a line deserves at an instant: `(state, rules, now) → entitlement`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::dates::{first_date_at_or_after, midnight, valid_until};
use super::fact::{Item, Snapshot};
use super::overrides::{self, Effect};
use super::rules::{CancelWhen, Mapping, OnCancel, Policy, Rules, SeatMode};
use super::state::State;
use super::terms::{Look, Terms};

mod by_payments;
mod by_rows;

use by_payments::Sold;

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing deserved yet.
    None,
    Trial,
    /// now < paid_through.
    Active,
    /// paid_through ≤ now < valid_until.
    Grace,
    /// Policy: dispute, pause, unpaid.
    Suspended,
    Ended,
}

/// What the license's switch should show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    On,
    Off,
    /// As it is: the date does the work, or we do not know enough to touch it.
    Leave,
}

/// The license a line deserves at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    #[serde(rename = "state")]
    pub standing: Standing,
    pub product_code: String,
    pub policy_code: Option<String>,
    /// `None`: the license policy's own.
    pub license_type: Option<String>,
    pub seat_mode: SeatMode,
    pub seats: Option<i64>,
    pub is_trial: bool,
    pub paid_through: Option<DateTime<Utc>>,
    pub valid_until: Option<NaiveDate>,
    /// Why, in a word: `paid`, `trial`, `canceled`, `refunded`, …
    pub reason: String,
    /// What a person should look at, in a word: `refunded`, `refunded_in_part`, `dispute`,
    /// `dispute_lost`, where the policy says `flag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
    pub next_transition_at: Option<DateTime<Utc>>,
    pub switch: Switch,
    pub on_cancel: OnCancel,
    /// Exactly these, sorted; none: not managed.
    pub features: Option<Vec<String>>,
    pub custom_fields: BTreeMap<String, String>,
    pub user_based: bool,
}

impl Entitlement {
    /// Nothing is deserved for want of configuration: a field that is not sent, or a length that
    /// nobody says.
    #[must_use]
    pub fn wants_configuration(&self) -> bool {
        self.standing == Standing::None && by_rows::WANTING.contains(&self.reason.as_str())
    }
}

/// The source a state belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceContext<'a> {
    pub name: &'a str,
    /// A live source: test-mode events entitle nothing.
    pub live: bool,
}

/// What the dates and statuses come to, before product and seats are added.
struct Verdict {
    standing: Standing,
    reason: &'static str,
    switch: Switch,
    paid_through: Option<DateTime<Utc>>,
    valid_until: Option<NaiveDate>,
    is_trial: bool,
}

impl Verdict {
    fn nothing(reason: &'static str) -> Self {
        Self {
            standing: Standing::None,
            reason,
            switch: Switch::Leave,
            paid_through: None,
            valid_until: None,
            is_trial: false,
        }
    }
    fn off(standing: Standing, reason: &'static str) -> Self {
        Self { standing, switch: Switch::Off, ..Self::nothing(reason) }
    }
}

impl SourceContext<'_> {
    /// What a state says that counts in this source; else what it comes to for want of it.
    fn believed(self, state: &State) -> Result<&Snapshot, Verdict> {
        let snapshot = state.snapshot.as_ref().map(|s| &s.value).ok_or_else(|| Verdict::nothing("no_snapshot"))?;
        if self.live && !snapshot.livemode {
            return Err(Verdict::nothing("test_mode"));
        }
        Ok(snapshot)
    }
}

/// The entitlement of one item. `None`: its product is not in the catalog.
#[must_use]
pub fn of_item(
    state: &State,
    item: &Item,
    source: SourceContext<'_>,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Option<Entitlement> {
    let mapping = rules.map(source.name, &item.product)?;
    let policy = rules.policy(source.name, &mapping.product_code);
    let effect = overrides::effect(&state.overrides, &mapping.product_code, now);
    let look = (!state.rows.is_empty()).then(|| Terms::of(state, Some(&mapping)).look(now, at_once(policy)));
    let sold = Sold::of(item, &mapping);
    let judged = match &look {
        Some(look) => by_rows::judge(state, look, &mapping, source, policy, now),
        None => by_payments::judge(state, sold, source, policy, now),
    };
    let verdict = overridden(judged, &effect);
    let seats = seats(&mapping, look.as_ref().map_or(item.quantity, |look| look.quantity));
    let flag = by_payments::flag(state, sold, policy, now);
    let own = match &look {
        Some(look) => by_rows::next_transition(look, &verdict, now),
        None => by_payments::next_transition(state, &verdict, now),
    };
    let next_transition_at = [own, effect.next].into_iter().flatten().min();
    Some(Entitlement {
        standing: verdict.standing,
        license_type: mapping.type_of(item),
        product_code: mapping.product_code,
        policy_code: mapping.policy_code,
        seat_mode: mapping.seats,
        seats,
        is_trial: verdict.is_trial,
        paid_through: verdict.paid_through,
        valid_until: verdict.valid_until,
        reason: verdict.reason.to_owned(),
        flag: flag.map(ToOwned::to_owned),
        next_transition_at,
        switch: verdict.switch,
        on_cancel: policy.on_cancel,
        features: mapping.features,
        custom_fields: mapping.custom_fields,
        user_based: mapping.user_based,
    })
}

/// What an admin decided outranks what the provider said. An extension needs something to
/// extend; a comp does not.
fn overridden(verdict: Verdict, effect: &Effect) -> Verdict {
    if effect.revoked {
        return Verdict { paid_through: verdict.paid_through, ..Verdict::off(Standing::Suspended, "revoked") };
    }
    let earned = verdict.standing != Standing::None;
    let extended = effect.extend.filter(|_| earned).map(|until| (until, "extended"));
    let given = effect.comp.map(|until| (until, "comp"));
    let Some((until, reason)) = extended.max(given) else { return verdict };
    let date = first_date_at_or_after(until);
    if verdict.switch == Switch::On && verdict.valid_until.is_none_or(|own| own >= date) {
        return verdict; // its own lasts longer, or for ever
    }
    Verdict {
        standing: Standing::Active,
        reason,
        switch: Switch::On,
        paid_through: verdict.paid_through,
        valid_until: Some(date),
        is_trial: false,
    }
}

/// A fixed number of the catalog outranks the provider's quantity; quantities below one seat
/// are left to the license's policy, unless each unit is a license of its own.
fn seats(mapping: &Mapping, quantity: Option<i64>) -> Option<i64> {
    let least = i64::from(mapping.seats != SeatMode::Licenses);
    mapping.fixed_seats.or(quantity).filter(|q| *q >= least)
}

fn at_once(policy: Policy) -> bool {
    policy.cancel_when == CancelWhen::AtOnce
}

/// What a cancellation that took effect does.
fn canceled(policy: Policy, ended_at: Option<DateTime<Utc>>) -> Verdict {
    let mut verdict = Verdict::off(Standing::Ended, "canceled");
    if policy.on_cancel == OnCancel::ExpireOnly {
        verdict.switch = Switch::Leave;
        verdict.valid_until = ended_at.map(first_date_at_or_after);
    } else if policy.on_cancel == OnCancel::DeactivateDevices {
        verdict.switch = Switch::Leave;
    }
    verdict
}
