//! What a look at a license shows.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Action;

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
    /// Codes, sorted.
    #[serde(default)]
    pub features: Vec<String>,
}

impl Observed {
    /// Takes over what an action of ours left in `seen`: every field that it sets, where its value
    /// is the one that is seen.
    pub(super) fn take_over(&mut self, action: &Action, seen: &Self) {
        match action {
            Action::Enable { .. } => self.enabled |= seen.enabled,
            Action::Disable { .. } => self.enabled &= seen.enabled,
            Action::SetFeatures { features, .. } if *features == seen.features => self.features.clone_from(features),
            Action::Update { changes, .. } => {
                let is_left = |field: &str, value: Value| changes.get(field) == Some(&value);
                if is_left("validity_period", json!(seen.valid_until)) {
                    self.valid_until = seen.valid_until;
                }
                if is_left("is_trial", json!(seen.is_trial)) {
                    self.is_trial = seen.is_trial;
                }
                if is_left("max_activations", json!(seen.max_activations)) {
                    self.max_activations = seen.max_activations;
                }
                if is_left("floating_users", json!(seen.floating_users)) {
                    self.floating_users = seen.floating_users;
                }
                if is_left("max_license_users", json!(seen.max_license_users)) {
                    self.max_license_users = seen.max_license_users;
                }
            }
            Action::CreateOrder { .. } | Action::ResetDevices { .. } | Action::SetFeatures { .. } => {}
        }
    }
}
