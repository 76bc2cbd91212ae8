//! What an asset comes to.

use super::*;

const ASSET: &str = "02i5g000001abcdAAA";

fn soap(fields: &[(&str, &str)]) -> String {
    let elements: String = fields.iter().map(|(name, value)| format!("<sf:{name}>{value}</sf:{name}>")).collect();
    notification("04l5g000001AAAAAA4", &elements)
}

const GOOD: [(&str, &str); 8] = [
    ("Id", ASSET),
    ("AccountId", "0015g00000aBcDe"),
    ("LSL_Contact_Email__c", "ada@example.com"),
    ("LSL_Product_Code__c", "APP-PRO-Y"),
    ("Quantity", "5.0"),
    ("Status", "Purchased"),
    ("SystemModstamp", "2026-01-05T10:00:01.000Z"),
    ("UsageEndDate", "2027-01-04"),
];

/// The good asset with some fields replaced, added or, where empty, left out.
fn with(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut fields: Vec<_> = GOOD.into_iter().filter(|(name, _)| !changes.iter().any(|(n, _)| n == name)).collect();
    fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    fields
}

fn translated(part: &str, settings: &SourceSettings) -> Translation {
    Salesforce.translate(part.as_bytes(), &[], settings).unwrap()
}

fn snapshot_of(translation: &Translation) -> Snapshot {
    let fact = translation.facts.iter().find(|fact| fact.entity.key() == format!("sub:{ASSET}")).unwrap();
    match &fact.body {
        FactBody::Subscription { after, before: None } => (**after).clone(),
        other => panic!("not a subscription: {other:?}"),
    }
}

fn snapshot(changes: &[(&'static str, &'static str)]) -> Snapshot {
    snapshot_of(&translated(&soap(&with(changes)), &configured()))
}

fn declaring(names: &[(&str, &str)]) -> SourceSettings {
    let names = names.iter().map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned())).collect();
    SourceSettings { fields: [("Asset".to_owned(), names)].into(), ..configured() }
}

#[test]
fn an_asset_is_a_subscription_of_its_account() {
    let translation = translated(&soap(&GOOD), &configured());
    let end = instant("2027-01-05T00:00:00Z");
    let keys = [("product_code".to_owned(), "APP-PRO-Y".to_owned())];
    let item = Item {
        item_id: "main".into(),
        product: ProductRef { keys: keys.into(), ..ProductRef::default() },
        quantity: Some(5),
        period_start: None,
        period_end: Some(end),
        metered: false,
        one_off: false,
    };
    let expected = Snapshot {
        status: Status::Active,
        provider_status: "Purchased".into(),
        livemode: true,
        customer_id: Some("0015g00000aBcDeAAK".into()),
        items: vec![item],
        items_complete: true,
        paid_through: Some(end),
        ..Snapshot::default()
    };
    assert_eq!(snapshot_of(&translation), expected);
    assert_eq!(translation.links[0].parent.key(), "cus:0015g00000aBcDeAAK");
    assert_eq!(translation.facts[0].key.at, instant("2026-01-05T10:00:01Z"));
    match &translation.facts[1].body {
        FactBody::Customer(facts) => assert_eq!(facts.email.as_deref(), Some("ada@example.com")),
        other => panic!("{other:?}"),
    }
    let installed = snapshot(&[("PurchaseDate", "2026-01-05"), ("Product2Id", "01t5g000003qrst")]);
    assert_eq!(installed.items[0].period_start, Some(instant("2026-01-05T00:00:00Z")));
    assert_eq!(installed.items[0].product.keys["product"], ids::long("01t5g000003qrst").unwrap());
}

#[test]
fn what_is_over_is_canceled() {
    let over: [&[(&str, &str)]; 5] = [
        &[("Status", "Obsolete")],
        &[("Status", "cancelled")],
        &[("Quantity", "0.0")],
        &[("IsDeleted", "true")],
        // What is known to be over is over, whatever else was not sent.
        &[("Status", "Obsolete"), ("UsageEndDate", ""), ("Quantity", "")],
    ];
    for changes in over {
        let snapshot = snapshot(changes);
        assert_eq!(snapshot.status, Status::Canceled, "{changes:?}");
        assert_eq!(snapshot.ended_at, Some(instant("2026-01-05T10:00:01Z")));
    }
    assert_eq!(
        snapshot(&[("Status", "Obsolete"), ("UsageEndDate", "2025-12-31")]).ended_at,
        Some(instant("2026-01-01T00:00:00Z"))
    );
}

#[test]
fn seats_are_whole() {
    for (written, seats) in [("5.0", Some(5)), ("5", Some(5)), ("5.00", Some(5)), ("1000000.0", Some(1_000_000))] {
        assert_eq!(snapshot(&[("Quantity", written)]).items[0].quantity, seats);
    }
    for odd in ["2.5", "-1.0", "five", "1e3", "99999999999999999999"] {
        let fields = [("Id", ASSET), ("Quantity", odd), ("SystemModstamp", "2026-01-05T10:00:01.000Z")];
        let refused = Salesforce.translate(soap(&fields).as_bytes(), &[], &configured());
        assert!(refused.unwrap_err().0.contains("quantity"), "{odd}");
    }
}

