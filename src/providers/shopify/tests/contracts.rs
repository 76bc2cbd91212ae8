//! Contracts and the attempts to bill them.

use super::*;
use crate::domain::coverage;
use crate::domain::dates::Interval;
use crate::domain::state::{Recorded, State, fold};

fn contract(revision: u64, status: &str) -> Value {
    json!({"id":4367739981_i64,"admin_graphql_api_id":"gid://shopify/SubscriptionContract/4367739981",
        "billing_policy":{"interval":"month","interval_count":1},"customer_id":1,"status":status,
        "origin_order_id":820982911946154508_i64,"revision_id":revision.to_string()})
}

fn attempt(changes: Value) -> Value {
    let attempt = json!({"id":77,"idempotency_key":"k","order_id":820982911946154509_i64,"subscription_contract_id":4367739981_i64,
        "ready":true,"error_message":null,"error_code":null});
    with(attempt, changes)
}

fn order(id: u64, at: &str, quantity: i64) -> Value {
    json!({"id":id,"financial_status":"paid","total_price":"10.00","updated_at":at,"customer":{"id":1},
        "line_items":[{"id":9,"sku":" PRO ","variant_id":5,"product_id":6,"quantity":quantity}]})
}

fn snapshot_of(translation: &Translation) -> Snapshot {
    match &about(translation, "sub:4367739981").body {
        FactBody::Subscription { after, before: None } => (**after).clone(),
        other => panic!("not a subscription: {other:?}"),
    }
}

/// Folds deliveries, each with its own instant.
fn folded(deliveries: &[(&str, &str, Value)]) -> State {
    let (mut facts, mut links) = (Vec::new(), Vec::new());
    for ((topic, at, body), position) in deliveries.iter().zip(1..) {
        let translation = try_translated(topic, body, &[("x-shopify-triggered-at", at)]).unwrap();
        facts.extend(translation.facts.into_iter().map(|fact| Recorded { position, fact }));
        links.extend(translation.links);
    }
    fold("4367739981", facts, links)
}

#[test]
fn a_contract_is_a_snapshot_with_a_revision() {
    let translation = translated("subscription_contracts/create", &contract(7, "active"));
    let expected = Snapshot {
        status: Status::Active,
        provider_status: "active".into(),
        livemode: true,
        customer_id: Some("1".into()),
        revision: Some(7),
        interval: Some(Interval::Months(1)),
        ..Snapshot::default()
    };
    assert_eq!(snapshot_of(&translation), expected);
    assert_eq!(links(&translation), ["sub:4367739981 > cus:1", "ord:820982911946154508 > sub:4367739981"]);
    let key = &about(&translation, "sub:4367739981").key;
    assert_eq!((key.at, key.within), (instant(TRIGGERED_AT), 7));
    let test = try_translated("subscription_contracts/create", &contract(7, "active"), &[("x-shopify-test", "true")]);
    assert!(!snapshot_of(&test.unwrap()).livemode);
    // The samples' own clocks, and both spellings of ids and revisions.
    let own = with(
        contract(7, "active"),
        json!({"revision_id":7,"id":"gid://shopify/SubscriptionContract/4367739981","updated_at":"2026-01-01T00:00:00-05:00"}),
    );
    let own = translated("subscription_contracts/update", &own);
    assert_eq!((snapshot_of(&own), about(&own, "sub:4367739981").key.at), (expected, instant("2026-01-01T05:00:00Z")));
    for odd in [json!(null), json!("x"), json!(-1), json!(1.5)] {
        assert!(
            try_translated(
                "subscription_contracts/update",
                &with(contract(7, "active"), json!({"revision_id":odd})),
                &[]
            )
            .is_err()
        );
    }
    let timeless =
        try_translated("subscription_contracts/update", &contract(7, "active"), &[("x-shopify-triggered-at", "")]);
    assert!(timeless.unwrap_err().0.contains("Triggered-At"));
}

#[test]
fn statuses_and_intervals() {
    for (word, status, runs_out) in [
        ("ACTIVE", Status::Active, false),
        ("paused", Status::Paused, false),
        ("cancelled", Status::Canceled, true),
        ("expired", Status::Canceled, true),
        ("failed", Status::PastDue, false),
        ("stale", Status::Unknown, false),
    ] {
        let snapshot = snapshot_of(&translated("subscription_contracts/update", &contract(1, word)));
        assert_eq!((snapshot.status, snapshot.runs_out, &*snapshot.provider_status), (status, runs_out, word));
        assert_eq!(snapshot.ended_at.is_some(), runs_out);
    }
    for (unit, count, interval) in [
        ("day", json!(10), Some(Interval::Days(10))),
        ("week", json!(4), Some(Interval::Days(28))),
        ("YEAR", json!(1), Some(Interval::Months(12))),
        ("month", json!(0), None),
        ("month", json!(1001), None),
        ("month", json!(-1), None),
        ("eon", json!(1), None),
    ] {
        let policy = json!({"billing_policy":{"interval":unit,"interval_count":count}});
        let snapshot = snapshot_of(&translated("subscription_contracts/update", &with(contract(1, "active"), policy)));
        assert_eq!(snapshot.interval, interval, "{count} {unit}");
    }
}

