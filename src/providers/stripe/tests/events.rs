//! Customers, types without effect, and real objects.

use super::payments::new_invoice;
use super::*;

#[test]
fn customers() {
    let facts = |kind: &str, object| match translated_as(kind, object).facts.remove(0).body.clone() {
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
    let guest = json!({"id":"cs_1","subscription":"sub_1","customer_details":{"email":"a@b.c"}});
    assert_eq!(translated_as("checkout.session.completed", guest).facts.len(), 1, "nobody it could be of");
}

#[test]
fn what_has_no_effect() {
    let quiet = Translation::default();
    for kind in [
        "coupon.updated",
        "quote.accepted",
        "checkout.session.expired",
        "test_helpers.test_clock.ready",
        "customer.tax_id.created",
    ] {
        assert_eq!(translated_as(kind, json!({"customer":"cus_1"})), quiet, "{kind}");
    }
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
fn every_documented_type_is_decided() {
    check_types("stripe.types.txt", |kind| types::Meaning::of(kind).map(types::Meaning::decision));
    let reasons = types::TYPES.iter().map(|(_, _, why)| why);
    assert!(reasons.into_iter().all(|why| !why.is_empty()));
    // A row that an earlier one hides would never be read.
    for (at, (kind, _, _)) in types::TYPES.iter().enumerate() {
        let hides = |(earlier, _, _): &&(&str, _, _)| earlier.ends_with('.') && kind.starts_with(earlier);
        assert_eq!(types::TYPES[..at].iter().find(hides), None, "{kind} is never reached");
    }
}

#[test]
fn notices_belong_to_what_they_speak_of() {
    let table = [
        ("subscription_schedule.updated", json!({"id":"sub_sched_1","subscription":{"id":"sub_1"}}), vec!["sub:sub_1"]),
        ("subscription_schedule.released", json!({"id":"s","released_subscription":"sub_1"}), vec!["sub:sub_1"]),
        ("subscription_schedule.canceled", json!({"id":"sub_sched_1"}), vec![]),
        ("invoice.upcoming", json!({"subscription":"sub_1","status":"draft"}), vec!["sub:sub_1"]),
        ("invoice.upcoming", json!({"customer":"cus_1"}), vec![]),
        ("credit_note.created", json!({"id":"cn_1","invoice":"in_1"}), vec!["inv:in_1"]),
        ("entitlements.active_entitlement_summary.updated", json!({"customer":"cus_1"}), vec!["cus:cus_1"]),
        ("customer.subscription.trial_will_end", new_shape(), vec!["sub:sub_1"]),
    ];
    for (kind, object, about) in table {
        let translation = translated_as(kind, object);
        let notices: Vec<_> = translation.facts.iter().filter(|fact| fact.body == FactBody::Notice).collect();
        assert_eq!(notices.iter().map(|fact| fact.entity.key()).collect::<Vec<_>>(), about, "{kind}");
        assert_eq!(translation.facts.len(), notices.len(), "{kind}");
    }
}

#[test]
fn thin_events_are_flagged_unless_told_in_full_as_well() {
    let thin = json!({"id":"evt_1","object":"v2.core.event","type":"v1.customer.subscription.updated",
        "created":"2025-09-30T12:00:00.123Z","related_object":{"id":"sub_1","type":"subscription"}});
    let alone = translated(&thin);
    assert_eq!((&*alone.facts[0].entity.key(), &alone.facts[0].body), ("sub:sub_1", &FactBody::Notice));
    assert!(alone.missing.unwrap().contains("snapshot events") && !alone.unknown_type);
    assert_eq!(translated(&with(thin.clone(), json!({"snapshot_event":"evt_2"}))).missing, None);
    // Whatever it is about, and also about nothing.
    for related in [json!(null), json!({"id":"zz_1"}), json!({"id":"sub_00000000000000"}), json!("x")] {
        assert_eq!(translated(&with(thin.clone(), json!({"related_object":related}))).facts, []);
    }
}

#[test]
fn catalog_changes_are_proposals() {
    let proposal = |kind: &str, object| match translated_as(kind, object).facts.remove(0).body.clone() {
        FactBody::Proposal(found) => found,
        other => panic!("{other:?}"),
    };
    let price = json!({"id":"price_1","product":{"id":"prod_1"},"lookup_key":"pro","nickname":"Pro","active":true,
        "metadata":{"license_policy":"p","colour":"red"}});
    let expected = Proposal {
        product: ProductRef {
            keys: [("lookup_key", "pro"), ("price", "price_1"), ("product", "prod_1")].map(pair).into(),
            attributes: [("license_policy", "p")].map(pair).into(),
        },
        name: Some("Pro".into()),
        active: true,
    };
    assert_eq!(proposal("price.updated", price.clone()), expected);
    assert!(!proposal("price.deleted", price.clone()).active);
    assert!(!proposal("price.updated", with(price, json!({"active":false}))).active);
    let product = proposal("product.created", json!({"id":"prod_1","name":"Pro"}));
    assert_eq!(
        (product.product.keys, product.name.as_deref()),
        ([("product", "prod_1")].map(pair).into(), Some("Pro"))
    );
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

    let payment = |number: &str| match found(number).unwrap().facts.remove(0).body.clone() {
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
