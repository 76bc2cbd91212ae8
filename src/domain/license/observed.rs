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
    /// The value of a field that an update sets, as it writes it. `None`: no field of an update.
    #[must_use]
    pub fn managed(&self, field: &str) -> Option<Value> {
        match field {
            "validity_period" => Some(json!(self.valid_until)),
            "is_trial" => Some(json!(self.is_trial)),
            "max_activations" => Some(json!(self.max_activations)),
            "floating_users" => Some(json!(self.floating_users)),
            "max_license_users" => Some(json!(self.max_license_users)),
            _ => None,
        }
    }

    /// Takes over what an action of ours left in `seen`: every field that it sets, where its value
    /// is the one that is seen.
    pub(super) fn take_over(&mut self, action: &Action, seen: &Self) {
        match action {
            Action::Enable { .. } => self.enabled |= seen.enabled,
            Action::Disable { .. } => self.enabled &= seen.enabled,
            Action::SetFeatures { features, .. } if *features == seen.features => self.features.clone_from(features),
            Action::Update { changes, .. } => {
                for (field, value) in changes.as_object().into_iter().flatten() {
                    if seen.managed(field).as_ref() == Some(value) {
                        self.set_as(field, seen);
                    }
                }
            }
            Action::CreateOrder { .. } | Action::ResetDevices { .. } | Action::SetFeatures { .. } => {}
        }
    }
    fn set_as(&mut self, field: &str, seen: &Self) {
        match field {
            "validity_period" => self.valid_until = seen.valid_until,
            "is_trial" => self.is_trial = seen.is_trial,
            "max_activations" => self.max_activations = seen.max_activations,
            "floating_users" => self.floating_users = seen.floating_users,
            "max_license_users" => self.max_license_users = seen.max_license_users,
            _ => {}
        }
    }
}
