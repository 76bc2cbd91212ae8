//! What the guard lets through, and what is destructive at all.

use chrono::TimeDelta;

use super::*;
use crate::domain::guard::{Counts, Fired, Limits, Split, is_announced, is_destructive, judge, silence, split};
use crate::domain::{account::Mode, breaker};

const LIMITS: Limits =
    Limits { max_destructive: 25, max_percent: 5, max_destructive_per_day: 100, max_announced_per_day: 1000 };

fn counts(hour: i64, day: i64, announced_day: i64, enabled: i64) -> Counts {
    Counts { hour, day, announced_day, enabled }
}

#[test]
fn one_more_destructive_call_is_judged_by_three_limits() {
    let hour = || Some(Fired::Hour { limit: 25 });
    let percent = |limit, enabled| Some(Fired::Percent { limit, percent: 5, enabled });
    let table: [(&str, Counts, bool, Option<Fired>); 13] = [
        ("the first", counts(0, 0, 0, 1_000), false, None),
        ("the last of an hour", counts(24, 24, 0, 1_000), false, None),
        ("one more", counts(25, 25, 0, 1_000), false, hour()),
        ("five percent of 400", counts(19, 19, 0, 400), false, None),
        ("more than that", counts(20, 20, 0, 400), false, percent(20, 400)),
        ("ten are always allowed", counts(9, 9, 0, 3), false, None),
        ("eleven are not", counts(10, 10, 0, 3), false, percent(10, 3)),
        ("the last of a day", counts(0, 99, 0, 1_000), false, None),
        ("slowly, but too many in a day", counts(0, 100, 0, 1_000), false, Some(Fired::Day { limit: 100 })),
        ("announced ones have a limit of their own", counts(25, 100, 999, 3), true, None),
        ("and it holds", counts(0, 0, 1_000, 3), true, Some(Fired::AnnouncedDay { limit: 1_000 })),
        ("announced ones do not count for the others", counts(0, 0, 1_000, 3), false, None),
        ("the percentage of very many", counts(24, 24, 0, i64::MAX), false, None),
    ];
    for (name, counts, announced, fired) in table {
        assert_eq!(judge(&LIMITS, &counts, announced), fired, "{name}");
    }
    let nothing = Limits { max_destructive: 0, ..LIMITS };
    assert_eq!(judge(&nothing, &counts(0, 0, 0, 1_000), false), Some(Fired::Hour { limit: 0 }));
}

#[test]
fn what_is_counted_is_counted_in_its_own_window() {
    let mut counted = counts(1, 2, 3, 4);
    counted.add(false);
    counted.add(true);
    assert_eq!(counted, counts(2, 3, 4, 4));
}

#[test]
fn only_a_cancellation_that_was_known_a_day_ahead_is_announced() {
    let (now, end) = (at("03-15"), Some(at("03-15")));
    let day_before = at("03-14");
    type Case = (&'static str, &'static str, Option<DateTime<Utc>>, Option<DateTime<Utc>>, bool);
    let table: [Case; 7] = [
        ("a day ahead", "canceled", end, Some(day_before), true),
        ("a second later", "canceled", end, Some(day_before + TimeDelta::seconds(1)), false),
        ("months ahead", "canceled", end, Some(at("01-01")), true),
        ("not come yet", "canceled", Some(at("03-16")), Some(at("01-01")), false),
        ("no schedule", "canceled", None, Some(at("01-01")), false),
        ("nobody knows since when", "canceled", end, None, false),
        ("a refund", "refunded", end, Some(at("01-01")), false),
    ];
    for (name, reason, cancel_at, known, expected) in table {
        assert_eq!(is_announced(reason, cancel_at, known, now), expected, "{name}");
    }
}

#[test]
fn a_source_is_silent_from_the_hour_that_was_named() {
    let heard = at("03-15 00:00:00");
    assert_eq!(silence("shop", heard, 6, at("03-15 05:59:59")), None);
    let fired = silence("shop", heard, 6, at("03-15 06:00:00"));
    assert_eq!(fired, Some(Fired::Silence { source: "shop".into(), since: heard, hours: 6 }));
}

