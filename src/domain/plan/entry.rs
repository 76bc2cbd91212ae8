//! A call of a saved plan: what would change, from what to what, and on what it rests. It holds
//! hashes of what it was decided from, so that it can be judged later, and nothing about people.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Step;
use crate::domain::guard;
use crate::domain::hash;
use crate::domain::license::{Action, LicenseRecord, Observed};

/// `+` something new, `~` something else, `-` something gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Op {
    #[serde(rename = "+")]
    Create,
    #[serde(rename = "~")]
    Update,
    #[serde(rename = "-")]
    Deactivate,
}

impl Op {
    #[must_use]
    pub fn of(action: &Action) -> Self {
        match action {
            Action::CreateOrder { .. } => Self::Create,
            Action::Update { .. } | Action::Enable { .. } | Action::SetFeatures { .. } => Self::Update,
            Action::Disable { .. } | Action::ResetDevices { .. } => Self::Deactivate,
        }
    }
}

/// One field, from what to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub field: String,
    pub old: Value,
    pub new: Value,
}

/// One call of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub op: Op,
    pub source: String,
    pub subscription_id: String,
    pub order_id: String,
    pub product_code: String,
    pub license_id: Option<i64>,
    pub action: String,
    pub changes: Vec<Change>,
    /// Why: the entitlement's reason.
    pub reason: String,
    /// Events (`source/position`) that it rests on.
    pub because: Vec<String>,
    pub destructive: bool,
    pub announced: bool,
    pub action_hash: String,
    pub state_hash: String,
    pub observation_hash: String,
    pub rules_hash: String,
}

/// What an entry rests on beside its own step.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub held: &'a [LicenseRecord],
    pub because: &'a [String],
    pub state_hash: &'a str,
    pub rules_hash: &'a str,
}

impl Entry {
    #[must_use]
    pub fn of(step: &Step, ground: Ground<'_>, announced: bool) -> Self {
        let record = ground.held.iter().find(|h| h.order_id == step.order_id);
        let observed = record.and_then(|r| r.observed.as_ref());
        let destructive = guard::is_destructive(&step.action, observed);
        Self {
            op: Op::of(&step.action),
            source: step.line.source.clone(),
            subscription_id: step.line.subscription_id.clone(),
            order_id: step.order_id.clone(),
            product_code: step.line.product_code.clone(),
            license_id: step.action.license_id(),
            action: step.action.name().to_owned(),
            changes: changes(&step.action, observed),
            reason: step.reason.clone(),
            because: ground.because.to_vec(),
            destructive,
            announced: destructive && announced,
            action_hash: hash::of(&step.action),
            state_hash: ground.state_hash.to_owned(),
            observation_hash: observation_hash(record),
            rules_hash: ground.rules_hash.to_owned(),
        }
    }

    /// What is not as it was when this was planned, in plain words; nothing: it still holds.
    #[must_use]
    pub fn moved(&self, now: &[Self]) -> Option<String> {
        let Some(same) = now.iter().find(|n| n.order_id == self.order_id && n.action_hash == self.action_hash) else {
            return Some(format!("{} {} is not needed any more, or not like this", self.action, self.order_id));
        };
        let what = if same.state_hash != self.state_hash {
            "its subscription"
        } else if same.observation_hash != self.observation_hash {
            "its license"
        } else if same.rules_hash != self.rules_hash {
            "the catalog or policy"
        } else {
            return None;
        };
        Some(format!("{} {}: {what} has changed since", self.action, self.order_id))
    }

    #[must_use]
    pub fn hash(&self) -> String {
        hash::of(self)
    }
}

/// What a comparison saw of an order: a later one must see the same.
#[must_use]
pub fn observation_hash(record: Option<&LicenseRecord>) -> String {
    hash::of(&record.map(|r| (&r.observed, r.state(), r.gone)))
}

fn changes(action: &Action, observed: Option<&Observed>) -> Vec<Change> {
    let change = |field: &str, old: Value, new: Value| Change { field: field.to_owned(), old, new };
    match action {
        Action::CreateOrder { body } => created(body),
        Action::Update { changes, .. } => {
            let fields = changes.as_object().into_iter().flatten();
            fields
                .filter(|(field, new)| held(field, observed) != **new)
                .map(|(field, new)| change(field, held(field, observed), new.clone()))
                .collect()
        }
        Action::Enable { .. } => vec![change("enabled", json!(false), json!(true))],
        Action::Disable { .. } => vec![change("enabled", json!(true), json!(false))],
        Action::ResetDevices { .. } => vec![change("devices", json!("active"), json!("released"))],
        Action::SetFeatures { features, .. } => {
            vec![change("features", json!(observed.map(|o| &o.features)), json!(features))]
        }
    }
}

/// The fields of a new license; its customer and keys are nobody's business here.
fn created(body: &Value) -> Vec<Change> {
    const SHOWN: [&str; 9] = [
        "policy_code",
        "license_type",
        "validity_period",
        "is_trial",
        "max_activations",
        "floating_users",
        "max_license_users",
        "product_features",
        "custom_fields",
    ];
    let item = &body["items"][0];
    let product = Change { field: "product_code".to_owned(), old: Value::Null, new: item["product_code"].clone() };
    let none = Map::new();
    let license = item["licenses"][0].as_object().unwrap_or(&none);
    let fields = SHOWN.iter().filter_map(|field| {
        license.get(*field).map(|new| Change { field: (*field).to_owned(), old: Value::Null, new: new.clone() })
    });
    std::iter::once(product).chain(fields).collect()
}

fn held(field: &str, observed: Option<&Observed>) -> Value {
    observed.and_then(|o| o.managed(field)).unwrap_or(Value::Null)
}

/// How two looks at one license differ, field by field: what was edited by hand.
#[must_use]
pub fn drift(left: &Observed, seen: &Observed) -> Vec<Change> {
    let pairs = [
        ("enabled", json!(left.enabled), json!(seen.enabled)),
        ("validity_period", json!(left.valid_until), json!(seen.valid_until)),
        ("is_trial", json!(left.is_trial), json!(seen.is_trial)),
        ("license_type", json!(left.license_type), json!(seen.license_type)),
        ("product_code", json!(left.product_code), json!(seen.product_code)),
        ("max_activations", json!(left.max_activations), json!(seen.max_activations)),
        ("floating_users", json!(left.floating_users), json!(seen.floating_users)),
        ("max_license_users", json!(left.max_license_users), json!(seen.max_license_users)),
        ("features", json!(left.features), json!(seen.features)),
    ];
    let differing = pairs.into_iter().filter(|(_, old, new)| old != new);
    differing.map(|(field, old, new)| Change { field: field.to_owned(), old, new }).collect()
}
