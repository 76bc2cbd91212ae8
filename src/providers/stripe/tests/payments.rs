//! Invoices, and the ways back to them.

use super::*;

pub fn new_invoice() -> Value {
    json!({"id":"in_1","status":"paid","customer":"cus_1","amount_paid":1000,"customer_email":"a@b.c","customer_name":"Ann van Dam",
        "status_transitions":{"finalized_at":900},"parent":{"subscription_details":{"subscription":"sub_1"}},
        "payments":{"data":[{"payment":{"type":"payment_intent","payment_intent":"pi_1"}},{"payment":{"charge":"ch_1"}}]},
        "lines":{"data":[
            {"amount":1000,"period":{"start":100,"end":200},"pricing":{"price_details":{"price":"price_1","product":"prod_1"}},
             "parent":{"subscription_item_details":{"subscription_item":"si_1","subscription":"sub_1","proration":false}}},
            {"amount":-300,"period":{"start":100,"end":900},"pricing":{"price_details":{"price":"price_0"}},
             "parent":{"invoice_item_details":{"proration":true,"subscription":"sub_1"}}},
            {"amount":70,"period":{"start":150,"end":200},"pricing":{"price_details":{"price":{"id":"price_2",
             "recurring":{"usage_type":"metered"}}}},"parent":{"invoice_item_details":{"proration":true}}}]}})
}

fn old_invoice() -> Value {
    json!({"id":"in_1","paid":true,"status":"paid","customer":{"id":"cus_1"},"amount_paid":1000,"customer_email":"a@b.c",
        "customer_name":"Ann van Dam","status_transitions":{"finalized_at":900},"subscription":{"id":"sub_1"},
        "payment_intent":{"id":"pi_1"},"charge":"ch_1","lines":{"data":[
            {"amount":1000,"period":{"start":100,"end":200},"price":{"id":"price_1","product":"prod_1"},
             "subscription_item":"si_1","subscription":"sub_1","proration":false},
            {"amount":-300,"period":{"start":100,"end":900},"plan":{"id":"price_0"},"proration":true},
            {"amount":70,"period":{"start":150,"end":200},"plan":{"id":"price_2","usage_type":"metered"},"proration":true}]}})
}

#[test]
fn old_and_new_shapes_of_an_invoice_say_the_same() {
    let line = |item: Option<&str>, price: &str, start, odd| PaymentLine {
        item_id: item.map(str::to_owned),
        price: Some(price.to_owned()),
        start: at(start),
        end: at(200),
        metered: odd,
        proration: odd,
    };
    let payment = Payment {
        payment_id: "in_1".into(),
        status: PaymentStatus::Paid,
        amount_paid: Some(1000),
        lines: vec![line(Some("si_1"), "price_1", 100, false), line(None, "price_2", 150, true)],
        items: vec![],
        purchase: None,
    };
    let ann = CustomerFacts {
        email: Some("a@b.c".into()),
        first_name: Some("Ann".into()),
        last_name: Some("van Dam".into()),
        ..CustomerFacts::default()
    };
    for invoice in [new_invoice(), old_invoice()] {
        let translation = translated_as("invoice.paid", invoice);
        let bodies: Vec<_> = translation.facts.iter().map(|f| (f.entity.key(), f.body.clone())).collect();
        let payment = ("inv:in_1".to_owned(), FactBody::Payment(payment.clone()));
        assert_eq!(bodies, [payment, ("cus:cus_1".to_owned(), FactBody::Customer(ann.clone()))]);
        // The copy of the customer was frozen when the invoice was finalised.
        assert_eq!((translation.facts[0].key.at, translation.facts[1].key.at), (at(1000), at(900)));
        assert_eq!(translation.facts[1].identity, "evt_1:customer");
        let mut found = links(&translation);
        found.sort();
        assert_eq!(
            found,
            ["ch:ch_1 > inv:in_1", "inv:in_1 > sub:sub_1", "pi:pi_1 > inv:in_1", "sub:sub_1 > cus:cus_1"]
        );
    }
}

#[test]
fn an_invoice_finds_its_subscription_through_its_lines() {
    for parent in [
        json!({"parent":{"subscription_item_details":{"subscription":"sub_1"}}}),
        json!({"parent":{"invoice_item_details":{"subscription":{"id":"sub_1"}}}}),
        json!({"parent":null,"subscription":"sub_1"}),
    ] {
        let translation = translated_as("invoice.paid", json!({"id":"in_1","lines":{"data":[{"id":"il_0"},parent]}}));
        assert_eq!(links(&translation), ["inv:in_1 > sub:sub_1"]);
    }
}

