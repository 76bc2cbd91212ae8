//! Accounts, groups, types without effect, and real posts.

use super::*;

#[test]
fn the_rest() {
    for kind in ["account.created", "account.updated"] {
        let translation = translated(kind, json!({"id":"a1","account":"a1","contact":{"email":"new@b.c"}}));
        assert!(
            matches!(&about(&translation, "cus:a1").body, FactBody::Customer(facts) if facts.email.as_deref() == Some("new@b.c"))
        );
    }
    let group = translated(
        "subscription.group.updated",
        json!({"cotermGroupStatus":"EXECUTED","subscriptions":[active(), "s2"]}),
    );
    assert_eq!((snapshot_of(&group).status, &about(&group, "sub:s2").body), (Status::Active, &FactBody::Notice));
    let failed = translated(
        "fulfillment.failed",
        json!({"order":"o1","product":"pro","reason":"Does not have available licenses."}),
    );
    assert_eq!(about(&failed, "ord:o1").body, FactBody::Notice);

    for kind in ["quote.created", "mailingListEntry.updated"] {
        assert_eq!(translated(kind, Value::Null), Translation::default());
    }
    assert!(translated("unheard.of", Value::Null).unknown_type);
    for data in [Value::Null, json!("x"), json!([])] {
        assert!(try_translated("e1", "subscription.updated", data).is_err());
    }
    assert!(try_translated("e1", "subscription.updated", with(active(), json!({"quantity":-1}))).is_err());
    // No clock at all: it cannot be put in order.
    let part = br#"{"id":"e1","type":"subscription.updated","data":{"id":"s1","state":"active"}}"#;
    assert!(FastSpring.translate(part, &[], &SourceSettings::default()).is_err());
    // A mention of a deactivation ends the subscription without saying anything of its product.
    let part = &GREETING.as_bytes()[split(&FastSpring, GREETING.as_bytes()).unwrap()[0].range.clone()];
    match &FastSpring.translate(part, &[], &SourceSettings::default()).unwrap().facts[0].body {
        FactBody::Subscription { after, .. } => assert_eq!(
            (after.status, after.ended_at, after.items.len(), after.items_complete, after.livemode),
            (Status::Canceled, Some(instant("2020-02-03T16:53:17.536Z")), 0, false, false)
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_documented_type_is_decided() {
    check_types("fastspring.types.txt", |kind| types::Meaning::of(kind).map(types::Meaning::decision));
    assert!(types::TYPES.iter().all(|(_, _, why)| !why.is_empty()));
}

/// Expansion off: what a post does not say, nobody guesses; it is said that it is missing.
#[test]
fn a_post_that_only_names_its_subscription_is_flagged() {
    let missing = |kind: &str, data: Value| translated(kind, data).missing;
    for kind in ["activated", "updated", "canceled", "uncanceled", "deactivated", "paused", "payment.overdue"] {
        let missing = missing(&format!("subscription.{kind}"), json!({"subscription":"s1"}));
        assert!(missing.unwrap().contains("webhook expansion"), "{kind}");
    }
    assert_eq!(missing("subscription.updated", active()), None);
    // These say enough: a rebill extends, a reminder changes nothing.
    assert_eq!(missing("subscription.charge.completed", json!({"order":"o2","subscription":"s1"})), None);
    assert_eq!(missing("subscription.payment.reminder", json!({"subscription":"s1"})), None);
}

#[test]
fn real_posts() {
    let found = fastspring_samples();
    let read = |name: &str| -> Vec<Translation> {
        let (_, body) = found.iter().find(|(found, _)| found.starts_with(name)).unwrap();
        let events = split(&FastSpring, body).unwrap();
        events
            .into_iter()
            .map(|event| FastSpring.translate(&body[event.range], &[], &SourceSettings::default()).unwrap())
            .collect()
    };
    if found.is_empty() {
        return;
    }
    let sub = |translation: &Translation| {
        translation.facts.iter().find(|f| f.entity.kind == EntityKind::Subscription).unwrap().clone()
    };
    let snapshot = |fact: &Fact| match &fact.body {
        FactBody::Subscription { after, .. } => (**after).clone(),
        other => panic!("{other:?}"),
    };
    let activated = sub(&read("archrebel__event-monthly-subscription-activated")[0]);
    let canceled = sub(&read("archrebel__event-monthly-subscription-cancel")[0]);
    // The cancellation did not move `changed`: the events' own time puts them in order.
    assert_eq!((activated.key.at, activated.key < canceled.key), (canceled.key.at, true));
    let may = Some(instant("2019-05-01T00:00:00Z"));
    assert_eq!((snapshot(&activated).paid_through, snapshot(&activated).cancel_at), (may, None));
    assert_eq!((snapshot(&canceled).paid_through, snapshot(&canceled).cancel_at), (may, may));
    assert_eq!(snapshot(&canceled).items[0].product.keys["path"], "falcon-plus-monthly-subscription-individual");

    let deactivated = snapshot(&sub(&read("archrebel__subscriptionDeactivated")[0]));
    assert_eq!((deactivated.status, deactivated.paid_through), (Status::Canceled, None));
    assert_eq!(deactivated.ended_at, Some(instant("2017-10-16T00:00:00Z")));

    let order = &read("archrebel__event-order-completed")[0];
    assert_eq!(
        links(order),
        [
            "ord:EBRltgSoSOu5sOHc-xn-wQ > sub:rwCAW-OyTL6FD6vk3-EmDg",
            "sub:rwCAW-OyTL6FD6vk3-EmDg > cus:ZVTiqogRRWaJ5ACD8c6fLg",
            "ord:EBRltgSoSOu5sOHc-xn-wQ > sub:order-EBRltgSoSOu5sOHc-xn-wQ",
            "sub:order-EBRltgSoSOu5sOHc-xn-wQ > cus:ZVTiqogRRWaJ5ACD8c6fLg"
        ]
    );
    let charge = &read("archrebel__subscriptionChargeCompleted")[0];
    assert_eq!(snapshot(&sub(charge)).paid_through, Some(instant("2019-03-09T00:00:00Z")));
    assert!(links(charge).contains(&"ord:f4AD0ASGT-aLxvCgZhwqYQ > sub:D6_GWaK_TNKimir8D9hE2w".to_owned()));
    let fixed_length = snapshot(&sub(&read("bgultekin__subscription_activated")[0]));
    assert_eq!(fixed_length.paid_through, Some(instant("2017-09-01T00:00:00Z")));
}
