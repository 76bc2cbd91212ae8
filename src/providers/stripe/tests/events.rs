//! Customers, types without effect, and real objects.

use super::payments::new_invoice;
use super::*;

#[test]
fn customers() {
    let facts = |kind: &str, object| match translated_as(kind, object).facts.remove(0).body {
        FactBody::Customer(facts) => facts,
        other => panic!("{other:?}"),
    };
    let full = json!({"id":"cus_1","email":"a@b.c","name":"Ann","business_name":"Dam\u{0}s Ltd"});
    let expected = CustomerFacts {
        email: Some("a@b.c".into()),
        first_name: Some("Ann".into()),
        last_name: None,
        company: Some("Dams Ltd".into()),
        deleted: false,
    };
    assert_eq!(facts("customer.created", full.clone()), expected);
    assert_eq!(facts("customer.updated", full.clone()), expected);
    assert_eq!(facts("customer.deleted", full), CustomerFacts { deleted: true, ..expected });
    assert_eq!(facts("customer.updated", json!({"id":"cus_1","email":null})), CustomerFacts::default());
    // Accounts stand in for customers; guests leave none.
    let account = json!({"id":"sub_1","customer":null,"customer_account":"acct_1","status":"active"});
    assert_eq!(after(account).customer_id.unwrap(), "acct_1");
    assert_eq!(
        translated_as("checkout.session.completed", json!({"id":"cs_1","customer_details":{"email":"a@b.c"}})).facts,
        []
    );
}

#[test]
fn what_has_no_effect() {
    let quiet = Translation::default();
    for kind in [
        "product.updated",
        "price.deleted",
        "invoice.upcoming",
        "checkout.session.expired",
        "test_helpers.test_clock.ready",
        "subscription_schedule.released",
        "entitlements.active_entitlement_summary.updated",
        "customer.tax_id.created",
    ] {
        assert_eq!(translated_as(kind, json!({"customer":"cus_1"})), quiet, "{kind}");
    }
    let thin = json!({"id":"evt_1","object":"v2.core.event","type":"v1.customer.subscription.updated","created":"2025-09-30T12:00:00.123Z"});
    assert_eq!(translated(&thin), quiet);
    for kind in ["customer.subscription.hibernated", "invoice.dreamt", "customer.waved", "unheard.of"] {
        let unknown = Translation { unknown_type: true, ..Translation::default() };
        assert_eq!(translated_as(kind, new_shape()), unknown, "{kind}");
    }
    // Dashboard samples, and objects without an id.
    for id in [json!("sub_00000000000000"), json!(null), json!(""), json!(1.5)] {
        assert_eq!(translated_as("customer.subscription.created", with(new_shape(), json!({"id":id}))).facts, []);
    }
    let sample = translated_as("invoice.paid", with(new_invoice(), json!({"customer":"cus_00000000000000"})));
    assert_eq!((sample.facts.len(), links(&sample).contains(&"inv:in_1 > sub:sub_1".to_owned())), (1, true));
    // With an effect, but nothing to read it from.
    for event in [
        json!({"id":"e","type":"invoice.paid","created":1}),
        with(event("invoice.paid", new_invoice()), json!({"created":1e30})),
    ] {
        assert!(Stripe.translate(event.to_string().as_bytes(), &[], &SourceSettings::default()).is_err());
    }
}

#[test]
fn real_objects() {
    let derived = samples("stripe/derived");
    let found = |number: &str| {
        let (_, body) = derived.iter().find(|(name, _)| name.starts_with(number))?;
        Some(Stripe.translate(body, &[], &SourceSettings::default()).unwrap())
    };
    let statuses = [
        ("01", Status::Active),
        ("02", Status::Trialing),
        ("03", Status::Incomplete),
        ("06", Status::Canceled),
        ("12", Status::Active),
        ("13", Status::Trialing),
        ("14", Status::Incomplete),
        ("20", Status::Canceled),
    ];
    for (number, status) in statuses {
        let Some(translation) = found(number) else { return };
        let (after, before) = snapshots(&translation);
        assert_eq!(
            (after.status, after.ended_at.is_some(), before),
            (status, status == Status::Canceled, None),
            "{number}"
        );
        assert!(after.items.iter().all(|item| item.period_end.is_some() && item.product.keys.contains_key("product")));
    }
    let edge = |number: &str| {
        let (after, before) = snapshots(&found(number).unwrap());
        (after, before.unwrap())
    };
    let (after, before) = edge("09");
    assert_eq!((before.items[0].quantity, after.items[0].quantity), (Some(1), Some(5)));
    let (after, before) = edge("15");
    assert_eq!((before.status, after.status), (Status::Incomplete, Status::Active));
    let (after, before) = edge("07");
    assert_eq!((before.pause_collection.is_none(), after.pause_collection.is_some()), (true, true));

    let payment = |number: &str| match found(number).unwrap().facts.remove(0).body {
        FactBody::Payment(payment) => payment,
        other => panic!("{other:?}"),
    };
    let (old, new, failed) = (payment("11"), payment("16"), payment("22"));
    assert_eq!(
        (old.status, new.status, failed.status),
        (PaymentStatus::Paid, PaymentStatus::Paid, PaymentStatus::Failed)
    );
    // The line's period, not the invoice's, which is empty on the first invoice.
    assert_eq!((new.lines[0].start, new.lines[0].end), (at(1_774_905_649), at(1_777_584_049)));
    assert_eq!(new.lines[0].item_id.as_deref(), Some("si_UFHoafB3RkcGGE"));
    assert_eq!((old.amount_paid, old.lines.len()), (Some(2500), 1));
    assert_eq!(links(&found("17").unwrap()), ["pi:pi_3TGnEsQK2ZHS99Rk1DIz66Nj > inv:in_1TGnErQK2ZHS99Rk4nuhpuoB"]);
    let checkout = links(&found("25").unwrap());
    assert_eq!(
        checkout,
        ["inv:in_derived0000000001 > sub:sub_derived0000000001", "sub:sub_derived0000000001 > cus:cus_UFHpx9wyRhqhy7"]
    );
}
