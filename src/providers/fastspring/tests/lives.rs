//! Whole lives: what the events of one subscription or order come to, in whatever order they arrive.

use super::*;
use crate::domain::state::State;
use crate::providers::tests::{lines_of, state_of};

/// An event at noon of a day of 2019.
fn on(day: &str, kind: &str, data: Value) -> Value {
    let created = instant(&format!("2019-{day}T12:00:00Z")).timestamp_millis();
    json!({"id":format!("{day} {kind}"),"type":kind,"created":created,"live":true,"data":data})
}

fn noon(day: &str) -> Value {
    json!(instant(&format!("2019-{day}T12:00:00Z")).timestamp_millis())
}

/// Paid until May; its product has LicenseSpring's keys.
fn monthly(changes: Value) -> Value {
    let product = json!({"product":"pro","attributes":{"product_short_code":"PRO"}});
    let base = json!({"changed":noon("04-01"),"product":product,"sku":null,"attributes":null,"intervalUnit":"month","intervalLength":1});
    with(with(active(), base), changes)
}

/// As part of something else: the product is only named.
fn nested(changes: Value) -> Value {
    with(monthly(json!({"product":"pro","account":"a1"})), changes)
}

fn order(id: &str, day: &str, subscription: Value) -> Value {
    json!({"id":id,"order":id,"changed":noon(day),"account":"a1","total":14.95,"items":[{"product":"pro","quantity":2,"subscription":subscription}]})
}

fn start() -> Vec<Value> {
    vec![
        on("04-01", "subscription.activated", monthly(json!({}))),
        on("04-01", "order.completed", order("o1", "04-01", nested(json!({})))),
    ]
}

/// A charge with ids alone.
fn charge(order: &str, day: &str) -> Value {
    on(
        day,
        "subscription.charge.completed",
        json!({"order":order,"subscription":"s1","account":"a1","status":"successful","total":14.95,"timestamp":noon(day)}),
    )
}

fn state(more: &[Value]) -> State {
    state_of(&FastSpring, "s1", &[&start()[..], more].concat())
}

fn check(name: &str, more: &[Value], day: &str, expected: &str) {
    let now = instant(&format!("2019-{day}T12:00:00Z"));
    assert_eq!(lines_of(&state(more), &json!({}), now), [expected], "{name}");
}

#[test]
fn a_rebill_extends_whether_it_is_expanded_or_not() {
    check("at first", &[], "04-20", "PRO active paid until 05-01");
    check("by ids", &[charge("o2", "05-01")], "05-20", "PRO active paid until 06-01");
    check("twice by ids", &[charge("o2", "05-01"), charge("o3", "06-01")], "06-20", "PRO active paid until 07-01");
    check("late, after dunning", &[charge("o2", "05-09")], "05-20", "PRO active paid until 06-01");
    check("a proration in the middle", &[charge("o2", "04-15")], "04-20", "PRO active paid until 05-01");
    let resent = with(charge("o2", "05-01"), json!({"id":"new","created":noon("06-02")}));
    check("resent by hand", &[charge("o2", "05-01"), resent], "05-20", "PRO active paid until 06-01");
    // Expanded, its snapshot has moved, though not its `changed`.
    let expanded = json!({"order":order("o2", "05-01", json!("s1")),"subscription":nested(json!({"next":ms("2019-06-01"),"nextChargeDate":ms("2019-06-01")})),
        "account":"a1","status":"successful","total":14.95,"timestamp":noon("05-01")});
    check(
        "expanded",
        &[on("05-01", "subscription.charge.completed", expanded)],
        "05-20",
        "PRO active paid until 06-01",
    );
    let failed =
        on("05-01", "subscription.charge.failed", json!({"subscription":"s1","account":"a1","reason":"EXPIRED_CARD"}));
    check("refused", &[failed], "05-02", "PRO grace renewal_due until 05-01");
    let canceled = on("04-10", "subscription.canceled", monthly(json!({"state":"canceled","changed":noon("04-10")})));
    check("canceled", &[canceled, charge("o2", "05-01")], "05-20", "PRO ended canceled until 05-01");
}

