//! What the journal of a LicenseSpring account says: calls, readings, and what admins decided.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::license::{Intent, Observed, Outcome};

/// How an account is reconciled. The order is that of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Continuous,
    /// Calls are made only from plans that an admin applies.
    PlanOnly,
    /// No call at all.
    Frozen,
}

impl Mode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continuous => "continuous",
            Self::PlanOnly => "plan_only",
            Self::Frozen => "frozen",
        }
    }

    /// The stricter of what the file says and what an admin last said: neither can be used to
    /// loosen what the other tightened.
    #[must_use]
    pub fn effective(file: Self, said: Option<Self>) -> Self {
        said.map_or(file, |said| file.max(said))
    }
}

/// An event of the account's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AccountEvent {
    Intent(Box<Intent>),
    Outcome(Box<Outcome>),
    Observation(Observation),
    ReconcilerMode(ModeChange),
    PlanApproved(Decision),
    PlanRejected(Rejection),
    PlanApplied(Decision),
    ParkedRetried(Retry),
    SweepFinished(SweepFinished),
}

impl AccountEvent {
    /// The event's type in the ledger.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Intent(_) => "intent",
            Self::Outcome(_) => "outcome",
            Self::Observation(_) => "observation",
            Self::ReconcilerMode(_) => "reconciler_mode",
            Self::PlanApproved(_) => "plan_approved",
            Self::PlanRejected(_) => "plan_rejected",
            Self::PlanApplied(_) => "plan_applied",
            Self::ParkedRetried(_) => "parked_retried",
            Self::SweepFinished(_) => "sweep_finished",
        }
    }

    /// The orders it is about.
    #[must_use]
    pub fn orders(&self) -> Vec<&str> {
        match self {
            Self::Intent(intent) => vec![&intent.order_id],
            Self::Outcome(outcome) => vec![&outcome.order_id],
            Self::Observation(observation) => vec![&observation.order_id],
            Self::PlanRejected(rejection) => rejection.declined.iter().map(|d| d.order_id.as_str()).collect(),
            Self::ParkedRetried(retry) => retry.order_ids.iter().map(String::as_str).collect(),
            Self::ReconcilerMode(_) | Self::PlanApproved(_) | Self::PlanApplied(_) | Self::SweepFinished(_) => {
                Vec::new()
            }
        }
    }
}

/// A reading that was not the answer to a call of ours, and differs from what we left there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub order_id: String,
    /// `None`: looked for by its id, and not there any more.
    pub observed: Option<Observed>,
    /// Policy: what was changed by hand is changed back.
    pub repair: bool,
    /// The sweep that saw it; none: a call that had been in doubt was looked at once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeChange {
    pub mode: Mode,
    pub who: String,
    pub reason: String,
}

/// Somebody's word on a plan, as it was at that hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub plan: Uuid,
    pub hash: String,
    pub who: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    #[serde(flatten)]
    pub decision: Decision,
    /// What is not to be done, as long as its subscription says the same.
    pub declined: Vec<Declined>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    pub order_id: String,
    pub action_hash: String,
    pub state_hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    pub order_ids: Vec<String>,
    pub who: String,
    pub reason: String,
}

/// A sweep that saw everything it set out to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepFinished {
    pub sweep: Uuid,
    pub rows: i64,
    pub drifted: i64,
    pub who: String,
    pub reason: String,
}