fn seen() -> Observed {
    Observed {
        license_id: 7,
        enabled: true,
        valid_until: Some("2026-04-05".parse().unwrap()),
        is_trial: false,
        license_type: Some("subscription".into()),
        product_code: None,
        max_activations: Some(3),
        floating_users: Some(4),
        max_license_users: None,
        features: vec!["export".into(), "sync".into()],
    }
}

fn update(changes: Value) -> Action {
    Action::Update { license_id: 7, changes }
}

#[test]
fn destructive_is_what_leaves_a_customer_with_less() {
    let features = |codes: &[&str]| Action::SetFeatures {
        license_id: 7,
        features: codes.iter().map(|c| (*c).to_owned()).collect(),
    };
    let table: [(&str, Action, bool); 14] = [
        ("disable", Action::Disable { license_id: 7 }, true),
        ("enable", Action::Enable { license_id: 7 }, false),
        ("devices", Action::ResetDevices { license_id: 7 }, true),
        ("a new order", Action::CreateOrder { body: json!({}) }, false),
        ("a later date", update(json!({"is_trial": false, "validity_period": "2026-05-05"})), false),
        ("an earlier one", update(json!({"is_trial": false, "validity_period": "2026-04-04"})), true),
        ("long past", update(json!({"is_trial": false, "validity_period": "2020-01-01"})), true),
        ("more seats", update(json!({"max_activations": 4})), false),
        ("fewer", update(json!({"max_activations": 2})), true),
        ("fewer floating", update(json!({"floating_users": 3})), true),
        ("where none were counted", update(json!({"max_license_users": 1})), false),
        ("a trial no more", update(json!({"is_trial": false})), false),
        ("a feature more", features(&["audit", "export", "sync"]), false),
        ("a feature for another", features(&["audit", "export"]), true),
    ];
    for (name, action, destructive) in table {
        assert_eq!(is_destructive(&action, Some(&seen())), destructive, "{name}");
    }
    let endless = Observed { valid_until: None, license_type: Some("perpetual".into()), ..seen() };
    let dated = update(json!({"is_trial": false, "validity_period": "2030-01-01"}));
    assert!(is_destructive(&dated, Some(&endless)), "what had no end gets one");
    assert!(!is_destructive(&dated, Some(&Observed { valid_until: None, ..seen() })), "a subscription lacks its date");
}

#[test]
fn an_update_with_two_halves_is_split() {
    let both = update(json!({"is_trial": false, "validity_period": "2026-05-05", "max_activations": 1}));
    let halves = Split {
        harmless: Some(update(json!({"is_trial": false, "validity_period": "2026-05-05"}))),
        destructive: Some(update(json!({"max_activations": 1}))),
    };
    assert_eq!(split(&both, Some(&seen())), halves);
    let shorter = update(json!({"is_trial": false, "validity_period": "2026-04-01", "max_activations": 9}));
    let halves = Split {
        harmless: Some(update(json!({"max_activations": 9}))),
        destructive: Some(update(json!({"is_trial": false, "validity_period": "2026-04-01"}))),
    };
    assert_eq!(split(&shorter, Some(&seen())), halves);
}

#[test]
fn the_stricter_mode_counts() {
    use Mode::{Continuous, Frozen, PlanOnly};
    let table = [
        (Continuous, None, Continuous),
        (Continuous, Some(PlanOnly), PlanOnly),
        (PlanOnly, Some(Continuous), PlanOnly),
        (Frozen, Some(Continuous), Frozen),
        (PlanOnly, Some(Frozen), Frozen),
    ];
    for (file, said, effective) in table {
        assert_eq!(Mode::effective(file, said), effective, "{file:?} {said:?}");
    }
}

#[test]
fn the_breaker_waits_longer_each_time_and_no_longer_than_two_minutes() {
    let waits: Vec<i64> = (1..=9).map(|n| breaker::pause(n, 999).num_milliseconds()).collect();
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]);
    assert_eq!(breaker::pause(3, 0).num_milliseconds(), 2_000, "jitter takes at most half");
    assert_eq!(breaker::pause(i32::MAX, 5_000).num_milliseconds(), 120_000);
    let states = [(0, false), (2, true), (3, true), (3, false)].map(|(n, waiting)| breaker::state(n, waiting));
    assert_eq!(states, ["closed", "closed", "open", "half_open"]);
}