#[test]
fn the_state_of_a_payment_is_the_snapshot_s() {
    use PaymentStatus::*;
    let table = [
        ("invoice.created", json!({"status":"draft"}), Open, 1),
        ("invoice.finalized", json!({"status":"open"}), Open, 1),
        ("invoice.finalized", json!({"status":"paid"}), Paid, 3),
        ("invoice.payment_failed", json!({"status":"open"}), Failed, 2),
        ("invoice.payment_failed", json!({"status":"paid"}), Paid, 3),
        ("invoice.updated", json!({"paid":true}), Paid, 3),
        ("invoice.paid", json!({"status":null}), Paid, 3),
        ("invoice.voided", json!({"status":"void"}), Voided, 3),
        ("invoice.deleted", json!({"status":"draft"}), Voided, 3),
        ("invoice.marked_uncollectible", json!({"status":"uncollectible"}), Uncollectible, 2),
        ("invoice.payment_action_required", json!({"status":"open"}), Open, 1),
        ("invoice.overdue", json!({"status":"a new word"}), Open, 1),
    ];
    for (kind, object, status, rank) in table {
        let translation = translated_as(kind, with(json!({"id":"in_1"}), object.clone()));
        match &translation.facts[0].body {
            FactBody::Payment(payment) => assert_eq!(payment.status, status, "{kind} {object}"),
            other => panic!("{kind}: {other:?}"),
        }
        assert_eq!(translation.facts[0].key.rank, rank, "{kind} {object}");
    }
}

#[test]
fn the_ways_from_money_back_to_an_invoice() {
    let table: [(&str, Value, &[&str], &str); 12] = [
        (
            "invoice_payment.paid",
            json!({"id":"inpay_1","invoice":"in_1","payment":{"payment_intent":"pi_1"}}),
            &["pi:pi_1 > inv:in_1"],
            "notice",
        ),
        (
            "invoice_payment.paid",
            json!({"id":"inpay_1","invoice":{"id":"in_1"},"payment":{"charge":{"id":"ch_1"}}}),
            &["ch:ch_1 > inv:in_1"],
            "notice",
        ),
        ("charge.succeeded", json!({"id":"ch_1","payment_intent":"pi_1"}), &["ch:ch_1 > pi:pi_1"], "notice"),
        ("charge.succeeded", json!({"id":"ch_1","invoice":{"id":"in_1"}}), &["ch:ch_1 > inv:in_1"], "notice"),
        (
            "charge.refunded",
            json!({"id":"ch_1","payment_intent":{"id":"pi_1"},"amount":5,"amount_refunded":5,"refunded":true}),
            &["ch:ch_1 > pi:pi_1"],
            "charge_refunds",
        ),
        ("payment_intent.succeeded", json!({"id":"pi_1","invoice":"in_1"}), &["pi:pi_1 > inv:in_1"], "notice"),
        ("payment_intent.succeeded", json!({"id":"pi_1","latest_charge":"ch_1"}), &["ch:ch_1 > pi:pi_1"], "notice"),
        (
            "payment_intent.succeeded",
            json!({"id":"pi_1","charges":{"data":[{"id":"ch_1"}]}}),
            &["ch:ch_1 > pi:pi_1"],
            "notice",
        ),
        (
            "refund.created",
            json!({"id":"re_1","charge":"ch_1","payment_intent":"pi_1"}),
            &["re:re_1 > ch:ch_1", "re:re_1 > pi:pi_1"],
            "refund",
        ),
        ("charge.refund.updated", json!({"id":"re_1","charge":{"id":"ch_1"}}), &["re:re_1 > ch:ch_1"], "refund"),
        (
            "charge.dispute.created",
            json!({"id":"dp_1","charge":"ch_1","payment_intent":"pi_1"}),
            &["dp:dp_1 > ch:ch_1", "dp:dp_1 > pi:pi_1"],
            "dispute",
        ),
        (
            "checkout.session.completed",
            json!({"id":"cs_1","subscription":{"id":"sub_1"},"customer":{"id":"cus_1"},"invoice":"in_1","customer_details":{"email":"a@b.c"}}),
            &["inv:in_1 > sub:sub_1", "sub:sub_1 > cus:cus_1"],
            "customer",
        ),
    ];
    for (kind, object, expected, fact) in table {
        let translation = translated_as(kind, object);
        assert_eq!(links(&translation), expected, "{kind}");
        assert_eq!(serde_json::to_value(&translation.facts[0].body).unwrap()["fact"], fact, "{kind}");
    }
}

#[test]
fn refunds_and_disputes() {
    let refund = |kind: &str, status: Value| match translated_as(kind, json!({"id":"re_1","amount":5,"status":status}))
        .facts
        .remove(0)
        .body
        .clone()
    {
        FactBody::Refund(refund) => refund.succeeded,
        other => panic!("{other:?}"),
    };
    for (word, succeeded) in
        [("succeeded", true), ("pending", false), ("failed", false), ("canceled", false), ("new", false)]
    {
        assert_eq!(refund("refund.updated", json!(word)), succeeded, "{word}");
    }
    assert!(refund("refund.created", Value::Null) && !refund("refund.failed", json!("succeeded")));

    use DisputeStatus::*;
    let table = [
        ("needs_response", Open),
        ("under_review", Open),
        ("won", Won),
        ("prevented", Won),
        ("lost", Lost),
        ("warning_needs_response", Inquiry),
        ("warning_closed", Inquiry),
        ("a new word", Inquiry),
    ];
    for (word, status) in table {
        let body =
            translated_as("charge.dispute.updated", json!({"id":"dp_1","status":word})).facts.remove(0).body.clone();
        assert_eq!(body, FactBody::Dispute(Dispute { dispute_id: "dp_1".into(), status }), "{word}");
    }
    let totals = [500, 1000].map(|n| {
        translated_as("charge.refunded", json!({"id":"ch_1","amount":1000,"amount_refunded":n}))
            .facts
            .remove(0)
            .key
            .clone()
    });
    assert!(totals[0] < totals[1]);
}
