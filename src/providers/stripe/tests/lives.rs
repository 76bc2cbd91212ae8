//! Whole lives: what the events of one subscription come to, in whatever order they arrive.

use super::*;
use crate::domain::state::State;
use crate::providers::tests::{lines_of, state_of};

const DAY: i64 = 86_400;
const START: i64 = 1_767_225_600; // 2026-01-01

/// Seconds at the start of the n-th day after the first.
pub fn day(n: i64) -> i64 {
    START + n * DAY
}

/// An event on the n-th day. Its id is its place among those a test tells.
pub fn on(n: i64, kind: &str, object: Value) -> Value {
    let id = format!("evt_{kind}_{n}_{}", object["id"].as_str().unwrap_or_default());
    with(event(kind, object), json!({"id":id,"created":day(n)}))
}

pub fn changed(mut event: Value, previous: Value) -> Value {
    event["data"]["previous_attributes"] = previous;
    event
}

fn item(id: &str, price: &str, from: i64, to: i64) -> Value {
    json!({"id":id,"quantity":1,"price":{"id":price},"current_period_start":day(from),"current_period_end":day(to)})
}

fn subscription(items: Value, changes: Value) -> Value {
    with(json!({"id":"sub_1","status":"active","customer":"cus_1","items":{"data":items,"has_more":false}}), changes)
}

/// A line of the shape since basil: it does not say how its price is billed.
fn line(item: &str, price: &str, from: i64, to: i64) -> Value {
    json!({"amount":1000,"period":{"start":day(from),"end":day(to)},"pricing":{"price_details":{"price":price}},
        "parent":{"subscription_item_details":{"subscription_item":item,"subscription":"sub_1"}}})
}

fn invoice(id: &str, status: &str, lines: Value) -> Value {
    json!({"id":id,"status":status,"customer":"cus_1","amount_paid":1000,"lines":{"data":lines},
        "parent":{"subscription_details":{"subscription":"sub_1"}}})
}

fn catalog() -> Value {
    json!({"catalog":[{"match":{"price":"month"},"product_code":"PRO"},{"match":{"price":"year"},"product_code":"PRO"},
        {"match":{"price":"addon"},"product_code":"ADD"},{"match":{"price":"use"},"product_code":"USE"}]})
}

fn state(events: &[Value]) -> State {
    state_of(&Stripe, "sub_1", events)
}

fn check(name: &str, events: &[Value], on_day: i64, expected: &[&str]) {
    assert_eq!(lines_of(&state(events), &catalog(), at(day(on_day))), expected, "{name}");
}

fn created() -> Value {
    on(0, "customer.subscription.created", subscription(json!([item("si_1", "month", 0, 31)]), json!({})))
}

fn paid(n: i64) -> Value {
    on(n, "invoice.paid", invoice(&format!("in_{n}"), "paid", json!([line("si_1", "month", n, n + 31)])))
}

#[test]
fn what_is_not_paid_is_not_owed() {
    let sent = on(0, "invoice.sent", invoice("in_0", "open", json!([line("si_1", "month", 0, 31)])));
    check("sent, not paid", &[created(), sent.clone()], 1, &["PRO none not_paid_yet until -"]);
    check("sent and paid", &[created(), sent.clone(), paid(0)], 1, &["PRO active paid until 02-01"]);
    let twice = with(paid(0), json!({"type":"invoice.payment_succeeded","id":"evt_twin"}));
    check("told twice", &[created(), paid(0), twice], 1, &["PRO active paid until 02-01"]);
    // The next period has begun and is not paid: the end of the paid one stands.
    let moved = subscription(json!([item("si_1", "month", 31, 59)]), json!({"status":"past_due"}));
    let failed = on(31, "invoice.payment_failed", invoice("in_31", "open", json!([line("si_1", "month", 31, 59)])));
    let late = [created(), paid(0), on(31, "customer.subscription.updated", moved), failed];
    check("refused", &late, 32, &["PRO grace past_due until 02-01"]);
    let nothing = with(invoice("in_0", "paid", json!([line("si_1", "month", 0, 14)])), json!({"amount_paid":0}));
    let trial = subscription(json!([item("si_1", "month", 0, 14)]), json!({"status":"trialing","trial_end":day(14)}));
    let trial = [on(0, "customer.subscription.created", trial), on(0, "invoice.paid", nothing)];
    check("a free trial", &trial, 1, &["PRO trial trial until 01-15"]);
}

