//! What LicenseSpring's documents do not say, as switches. The first answer of each is what is
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
    /// The value that `PUT /switches` takes, and what the sandbox then does.
    pub answers: &'static [(&'static str, &'static str)],
}

impl Switch {
    pub fn values(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.answers.iter().map(|(value, _)| *value)
    }

    fn default(&self) -> &'static str {
        self.answers.first().map_or("", |(value, _)| value)
    }
}

const fn switch(name: &'static str, about: &'static str, answers: &'static [(&'static str, &'static str)]) -> Switch {
    Switch { name, about, answers }
}

#[rustfmt::skip]
pub(super) const SWITCHES: [Switch; 31] = [
    switch("S1", "create_order with an order id that exists, append false", &[
        ("409_code", "409 {status, code: order_id_exists, message}"),
        ("400_id", "400 {id: [text]}"),
        ("400_detail", "400 {detail}"),
        ("400_errors", "400 {errors: [{message, value}]}"),
        ("400_code", "400 {status, code: order_id_exists, message}"),
        ("201_second_order", "made, as a second order with the same id"),
    ]),
    switch("S2", "status of a successful create_order", &[("201", "201"), ("200", "200")]),
    switch("S3", "body of a successful create_order", &[
        ("full", "the order with its items and whole licenses"),
        ("ids_only", "the order, with licenses of id, order and key alone"),
        ("no_items", "the order without order_items"),
        ("empty", "no body"),
    ]),
    switch("S4", "every other write is done, then its answer is lost", &[
        ("off", "no answer is lost"),
        ("reset", "the connection is closed without an answer"),
        ("500", "500 in JSON"),
        ("502", "502 in HTML"),
        ("504", "504 in HTML"),
        ("timeout", "no answer until the client leaves"),
    ]),
    switch("S5", "every other write fails and is not done", &[
        ("off", "none fails"),
        ("500", "500 in JSON"),
        ("502_html", "502 in HTML"),
        ("503_html", "503 in HTML"),
        ("reset", "the connection is closed without an answer"),
    ]),
    switch("S6", "the 429 answer", &[
        ("json_retry_after", "JSON of the API called, and Retry-After in seconds"),
        ("no_retry_after", "JSON, no Retry-After"),
        ("html", "HTML, no Retry-After"),
        ("code_shape", "{status, code, message} on both APIs, and Retry-After in seconds"),
        ("http_date", "JSON, and Retry-After as an HTTP date"),
    ]),
    switch("S7", "the largest page", &[
        ("100_1000", "100 licenses, 1000 of anything else, cut without a word"),
        ("20", "20 of anything, cut without a word"),
        ("400_on_excess", "100 and 1000, and 400 for a larger limit"),
    ]),
    switch("S8", "`next` and `previous`", &[
        ("absolute", "absolute, on the host that was called"),
        ("other_host", "absolute, on a host that must never see the key"),
        ("relative", "path and query alone"),
    ]),
    switch("S9", "filters store_id and order__store_id", &[
        ("exact", "equal"),
        ("ignored", "no filter: everything is listed"),
        ("icontains", "contained, in any case"),
        ("case_insensitive", "equal but for case"),
    ]),
    switch("S10", "metadata accepted by PATCH of a license", &[
        ("both", "an object, or a string that holds one"),
        ("string_only", "a string; an object is refused with 400"),
        ("object_only", "an object; a string is refused with 400"),
    ]),
    switch("S11", "metadata in answers of the Management API", &[
        ("object", "an object"),
        ("string", "a string that holds one"),
        ("missing", "left out"),
    ]),
    switch("S12", "PATCH of a validity field without is_trial", &[
        ("enforced", "400"),
        ("not_enforced", "taken"),
    ]),
    switch("S13", "license_type in PATCH", &[("ignored", "ignored"), ("400", "400")]),
    switch("S14", "enabled in PATCH", &[
        ("ignored", "ignored"),
        ("honoured", "disables and enables"),
        ("400", "400"),
    ]),
    switch("S15", "disable when disabled, enable when enabled", &[
        ("200", "200, as if it had changed something"),
        ("400", "400 {detail}"),
    ]),
    switch("S16", "validity_period in answers of the Management API", &[
        ("date", "2026-06-18"),
        ("iso_midnight", "2026-06-18T00:00:00Z"),
        ("datetime", "2026-06-18 00:00:00"),
    ]),
    switch("S17", "when a validity date ends a license", &[
        ("start_of_date", "at its first moment, UTC"),
        ("end_of_date", "at its last moment, UTC"),
    ]),
    switch("S18", "deactivate_license on a disabled license", &[
        ("400_license_not_enabled", "400 license_not_enabled"),
        ("succeeds", "the device is freed"),
    ]),
    switch("S19", "check_license on an expired license", &[
        ("200_is_expired", "200 with is_expired true"),
        ("400_license_expired", "400 license_expired"),
    ]),
    switch("S20", "a Management API path without its last slash", &[
        ("served", "served"),
        ("301", "redirected to the path with it; a POST loses its body on the way"),
        ("404", "404"),
    ]),
    switch("S21", "how long lists do not show what was created; by id it is there at once", &[
        ("0", "not at all"),
        ("500ms", "half a second"),
        ("2000ms", "two seconds"),
        ("3_requests", "for three list calls"),
    ]),
    switch("S22", "subscription_id in create_order", &[
        ("stored", "stored, from the license or its item"),
        ("dropped", "dropped"),
    ]),
    switch("S23", "which customer create_order takes", &[
        ("email_and_reference", "the only one with this e-mail and reference, else a new one"),
        ("always_new", "a new one"),
        ("email_only", "the oldest one with this e-mail, else a new one"),
        ("none_when_unknown", "the only one with this e-mail and reference, else none at all"),
    ]),
    switch("S24", "a Management key that is not known", &[("403", "403 {detail}"), ("401", "401 {detail}")]),
    switch("S25", "creation bugs of past releases", &[
        ("off", "none"),
        ("policy_ignored", "the policy named has no effect: the product's defaults count"),
        ("zero_validity", "a validity_period is kept as 0000-00-00"),
    ]),
    switch("S26", "answers with what a client has not seen before", &[
        ("off", "none"),
        ("extra_fields", "objects with fields that no document names"),
        ("lower_case_status", "license status in lower case"),
        ("not_activated", "license status Not Activated for Inactive"),
    ]),
    switch("S27", "ids in answers of the Management API", &[("number", "numbers"), ("string", "strings")]),
    switch("S28", "create_order for an archived or disabled product", &[
        ("code", "400 {status, code: archived_product or disabled_product, message}"),
        ("field_error", "400 {product_code: [text]}"),
    ]),
    switch("S29", "answers of POST actions", &[
        ("message", "200 {message}"),
        ("empty_200", "200 without a body"),
        ("204", "204"),
    ]),
    switch("S30", "edits by hand between a read and a write, beside those of POST /vendor-edit", &[
        ("none", "none"),
        ("scripted", "after each of the first three reads of a license by its id a hand disables it, \
                      moves its date a day on, raises max_activations by one; then it is left alone"),
    ]),
    switch("S31", "latency of every answer", &[
        ("0", "none"),
        ("200ms", "200 ms"),
        ("1000ms", "a second"),
        ("jitter_500ms", "up to half a second, by chance"),
        ("slow_body", "head at once, the body in ten pieces over a second"),
    ]),
];

