//! Calls of a LicenseSpring account, intended and concluded, and the license record they fold
//! into. What else its journal says is in [`super::account`].

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

mod observed;

pub use observed::Observed;

/// How long a request may still be under way that was given up as not done.
pub const RECHECK_AFTER: TimeDelta = TimeDelta::minutes(3);

/// Requests that are remembered until then: one that is repeated counts once.
const LATE_MAX: usize = 8;

/// What a license is for: one product of one subscription of one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Line {
    pub source: String,
    pub subscription_id: String,
    pub product_code: String,
    /// 1 for the first item of that product, 2 for the next, …
    pub ordinal: u32,
}

/// Longest order id that is sent as it is; LicenseSpring's own limit is not documented.
const ORDER_ID_MAX: usize = 100;

impl Line {
    /// Our client order id = LicenseSpring's `store_id`: `<source>:<line>[:gN]`, without `/`,
    /// hashed beyond [`ORDER_ID_MAX`] characters.
    #[must_use]
    pub fn order_id(&self, order_generation: u32) -> String {
        let ordinal = if self.ordinal > 1 { format!(".{}", self.ordinal) } else { String::new() };
        let line = format!("{}:{}{ordinal}", self.subscription_id, self.product_code);
        let suffix = if order_generation > 1 { format!(":g{order_generation}") } else { String::new() };
        let id = format!("{}:{line}{suffix}", self.source);
        let plain = id.len() <= ORDER_ID_MAX && id.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if plain {
            id
        } else {
            format!("{}:sha256-{}{suffix}", self.source, &super::hash::of_bytes(line.as_bytes())[..40])
        }
    }
}

/// One call that changes something at LicenseSpring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// `POST /orders/create_order/`; the body as it is sent, customer data included.
    CreateOrder {
        body: Value,
    },
    /// `PATCH /licenses/{id}/` with the differing fields and the companions the API demands.
    Update {
        license_id: i64,
        changes: Value,
    },
    Enable {
        license_id: i64,
    },
    Disable {
        license_id: i64,
    },
    /// Frees every active device of the license.
    ResetDevices {
        license_id: i64,
    },
    /// `POST /licenses/{id}/update_features/`: replaces all of them.
    SetFeatures {
        license_id: i64,
        features: Vec<String>,
    },
}

impl Action {
    /// Every name there is.
    pub const NAMES: [&str; 6] = ["create_order", "update", "enable", "disable", "reset_devices", "set_features"];

    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateOrder { .. } => "create_order",
            Self::Update { .. } => "update",
            Self::Enable { .. } => "enable",
            Self::Disable { .. } => "disable",
            Self::ResetDevices { .. } => "reset_devices",
            Self::SetFeatures { .. } => "set_features",
        }
    }

    /// The license it is about; a create has none yet.
    #[must_use]
    pub fn license_id(&self) -> Option<i64> {
        match self {
            Self::CreateOrder { .. } => None,
            Self::Update { license_id, .. }
            | Self::Enable { license_id }
            | Self::Disable { license_id }
            | Self::ResetDevices { license_id }
            | Self::SetFeatures { license_id, .. } => Some(*license_id),
        }
    }
}

/// Written before a call; only who is told that it is *new* may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub order_id: String,
    /// The n-th intent for this order, from 1.
    pub n: i64,
    pub line: Line,
    pub order_generation: u32,
    #[serde(flatten)]
    pub action: Action,
    /// Why: the entitlement's reason.
    pub reason: String,
    /// Events (`source/position`) that the values rest on.
    pub because: Vec<String>,
    pub state_hash: String,
    pub rules_hash: String,
    /// It takes something away: the guard counts it.
    #[serde(default)]
    pub destructive: bool,
    /// A cancellation that was known a day ahead.
    #[serde(default)]
    pub announced: bool,
    /// The saved plan that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Uuid>,
    /// An admin approved that plan: the guard does not count it.
    #[serde(default)]
    pub approved: bool,
}

/// What became of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// LicenseSpring did it, or was found to have done it.
    Done,
    /// It was certainly not done (refused before it was read, throttled, or looked up and absent).
    NotDone,
    /// LicenseSpring refuses the call as it is; repeating it would not help.
    Rejected,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub order_id: String,
    pub n: i64,
    pub result: CallResult,
    pub http_status: Option<u16>,
    /// The answer in short, redacted.
    pub message: Option<String>,
    /// The license as it was seen afterwards.
    pub observed: Option<Observed>,
    /// Resolved by reading, not by the call's own answer.
    #[serde(default)]
    pub by_lookup: bool,
}

impl Outcome {
    /// The license that an action was about was looked up, and is not there.
    fn shows_no_license(&self, action: &Action) -> bool {
        self.by_lookup && self.observed.is_none() && action.license_id().is_some()
    }
}

/// An intent that has no outcome yet: in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIntent {
    pub intent: Intent,
    pub recorded_at: DateTime<Utc>,
}

/// Parked: LicenseSpring refused this very call, or an admin did; it is not repeated until the
/// call differs, or somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub action_hash: String,
    pub message: String,
    pub http_status: Option<u16>,
    /// Set where an admin rejected it: only as long as the subscription says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_hash: Option<String>,
}