#[test]
fn an_absent_field_is_null_only_where_it_is_declared() {
    for absent in ["UsageEndDate", "Quantity", "Status", "AccountId", "LSL_Product_Code__c"] {
        let fields: Vec<_> = GOOD.into_iter().filter(|(name, _)| *name != absent).collect();
        let unknown = snapshot_of(&translated(&soap(&fields), &configured()));
        assert_eq!(unknown.status, Status::Unknown, "{absent}");
    }
    let perpetual: Vec<_> = GOOD.into_iter().filter(|(name, _)| *name != "UsageEndDate").collect();
    let declared = snapshot_of(&translated(&soap(&perpetual), &declaring(&[("end_date", "UsageEndDate")])));
    assert_eq!((declared.status, declared.paid_through), (Status::Active, None));
    // Null in so many words is null.
    let nil = soap(&perpetual).replace("</sObject>", "<sf:UsageEndDate xsi:nil=\"true\"/></sObject>");
    assert_eq!(snapshot_of(&translated(&nil, &configured())).status, Status::Active);
    let theirs = declaring(&[("product_code", "Our_Code__c"), ("end_date", "Support_End__c")]);
    let fields = with(&[("Our_Code__c", "TEAM"), ("Support_End__c", "2026-06-30")]);
    let snapshot = snapshot_of(&translated(&soap(&fields), &theirs));
    assert_eq!(
        (&*snapshot.items[0].product.keys["product_code"], snapshot.paid_through),
        ("TEAM", Some(instant("2026-07-01T00:00:00Z")))
    );
}

#[test]
fn the_record_s_own_stamp_is_the_clock() {
    let older = [("SystemModstamp", ""), ("LastModifiedDate", "2026-01-04T00:00:00.000Z")];
    assert_eq!(translated(&soap(&with(&older)), &configured()).facts[0].key.at, instant("2026-01-04T00:00:00Z"));
    // Stored, and not folded.
    assert_eq!(translated(&soap(&with(&[("SystemModstamp", "")])), &configured()), Translation::default());
}

#[test]
fn a_managed_asset_keeps_its_numbers_elsewhere() {
    let managed = [
        ("HasLifecycleManagement", "true"),
        ("CurrentQuantity", "7.0"),
        ("Quantity", ""),
        ("UsageEndDate", ""),
        ("LifecycleEndDate", "2026-12-31T23:59:59.000Z"),
    ];
    let snapshot = snapshot(&managed);
    assert_eq!((snapshot.items[0].quantity, snapshot.paid_through), (Some(7), Some(instant("2026-12-31T23:59:59Z"))));
}

#[test]
fn the_samples() {
    let Some(body) = sample("ours__om_asset_two_notifications.xml") else { return };
    assert_eq!(verdict(&xml(&body, Some(TOKEN))), Ok(()));
    let both = parts(&body);
    assert_eq!(both[0].0, "00D5g00000AbCdEEAV04l5g000001AAAAAA4");
    let first = snapshot_of(&translated(&both[0].2, &configured()));
    assert_eq!(
        (first.status, first.items[0].quantity, first.paid_through),
        (Status::Active, Some(5), Some(instant("2027-01-05T00:00:00Z")))
    );
    let second = translated(&both[1].2, &configured());
    assert!(matches!(&second.facts[0].body, FactBody::Subscription { after, .. } if after.status == Status::Canceled));
    // The same asset as a callout says the same but for what the callout calls otherwise.
    let callout = sample("ours__callout_flow.json").unwrap();
    let said = snapshot_of(&translated(&parts(&callout)[0].2, &configured()));
    assert_eq!(
        (said.status, said.paid_through, &said.customer_id),
        (first.status, first.paid_through, &first.customer_id)
    );
    let deleted = callout.replace("CREATE", "DELETE");
    assert_eq!(snapshot_of(&translated(&deleted, &configured())).status, Status::Canceled);
    let sandbox = callout.replace("\"sandbox\":false", "\"sandbox\":true");
    assert!(!snapshot_of(&translated(&sandbox, &configured())).livemode);
    let quoted = parts(&sample("ours__om_cpq_subscription.xml").unwrap());
    assert_eq!(quoted[0].1, "SBQQ__Subscription__c");
    assert_eq!(translated(&quoted[0].2, &configured()), Translation::default());
    for name in ["create_account", "field_populated", "null_field_omitted"] {
        let body = sample(&format!("amp-labs__outbound_message_{name}.xml")).unwrap();
        assert_eq!(verdict(&xml(&body, Some(TOKEN))), Ok(()), "{name}");
        assert_eq!(parts(&body)[0].1, "Account", "{name}");
        assert_eq!(translated(&parts(&body)[0].2, &configured()), Translation::default(), "{name}");
    }
}
