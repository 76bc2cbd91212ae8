//! Subscriptions: shapes, dates, and what counts once.

use super::*;

#[test]
fn a_snapshot_says_the_same_expanded_or_not() {
    let ids =
        with(active(), json!({"account":"a1","product":"pro","attributes":{"license_policy":"p","license_type":"x"}}));
    let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let next = Some(instant("2019-05-01T00:00:00Z"));
    let item = Item {
        item_id: "main".into(),
        product: ProductRef {
            keys: [("path", "pro"), ("sku", "furious10")].map(pair).into(),
            attributes: [("license_policy", "p"), ("license_type", "x")].map(pair).into(),
        },
        quantity: Some(2),
        period_start: None,
        period_end: next,
        metered: false,
        one_off: false,
    };
    let expected = Snapshot {
        status: Status::Active,
        provider_status: "active".into(),
        terminal: false,
        livemode: true,
        customer_id: Some("a1".into()),
        trial_end: None,
        cancel_at: None,
        ended_at: None,
        pause_collection: None,
        items: vec![item],
        items_complete: true,
        paid_through: next,
        ..Snapshot::default()
    };
    for (data, named_only) in [(active(), false), (ids, true)] {
        let translation = translated("subscription.updated", data);
        assert_eq!(snapshot_of(&translation), Snapshot { named_only, ..expected.clone() });
        assert_eq!(links(&translation), ["sub:s1 > cus:a1"]);
    }
    let translation = translated("subscription.updated", active());
    let key = &about(&translation, "sub:s1").key;
    assert_eq!(
        (key.at.timestamp_millis(), key.within, key.rank, &*key.external_id),
        (1_554_091_889_618, CREATED, 2, "e1")
    );
    let customer = FactBody::Customer(CustomerFacts {
        email: Some("a@b.c".into()),
        first_name: Some("Ann".into()),
        last_name: Some("Dam".into()),
        ..CustomerFacts::default()
    });
    assert_eq!(about(&translation, "cus:a1").body, customer);
}

