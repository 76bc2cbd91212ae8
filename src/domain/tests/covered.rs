//! The time that has been paid for.

use super::*;

/// What the items of an active subscription are paid through, canonically.
fn check(name: &str, snapshot: Snapshot, mut facts: Vec<Recorded>, expected: &[&str]) {
    facts.insert(0, shown("03-01 00:00:00", snapshot));
    let state = state(facts);
    let items = &state.snapshot.as_ref().unwrap().value.items;
    let paid: Vec<String> = items.iter().map(|i| day(coverage::canonical(&state, i).paid_through)).collect();
    assert_eq!(paid, expected, "{name}");
}

fn one(period: (&str, &str)) -> Vec<Item> {
    vec![item("si_1", "price_pro", 1, period)]
}

fn active() -> Snapshot {
    snapshot(Status::Active, one(("03-01", "04-01")))
}

#[test]
fn the_line_that_begins_last_counts() {
    let month = || paid("in_1", vec![line("si_1", "03-01", "04-01")]);
    check("nothing paid", active(), vec![], &["-"]);
    check("a month", active(), vec![month()], &["04-01"]);
    check("the next", active(), vec![month(), paid("in_2", vec![line("si_1", "04-01", "05-01")])], &["05-01"]);
    let year = paid("in_1", vec![line("si_1", "01-10", "2027-01-10")]);
    check(
        "yearly becomes monthly",
        active(),
        vec![year, paid("in_2", vec![line("si_1", "03-01", "04-01")])],
        &["04-01"],
    );
    let rest = paid("in_2", vec![PaymentLine { proration: true, ..line("si_1", "03-15", "04-01") }]);
    check("seats in the middle", active(), vec![month(), rest], &["04-01"]);
    for status in [PaymentStatus::Open, PaymentStatus::Failed, PaymentStatus::Voided, PaymentStatus::Uncollectible] {
        let next = payment("in_2", status, vec![line("si_1", "04-01", "05-01")]);
        check(&format!("{status:?}"), active(), vec![month(), next], &["04-01"]);
    }
    let metered = paid("in_2", vec![PaymentLine { metered: true, ..line("si_1", "04-01", "05-01") }]);
    check("by use, in arrears", active(), vec![month(), metered], &["04-01"]);
    let by_price = paid(
        "in_2",
        vec![PaymentLine { item_id: None, price: Some("price_pro".to_owned()), ..line("-", "04-01", "05-01") }],
    );
    check("a line that names the price only", active(), vec![month(), by_price], &["05-01"]);
}

#[test]
fn a_new_item_shares_the_coverage_up_to_its_own_period() {
    let with = |period_end| {
        vec![item("si_1", "price_pro", 1, ("03-01", "04-01")), item("si_2", "price_team", 1, ("03-10", period_end))]
    };
    let month = || paid("in_1", vec![line("si_1", "03-01", "04-01")]);
    check("active", snapshot(Status::Active, with("04-01")), vec![month()], &["04-01", "04-01"]);
    check("trialing", snapshot(Status::Trialing, with("04-01")), vec![month()], &["04-01", "04-01"]);
    check("a shorter period", snapshot(Status::Active, with("03-20")), vec![month()], &["04-01", "03-20"]);
    check("a longer period", snapshot(Status::Active, with("06-01")), vec![month()], &["04-01", "04-01"]);
    for status in [Status::PastDue, Status::Unpaid, Status::Incomplete] {
        check(status.as_str(), snapshot(status, with("04-01")), vec![month()], &["04-01", "-"]);
    }
    let by_hand = |start, end| PaymentLine { item_id: None, price: Some("setup".to_owned()), ..line("-", start, end) };
    for (name, line) in [("an instant", line("si_9", "03-05", "03-05")), ("billed by hand", by_hand("03-01", "04-01"))]
    {
        check(name, snapshot(Status::Active, with("04-01")), vec![paid("in_1", vec![line])], &["-", "-"]);
    }
    check(
        "what went back is shared, too",
        snapshot(Status::Active, with("04-01")),
        vec![month(), given_back(1, "03-11", 1_000)],
        &["-", "-"],
    );
}