#[test]
fn use_is_billed_in_arrears_and_covers_nothing() {
    let metered = json!({"id":"si_use","price":{"id":"use","recurring":{"usage_type":"metered"}},
        "current_period_start":day(31),"current_period_end":day(59)});
    let both = subscription(json!([item("si_1", "month", 31, 59), metered]), json!({}));
    let both = on(31, "customer.subscription.updated", both);
    let lines = |n, lines| on(n, "invoice.paid", invoice(&format!("in_{n}"), "paid", lines));
    let renewed = lines(31, json!([line("si_use", "use", 0, 31), line("si_1", "month", 31, 59)]));
    check("beside", &[both.clone(), renewed], 32, &["PRO active paid until 03-01", "USE active paid until 03-01"]);
    // Of use alone nothing follows, however far the line seems to reach.
    let use_alone = lines(31, json!([line("si_use", "use", 31, 59)]));
    check("alone", &[both, use_alone], 32, &["PRO none not_paid_yet until -", "USE none metered until -"]);
}

#[test]
fn a_list_of_lines_that_was_cut_off_covers_what_it_hides() {
    let items = json!([item("si_1", "month", 31, 59), item("si_2", "addon", 31, 59), item("si_y", "year", 0, 365)]);
    let renewed = on(31, "customer.subscription.updated", subscription(items, json!({})));
    let first = json!([line("si_1", "month", 0, 31), line("si_2", "addon", 0, 31), line("si_y", "year", 0, 365)]);
    let first = on(0, "invoice.paid", invoice("in_0", "paid", first));
    let mut second = invoice("in_31", "paid", json!([line("si_1", "month", 31, 59)]));
    let whole = on(31, "invoice.paid", second.clone());
    second["lines"]["has_more"] = json!(true);
    let cut = on(31, "invoice.paid", second);
    let year = "PRO active paid until 01-01";
    check(
        "whole",
        &[first.clone(), renewed.clone(), whole],
        32,
        &["PRO active paid until 03-01", "ADD grace renewal_due until 02-01", year],
    );
    check("cut", &[first, renewed, cut], 32, &["PRO active paid until 03-01", "ADD active paid until 03-01", year]);
}

#[test]
fn pauses() {
    let paused = |behavior: &str| {
        let pause = json!({"pause_collection":{"behavior":behavior}});
        on(31, "customer.subscription.updated", subscription(json!([item("si_1", "month", 31, 59)]), pause))
    };
    let void = on(32, "invoice.voided", invoice("in_31", "void", json!([line("si_1", "month", 31, 59)])));
    check("given away", &[created(), paid(0), paused("void"), void], 33, &["PRO active paid until 03-01"]);
    check("put off", &[created(), paid(0), paused("keep_as_draft")], 33, &["PRO grace renewal_due until 02-01"]);
    let status =
        |n, kind, word| on(n, kind, subscription(json!([item("si_1", "month", 0, 31)]), json!({"status":word})));
    let stopped = status(5, "customer.subscription.paused", "paused");
    check("stopped", &[created(), paid(0), stopped.clone()], 6, &["PRO suspended paused until 02-01"]);
    let resumed = status(7, "customer.subscription.resumed", "active");
    check("resumed", &[created(), paid(0), stopped, resumed], 8, &["PRO active paid until 02-01"]);
    let unpaid = status(5, "customer.subscription.updated", "unpaid");
    check("unpaid", &[created(), paid(0), unpaid.clone()], 6, &["PRO suspended unpaid until 02-01"]);
    let back = status(7, "customer.subscription.updated", "active");
    check("paid after all", &[created(), paid(0), unpaid, back], 8, &["PRO active paid until 02-01"]);
}

#[test]
fn what_must_never_overwrite_the_state() {
    let stale = subscription(json!([item("si_1", "month", 0, 14)]), json!({"status":"trialing","trial_end":day(14)}));
    let notice = on(20, "customer.subscription.trial_will_end", stale);
    check("a reminder", &[created(), paid(0), notice], 21, &["PRO active paid until 02-01"]);
    let pending = json!({"pending_update":{"subscription_items":[{"id":"si_1","quantity":50}]}});
    let pending = on(2, "customer.subscription.updated", subscription(json!([item("si_1", "month", 0, 31)]), pending));
    let items = state(&[created(), paid(0), pending]).snapshot.unwrap().value.items;
    assert_eq!(items[0].quantity, Some(1), "not applied yet");
}