/// Attributes and SKU of an expanded product survive copies in which it is only named.
#[test]
fn what_a_nested_copy_does_not_say_stays_known() {
    let renamed = nested(json!({"product":"other","changed":noon("04-05")}));
    let now = instant("2019-04-20T12:00:00Z");
    let other = state(&[on("04-05", "subscription.updated", renamed)]);
    assert_eq!(lines_of(&other, &json!({}), now), ["main is not in the catalog"], "another product is another matter");
    let later = nested(json!({"changed":noon("04-05"),"quantity":7}));
    let later = state(&[on("04-05", "subscription.updated", later)]);
    assert_eq!(lines_of(&later, &json!({}), now), ["PRO active paid until 05-01"]);
    assert_eq!(later.snapshot.as_ref().unwrap().value.items[0].quantity, Some(7));
    // An order's line describes what its subscription only names.
    let mut line = order("o1", "04-01", nested(json!({})));
    line["items"][0]["attributes"] = json!({"product_short_code":"PRO"});
    let alone = state_of(&FastSpring, "s1", &[on("04-01", "order.completed", line)]);
    assert_eq!(lines_of(&alone, &json!({}), now), ["PRO active paid until 05-01"]);
}

#[test]
fn returns_and_chargebacks_find_their_order() {
    let back = |total: &str| {
        let data = json!({"return":"r1","changed":noon("05-03"),"original":"o2","totalReturn":serde_json::from_str::<Value>(total).unwrap()});
        on("05-03", "return.created", data)
    };
    check("all", &[charge("o2", "05-01"), back("14.95")], "05-04", "PRO ended refunded until -");
    check("a part", &[charge("o2", "05-01"), back("4.95")], "05-04", "PRO active paid until 06-01");
    let case = |day: &str, id: &str, word: &str| {
        on(day, "chargeback.created", json!({"id":"o2","order":"o2","processorCaseId":id,"status":word}))
    };
    let rebill = charge("o2", "05-01");
    check("disputed", &[rebill.clone(), case("05-03", "c1", "NEW")], "05-04", "PRO suspended dispute until 06-01");
    let won = [rebill.clone(), case("05-03", "c1", "NEW"), case("05-04", "c1", "WON")];
    check("won", &won, "05-05", "PRO active paid until 06-01");
    let two = [&won[..], &[case("05-05", "c2", "NEW")]].concat();
    check("another case of the same order", &two, "05-06", "PRO suspended dispute until 06-01");
    // Only the payout ties this rebill to its subscription.
    let payout = on("05-02", "payoutEntry.created", json!({"orderId":"o9","subscriptions":["s1"]}));
    let stray = on("05-03", "chargeback.created", json!({"order":"o9","processorCaseId":"c9","status":"NEW"}));
    check("tied by a payout", &[payout, stray], "05-04", "PRO suspended dispute until 05-01");
}

/// More seats in the middle of May, charged by themselves.
#[test]
fn the_period_is_lost_with_the_payment_that_opened_it() {
    let moved = monthly(json!({"next":ms("2019-06-01"),"nextChargeDate":ms("2019-06-01"),"changed":noon("05-15")}));
    let seats = [
        charge("o2", "05-01"),
        on("05-15", "subscription.updated", moved),
        with(charge("o3", "05-15"), json!({"data":with(charge("o3", "05-15")["data"].clone(), json!({"total":5}))})),
    ];
    let back = |order: &str, total: f64| {
        let data = json!({"return":format!("r-{order}"),"changed":noon("05-20"),"original":{"id":order,"total":total},"totalReturn":total});
        on("05-20", "return.created", data)
    };
    let after = |more: &[Value], expected: &str| check("", &[&seats[..], more].concat(), "05-21", expected);
    after(&[], "PRO active paid until 06-01");
    after(&[back("o3", 5.0)], "PRO active paid until 06-01");
    after(&[back("o2", 14.95)], "PRO ended refunded until -");
    after(&[back("o2", 14.95), back("o3", 5.0)], "PRO ended refunded until -");
    after(&[back("o1", 14.95)], "PRO active paid until 06-01");
    after(&[back("o2", 14.95), charge("o4", "05-21")], "PRO active paid until 06-01");
    let strict = json!({"policy":{"default":{"on_refund_partial":"disable"}}});
    let now = instant("2019-05-21T12:00:00Z");
    let part = state(&[&seats[..], &[back("o3", 5.0)]].concat());
    assert_eq!(lines_of(&part, &strict, now), ["PRO ended refunded until -"]);
}

