//! Checkout sessions in mode `payment`: states of their own.

use super::lives::{day, on};
use super::*;
use crate::providers::tests::{lines_of, state_of};

fn session(changes: Value) -> Value {
    with(
        json!({"id":"cs_1","mode":"payment","payment_status":"paid","amount_total":4900,"payment_intent":"pi_1",
        "customer":"cus_1","customer_details":{"email":"a@b.c"},"metadata":{}}),
        changes,
    )
}

fn completed(changes: Value) -> Value {
    on(0, "checkout.session.completed", session(changes))
}

fn check(name: &str, events: &[Value], expected: &[&str]) {
    let catalog = json!({"catalog":[{"match":{"price":"once"},"product_code":"PRO"}]});
    assert_eq!(lines_of(&state_of(&Stripe, "cs_1", events), &catalog, at(day(400))), expected, "{name}");
}

const OWNED: &[&str] = &["PRO active paid until -"];
const PENDING: &[&str] = &["PRO none incomplete until -"];

#[test]
fn what_was_bought_is_found_in_lines_metadata_or_invoice() {
    let lines = json!({"data":[{"id":"li_1","price":{"id":"once"},"quantity":4}]});
    check("its lines", &[completed(json!({"line_items":lines}))], OWNED);
    check("a price in its metadata", &[completed(json!({"metadata":{"price":"once"}}))], OWNED);
    check("integration keys", &[completed(json!({"metadata":{"product_short_code":"PRO"}}))], OWNED);
    let bill = json!({"id":"in_1","status":"paid","amount_paid":4900,"parent":null,"lines":{"data":[{"id":"il_1","amount":4900,
        "quantity":4,"period":{"start":day(0),"end":day(0)},"pricing":{"price_details":{"price":"once","product":"prod_1"}}}]}});
    let by_invoice = [completed(json!({"invoice":"in_1"})), on(0, "invoice.paid", bill)];
    check("its invoice", &by_invoice, OWNED);
    let state = state_of(&Stripe, "cs_1", &by_invoice);
    let items = &state.snapshot.as_ref().unwrap().value.items;
    assert_eq!((items[0].quantity, items[0].one_off, &*items[0].product.keys["price"]), (Some(4), true, "once"));
    check("nobody says", &[completed(json!({}))], &[]);
    let silent = translated(&completed(json!({})));
    assert!(silent.missing.unwrap().contains("metadata"));
    assert_eq!(translated(&completed(json!({"invoice":"in_1"}))).missing, None);
    assert_eq!(translated(&completed(json!({"metadata":{"price":"once"}}))).missing, None);
    // No mode: before there was one, what it had told it apart.
    check("no mode", &[completed(json!({"mode":null,"payment_status":null,"metadata":{"price":"once"}}))], OWNED);
    for other in [
        json!({"mode":"setup"}),
        json!({"mode":"subscription","subscription":"sub_1"}),
        json!({"mode":null,"subscription":"sub_1"}),
    ] {
        let facts = translated(&completed(other)).facts;
        assert!(facts.iter().all(|fact| !matches!(fact.body, FactBody::Subscription { .. } | FactBody::Payment(_))));
    }
    let sample = translated(&completed(json!({"id":"cs_00000000000000"})));
    assert_eq!((sample.facts, sample.links, sample.missing), (vec![], vec![], None));
}

#[test]
fn slow_money_is_waited_for() {
    let named = json!({"metadata":{"price":"once"}});
    let waiting = completed(with(named.clone(), json!({"payment_status":"unpaid"})));
    let then = |kind: &str, word| on(3, kind, session(with(named.clone(), json!({"payment_status":word}))));
    let came = then("checkout.session.async_payment_succeeded", "paid");
    let failed = then("checkout.session.async_payment_failed", "unpaid");
    check("not yet", std::slice::from_ref(&waiting), PENDING);
    check("it came", &[waiting.clone(), came], OWNED);
    check("it did not", &[waiting, failed], PENDING);
    check(
        "for nothing",
        &[completed(with(named, json!({"payment_status":"no_payment_required","payment_intent":null})))],
        OWNED,
    );
}

#[test]
fn a_guest_is_the_customer_of_the_purchase_alone() {
    let guest = [completed(json!({"customer":null,"metadata":{"price":"once"}}))];
    check("a guest", &guest, OWNED);
    let state = state_of(&Stripe, "cs_1", &guest);
    assert_eq!((state.customer_id(), state.customer().email.as_deref()), (Some("cs_1"), Some("a@b.c")));
    let gone = on(5, "customer.deleted", json!({"id":"cus_1"}));
    check("bought stays bought", &[completed(json!({"metadata":{"price":"once"}})), gone], OWNED);
}

#[test]
fn a_purchase_ends_with_its_money() {
    let charge = |refunded| json!({"id":"ch_1","payment_intent":"pi_1","amount":4900,"amount_refunded":refunded,"refunded":refunded == 4900});
    let bill =
        json!({"id":"in_1","status":"paid","amount_paid":4900,"lines":{"data":[{"id":"il_1","price":{"id":"once"}}]}});
    let ways = [
        vec![completed(json!({"metadata":{"price":"once"}}))],
        vec![completed(json!({"invoice":"in_1"})), on(0, "invoice.paid", bill)],
    ];
    for way in ways {
        let told = |more: Value| [&way[..], &[more]].concat();
        check("given back", &told(on(9, "charge.refunded", charge(4900))), &["PRO ended refunded until -"]);
        check("in part", &told(on(9, "charge.refunded", charge(900))), OWNED);
        let dispute = |word| {
            on(9, "charge.dispute.closed", json!({"id":"du_1","charge":"ch_1","payment_intent":"pi_1","status":word}))
        };
        check("lost", &told(dispute("lost")), &["PRO ended dispute_lost until -"]);
        check("won", &told(dispute("won")), OWNED);
    }
}