#[test]
fn the_highest_revision_stands_whatever_clocks_and_arrival_say() {
    let told = [
        ("subscription_contracts/create", "2026-01-01T00:00:00Z", contract(5, "active")),
        ("subscription_contracts/update", "2026-01-02T00:00:00Z", contract(8, "paused")),
        ("subscription_contracts/update", "2026-01-03T00:00:00Z", contract(7, "active")),
        ("subscription_contracts/update", "2026-01-03T00:00:00Z", contract(6, "cancelled")),
    ];
    let straight = folded(&told);
    assert_eq!((straight.status(), straight.uncertain), (Status::Paused, false));
    for turn in 0..told.len() {
        let mut turned = told.to_vec();
        turned.rotate_left(turn);
        assert_eq!(folded(&turned).fold_hash(), straight.fold_hash());
        turned.reverse();
        assert_eq!(folded(&turned).fold_hash(), straight.fold_hash());
    }
}

#[test]
fn attempts() {
    let paid = translated("subscription_billing_attempts/success", &attempt(json!({})));
    let body = |status, id: &str| {
        FactBody::Payment(Payment {
            payment_id: id.into(),
            status,
            amount_paid: None,
            lines: vec![],
            items: vec![],
            purchase: None,
        })
    };
    assert_eq!(about(&paid, "ord:820982911946154509").body, body(PaymentStatus::Paid, "820982911946154509"));
    assert_eq!(links(&paid), ["ord:820982911946154509 > sub:4367739981"]);
    for topic in ["failure", "challenged"] {
        let declined = attempt(json!({"order_id":null,"error_code":"insufficient_funds"}));
        let failed = translated(&format!("subscription_billing_attempts/{topic}"), &declined);
        assert_eq!(about(&failed, "inv:77").body, body(PaymentStatus::Failed, "77"));
        assert_eq!(links(&failed), ["inv:77 > sub:4367739981"]);
    }
    // The documented sample has no id; the key is one.
    let unnamed = translated("subscription_billing_attempts/failure", &attempt(json!({"id":null})));
    assert_eq!(about(&unnamed, "inv:k").body, body(PaymentStatus::Failed, "k"));
    let declined = attempt(json!({"error_code":"test_mode"}));
    let why = try_translated("subscription_billing_attempts/success", &declined, &[]).unwrap_err();
    assert!(why.0.contains("error_code"), "{why}");
    // Test money is none in a live source.
    let test =
        try_translated("subscription_billing_attempts/success", &attempt(json!({})), &[("x-shopify-test", "true")]);
    assert_eq!(test.unwrap().facts[0].body, FactBody::Notice);
}

#[test]
fn a_contract_is_for_what_its_last_order_bought_and_each_payment_lasts_an_interval() {
    let start = [
        ("orders/paid", "2026-01-31T09:00:00Z", order(820_982_911_946_154_508, "2026-01-31T09:00:00Z", 1)),
        ("subscription_contracts/create", "2026-01-31T09:00:05Z", contract(5, "active")),
    ];
    let coverage = |state: &State| {
        let item = state.snapshot.as_ref().unwrap().value.items.first().cloned().unwrap();
        (item.product.keys["sku"].clone(), item.quantity, coverage::canonical(state, &item).paid_through)
    };
    let first = folded(&start);
    assert_eq!(coverage(&first), ("PRO".into(), Some(1), Some(instant("2026-02-28T09:00:00Z"))));
    // A renewal in three deliveries, the attempt a second after its order, counts once.
    let renewal = [
        ("subscription_billing_attempts/success", "2026-02-28T09:00:01Z", attempt(json!({}))),
        ("orders/paid", "2026-02-28T09:00:00Z", order(820_982_911_946_154_509, "2026-02-28T09:00:00Z", 3)),
        ("orders/updated", "2026-03-01T00:00:00Z", order(820_982_911_946_154_509, "2026-03-01T00:00:00Z", 3)),
    ];
    let renewed = folded(&[&start[..], &renewal].concat());
    assert_eq!(coverage(&renewed), ("PRO".into(), Some(3), Some(instant("2026-03-28T09:00:00Z"))));
    assert_eq!(renewed.provenance["items.5.quantity"].event, 4);
    // Told after the contract, the first order says the same.
    let mut late = start.to_vec();
    late.reverse();
    assert_eq!(folded(&late).state_hash(), first.state_hash());
}