#[test]
fn an_order_that_is_canceled_closes_what_it_opened() {
    let canceled = on("04-02", "order.canceled", order("o1", "04-02", json!("s1")));
    check("canceled", &[canceled], "04-03", "PRO ended refunded until -");
    // Inside one `changed`, what was told later is later.
    let at_once =
        with(on("04-01", "order.canceled", order("o1", "04-01", json!("s1"))), json!({"created":noon("04-02")}));
    check("canceled, its `changed` left as it was", &[at_once], "04-03", "PRO ended refunded until -");
    let other = on("04-02", "order.canceled", order("o7", "04-02", json!("s1")));
    check("one that was never completed", &[other], "04-03", "PRO active paid until 05-01");
}

/// Managed by hand: no next date, no canceled event; what is charged lasts an interval.
#[test]
fn a_managed_subscription_is_driven_by_its_charges() {
    let managed = |changes| with(monthly(json!({"adhoc":true,"next":null,"nextChargeDate":null})), changes);
    let begun = [
        on("04-01", "subscription.activated", managed(json!({}))),
        on("04-01", "order.completed", order("o1", "04-01", json!("s1"))),
    ];
    let lines = |more: &[Value], day: &str| {
        lines_of(
            &state_of(&FastSpring, "s1", &[&begun[..], more].concat()),
            &json!({}),
            instant(&format!("2019-{day}T12:00:00Z")),
        )
    };
    assert_eq!(lines(&[], "04-20"), ["PRO active paid until 05-01"]);
    assert_eq!(lines(&[charge("o2", "05-03")], "05-20"), ["PRO active paid until 06-03"]);
    let over = managed(json!({"state":"deactivated","active":false,"changed":noon("05-10"),"end":ms("2019-05-10")}));
    let over = on("05-10", "subscription.deactivated", over);
    assert!(lines(&[charge("o2", "05-03"), over], "05-20")[0].starts_with("PRO ended canceled"));
}

#[test]
fn a_purchase_stays_until_its_order_is_given_back() {
    let sold = json!({"id":"o1","changed":noon("04-01"),"account":"a1","total":40,"items":[
        {"product":"book","quantity":1,"attributes":{"product_short_code":"BOOK"}}]});
    let completed = on("04-01", "order.completed", sold.clone());
    let lines = |more: &[Value]| {
        let events = [std::slice::from_ref(&completed), more].concat();
        lines_of(&state_of(&FastSpring, "order-o1", &events), &json!({}), instant("2025-04-20T12:00:00Z"))
    };
    let back = |amount| {
        on("05-03", "return.created", json!({"return":"r1","original":{"id":"o1","total":40},"totalReturn":amount}))
    };
    assert_eq!(lines(&[]), ["BOOK active paid until -"]);
    assert_eq!(lines(&[back(40)]), ["BOOK ended refunded until -"]);
    assert_eq!(lines(&[back(10)]), ["BOOK active paid until -"]);
    let canceled = on("04-02", "order.canceled", with(sold, json!({"changed":noon("04-02")})));
    assert_eq!(lines(&[canceled]), ["BOOK ended canceled until -"]);
    let disputed = on("05-03", "chargeback.created", json!({"order":"o1","processorCaseId":"c1","status":"NEW"}));
    assert_eq!(lines(&[disputed]), ["BOOK suspended dispute until -"]);
}
