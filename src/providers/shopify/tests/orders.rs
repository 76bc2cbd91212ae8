//! Orders, refunds, disputes, customers.

use super::*;
use crate::domain::rules::Rules;
use crate::domain::state::{Recorded, fold};

fn order(changes: Value) -> Value {
    let line = json!({"id":1,"sku":"PRO","variant_id":2,"product_id":3,"quantity":3,"current_quantity":2});
    let order = json!({"id":820982911946154508_i64,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508","test":false,
        "email":"ada@example.com","financial_status":"paid","total_price":"14.95","updated_at":"2026-01-05T05:00:00-05:00",
        "customer":{"id":115310627314723954_i64,"email":"old@example.com","first_name":"Ada","last_name":"Example"},
        "billing_address":{"company":"Engines"},"line_items":[line]});
    with(order, changes)
}

fn payment_of(translation: &Translation) -> Payment {
    match &about(translation, "ord:820982911946154508").body {
        FactBody::Payment(payment) => payment.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_is_a_payment_of_its_items_by_a_customer() {
    let translation = translated("orders/paid", &order(json!({})));
    let payment = payment_of(&translation);
    assert_eq!((payment.status, payment.amount_paid), (PaymentStatus::Paid, Some(1495)));
    let item = &payment.items[0];
    assert_eq!((&*item.item_id, item.quantity), ("2", Some(2)));
    let keys = json!({"product_short_code":"PRO"});
    assert_eq!(json!(item.product), json!({"sku":"PRO","variant":"2","product":"3","attributes":keys}));
    assert_eq!(
        links(&translation),
        ["ord:820982911946154508 > book:115310627314723954", "book:115310627314723954 > cus:115310627314723954"]
    );
    assert_eq!(about(&translation, "ord:820982911946154508").key.at, instant("2026-01-05T10:00:00Z"));
    match &about(&translation, "cus:115310627314723954").body {
        FactBody::Customer(facts) => assert_eq!(
            (facts.email.as_deref(), facts.first_name.as_deref(), facts.company.as_deref()),
            (Some("ada@example.com"), Some("Ada"), Some("Engines"))
        ),
        other => panic!("{other:?}"),
    }
    // Without approval for protected data the keys are absent.
    let mut bare = order(json!({"customer":{"id":5}}));
    bare.as_object_mut().unwrap().retain(|key, _| key != "email" && key != "billing_address");
    assert!(translated("orders/paid", &bare).facts.iter().all(|fact| fact.entity.kind != EntityKind::Customer));
}

#[test]
fn the_state_of_an_order() {
    use PaymentStatus::{Open, Paid, Voided};
    let table = [
        ("paid", json!(null), Paid, false),
        ("partially_refunded", json!(null), Paid, false),
        ("refunded", json!(null), Paid, true),
        ("paid", json!("2026-01-06T00:00:00Z"), Paid, true),
        ("voided", json!("2026-01-06T00:00:00Z"), Voided, false),
        ("pending", json!(null), Open, false),
        ("partially_paid", json!(null), Open, false),
        ("authorized", json!(null), Open, false),
    ];
    for (word, cancelled_at, status, over) in table {
        let translation =
            translated("orders/updated", &order(json!({"financial_status":word,"cancelled_at":cancelled_at})));
        let refunds = translation.facts.iter().filter(|f| matches!(&f.body, FactBody::Refund(r) if r.full)).count();
        assert_eq!((payment_of(&translation).status, refunds == 1), (status, over), "{word}");
    }
    let test = translated("orders/paid", &order(json!({"test":true})));
    assert_eq!(about(&test, "ord:820982911946154508").body, FactBody::Notice);
    let edited = json!({"order_edit":{"id":1,"order_id":820982911946154508_i64}});
    assert_eq!(about(&translated("orders/edited", &edited), "ord:820982911946154508").body, FactBody::Notice);
}

#[test]
fn items_are_variants_and_what_is_gone_is_down_to_nothing() {
    let line = |changes| with(json!({"id":1,"sku":"","variant_id":2,"product_id":3,"quantity":1}), changes);
    let of = |lines: Vec<Value>| payment_of(&translated("orders/paid", &order(json!({"line_items":lines})))).items;
    let items =
        of(vec![line(json!({})), line(json!({"quantity":2})), line(json!({"variant_id":9,"current_quantity":0}))]);
    assert_eq!((items.len(), &*items[1].item_id, items[1].quantity), (2, "9", Some(0)));
    assert_eq!((items[0].quantity, json!(items[0].product)), (Some(3), json!({"variant":"2","product":"3"})));
    // Rounded on its way here: the other spelling has all digits.
    let rounded: Value = serde_json::from_str(r#"{"id":8.209829119461545e17}"#).unwrap();
    let rounded = translated("orders/paid", &order(rounded));
    assert_eq!(rounded.facts.last().unwrap().entity.key(), "ord:820982911946154508");
    for quantity in [json!(1.5), json!(-1), json!("x")] {
        let body = order(json!({"line_items":[line(json!({"quantity":quantity}))]}));
        assert!(try_translated("orders/paid", &body, &[]).is_err());
    }
}

/// `ProductCode:Feature1:Feature2`, as LicenseSpring's own app for Shopify reads it, and only
/// where the source is told to.
#[test]
fn an_sku_names_product_and_features_where_integration_keys_are_switched_on() {
    let mapped = |sku: &str, is_on: bool| {
        let line = json!({"id":1,"sku":sku,"variant_id":2,"quantity":1});
        let payment = payment_of(&translated("orders/paid", &order(json!({"line_items":[line]}))));
        let rules: Rules = serde_json::from_value(json!({"integration_keys":{"shop":is_on}})).unwrap();
        rules.map("shop", &payment.items[0].product).map(|m| (m.product_code, m.features))
    };
    let features = |codes: &[&str]| Some(codes.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(mapped("PRO", true), Some(("PRO".into(), None)));
    assert_eq!(mapped(" PRO : Export:Api ", true), Some(("PRO".into(), features(&["Api", "Export"]))));
    assert_eq!(mapped("PRO::", true), Some(("PRO".into(), None)));
    assert_eq!(mapped(":Export", true), None);
    assert_eq!(mapped("PRO:Export", false), None);
}

#[test]
fn refunds_are_their_transactions() {
    let refund = |transactions: Value| {
        let body = json!({"id":890088186047892319_i64,"order_id":820982911946154508_i64,"processed_at":"2026-01-05T10:00:00Z",
            "refund_line_items":[],"transactions":transactions});
        let translation = translated("refunds/create", &body);
        assert_eq!(links(&translation), ["re:890088186047892319 > ord:820982911946154508"]);
        match &translation.facts[0].body {
            FactBody::Refund(refund) => (refund.succeeded, refund.amount, refund.full),
            other => panic!("{other:?}"),
        }
    };
    let part = |kind: &str, status: &str, amount: &str| json!({"kind":kind,"status":status,"amount":amount});
    assert_eq!(
        refund(json!([part("refund", "success", "10.00"), part("refund", "success", "4.95")])),
        (true, Some(1495), false)
    );
    assert_eq!(refund(json!([part("refund", "pending", "10.00")])), (false, Some(0), false));
    assert_eq!(refund(json!([part("void", "success", "10.00")])), (false, Some(0), false));
    assert_eq!(refund(json!([])), (false, Some(0), false));
    assert_eq!(refund(json!([part("refund", "success", "x")])), (true, None, false));
}

#[test]
fn a_refund_names_the_variants_that_went_back_as_a_whole() {
    let line = |variant: i64, back: i64| json!({"line_item_id":1,"quantity":back,"line_item":{"id":1,"variant_id":variant,"quantity":2}});
    for (lines, full, products) in [
        (vec![line(7, 2)], true, vec!["7"]),
        (vec![line(7, 1)], false, vec![]),
        (vec![line(7, 1), line(8, 2)], true, vec!["8"]),
        (vec![json!({"quantity":1})], false, vec![]),
    ] {
        let body = json!({"id":9,"order_id":8,"processed_at":"2026-01-05T10:00:00Z","refund_line_items":lines,
            "transactions":[{"kind":"refund","status":"success","amount":"1.00"}]});
        match &translated("refunds/create", &body).facts[0].body {
            FactBody::Refund(refund) => {
                assert_eq!(
                    (refund.full, &refund.products),
                    (full, &products.iter().map(ToString::to_string).collect())
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Source name and tags are all that tells a charge from a purchase.
#[test]
fn an_order_says_whether_an_app_charged_it() {
    for (source, tags, renews) in [
        ("web", "", false),
        ("subscription_contract_checkout_one", "", true),
        ("subscription_contract", "", true),
        ("294517", "Subscription, Subscription Recurring Order", true),
        ("294517", "Subscription, Subscription First Order", false),
        ("subscription_contract", "subscription first order", false),
        ("pos", "Subscription", false),
    ] {
        let body = order(json!({"source_name":source,"tags":tags,"created_at":"2026-01-05T09:00:00Z"}));
        let purchase = payment_of(&translated("orders/paid", &body)).purchase.unwrap();
        assert_eq!((purchase.renews, purchase.at), (renews, instant("2026-01-05T09:00:00Z")), "{source} {tags}");
    }
    let processed = order(json!({"created_at":"2026-01-05T09:00:00Z","processed_at":"2026-01-05T09:30:00Z"}));
    let purchase = payment_of(&translated("orders/create", &processed)).purchase.unwrap();
    assert_eq!(purchase.at, instant("2026-01-05T09:30:00Z"));
    let mut stranger = order(json!({}));
    stranger.as_object_mut().unwrap().remove("customer");
    let own = translated("orders/paid", &stranger);
    assert_eq!(links(&own), ["ord:820982911946154508 > book:order-820982911946154508"]);
}

#[test]
fn disputes() {
    use DisputeStatus::{Inquiry, Lost, Open, Won};
    for (kind, word, status) in [
        ("chargeback", "needs_response", Open),
        ("chargeback", "under_review", Open),
        ("inquiry", "needs_response", Inquiry),
        ("chargeback", "won", Won),
        ("chargeback", "lost", Lost),
        ("chargeback", "accepted", Lost),
    ] {
        let body = json!({"id":9,"order_id":8,"type":kind,"status":word,"initiated_at":"2020-01-01T00:00:00Z"});
        let translation = translated("disputes/update", &body);
        assert_eq!(links(&translation), ["dp:9 > ord:8"]);
        let fact = about(&translation, "dp:9");
        assert_eq!(fact.body, FactBody::Dispute(Dispute { dispute_id: "9".into(), status }), "{kind} {word}");
        // The body's only time is that of the beginning.
        assert_eq!(fact.key.at, instant(TRIGGERED_AT));
    }
}

/// No header is signed: a body sent once more, under another id, topic and time, is no news.
#[test]
fn what_is_told_again_is_known_by_its_body() {
    let said = |topic: &str, status: &str, at: &str, id: &str| {
        let body = json!({"id":9,"order_id":8,"type":"chargeback","status":status});
        let own = [("x-shopify-triggered-at", at), ("x-shopify-webhook-id", id)];
        about(&try_translated(topic, &body, &own).unwrap(), "dp:9").clone()
    };
    let first = said("disputes/create", "needs_response", "2026-01-05T10:00:00Z", "w1");
    let again = said("disputes/update", "needs_response", "2026-02-05T10:00:00Z", "w2");
    let won = said("disputes/update", "won", "2026-01-09T10:00:00Z", "w3");
    assert_eq!(first.identity, again.identity);
    assert_ne!(first.identity, won.identity);
    assert!(first.by_event_clock && won.by_event_clock);
    // An order has a clock of its own; the buyer in it has none that counts.
    let sold = translated("orders/paid", &order(json!({})));
    assert!(!about(&sold, "ord:820982911946154508").by_event_clock);
    assert!(about(&sold, "cus:115310627314723954").by_event_clock);
}

/// `updated_at` has whole seconds; `X-Shopify-Triggered-At` tells what came last inside one.
#[test]
fn of_two_edits_in_one_second_the_later_one_stands() {
    let line = |left: i64| json!([{"id":1,"sku":"PRO","variant_id":2,"quantity":5,"current_quantity":left}]);
    let told = [("paid", 5, "10:00:00.100", "b"), ("paid", 3, "10:00:00.900", "a"), ("voided", 3, "10:00:00.950", "0")];
    let mut left = Vec::new();
    for upto in 1..=told.len() {
        let facts = told[..upto].iter().rev().map(|(word, quantity, at, id)| {
            let body = order(json!({"financial_status":word,"line_items":line(*quantity)}));
            let at = format!("2026-01-05T{at}Z");
            let own = [("x-shopify-triggered-at", at.as_str()), ("x-shopify-webhook-id", id)];
            let fact = about(&try_translated("orders/updated", &body, &own).unwrap(), "ord:820982911946154508").clone();
            Recorded { position: 1, fact: fact.into() }
        });
        let state = fold("115310627314723954", facts.collect(), []);
        let payment = &state.payments["ord:820982911946154508"].payment;
        left.push((payment.status, payment.items[0].quantity));
    }
    let expected = [(PaymentStatus::Paid, Some(5)), (PaymentStatus::Paid, Some(3)), (PaymentStatus::Voided, Some(3))];
    assert_eq!(left, expected);
}

/// Triggered-At is not signed: a body that was heard already is a copy, whatever it says beside it.
/// An order that is edited back within one second of `updated_at` waits for the next word about it.
#[test]
fn a_body_that_comes_back_within_the_second_is_taken_for_a_copy() {
    let told = [(5, "10:00:00.100", "a"), (3, "10:00:00.500", "b"), (5, "10:00:00.900", "c")];
    let facts = told.iter().map(|(left, at, id)| {
        let line = json!([{"id":1,"sku":"PRO","variant_id":2,"quantity":5,"current_quantity":left}]);
        let at = format!("2026-01-05T{at}Z");
        let own = [("x-shopify-triggered-at", at.as_str()), ("x-shopify-webhook-id", id)];
        let body = order(json!({"financial_status":"paid","line_items":line}));
        let fact = about(&try_translated("orders/updated", &body, &own).unwrap(), "ord:820982911946154508").clone();
        Recorded { position: 1, fact: fact.into() }
    });
    let state = fold("115310627314723954", facts.collect(), []);
    assert_eq!(state.payments["ord:820982911946154508"].payment.items[0].quantity, Some(3));
}

#[test]
fn the_rest_is_noted() {
    let redact = json!({"shop_domain":"{shop}.myshopify.com","customer":{"id":191167,"email":"x@example.com"}});
    assert_eq!(about(&translated("customers/redact", &redact), "cus:191167").body, FactBody::Notice);
    let unnamed = json!({"shop_domain":"{shop}.myshopify.com","customer":{"email":"x@example.com"}});
    assert_eq!(translated("customers/redact", &unnamed), Translation::default());
    let cycle = json!({"subscription_contract_id":7,"cycle_index":1,"skipped":true});
    assert_eq!(about(&translated("subscription_billing_cycles/skip", &cycle), "sub:7").body, FactBody::Notice);
    assert_eq!(translated("app/uninstalled", &json!({"id":1})), Translation::default());
    assert!(translated("products/update", &json!({"id":1})).unknown_type);
}

/// Apps come and go, and Shopify has renamed its own before.
#[test]
fn more_sources_of_renewals_can_be_configured() {
    let body = order(json!({"source_name":"some_app","created_at":"2026-01-05T09:00:00Z"})).to_string();
    let renews = |names: &[&str]| {
        let renewal_sources = names.iter().map(ToString::to_string).collect();
        let settings = SourceSettings { renewal_sources, ..settings(&[SECRET]) };
        let headers = headers("orders/paid", body.as_bytes(), &[]);
        payment_of(&Shopify.translate(body.as_bytes(), &headers, &settings).unwrap()).purchase.unwrap().renews
    };
    assert_eq!((renews(&[]), renews(&["other", "some_app"])), (false, true));
    // Tags are sorted, and may be many.
    let many: Vec<String> = (0..200).map(|n| format!("Campaign {n:03}")).collect();
    let tags = format!("{}, Subscription Recurring Order", many.join(", "));
    let late = payment_of(&translated("orders/paid", &order(json!({"tags":tags}))));
    assert!(late.purchase.unwrap().renews);
}

#[test]
fn an_order_that_does_not_say_when_it_was_made_counts_from_its_first_telling() {
    let told = |updated_at: Value, triggered_at: &str| {
        let body = order(json!({"updated_at":updated_at}));
        let own = [("x-shopify-triggered-at", triggered_at)];
        let translation = try_translated("orders/updated", &body, &own).unwrap();
        Recorded { position: 1, fact: about(&translation, "ord:820982911946154508").clone().into() }
    };
    let first = told(json!("2026-01-05T10:00:00Z"), "2026-01-05T10:00:03Z");
    let later = told(json!("2026-02-05T10:00:00Z"), "2026-02-05T10:00:03Z");
    let made = |facts: Vec<Recorded>| {
        let state = fold("b", facts, []);
        state.payments["ord:820982911946154508"].payment.purchase.unwrap().at
    };
    assert_eq!(made(vec![first.clone(), later.clone()]), instant("2026-01-05T10:00:00Z"));
    assert_eq!(made(vec![later, first]), instant("2026-01-05T10:00:00Z"));
    assert_eq!(made(vec![told(json!(null), "2026-01-05T10:00:03Z")]), instant("2026-01-05T10:00:03Z"));
}

#[test]
fn the_address_of_a_buyer_is_looked_for_in_order() {
    let notes = json!([{"name":"gift","value":"x@example.com"},{"name":"License E-Mail","value":"none"},
        {"name":"license_email","value":"note@example.com"}]);
    let full = json!({"email":"a@example.com","contact_email":"b@example.com","customer":{"id":1,"email":"c@example.com"},"note_attributes":notes});
    for (missing, expected) in
        [(0, "a@example.com"), (1, "b@example.com"), (2, "c@example.com"), (3, "note@example.com")]
    {
        let mut body = order(full.clone());
        for path in ["/email", "/contact_email", "/customer/email"].into_iter().take(missing) {
            *body.pointer_mut(path).unwrap() = json!(null);
        }
        match &about(&translated("orders/paid", &body), "cus:1").body {
            FactBody::Customer(facts) => assert_eq!(facts.email.as_deref(), Some(expected)),
            other => panic!("{other:?}"),
        }
    }
}
