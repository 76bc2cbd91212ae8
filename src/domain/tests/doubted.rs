//! License records: what a look-up, or a look taken once more, makes of them.

use serde_json::{Value, json};

use super::planned::{intent, record, right};
use super::*;
use crate::domain::license::{CallResult, Outcome};

fn seen(enabled: bool, seats: i64) -> Observed {
    Observed { enabled, max_activations: Some(seats), ..right(7) }
}

fn seats(n: i64) -> Action {
    Action::Update { license_id: 7, changes: json!({ "max_activations": n, "is_trial": false }) }
}

/// The record after a call, and what became of it.
fn called(record: LicenseRecord, action: Action, result: CallResult, observed: Option<Observed>) -> LicenseRecord {
    let n = record.intents + 1;
    let intent = intent(&record, n, action);
    let mut record = LicenseRecord::with_intent(Some(record), intent, 2 * n, at("01-01"));
    let by_lookup = result != CallResult::Done;
    let order_id = record.order_id.clone();
    let outcome = Outcome { order_id, n, result, http_status: None, message: None, observed, by_lookup };
    record.apply_outcome(&outcome, 2 * n + 1, at("01-01"));
    record
}

/// A license of three seats that is on.
fn held() -> LicenseRecord {
    let created = Action::CreateOrder { body: Value::Null };
    called(record("PRO", 1, 1, None), created, CallResult::Done, Some(seen(true, 3)))
}

#[test]
fn a_license_that_is_not_there_any_more_is_gone_and_its_call_is_not_to_blame() {
    for result in [CallResult::Rejected, CallResult::NotDone] {
        let record = called(held(), seats(4), result, None);
        let is_gone = result == CallResult::Rejected;
        assert_eq!((record.gone, record.parked.is_none()), (is_gone, true), "{result:?}");
        assert_eq!(record.state(), if is_gone { "absent" } else { "enabled" });
    }
    let refused = called(held(), seats(4), CallResult::Rejected, Some(seen(true, 3)));
    assert!(!refused.gone && refused.parked.is_some(), "it is there: the call is refused");
}

#[test]
fn a_late_look_takes_over_what_our_requests_left_and_reports_the_rest() {
    let disable = || Action::Disable { license_id: 7 };
    let enable = || Action::Enable { license_id: 7 };
    type Case = (&'static str, Vec<(Action, CallResult)>, Observed, Observed, bool);
    let table: [Case; 8] = [
        ("nothing was done", vec![(seats(4), CallResult::NotDone)], seen(true, 3), seen(true, 3), false),
        ("the request was done", vec![(seats(4), CallResult::NotDone)], seen(true, 4), seen(true, 4), false),
        ("somebody set other seats", vec![(seats(4), CallResult::NotDone)], seen(true, 9), seen(true, 3), true),
        ("somebody switched it off", vec![(seats(4), CallResult::NotDone)], seen(false, 3), seen(true, 3), true),
        ("both at once", vec![(seats(4), CallResult::NotDone)], seen(false, 4), seen(true, 4), true),
        (
            "an earlier one of two",
            vec![(seats(4), CallResult::NotDone), (seats(5), CallResult::NotDone)],
            seen(true, 4),
            seen(true, 4),
            false,
        ),
        ("a disable", vec![(disable(), CallResult::NotDone)], seen(false, 3), seen(false, 3), false),
        (
            "an enable, and nothing to enable",
            vec![(enable(), CallResult::NotDone)],
            seen(false, 3),
            seen(true, 3),
            true,
        ),
    ];
    for (name, calls, found, observed, drifted) in table {
        let mut record = held();
        for (action, result) in calls {
            let observed = record.observed.clone();
            record = called(record, action, result, observed);
        }
        assert!(record.recheck_at.is_some(), "{name}");
        record.apply_observation(Some(&found), false);
        assert_eq!(record.observed, Some(observed), "{name}");
        assert_eq!((record.seen.is_some(), record.recheck_at), (drifted, None), "{name}");
        assert_eq!(record.disabled_by_us, !record.observed.as_ref().unwrap().enabled, "{name}");
        // What was late once is late no more: the same look, taken later, is drift.
        record.apply_observation(Some(&seen(true, 8)), false);
        assert!(record.seen.is_some(), "{name}");
    }
}

#[test]
fn with_repair_a_late_look_takes_over_everything() {
    let mut record = called(held(), seats(4), CallResult::NotDone, Some(seen(true, 3)));
    record.apply_observation(Some(&seen(false, 9)), true);
    assert_eq!((record.observed, record.seen, record.disabled_by_us), (Some(seen(false, 9)), None, true));
}

#[test]
fn only_the_latest_requests_are_remembered_and_each_once() {
    let mut record = held();
    for n in 0..20 {
        let observed = record.observed.clone();
        record = called(record, seats(n % 10), CallResult::NotDone, observed);
    }
    assert_eq!(record.late, (2..10).map(seats).collect::<Vec<_>>());
}
