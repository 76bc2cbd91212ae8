//! What can be counted, each with unit and help; labels are names from the configuration and
//! words from fixed lists, so their number is bounded.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

const DELIVERIES: &str = "subledger_deliveries_total";
const EVENTS: &str = "subledger_events_total";
const DUPLICATES: &str = "subledger_duplicates_total";
const REFUSALS: &str = "subledger_refusals_total";
const QUEUE_DEPTH: &str = "subledger_queue_depth";
const PROJECTOR_LAG: &str = "subledger_projector_lag_events";
const QUARANTINED: &str = "subledger_quarantined_total";
const CALLS: &str = "subledger_calls_total";
const CALLS_FAILED: &str = "subledger_calls_failed_total";
const CALLS_REDUNDANT: &str = "subledger_calls_redundant_total";

/// Starts counting in this process; once. What is counted before is lost.
///
/// # Errors
/// It was started before.
pub fn start() -> Result<PrometheusHandle, super::TelemetryError> {
    let handle =
        PrometheusBuilder::new().install_recorder().map_err(|e| super::TelemetryError::Twice(e.to_string()))?;
    describe_counter!(DELIVERIES, Unit::Count, "Deliveries that were verified and stored, or were known");
    describe_counter!(EVENTS, Unit::Count, "New events in the ledger");
    describe_counter!(DUPLICATES, Unit::Count, "Events that came again and were answered as duplicates");
    describe_counter!(REFUSALS, Unit::Count, "Deliveries that were turned away, by reason");
    describe_counter!(QUARANTINED, Unit::Count, "Events that could not be translated or saved");
    describe_counter!(CALLS, Unit::Count, "Changing calls sent to LicenseSpring");
    describe_counter!(CALLS_FAILED, Unit::Count, "Changing calls that LicenseSpring did not do, or may not have done");
    describe_counter!(
        CALLS_REDUNDANT,
        Unit::Count,
        "Changing calls although the observation before was already equal; must stay 0"
    );
    describe_gauge!(QUEUE_DEPTH, Unit::Count, "Deliveries that wait for their commit");
    describe_gauge!(PROJECTOR_LAG, Unit::Count, "Events of a journal that the live projections have not read yet");
    Ok(handle)
}

/// Begins every count of a source at 0, so that the first one is seen as an increase.
pub fn open_source(source: &str, refusal_codes: impl Iterator<Item = &'static str>) {
    delivery_counts(source, 0, 0, 0);
    counter!(QUARANTINED, "source" => source.to_owned()).increment(0);
    for code in refusal_codes {
        counter!(REFUSALS, "source" => source.to_owned(), "code" => code).increment(0);
    }
    queue_depth(source, 0);
}

/// The same for an account.
pub fn open_account(account: &str, actions: &[&'static str]) {
    for action in actions {
        counter!(CALLS, "account" => account.to_owned(), "action" => *action).increment(0);
        counter!(CALLS_FAILED, "account" => account.to_owned(), "action" => *action).increment(0);
    }
    counter!(CALLS_REDUNDANT, "account" => account.to_owned()).increment(0);
}

/// A delivery was stored.
pub fn delivery(source: &str, new: usize, duplicates: usize) {
    delivery_counts(source, 1, new, duplicates);
}

fn delivery_counts(source: &str, deliveries: u64, new: usize, duplicates: usize) {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    counter!(DELIVERIES, "source" => source.to_owned()).increment(deliveries);
    counter!(EVENTS, "source" => source.to_owned()).increment(count(new));
    counter!(DUPLICATES, "source" => source.to_owned()).increment(count(duplicates));
}

/// A delivery was turned away.
pub fn refusal(source: &str, code: &'static str) {
    counter!(REFUSALS, "source" => source.to_owned(), "code" => code).increment(1);
}

/// An event was quarantined.
pub fn quarantined(source: &str) {
    counter!(QUARANTINED, "source" => source.to_owned()).increment(1);
}

/// A changing call was sent; `failed`: it was not done, or may not have been.
pub fn call(account: &str, action: &'static str, failed: bool) {
    counter!(CALLS, "account" => account.to_owned(), "action" => action).increment(1);
    counter!(CALLS_FAILED, "account" => account.to_owned(), "action" => action).increment(u64::from(failed));
}

/// A call was sent although the observation before it was already equal.
pub fn redundant_call(account: &str, redundant: bool) {
    counter!(CALLS_REDUNDANT, "account" => account.to_owned()).increment(u64::from(redundant));
}

/// How many deliveries wait.
pub fn queue_depth(source: &str, deliveries: usize) {
    gauge!(QUEUE_DEPTH, "source" => source.to_owned()).set(f64::from(u32::try_from(deliveries).unwrap_or(u32::MAX)));
}

/// How far the live projections are behind.
pub fn projector_lag(journal: &str, events: i64) {
    gauge!(PROJECTOR_LAG, "journal" => journal.to_owned()).set(f64::from(i32::try_from(events).unwrap_or(i32::MAX)));
}