/// What we know of one order and its license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseRecord {
    pub order_id: String,
    pub line: Line,
    pub order_generation: u32,
    pub intents: i64,
    pub open: Option<OpenIntent>,
    pub observed: Option<Observed>,
    /// It is off because we switched it off.
    pub disabled_by_us: bool,
    pub devices_released: bool,
    pub parked: Option<Parked>,
    /// What a reading showed that is not what we left there: edited by hand.
    #[serde(default)]
    pub seen: Option<Observed>,
    /// Deleted by hand: reported, never recreated by itself.
    #[serde(default)]
    pub gone: bool,
    /// An admin asked for a new one in its place.
    #[serde(default)]
    pub given_up: bool,
    /// A slow request may have been done after it was looked for: look once more then.
    #[serde(default)]
    pub recheck_at: Option<DateTime<Utc>>,
    /// What was found not to be done, and may be done by then; the latest few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Action>,
    /// Positions in the account's journal of the last intent and outcome.
    pub last_intent: Option<i64>,
    pub last_outcome: Option<i64>,
}

impl LicenseRecord {
    /// Of an order that nothing is known of yet.
    #[must_use]
    pub fn new(order_id: &str, line: Line, order_generation: u32) -> Self {
        Self {
            order_id: order_id.to_owned(),
            line,
            order_generation,
            intents: 0,
            open: None,
            observed: None,
            disabled_by_us: false,
            devices_released: false,
            parked: None,
            seen: None,
            gone: false,
            given_up: false,
            recheck_at: None,
            late: Vec::new(),
            last_intent: None,
            last_outcome: None,
        }
    }

    /// `absent` · `enabled` · `disabled` · `in_doubt`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (&self.open, &self.observed) {
            (Some(_), _) => "in_doubt",
            _ if self.gone => "absent",
            (None, None) => "absent",
            (None, Some(o)) if o.enabled => "enabled",
            (None, Some(_)) => "disabled",
        }
    }

    /// Takes an intent in. `None` before it: this is the first word about the order.
    #[must_use]
    pub fn with_intent(record: Option<Self>, intent: Intent, position: i64, recorded_at: DateTime<Utc>) -> Self {
        let mut record =
            record.unwrap_or_else(|| Self::new(&intent.order_id, intent.line.clone(), intent.order_generation));
        record.intents = record.intents.max(intent.n);
        record.last_intent = Some(position);
        record.open = Some(OpenIntent { intent, recorded_at });
        record
    }

    /// Takes an outcome in; the first outcome of an intent stands (the ledger sees to that).
    pub fn apply_outcome(&mut self, outcome: &Outcome, position: i64, recorded_at: DateTime<Utc>) {
        self.last_outcome = Some(position);
        let Some(open) = self.open.take_if(|o| o.intent.n == outcome.n) else { return };
        if let Some(observed) = &outcome.observed {
            // Whoever switched it off, it was not this call: that stays to be reported.
            let was_on = self.observed.as_ref().is_some_and(|held| held.enabled);
            let by_hand = was_on && !observed.enabled && !matches!(open.intent.action, Action::Disable { .. });
            self.observed = Some(Observed { enabled: observed.enabled || by_hand, ..observed.clone() });
            self.seen = by_hand.then(|| observed.clone());
        }
        match outcome.result {
            // Not this call is to blame: there is no such license any more.
            CallResult::Rejected if outcome.shows_no_license(&open.intent.action) => self.gone = true,
            CallResult::Done => {
                self.parked = None;
                self.note_done(&open.intent.action);
            }
            CallResult::NotDone if outcome.by_lookup => self.may_be_late(open.intent.action, recorded_at),
            CallResult::NotDone => {}
            CallResult::Rejected => {
                self.parked = Some(Parked {
                    action_hash: super::hash::of(&open.intent.action),
                    message: outcome.message.clone().unwrap_or_default(),
                    http_status: outcome.http_status,
                    state_hash: None,
                });
            }
        }
    }

    fn may_be_late(&mut self, action: Action, recorded_at: DateTime<Utc>) {
        self.recheck_at = Some(recorded_at + RECHECK_AFTER);
        self.late.retain(|held| *held != action);
        self.late.push(action);
        self.late.drain(..self.late.len().saturating_sub(LATE_MAX));
    }

    fn note_done(&mut self, action: &Action) {
        match action {
            Action::Disable { .. } => self.disabled_by_us = true,
            Action::Enable { .. } | Action::CreateOrder { .. } => {
                self.disabled_by_us = false;
                self.devices_released = false;
            }
            Action::ResetDevices { .. } => self.devices_released = true,
            // It is in use again: its next end frees the devices again.
            Action::Update { .. } | Action::SetFeatures { .. } => self.devices_released = false,
        }
    }

    /// Takes a reading in that was not the answer to a call. With `repair` it becomes what the
    /// next comparison starts from; else only that does which a late request of ours has left, and
    /// the rest is shown.
    pub fn apply_observation(&mut self, observed: Option<&Observed>, repair: bool) {
        self.recheck_at = None;
        self.gone = observed.is_none() && self.observed.is_some();
        let late = std::mem::take(&mut self.late);
        if let (Some(held), Some(seen)) = (&mut self.observed, observed) {
            let was_on = held.enabled;
            late.iter().for_each(|action| held.take_over(action, seen));
            if held.enabled != was_on {
                self.disabled_by_us = was_on;
            }
        }
        match observed {
            Some(seen) if repair || self.observed.is_none() => {
                // Switched off by whoever it was: now ours to switch on again.
                self.disabled_by_us |= !seen.enabled;
                self.observed = Some(seen.clone());
                self.seen = None;
            }
            Some(seen) => self.seen = (self.observed.as_ref() != Some(seen)).then(|| seen.clone()),
            None => self.seen = None,
        }
    }

    /// An admin asks once more for what was parked; for a license that was deleted by hand, for
    /// a new one.
    pub fn retry(&mut self) {
        self.parked = None;
        self.given_up |= self.gone;
    }
}
