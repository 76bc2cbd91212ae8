//! Orders, rebills, returns, chargebacks.

use super::*;

#[test]
fn a_rebill_is_a_paid_order_of_its_subscription() {
    let order = json!({"id":"o2","order":"o2","changed":1554092000000_i64,"total":14.95,"items":[{"product":"pro","subscription":"s1"}]});
    let charge = json!({"order":"o2","subscription":"s1","account":"a1","status":"successful","total":14.95,"timestamp":1554092000000_i64});
    let expanded = with(
        charge.clone(),
        json!({"order":order,"subscription":with(active(), json!({"account":"a1","next":ms("2019-06-01"),"nextChargeDate":null})),"account":{"id":"a1"}}),
    );
    let paid = FactBody::Payment(Payment {
        payment_id: "o2".into(),
        status: PaymentStatus::Paid,
        amount_paid: Some(1495),
        lines: vec![],
        items: vec![],
        purchase: None,
    });
    for data in [charge.clone(), expanded.clone()] {
        let translation = translated("subscription.charge.completed", data);
        let payment = about(&translation, "ord:o2");
        assert_eq!((&payment.body, payment.key.at.timestamp_millis()), (&paid, 1_554_092_000_000));
        assert_eq!(links(&translation), ["sub:s1 > cus:a1", "ord:o2 > sub:s1"]);
    }
    let renewed = snapshot_of(&translated("subscription.charge.completed", expanded));
    assert_eq!(renewed.paid_through, Some(instant("2019-06-01T00:00:00Z")));
    // Only an id: nothing is known of the period.
    let mention = translated("subscription.charge.completed", charge.clone());
    assert_eq!(about(&mention, "sub:s1").body, FactBody::Notice);
    let failed = translated(
        "subscription.charge.failed",
        json!({"reason":"EXPIRED_CARD","account":"a1","quote":"q","subscription":"s1"}),
    );
    assert_eq!((failed.facts.len(), &about(&failed, "sub:s1").body), (1, &FactBody::Notice));
    let overdue = with(charge, json!({"subscription":with(active(), json!({"state":"overdue"}))}));
    assert_eq!(snapshot_of(&translated("subscription.charge.failed", overdue)).status, Status::PastDue);
}

#[test]
fn an_order_ties_its_items_to_subscriptions() {
    let item = |subscription| json!({"product":"pro","quantity":2,"subscription":subscription});
    let order = json!({"id":"o1","order":"o1","changed":1554092000000_i64,"account":"a1","customer":{"first":"Ann","email":"a@b.c"},
        "total":187,"items":[item(with(active(), json!({"account":"a1","product":"pro"}))), item(json!("s2")), {"product":"book","quantity":1}]});
    let translation = translated("order.completed", order.clone());
    let subscriptions = ["ord:o1 > sub:s1", "ord:o1 > sub:s2", "sub:s1 > cus:a1", "sub:s2 > cus:a1"];
    let purchase = ["ord:o1 > sub:order-o1", "sub:order-o1 > cus:a1"];
    assert_eq!(links(&translation), [&subscriptions[..], &purchase].concat());
    assert_eq!((snapshot_of(&translation).status, about(&translation, "sub:s1").key.rank), (Status::Active, 0));
    let paid = Payment {
        payment_id: "o1".into(),
        status: PaymentStatus::Paid,
        amount_paid: Some(18700),
        lines: vec![],
        items: vec![],
        purchase: None,
    };
    assert_eq!(about(&translation, "ord:o1").body, FactBody::Payment(paid));
    match &about(&translation, "cus:a1").body {
        FactBody::Customer(facts) => assert_eq!(facts.email.as_deref(), Some("a@b.c")),
        other => panic!("{other:?}"),
    }
    // An order that is taken back, and those that came to nothing.
    let canceled = translated("order.canceled", order.clone());
    assert_eq!(links(&canceled), links(&translation));
    assert!(matches!(&about(&canceled, "ord:o1").body, FactBody::Payment(p) if p.status == PaymentStatus::Voided));
    for kind in ["order.failed", "order.payment.pending", "order.approval.pending"] {
        let nothing = translated(kind, order.clone());
        assert_eq!(
            (links(&nothing), &about(&nothing, "ord:o1").body),
            (subscriptions.map(str::to_owned).into(), &FactBody::Notice)
        );
    }
    let payout = translated(
        "payoutEntry.created",
        json!({"orderId":"o1","order":{"id":"o1"},"subscriptions":["s1",{"id":"s2"}]}),
    );
    assert_eq!(links(&payout), ["ord:o1 > sub:s1", "ord:o1 > sub:s2"]);
}