#[test]
fn with_a_customer_everything_ends() {
    let gone = on(5, "customer.deleted", json!({"id":"cus_1","email":"a@b.c"}));
    let ended = &["PRO ended canceled until 02-01"];
    check("alone", &[created(), paid(0), gone.clone()], 6, ended);
    let deleted = subscription(json!([item("si_1", "month", 0, 31)]), json!({"status":"canceled","ended_at":day(5)}));
    let deleted = on(5, "customer.subscription.deleted", deleted);
    check("and its subscription", &[created(), paid(0), gone.clone(), deleted], 6, ended);
    let copy = on(6, "invoice.updated", with(invoice("in_9", "void", json!([])), json!({"customer_email":"a@b.c"})));
    check("a copy is no resurrection", &[created(), paid(0), gone, copy], 7, ended);
}

#[test]
fn plans_are_swapped_with_or_without_their_item() {
    let swap = |id| {
        let after = subscription(json!([item(id, "year", 10, 375)]), json!({}));
        let before = json!({"items":{"data":[item("si_1", "month", 0, 31)]}});
        changed(on(10, "customer.subscription.updated", after), before)
    };
    let bill = |id| on(10, "invoice.paid", invoice("in_10", "paid", json!([line(id, "year", 10, 375)])));
    for id in ["si_1", "si_2"] {
        check("swapped", &[created(), paid(0), swap(id)], 11, &["PRO active paid until 02-01"]);
        check("and paid", &[created(), paid(0), swap(id), bill(id)], 11, &["PRO active paid until 01-11"]);
    }
}

#[test]
fn money_goes_back_by_the_only_way_there_is() {
    let edge =
        on(0, "invoice_payment.paid", json!({"id":"inpay_1","invoice":"in_0","payment":{"payment_intent":"pi_1"}}));
    let charge = json!({"id":"ch_1","payment_intent":"pi_1","amount":1000,"amount_refunded":1000,"refunded":true});
    let back = on(3, "charge.refunded", charge.clone());
    let start = [created(), paid(0), edge];
    let told = |more: &[Value]| [&start[..], more].concat();
    check("refunded", &told(std::slice::from_ref(&back)), 4, &["PRO ended refunded until -"]);
    check("no edge", &[created(), paid(0), back.clone()], 4, &["PRO active paid until 02-01"]);
    let failed = json!({"id":"re_1","charge":"ch_1","payment_intent":"pi_1","amount":1000,"status":"failed"});
    check("the refund failed", &told(&[back, on(4, "refund.failed", failed)]), 5, &["PRO active paid until 02-01"]);
    let part = on(3, "charge.refunded", with(charge, json!({"amount_refunded":300,"refunded":false})));
    check("a part", &told(&[part]), 4, &["PRO active paid until 02-01"]);
    let dispute = |n, kind: &str, word| {
        on(n, &format!("charge.dispute.{kind}"), json!({"id":"du_1","payment_intent":"pi_1","status":word}))
    };
    let table = [
        (vec![dispute(3, "created", "warning_needs_response")], "PRO active paid until 02-01"),
        (vec![dispute(3, "created", "needs_response")], "PRO suspended dispute until 02-01"),
        (vec![dispute(3, "created", "needs_response"), dispute(4, "closed", "won")], "PRO active paid until 02-01"),
        (vec![dispute(3, "created", "needs_response"), dispute(4, "closed", "lost")], "PRO ended dispute_lost until -"),
    ];
    for (disputes, expected) in table {
        check("disputed", &told(&disputes), 5, &[expected]);
    }
}

/// A test clock that is advanced makes months of events inside one real second.
#[test]
fn a_test_clock_runs_through_months_in_a_second() {
    let items = |n: i64| json!([item("si_1", "month", n * 31, n * 31 + 31)]);
    let clocked = json!({"test_clock":"clock_1"});
    let mut events = vec![on(0, "customer.subscription.created", subscription(items(0), clocked.clone()))];
    for n in 0..6 {
        let bill = invoice(&format!("in_{n}"), "paid", json!([line("si_1", "month", n * 31, n * 31 + 31)]));
        events.push(with(on(0, "invoice.paid", bill), json!({"id":format!("evt_{}", 9 - n)})));
        if n > 0 {
            let moved = on(0, "customer.subscription.updated", subscription(items(n), clocked.clone()));
            let moved = changed(moved, json!({"items":{"data":items(n - 1)}}));
            events.push(with(moved, json!({"id":format!("evt_s{}", 9 - n)})));
        }
    }
    events.iter_mut().for_each(|event| event["livemode"] = json!(false));
    let state = state(&events);
    assert!(!state.uncertain);
    assert_eq!(lines_of(&state, &catalog(), at(day(1))), ["PRO active paid until 07-06"]);
}
