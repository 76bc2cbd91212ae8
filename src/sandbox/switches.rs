//! What LicenseSpring's documents do not say, as switches. The first value of each is what is
//! most likely; a client should do its work with every other one too. The numbers are those of
//! the fact sheet that lists the open questions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::Record;

/// One open question and its answers, the default first.
pub(super) struct Switch {
    pub name: &'static str,
    pub about: &'static str,
    pub values: &'static [&'static str],
    /// Answers that are known to be possible and are not imitated yet.
    pub later: &'static [&'static str],
}

const fn switch(name: &'static str, about: &'static str, values: &'static [&'static str]) -> Switch {
    Switch { name, about, values, later: &[] }
}

#[rustfmt::skip]
pub(super) const SWITCHES: [Switch; 31] = [
    switch("S1", "create_order with an order id that exists, append false",
        &["409_code", "400_id", "400_detail", "400_errors", "400_code", "201_second_order"]),
    switch("S2", "status of a successful create_order", &["201", "200"]),
    switch("S3", "body of a successful create_order", &["full", "ids_only", "no_items", "empty"]),
    switch("S4", "every other write is done, then its answer is lost",
        &["off", "reset", "500", "502", "504", "timeout"]),
    switch("S5", "every other write fails and is not done", &["off", "500", "502_html", "503_html", "reset"]),
    switch("S6", "the 429 answer",
        &["json_retry_after", "no_retry_after", "html", "code_shape", "http_date"]),
    switch("S7", "the largest page", &["100_1000", "20", "400_on_excess"]),
    switch("S8", "`next` and `previous`", &["absolute", "other_host", "relative"]),
    switch("S9", "filters store_id and order__store_id",
        &["exact", "ignored", "icontains", "case_insensitive"]),
    switch("S10", "metadata accepted by PATCH of a license", &["both", "string_only", "object_only"]),
    switch("S11", "metadata in answers", &["object", "string", "missing"]),
    switch("S12", "PATCH of a validity field without is_trial", &["enforced", "not_enforced"]),
    switch("S13", "license_type in PATCH", &["ignored", "400"]),
    switch("S14", "enabled in PATCH", &["ignored", "honoured", "400"]),
    switch("S15", "disable when disabled, enable when enabled", &["200", "400"]),
    switch("S16", "validity_period in answers of the Management API", &["date", "iso_midnight", "datetime"]),
    switch("S17", "when a validity date ends a license", &["start_of_date", "end_of_date"]),
    switch("S18", "deactivate_license on a disabled license", &["400_license_not_enabled", "succeeds"]),
    switch("S19", "check_license on an expired license", &["200_is_expired", "400_license_expired"]),
    switch("S20", "a Management API path without its last slash", &["served", "301", "404"]),
    switch("S21", "how long lists do not show what was created", &["0", "500ms", "2000ms", "3_requests"]),
    switch("S22", "subscription_id in create_order", &["stored", "dropped"]),
    switch("S23", "which customer create_order takes", &["email_and_reference", "always_new", "email_only"]),
    switch("S24", "a Management key that is not known", &["403", "401"]),
    switch("S25", "creation bugs of past releases", &["off", "policy_ignored", "zero_validity"]),
    switch("S26", "answers with what a client has not seen before",
        &["off", "extra_fields", "lower_case_status", "not_activated"]),
    switch("S27", "ids in answers", &["number", "string"]),
    switch("S28", "create_order for an archived or disabled product", &["code", "field_error"]),
    switch("S29", "answers of POST actions", &["message", "empty_200", "204"]),
    Switch { name: "S30", about: "edits by hand between a read and a write: POST /vendor-edit with \"after\"",
        values: &["none"], later: &["scripted"] },
    Switch { name: "S31", about: "latency of every answer",
        values: &["0", "200ms", "1000ms", "jitter_500ms"], later: &["slow_body"] },
];

/// The switches that are not at their default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Switches(BTreeMap<String, String>);

impl Switches {
    /// The current value; empty for a name that is not in [`SWITCHES`].
    pub fn get(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(value) => value,
            None => find(name).map_or("", |s| s.values[0]),
        }
    }

    pub fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == value
    }

    /// Sets those named and leaves the others; null is the default. All or nothing.
    pub fn put(&mut self, order: &Record) -> Result<(), String> {
        let mut next = self.0.clone();
        for (name, value) in order {
            let switch = find(name).ok_or_else(|| format!("unknown switch {name:?}; known: S1 to S31"))?;
            next.insert(name.clone(), chosen(switch, value)?.to_owned());
        }
        next.retain(|name, value| find(name).is_some_and(|s| s.values[0] != value));
        self.0 = next;
        Ok(())
    }

    pub fn show(&self) -> Value {
        let list: Vec<Value> = SWITCHES
            .iter()
            .map(|s| {
                json!({ "name": s.name, "about": s.about, "values": s.values, "default": s.values[0],
                        "current": self.get(s.name), "not_available_yet": s.later })
            })
            .collect();
        json!({ "switches": list })
    }

    /// Drops what an older or newer build knew and this one does not.
    pub fn keep_known(&mut self) {
        self.0.retain(|name, value| find(name).is_some_and(|s| s.values.contains(&value.as_str())));
    }
}

fn find(name: &str) -> Option<&'static Switch> {
    SWITCHES.iter().find(|s| s.name == name)
}

fn chosen(switch: &'static Switch, value: &Value) -> Result<&'static str, String> {
    if value.is_null() {
        return Ok(switch.values[0]);
    }
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(), // {"S2": 200} means what it seems to
    };
    if let Some(known) = switch.values.iter().find(|v| **v == text) {
        return Ok(known);
    }
    if switch.later.contains(&text.as_str()) {
        return Err(format!("{}: {text:?} is known but not available yet", switch.name));
    }
    Err(format!("{}: unknown value {text:?}; known: {}", switch.name, switch.values.join(", ")))
}
