//! The license a line deserves at an instant.

use super::*;
use Standing::{Active, Ended, Grace, None as Nothing, Suspended, Trial};
use Switch::{Leave, Off, On};

/// A month of PRO from 03-01 12:00 to 04-01 12:00: with three days of grace it is good until
/// 00:00 of 04-05.
pub(super) fn month(status: Status) -> Snapshot {
    snapshot(status, vec![item("si_1", "price_pro", 3, ("03-01", "04-01"))])
}

pub(super) fn bought() -> Recorded {
    paid("in_1", vec![line("si_1", "03-01", "04-01")])
}

pub(super) fn of(facts: Vec<Recorded>, policy: Value, now: &str) -> Entitlement {
    let state = state(facts);
    let item = &state.snapshot.as_ref().unwrap().value.items[0];
    entitlement::of_item(&state, item, SOURCE, &rules(policy), at(now)).unwrap()
}

/// (now, standing, reason, switch, valid_until, next transition)
pub(super) type Row<'a> = (&'a str, Standing, &'a str, Switch, &'a str, &'a str);

pub(super) fn check(name: &str, facts: &[Recorded], policy: &Value, rows: &[Row<'_>]) {
    for (now, standing, reason, switch, valid_until, next) in rows {
        let e = of(facts.to_vec(), policy.clone(), now);
        let date = e.valid_until.map_or("-".to_owned(), |d| d.format("%m-%d").to_string());
        let shown = (e.standing, e.reason.as_str(), e.switch, date.as_str(), day(e.next_transition_at));
        assert_eq!(shown, (*standing, *reason, *switch, *valid_until, (*next).to_owned()), "{name} at {now}");
    }
}

#[test]
fn a_paid_month_runs_has_grace_and_lapses_by_itself() {
    let facts = [shown("03-01", month(Status::Active)), bought()];
    check(
        "paid",
        &facts,
        &json!({}),
        &[
            ("03-01", Active, "paid", On, "04-05", "04-01"),
            ("04-01 11:59:59", Active, "paid", On, "04-05", "04-01"),
            ("04-01 12:00:00", Grace, "renewal_due", On, "04-05", "04-05"),
            ("04-04 23:59:59", Grace, "renewal_due", On, "04-05", "04-05"),
            ("04-05 00:00:00", Ended, "lapsed", Leave, "04-05", "-"),
        ],
    );
    check(
        "without grace",
        &facts,
        &json!({"grace_days": 0}),
        &[
            ("04-01 12:00:00", Grace, "renewal_due", On, "04-02", "04-02"),
            ("04-02 00:00:00", Ended, "lapsed", Leave, "04-02", "-"),
        ],
    );
    let midnight = [
        shown(
            "03-01",
            snapshot(Status::Active, vec![item("si_1", "price_pro", 3, ("03-01 00:00:00", "04-01 00:00:00"))]),
        ),
        paid("in_1", vec![line("si_1", "03-01 00:00:00", "04-01 00:00:00")]),
    ];
    check(
        "to the midnight",
        &midnight,
        &json!({"grace_days": 0}),
        &[
            ("03-31 23:59:59", Active, "paid", On, "04-01", "04-01"),
            ("04-01 00:00:00", Ended, "lapsed", Leave, "04-01", "-"),
        ],
    );
}

#[test]
fn every_status_has_its_consequence() {
    let keep = json!({"on_pause": "keep", "on_unpaid": "keep"});
    let table: [(Status, Value, Row<'_>); 10] = [
        (Status::Incomplete, json!({}), ("03-02", Nothing, "incomplete", Off, "-", "-")),
        (Status::Unknown, json!({}), ("03-02", Nothing, "unknown_status", Leave, "-", "-")),
        (Status::Active, json!({}), ("03-02", Active, "paid", On, "04-05", "04-01")),
        (Status::PastDue, json!({}), ("03-02", Active, "paid", On, "04-05", "04-01")),
        (Status::PastDue, json!({}), ("04-02", Grace, "past_due", On, "04-05", "04-05")),
        (Status::Unpaid, json!({}), ("03-02", Suspended, "unpaid", Off, "-", "04-01")),
        (Status::Paused, json!({}), ("03-02", Suspended, "paused", Off, "-", "04-01")),
        (Status::Unpaid, keep.clone(), ("03-02", Active, "paid", On, "04-05", "04-01")),
        (Status::Paused, keep, ("03-02", Active, "paid", On, "04-05", "04-01")),
        (Status::Canceled, json!({}), ("03-02", Ended, "canceled", Off, "-", "-")),
    ];
    for (status, policy, row) in table {
        check(status.as_str(), &[shown("03-01", month(status)), bought()], &policy, &[row]);
    }
    check(
        "not paid",
        &[shown("03-01", month(Status::Active))],
        &json!({}),
        &[("03-02", Nothing, "not_paid_yet", Off, "-", "-")],
    );
}

#[test]
fn a_trial_stays_one_until_it_is_paid() {
    let trial = |status| {
        let items = vec![item("si_1", "price_pro", 3, ("03-01", "03-15"))];
        Snapshot { trial_end: Some(at("03-15")), ..snapshot(status, items) }
    };
    let free = || paid("in_1", vec![line("si_1", "03-01", "03-15")]);
    let first = || paid("in_2", vec![line("si_1", "03-15", "04-15")]);
    let with_invoice = [shown("03-01", trial(Status::Trialing)), free()];
    let without = [shown("03-01", trial(Status::Trialing))];
    for facts in [&with_invoice[..], &without[..]] {
        check(
            "trial",
            facts,
            &json!({}),
            &[
                ("03-02", Trial, "trial", On, "03-19", "03-15"),
                ("03-15 12:00:00", Grace, "renewal_due", On, "03-19", "03-19"),
            ],
        );
        assert!(of(facts.to_vec(), json!({}), "03-02").is_trial);
    }
    // It has become active, the payment is still to come: same date, still a trial.
    for before in [vec![], vec![free()]] {
        let facts: Vec<Recorded> = before.into_iter().chain([shown("03-15", trial(Status::Active))]).collect();
        check("converted", &facts, &json!({}), &[("03-15 13:00:00", Grace, "renewal_due", On, "03-19", "03-19")]);
        assert!(of(facts, json!({}), "03-15 13:00:00").is_trial);
    }
    let paid = [free(), shown("03-15", trial(Status::Active)), first()];
    check("paid", &paid, &json!({}), &[("03-16", Active, "paid", On, "04-19", "04-15")]);
    assert!(!of(paid.to_vec(), json!({}), "03-16").is_trial);
}

#[test]
fn a_cancellation_changes_nothing_until_it_takes_effect() {
    let scheduled = Snapshot { cancel_at: Some(at("04-01")), ..month(Status::Active) };
    let facts = [shown("03-05", scheduled), bought()];
    let at_once = json!({"cancel_when": "at_once"});
    check(
        "scheduled",
        &facts,
        &json!({}),
        &[
            ("03-06", Active, "paid", On, "04-05", "04-01"),
            // No webhook has come: its instant has.
            ("04-01 11:59:59", Active, "paid", On, "04-05", "04-01"),
            ("04-01 12:00:00", Ended, "canceled", Off, "-", "-"),
        ],
    );
    check("at once", &facts, &at_once, &[("03-06", Ended, "canceled", Off, "-", "-")]);
    let earlier = Snapshot { cancel_at: Some(at("03-20")), ..month(Status::Active) };
    check(
        "in the middle",
        &[shown("03-05", earlier), bought()],
        &json!({}),
        &[("03-06", Active, "paid", On, "04-05", "03-20"), ("03-20 12:00:00", Ended, "canceled", Off, "-", "-")],
    );
}

#[test]
fn under_expire_only_the_date_does_the_work() {
    let policy = json!({"on_cancel": "expire_only"});
    let scheduled = |at| Snapshot { cancel_at: Some(at), ..month(Status::Active) };
    check(
        "scheduled",
        &[shown("03-05", scheduled(at("04-01"))), bought()],
        &policy,
        &[("03-06", Active, "paid", On, "04-02", "04-01"), ("04-01 12:00:00", Ended, "canceled", Leave, "04-02", "-")],
    );
    check(
        "far away, and paid for a month",
        &[shown("03-05", scheduled(at("09-01"))), bought()],
        &policy,
        &[("03-06", Active, "paid", On, "04-05", "04-01")],
    );
    // Its end was noted seconds after the scheduled midnight: still the same date.
    let over = |cancel_at, ended_at| Snapshot { cancel_at, ended_at: Some(at(ended_at)), ..month(Status::Canceled) };
    for (cancel_at, ended_at, date) in [
        (Some(at("04-01 00:00:00")), "04-01 00:00:07", "04-01"),
        (Some(at("04-01 00:00:00")), "03-10 00:00:01", "03-11"),
        (None, "03-10 00:00:00", "03-10"),
    ] {
        let facts = [bought(), shown(ended_at, over(cancel_at, ended_at))];
        check("over", &facts, &policy, &[("04-02", Ended, "canceled", Leave, date, "-")]);
    }
}

#[test]
fn the_modes_of_cancellation() {
    let facts = [bought(), shown("03-10", month(Status::Canceled))];
    for (mode, switch) in [("disable", Off), ("deactivate_and_disable", Off), ("deactivate_devices", Leave)] {
        check(mode, &facts, &json!({"on_cancel": mode}), &[("03-11", Ended, "canceled", switch, "-", "-")]);
    }
}

#[test]
fn extending_on_the_period_does_not_wait_for_money() {
    let next = |status| snapshot(status, vec![item("si_1", "price_pro", 3, ("04-01", "05-01"))]);
    let policy = json!({"extend_on": "period"});
    for status in [Status::Active, Status::PastDue] {
        check(
            status.as_str(),
            &[bought(), shown("04-01", next(status))],
            &policy,
            &[("04-10", Active, "paid", On, "05-05", "05-01")],
        );
    }
    check(
        "by payment",
        &[bought(), shown("04-01", next(Status::Active))],
        &json!({}),
        &[("04-10", Ended, "lapsed", Leave, "04-05", "-")],
    );
    let back = [bought(), shown("04-01", next(Status::Active)), given_back(1, "04-02", 1_000)];
    check("given back", &back, &policy, &[("03-20", Ended, "refunded", Off, "-", "-")]);
}

#[test]
fn test_mode_entitles_nothing_in_a_live_source() {
    let facts = [shown("03-01", Snapshot { livemode: false, ..month(Status::Active) }), bought()];
    check("test mode", &facts, &json!({}), &[("03-02", Nothing, "test_mode", Leave, "-", "-")]);
    let state = state(facts.to_vec());
    let test = SourceContext { live: false, ..SOURCE };
    let item = &state.snapshot.as_ref().unwrap().value.items[0];
    let e = entitlement::of_item(&state, item, test, &rules(json!({})), at("03-02")).unwrap();
    assert_eq!(e.standing, Active);
}

#[test]
fn a_metered_item_alone_deserves_nothing() {
    let metered = Item { metered: true, quantity: None, ..item("si_1", "price_pro", 1, ("03-01", "04-01")) };
    let lines = vec![PaymentLine { metered: true, ..line("si_1", "03-01", "04-01") }];
    let facts = [shown("03-01", snapshot(Status::Active, vec![metered])), paid("in_1", lines)];
    check("metered", &facts, &json!({}), &[("03-02", Nothing, "metered", Leave, "-", "-")]);
}

#[test]
fn a_product_that_is_not_in_the_catalog_has_no_entitlement() {
    let state = state(vec![
        shown("03-01", snapshot(Status::Active, vec![item("si_1", "price_new", 1, ("03-01", "04-01"))])),
        bought(),
    ]);
    let deserved = deserved(&state, SOURCE, &rules(json!({})), at("03-02"));
    assert_eq!((deserved.lines.len(), deserved.unmapped), (0, vec!["si_1".to_owned()]));
}

fn once() -> Item {
    Item { one_off: true, ..item("si_1", "price_pro", 1, ("03-01", "03-01")) }
}

fn sold() -> Recorded {
    let body = Payment {
        payment_id: "in_1".to_owned(),
        status: PaymentStatus::Paid,
        amount_paid: Some(1_000),
        lines: vec![],
        items: vec![once()],
        purchase: None,
    };
    fact(Entity::new(EntityKind::Invoice, "in_1"), "03-01", 3, "sold", FactBody::Payment(body))
}

/// Bought once: no date, no grace, and only what is given back ends it.
#[test]
fn what_was_bought_once_stays_until_its_payment_is_lost() {
    use DisputeStatus::{Lost, Open, Won};
    let owned: Row<'_> = ("2036-03-10", Active, "paid", On, "-", "-");
    for (name, facts, row) in [
        ("paid", vec![sold()], owned),
        ("not paid", vec![], ("03-10", Standing::None, "not_paid_yet", Off, "-", "-")),
        ("given back", vec![sold(), given_back(1, "04-05", 1_000)], ("2036-03-10", Ended, "refunded", Off, "-", "-")),
        ("in part", vec![sold(), given_back(1, "04-05", 300)], owned),
        ("disputed", vec![sold(), dispute(1, "04-05", Open)], ("04-10", Suspended, "dispute", Off, "-", "-")),
        ("won", vec![sold(), dispute(1, "04-05", Won)], owned),
        ("lost", vec![sold(), dispute(1, "04-05", Lost)], ("04-10", Ended, "dispute_lost", Off, "-", "-")),
    ] {
        let facts: Vec<Recorded> =
            [shown("03-01", snapshot(Status::Active, vec![once()]))].into_iter().chain(facts).collect();
        check(name, &facts, &json!({}), &[row]);
        assert_eq!(of(facts, json!({}), "03-10").license_type, None, "{name}: the license policy says which type");
    }
}

/// `period` of a catalog rule, `valid_duration` of a price or product: counted from the payment.
#[test]
fn what_was_bought_once_for_a_time_lasts_that_time() {
    let month = |license_type: Value| {
        let rule = json!({"match": {"price": "price_pro"}, "product_code": "PRO", "period": "1m", "license_type": license_type});
        serde_json::from_value::<Rules>(json!({"catalog": [rule]})).unwrap()
    };
    let ask = |more: Vec<Recorded>, rules: &Rules, now: &str| {
        let facts = [shown("03-01", snapshot(Status::Active, vec![once()])), sold()];
        let state = state(facts.into_iter().chain(more).collect());
        let e = entitlement::of_item(&state, &once(), SOURCE, rules, at(now)).unwrap();
        format!("{:?} {} until {} {}", e.standing, e.reason, day(e.paid_through), e.license_type.unwrap_or_default())
    };
    let plain = month(json!(null));
    assert_eq!(ask(vec![], &plain, "03-10"), "Active paid until 04-01 ");
    assert_eq!(ask(vec![], &plain, "04-02"), "Grace renewal_due until 04-01 ");
    assert_eq!(ask(vec![], &plain, "04-10"), "Ended lapsed until 04-01 ");
    let back = || vec![given_back(1, "03-05", 1_000)];
    assert_eq!(ask(back(), &plain, "03-10"), "Ended refunded until - ");
    assert_eq!(ask(vec![], &month(json!("perpetual")), "04-10"), "Active paid until - perpetual");
}
