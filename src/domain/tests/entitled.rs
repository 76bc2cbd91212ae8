//! The license a line deserves at an instant.

use super::*;
use Standing::{Active, Ended, Grace, None as Nothing, Suspended, Trial};
use Switch::{Leave, Off, On};

/// A month of PRO from 03-01 12:00 to 04-01 12:00: with three days of grace it is good until
/// 00:00 of 04-05.
fn month(status: Status) -> Snapshot {
    snapshot(status, vec![item("si_1", "price_pro", 3, ("03-01", "04-01"))])
}

fn bought() -> Recorded {
    paid("in_1", vec![line("si_1", "03-01", "04-01")])
}

fn of(facts: Vec<Recorded>, policy: Value, now: &str) -> Entitlement {
    let state = state(facts);
    let item = &state.snapshot.as_ref().unwrap().value.items[0];
    entitlement::of_item(&state, item, SOURCE, &rules(policy), at(now)).unwrap()
}

/// (now, standing, reason, switch, valid_until, next transition)
type Row<'a> = (&'a str, Standing, &'a str, Switch, &'a str, &'a str);

fn check(name: &str, facts: &[Recorded], policy: &Value, rows: &[Row<'_>]) {
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
fn refunds_and_disputes_follow_the_policy() {
    use DisputeStatus::{Inquiry, Lost, Open, Won};
    let running: Row<'_> = ("03-10", Active, "paid", On, "04-05", "04-01");
    let refunded: Row<'_> = ("03-10", Ended, "refunded", Off, "-", "-");
    let lost: Row<'_> = ("03-10", Ended, "dispute_lost", Off, "-", "-");
    let disputed: Row<'_> = ("03-10", Suspended, "dispute", Off, "-", "04-01");
    let back = |amount| vec![given_back(1, "03-05", amount)];
    let told = |status| vec![dispute(1, "03-05", status)];
    let table: [(&str, Vec<Recorded>, Value, Row<'_>); 14] = [
        ("full", back(1_000), json!({}), refunded),
        ("full, kept", back(1_000), json!({"on_refund": "keep"}), running),
        ("full, flagged", back(1_000), json!({"on_refund": "flag"}), running),
        ("partial", back(300), json!({}), running),
        ("partial, kept", back(300), json!({"on_refund_partial": "keep"}), running),
        ("failed", [back(1_000), vec![refund(1, "03-06", 1_000, false)]].concat(), json!({}), running),
        ("inquiry", told(Inquiry), json!({}), running),
        ("opened", told(Open), json!({}), disputed),
        ("opened, kept", told(Open), json!({"on_dispute": "keep"}), running),
        ("opened, flagged", told(Open), json!({"on_dispute": "flag"}), running),
        ("won", told(Won), json!({}), running),
        ("lost", told(Lost), json!({}), lost),
        ("lost, kept", told(Lost), json!({"on_dispute": "keep"}), running),
        ("of an old payment", vec![given_back(3, "03-05", 1_000)], json!({}), running),
    ];
    for (name, facts, policy, row) in table {
        let facts: Vec<Recorded> = [shown("03-01", month(Status::Active)), bought()].into_iter().chain(facts).collect();
        check(name, &facts, &policy, &[row]);
    }
}

/// The payment that covers *now* decides: what was paid before it holds until its own end.
#[test]
fn a_refund_of_the_next_month_takes_effect_when_it_begins() {
    let facts = [
        shown("03-01", month(Status::Active)),
        bought(),
        paid("in_2", vec![line("si_1", "04-01", "05-01")]),
        given_back(2, "03-20", 1_000),
    ];
    check(
        "refunded in advance",
        &facts,
        &json!({}),
        &[("03-25", Active, "paid", On, "04-05", "04-01"), ("04-01 12:00:00", Ended, "refunded", Off, "-", "-")],
    );
    let both = [facts.to_vec(), vec![given_back(1, "03-20", 1_000)]].concat();
    check("all of it", &both, &json!({}), &[("03-25", Ended, "refunded", Off, "-", "-")]);
}

/// The license may be there by then: what is told in another order ends alike.
#[test]
fn a_refund_that_is_told_in_the_days_of_grace_ends_them() {
    let month = || vec![shown("03-01", month(Status::Active)), bought()];
    let back = [month(), vec![given_back(1, "04-02", 1_000)]].concat();
    let off: [Row<'_>; 3] = [
        ("04-02", Ended, "refunded", Off, "-", "-"),
        ("04-04 23:59:59", Ended, "refunded", Off, "-", "-"),
        ("04-05 00:00:00", Nothing, "not_paid_yet", Off, "-", "-"),
    ];
    check("all that was paid", &back, &json!({}), &off);
    check("without grace", &back, &json!({"grace_days": 0}), &[("04-02", Nothing, "not_paid_yet", Off, "-", "-")]);
    let part = [paid("in_2", vec![line("si_1", "03-10", "04-01")]), given_back(2, "04-02", 1_000)];
    let part = [month(), part.to_vec()].concat();
    check("what did not last longer", &part, &json!({}), &[("04-02", Grace, "renewal_due", On, "04-05", "04-05")]);
}

/// A new item that lives on what the others paid goes with them.
#[test]
fn a_shared_payment_that_goes_back_ends_every_item() {
    let items =
        vec![item("si_1", "price_pro", 3, ("03-01", "04-01")), item("si_2", "price_team", 1, ("03-10", "04-01"))];
    let facts = vec![shown("03-10", snapshot(Status::Active, items)), bought(), given_back(1, "03-11", 1_000)];
    let deserved = deserved(&state(facts), SOURCE, &rules(json!({})), at("03-12"));
    for line in deserved.lines {
        assert_eq!((line.entitlement.standing, line.entitlement.switch), (Ended, Off), "{}", line.item_id);
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

#[test]
fn what_the_policy_flags_is_shown_and_changes_nothing() {
    use DisputeStatus::{Lost, Open, Won};
    let flag = |more: Vec<Recorded>, policy: &Value, now: &str| {
        let facts = [shown("03-01", month(Status::Active)), bought()].into_iter().chain(more).collect();
        let e = of(facts, policy.clone(), now);
        (e.switch == On, e.flag.unwrap_or_default())
    };
    let flags = json!({"on_refund": "flag", "on_dispute": "flag"});
    let keeps = json!({"on_refund": "keep", "on_refund_partial": "keep", "on_dispute": "keep"});
    for (name, more, flagged) in [
        ("nothing", vec![], ""),
        ("in part", vec![given_back(1, "03-05", 300)], "refunded_in_part"),
        ("all", vec![given_back(1, "03-05", 1_000)], "refunded"),
        ("disputed", vec![dispute(1, "03-05", Open)], "dispute"),
        ("won", vec![dispute(1, "03-05", Won)], ""),
        ("lost", vec![dispute(1, "03-05", Lost)], "dispute_lost"),
    ] {
        assert_eq!(flag(more.clone(), &flags, "03-10"), (true, flagged.to_owned()), "{name}");
        assert_eq!(flag(more, &keeps, "03-10"), (true, String::new()), "{name}, kept");
    }
    let part = || vec![given_back(1, "03-05", 300)];
    assert_eq!(flag(part(), &json!({}), "03-10").1, "refunded_in_part", "by default");
    assert_eq!(flag(part(), &flags, "04-02").1, "", "of a period that is over");
    assert_eq!(flag(vec![given_back(1, "03-05", 1_000)], &json!({}), "03-10"), (false, String::new()));
}
