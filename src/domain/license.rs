//! What the journal of a LicenseSpring account says: intents, outcomes, observations, and the
//! license record they fold into.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// The managed fields of a license as LicenseSpring last showed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub license_id: i64,
    pub enabled: bool,
    pub valid_until: Option<NaiveDate>,
    pub is_trial: bool,
    pub license_type: Option<String>,
    pub product_code: Option<String>,
    pub max_activations: Option<i64>,
    pub floating_users: Option<i64>,
    pub max_license_users: Option<i64>,
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
}

impl Action {
    /// Every name there is.
    pub const NAMES: [&str; 5] = ["create_order", "update", "enable", "disable", "reset_devices"];

    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateOrder { .. } => "create_order",
            Self::Update { .. } => "update",
            Self::Enable { .. } => "enable",
            Self::Disable { .. } => "disable",
            Self::ResetDevices { .. } => "reset_devices",
        }
    }
}

/// An event of the account's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AccountEvent {
    Intent(Intent),
    Outcome(Outcome),
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

/// An intent that has no outcome yet: in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIntent {
    pub intent: Intent,
    pub recorded_at: DateTime<Utc>,
}

/// Parked: LicenseSpring refused this very call; it is not repeated until the call differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub action_hash: String,
    pub message: String,
    pub http_status: Option<u16>,
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
    /// Positions in the account's journal of the last intent and outcome.
    pub last_intent: Option<i64>,
    pub last_outcome: Option<i64>,
}

impl LicenseRecord {
    /// `absent` · `enabled` · `disabled` · `in_doubt`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (&self.open, &self.observed) {
            (Some(_), _) => "in_doubt",
            (None, None) => "absent",
            (None, Some(o)) if o.enabled => "enabled",
            (None, Some(_)) => "disabled",
        }
    }

    /// Takes an intent in. `None` before it: this is the first word about the order.
    #[must_use]
    pub fn with_intent(record: Option<Self>, intent: Intent, position: i64, recorded_at: DateTime<Utc>) -> Self {
        let mut record = record.unwrap_or_else(|| Self {
            order_id: intent.order_id.clone(),
            line: intent.line.clone(),
            order_generation: intent.order_generation,
            intents: 0,
            open: None,
            observed: None,
            disabled_by_us: false,
            devices_released: false,
            parked: None,
            last_intent: None,
            last_outcome: None,
        });
        record.intents = record.intents.max(intent.n);
        record.last_intent = Some(position);
        record.open = Some(OpenIntent { intent, recorded_at });
        record
    }

    /// Takes an outcome in; the first outcome of an intent stands (the ledger sees to that).
    pub fn apply_outcome(&mut self, outcome: &Outcome, position: i64) {
        self.last_outcome = Some(position);
        let Some(open) = self.open.take_if(|o| o.intent.n == outcome.n) else { return };
        if let Some(observed) = &outcome.observed {
            self.observed = Some(observed.clone());
        }
        match outcome.result {
            CallResult::Done => {
                self.parked = None;
                match &open.intent.action {
                    Action::Disable { .. } => self.disabled_by_us = true,
                    Action::Enable { .. } | Action::CreateOrder { .. } => {
                        self.disabled_by_us = false;
                        self.devices_released = false;
                    }
                    Action::ResetDevices { .. } => self.devices_released = true,
                    Action::Update { .. } => {}
                }
            }
            CallResult::NotDone => {}
            CallResult::Rejected => {
                self.parked = Some(Parked {
                    action_hash: super::hash::of(&open.intent.action),
                    message: outcome.message.clone().unwrap_or_default(),
                    http_status: outcome.http_status,
                });
            }
        }
    }
}