/// What is no subscription is a state of its own.
#[test]
fn what_an_order_sells_once_is_a_purchase() {
    let order = json!({"id":"o1","changed":1554092000000_i64,"account":"a1","total":9,"items":[{"product":"pro","subscription":"s1"},
        {"product":"book","sku":"B","quantity":3,"attributes":{"product_short_code":"BOOK"}},{"product":{"product":"book"}},{"quantity":1}]});
    let snapshot = |kind: &str| {
        let translation = translated(kind, order.clone());
        match about(&translation, "sub:order-o1") {
            Fact { key, body: FactBody::Subscription { after, .. }, .. } => (key.clone(), after.clone()),
            other => panic!("{other:?}"),
        }
    };
    let (key, bought) = snapshot("order.completed");
    assert_eq!((bought.status, bought.livemode, bought.customer_id.as_deref()), (Status::Active, true, Some("a1")));
    let items: Vec<_> = bought.items.iter().map(|i| (&*i.item_id, i.quantity, i.one_off)).collect();
    assert_eq!(items, [("book", Some(3), true), ("book.2", Some(1), true)]);
    assert_eq!(bought.items[0].product.attributes["product_short_code"], "BOOK");
    let (canceled_key, canceled) = snapshot("order.canceled");
    assert_eq!((canceled.status, canceled.ended_at.is_some(), canceled_key > key), (Status::Canceled, true, true));
    let none = translated("order.completed", with(order, json!({"items":[{"product":"pro","subscription":"s1"}]})));
    assert!(none.facts.iter().all(|fact| fact.entity.key() != "sub:order-o1"));
}

#[test]
fn returns() {
    let back = |total_return: Value, total: Value| {
        let data = json!({"return":"r1","id":"r1","original":{"id":"o1","order":"o1","total":total},"totalReturn":total_return,
            "items":[{"product":"pro","subscription":"s1"},{"product":{"product":"book"}}]});
        let translation = translated("return.created", data);
        assert_eq!(links(&translation), ["re:r1 > ord:o1", "ord:o1 > sub:s1"]);
        match &translation.facts[0].body {
            FactBody::Refund(refund) => (refund.full, refund.amount, refund.products.len()),
            other => panic!("{other:?}"),
        }
    };
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let table = [
        ("14.95", "14.95", (true, Some(1495), 0)),
        ("14.950", "14.95", (true, Some(1495), 0)),
        ("15", "14.95", (true, Some(1500), 0)),
        ("14.9", "14.95", (false, Some(1490), 2)),
        ("0.1", "0.30", (false, Some(10), 2)),
        ("\"7.00\"", "7", (true, Some(700), 0)),
        ("1e30", "14.95", (false, None, 2)),
        ("null", "14.95", (false, None, 2)),
        ("-0.5", "14.95", (false, Some(-50), 2)),
        ("1.2345", "1", (false, None, 2)),
        ("99999999999999999999", "1", (false, None, 2)),
        ("5", "null", (false, Some(500), 2)),
    ];
    for (total_return, total, expected) in table {
        assert_eq!(back(number(total_return), number(total)), expected, "{total_return} of {total}");
    }
    let pending = translated("return.created", json!({"return":"r1","completed":false}));
    assert!(matches!(&pending.facts[0].body, FactBody::Refund(refund) if !refund.succeeded));
}

#[test]
fn chargebacks_are_the_processor_s_cases() {
    use DisputeStatus::*;
    for (word, status) in
        [("NEW", Open), ("", Open), ("pending", Open), ("WON", Won), ("Lost", Lost), ("CHARGEBACK_LOST", Lost)]
    {
        for kind in ["chargeback.created", "order.chargeback"] {
            let translation = translated(
                kind,
                json!({"id":"o1","order":"o1","processorCaseId":"case1","status":word,"creationDate":"Fri May 09 17:00:00 UTC 2025"}),
            );
            assert_eq!(
                about(&translation, "dp:case1").body,
                FactBody::Dispute(Dispute { dispute_id: "case1".into(), status })
            );
            assert_eq!(links(&translation), ["dp:case1 > ord:o1"]);
        }
    }
    assert_eq!(links(&translated("chargeback.created", json!({"id":"o1"}))), ["dp:o1 > ord:o1"]);
}