/// The switches that are not at their default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Switches(BTreeMap<String, String>);

impl Switches {
    /// The current value; empty for a name that is not in [`SWITCHES`].
    pub fn get(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(value) => value,
            None => find(name).map_or("", Switch::default),
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
        next.retain(|name, value| find(name).is_some_and(|s| s.default() != value));
        self.0 = next;
        Ok(())
    }

    pub fn show(&self) -> Value {
        let list: Vec<Value> = SWITCHES
            .iter()
            .map(|s| {
                let meanings: Record =
                    s.answers.iter().map(|(value, does)| ((*value).to_owned(), json!(does))).collect();
                json!({ "name": s.name, "about": s.about, "values": s.values().collect::<Vec<_>>(),
                        "meanings": meanings, "default": s.default(), "current": self.get(s.name) })
            })
            .collect();
        json!({ "switches": list })
    }

    /// Drops what an older or newer build knew and this one does not.
    pub fn keep_known(&mut self) {
        self.0.retain(|name, value| find(name).is_some_and(|s| s.values().any(|known| known == value)));
    }
}

fn find(name: &str) -> Option<&'static Switch> {
    SWITCHES.iter().find(|s| s.name == name)
}

fn chosen(switch: &'static Switch, value: &Value) -> Result<&'static str, String> {
    if value.is_null() {
        return Ok(switch.default());
    }
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(), // {"S2": 200} means what it seems to
    };
    let known = switch.values().find(|known| *known == text);
    known.ok_or_else(|| {
        let known: Vec<&str> = switch.values().collect();
        format!("{}: unknown value {text:?}; known: {}", switch.name, known.join(", "))
    })
}