#[test]
fn what_went_back_does_not_count() {
    use DisputeStatus::{Inquiry, Lost, Open, Won};
    let month = || paid("in_1", vec![line("si_1", "03-01", "04-01")]);
    let next = || paid("in_2", vec![line("si_1", "04-01", "05-01")]);
    let cases: [(&str, Vec<Recorded>, Loss, &str); 16] = [
        ("all", vec![given_back(1, "03-05", 1_000)], Loss::FullRefund, "-"),
        ("all, as a refund", vec![refund(1, "03-05", 1_000, true)], Loss::FullRefund, "-"),
        (
            "all, said twice",
            vec![given_back(1, "03-05", 1_000), refund(1, "03-05", 1_000, true)],
            Loss::FullRefund,
            "-",
        ),
        ("a part", vec![given_back(1, "03-05", 400)], Loss::PartialRefund, "04-01"),
        ("two parts", vec![given_back(1, "03-05", 400), given_back(1, "03-06", 1_000)], Loss::FullRefund, "-"),
        (
            "a part, said twice",
            vec![given_back(1, "03-05", 500), refund(1, "03-05", 500, true)],
            Loss::PartialRefund,
            "04-01",
        ),
        ("failed", vec![given_back(1, "03-05", 1_000), refund(1, "03-06", 1_000, false)], Loss::None, "04-01"),
        (
            "failed, and again",
            vec![refund(1, "03-06", 1_000, false), given_back(1, "03-07", 1_000)],
            Loss::FullRefund,
            "-",
        ),
        ("of another payment", vec![given_back(3, "03-05", 1_000)], Loss::None, "04-01"),
        ("an inquiry", vec![dispute(1, "03-05", Inquiry)], Loss::None, "04-01"),
        ("disputed", vec![dispute(1, "03-05", Open)], Loss::None, "04-01"),
        ("won", vec![dispute(1, "03-05", Open), dispute(1, "03-06", Won)], Loss::None, "04-01"),
        ("lost", vec![dispute(1, "03-05", Open), dispute(1, "03-06", Lost)], Loss::DisputeLost, "-"),
        ("a part, and lost", vec![given_back(1, "03-05", 400), dispute(1, "03-06", Lost)], Loss::DisputeLost, "-"),
        ("the first of two", vec![next(), given_back(1, "04-05", 1_000)], Loss::FullRefund, "05-01"),
        ("the second of two", vec![next(), given_back(2, "04-05", 1_000)], Loss::None, "04-01"),
    ];
    for (name, facts, of_the_first, expected) in cases {
        let facts: Vec<Recorded> = [month()].into_iter().chain(facts).collect();
        check(name, active(), facts.clone(), &[expected]);
        let state = state([shown("03-01", active())].into_iter().chain(facts).collect());
        assert_eq!(coverage::loss(&state, "inv:in_1", &one(("03-01", "04-01"))[0]), of_the_first, "{name}");
    }
}

#[test]
fn a_pause_of_collection_waives_what_is_voided() {
    let paused = |behavior: &str| {
        let pause = PauseCollection { behavior: behavior.to_owned(), resumes_at: None };
        Snapshot { pause_collection: Some(pause), ..snapshot(Status::Active, one(("04-01", "05-01"))) }
    };
    let month = || paid("in_1", vec![line("si_1", "03-01", "04-01")]);
    let voided = || payment("in_2", PaymentStatus::Voided, vec![line("si_1", "04-01", "05-01")]);
    let resumed = || shown("05-02", snapshot(Status::Active, one(("05-01", "06-01"))));
    for behavior in ["void", "mark_uncollectible"] {
        check("the period counts", paused(behavior), vec![month()], &["05-01"]);
        check("voided while paused, then resumed", paused(behavior), vec![month(), voided(), resumed()], &["05-01"]);
    }
    check("drafts are to be paid later", paused("keep_as_draft"), vec![month()], &["04-01"]);
    check(
        "voided without a pause",
        snapshot(Status::Active, one(("04-01", "05-01"))),
        vec![month(), voided()],
        &["04-01"],
    );
    let second = paid("in_2", vec![line("si_1", "04-01", "05-01")]);
    check("given back is not waived", paused("void"), vec![month(), second, given_back(2, "04-02", 1_000)], &["04-01"]);
}

/// FastSpring says in the subscription how far it is paid; a return takes the last order back.
#[test]
fn where_the_snapshot_says_it_the_last_order_decides() {
    let through = Snapshot { paid_through: Some(at("05-01")), ..active() };
    let order = |id: &str, when: &str| paid(id, vec![line("-", when, "05-01")]);
    check("as it says", through.clone(), vec![], &["05-01"]);
    check(
        "an old order returned",
        through.clone(),
        vec![order("in_1", "03-02"), order("in_2", "04-01"), given_back(1, "04-02", 1_000)],
        &["05-01"],
    );
    check(
        "the last order returned",
        through,
        vec![order("in_1", "03-02"), order("in_2", "04-01"), given_back(2, "04-02", 1_000)],
        &["-"],
    );
}

/// A refund that came before its link lands with it.
#[test]
fn a_loss_needs_a_path_to_its_payment() {
    let facts = || {
        vec![
            shown("03-01", active()),
            paid("in_1", vec![line("si_1", "03-01", "04-01")]),
            given_back(1, "03-05", 1_000),
        ]
    };
    let unlinked = fold("sub_1", facts(), []);
    let linked = fold("sub_1", facts(), links());
    let paid = |s: &State| day(coverage::canonical(s, &s.snapshot.as_ref().unwrap().value.items[0]).paid_through);
    assert_eq!((paid(&unlinked).as_str(), paid(&linked).as_str()), ("04-01", "-"));
    assert_ne!(unlinked.state_hash(), linked.state_hash());
}