#[test]
fn the_six_rows_of_dates() {
    let (day, next) = (|date: &str| Some(instant(&format!("{date}T00:00:00Z"))), json!({}));
    let canceled = json!({"state":"canceled","canceledDate":ms("2019-04-01"),"deactivationDate":ms("2019-04-30")});
    let gone = json!({"state":"deactivated","active":false,"nextChargeDate":null});
    let lay = |base: &Value, more: Value| with(base.clone(), more);
    // event, changes to the active one; status, paid through, cancel at, ended at
    let table = [
        ("activated", next, Status::Active, day("2019-05-01"), None, None),
        ("activated", json!({"end":ms("2020-04-01")}), Status::Active, day("2019-05-01"), None, None),
        ("canceled", canceled.clone(), Status::Active, day("2019-05-01"), day("2019-05-01"), None),
        // As the API cancels since 2024.
        (
            "canceled",
            lay(&canceled, json!({"nextChargeDate":null,"end":ms("2019-05-01")})),
            Status::Active,
            day("2019-05-01"),
            day("2019-05-01"),
            None,
        ),
        // At once: `next` is still ahead.
        (
            "deactivated",
            lay(&gone, json!({"end":ms("2019-04-01"),"canceledDate":ms("2019-04-01")})),
            Status::Canceled,
            None,
            None,
            day("2019-04-01"),
        ),
        // At the end of the period.
        (
            "deactivated",
            lay(&gone, json!({"next":ms("2019-03-31"),"deactivationDate":ms("2019-03-31")})),
            Status::Canceled,
            None,
            None,
            day("2019-03-31"),
        ),
        // And what follows from the rules.
        (
            "canceled",
            lay(&canceled, json!({"next":null,"nextChargeDate":null})),
            Status::Active,
            day("2019-05-01"),
            day("2019-05-01"),
            None,
        ),
        (
            "canceled",
            lay(&canceled, json!({"active":false,"end":ms("2019-04-01")})),
            Status::Canceled,
            None,
            None,
            day("2019-04-01"),
        ),
        ("deactivated", gone.clone(), Status::Canceled, None, None, Some(instant("2019-04-01T04:24:28.031Z"))),
        (
            "deactivated",
            lay(&gone, json!({"end":ms("2020-04-01")})),
            Status::Canceled,
            None,
            None,
            Some(instant("2019-04-01T04:24:28.031Z")),
        ),
        ("updated", json!({"end":ms("2019-04-20")}), Status::Active, day("2019-04-20"), None, None),
        ("updated", json!({"adhoc":true,"autoRenew":false}), Status::Active, day("2019-05-01"), None, None),
        ("updated", json!({"nextChargeDate":null}), Status::Active, day("2019-05-01"), None, None),
        (
            "updated",
            json!({"nextChargeDate":null,"next":null,"nextInSeconds":1556668800}),
            Status::Active,
            day("2019-05-01"),
            None,
            None,
        ),
        ("updated", json!({"nextChargeDate":null,"next":1e300,"nextValue":-1}), Status::Active, None, None, None),
        (
            "payment.overdue",
            json!({"state":"overdue","nextChargeDate":ms("2019-05-08")}),
            Status::PastDue,
            day("2019-05-01"),
            None,
            None,
        ),
        ("paused", json!({"state":"paused"}), Status::Paused, day("2019-05-01"), None, None),
        ("paused", json!({"state":"paused","isPauseScheduled":true}), Status::Active, day("2019-05-01"), None, None),
        ("resumed", json!({}), Status::Active, day("2019-05-01"), None, None),
        ("updated", json!({"state":null}), Status::Active, day("2019-05-01"), None, None),
        ("updated", json!({"state":"dreaming"}), Status::Unknown, day("2019-05-01"), None, None),
    ];
    for (kind, changes, status, paid_through, cancel_at, ended_at) in table {
        let found = snapshot_of(&translated(&format!("subscription.{kind}"), with(active(), changes.clone())));
        let dates = (found.status, found.paid_through, found.cancel_at, found.ended_at);
        assert_eq!(dates, (status, paid_through, cancel_at, ended_at), "{kind} {changes}");
    }
    let trial = snapshot_of(&translated("subscription.activated", with(active(), json!({"state":"trial"}))));
    assert_eq!((trial.status, trial.trial_end), (Status::Trialing, day("2019-05-01")));
}

#[test]
fn ranks_inside_one_instant() {
    let rank = |kind: &str| about(&translated(kind, active()), "sub:s1").key.rank;
    let kinds = ["activated", "trial.reminder", "payment.reminder", "updated", "uncanceled", "deactivated"];
    assert_eq!(kinds.map(|kind| rank(&format!("subscription.{kind}"))), [0, 1, 1, 2, 2, 3]);
    assert_eq!(about(&translated("subscription.payment.reminder", active()), "sub:s1").body, FactBody::Notice);
}

#[test]
fn a_resend_with_a_new_id_counts_once() {
    let identity = |id, kind, data| about(&try_translated(id, kind, data).unwrap(), "sub:s1").identity.clone();
    let first = identity("e1", "subscription.updated", active());
    assert_eq!(identity("e2", "subscription.updated", active()), first);
    assert_ne!(identity("e1", "subscription.canceled", active()), first);
    assert_ne!(identity("e1", "subscription.updated", with(active(), json!({"quantity":3}))), first);
    // The order of the keys is no content.
    let parts = [
        r#"{"id":"e1","type":"subscription.updated","created":1,"data":{"id":"s1","state":"active"}}"#,
        r#"{"id":"e2","type":"subscription.updated","created":1,"data":{"state":"active","id":"s1"}}"#,
    ];
    let [one, two] = parts.map(|part| {
        FastSpring.translate(part.as_bytes(), &[], &SourceSettings::default()).unwrap().facts.remove(0).identity.clone()
    });
    assert_eq!(one, two);
}
