//! Money that goes back, and what becomes of the license.

use super::entitled::{Row, bought, check, month, of};
use super::*;
use Standing::{Active, Ended, Grace, None as Nothing, Suspended};
use Switch::{Off, On};

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
