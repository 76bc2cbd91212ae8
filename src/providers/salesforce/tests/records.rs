//! What one record comes to.

use super::*;
use crate::domain::rows::{Force, Row};

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

fn row_of(translation: &Translation) -> Row {
    let fact = translation.facts.iter().find(|fact| fact.entity.kind == EntityKind::Row).unwrap();
    match &fact.body {
        FactBody::Row(row) => (**row).clone(),
        other => panic!("not a row: {other:?}"),
    }
}

fn row(changes: &[(&'static str, &'static str)]) -> Row {
    row_of(&translated(&soap(&with(changes)), &configured()))
}

fn declaring(names: &[(&str, &str)]) -> SourceSettings {
    let names = names.iter().map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned())).collect();
    SourceSettings { fields: [("Asset".to_owned(), names)].into(), ..configured() }
}

fn edges(translation: &Translation) -> Vec<(String, String)> {
    translation.links.iter().map(|link| (link.child.key(), link.parent.key())).collect()
}

#[test]
fn an_asset_is_a_row_in_the_book_of_its_account() {
    let translation = translated(&soap(&GOOD), &configured());
    let keys = [("product_code".to_owned(), "APP-PRO-Y".to_owned())];
    let expected = Row {
        row_id: ASSET.into(),
        kind: "Asset".into(),
        provider_status: "Purchased".into(),
        livemode: true,
        account: Some("0015g00000aBcDeAAK".into()),
        product: ProductRef { keys: keys.into(), ..ProductRef::default() },
        quantity: Some(5),
        end: Some(instant("2027-01-05T00:00:00Z")),
        ..Row::default()
    };
    assert_eq!(row_of(&translation), expected);
    let (row, book, customer) =
        (format!("row:{ASSET}"), "book:0015g00000aBcDeAAK".to_owned(), "cus:0015g00000aBcDeAAK".to_owned());
    assert_eq!(edges(&translation), [(row, book.clone()), (book, customer)]);
    assert_eq!(translation.facts[0].key.at, instant("2026-01-05T10:00:01Z"));
    match &translation.facts[1].body {
        FactBody::Customer(facts) => assert_eq!(facts.email.as_deref(), Some("ada@example.com")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_asset_begins_when_it_is_installed_or_bought() {
    let installed = row(&[("PurchaseDate", "2026-01-05"), ("Product2Id", "01t5g000003qrst")]);
    assert_eq!(installed.start, Some(instant("2026-01-05T00:00:00Z")));
    assert_eq!(installed.product.keys["product"], ids::long("01t5g000003qrst").unwrap());
    let both = row(&[("PurchaseDate", "2026-01-05"), ("InstallDate", "2026-02-01")]);
    assert_eq!(both.start, Some(instant("2026-02-01T00:00:00Z")));
}

#[test]
fn what_is_over_is_off() {
    let over: [&[(&str, &str)]; 4] = [
        &[("Status", "Obsolete")],
        &[("Status", "cancelled")],
        &[("Quantity", "0.0")],
        // What is known to be over is over, whatever else was not sent.
        &[("Status", "Obsolete"), ("UsageEndDate", ""), ("Quantity", ""), ("AccountId", "")],
    ];
    for changes in over {
        let row = row(changes);
        assert_eq!((row.force, row.missing), (Force::Off, vec![]), "{changes:?}");
    }
    assert_eq!(row(&[("IsDeleted", "true")]).force, Force::Deleted);
}

#[test]
fn seats_are_whole() {
    for (written, seats) in [("5.0", Some(5)), ("5", Some(5)), ("5.00", Some(5)), ("1000000.0", Some(1_000_000))] {
        assert_eq!(row(&[("Quantity", written)]).quantity, seats);
    }
    for odd in ["2.5", "-1.0", "five", "1e3", "99999999999999999999", "0.0000001"] {
        let refused = Salesforce.translate(soap(&with(&[("Quantity", odd)])).as_bytes(), &[], &configured());
        assert!(refused.unwrap_err().0.contains("quantity"), "{odd}");
    }
}

#[test]
fn an_absent_field_is_null_where_it_is_declared_or_usual() {
    // What an asset of the guide has may be null; whose it is, and what, may not.
    for (absent, missing) in [
        ("UsageEndDate", None),
        ("Quantity", None),
        ("Status", None),
        ("AccountId", Some("Asset.account")),
        ("LSL_Product_Code__c", Some("Asset.product_code")),
    ] {
        let fields: Vec<_> = GOOD.into_iter().filter(|(name, _)| *name != absent).collect();
        let row = row_of(&translated(&soap(&fields), &configured()));
        assert_eq!(row.missing.first().map(String::as_str), missing, "{absent}");
    }
    let perpetual: Vec<_> = GOOD.into_iter().filter(|(name, _)| *name != "UsageEndDate").collect();
    let declared = row_of(&translated(&soap(&perpetual), &declaring(&[("end_date", "UsageEndDate")])));
    assert_eq!((declared.end, declared.missing), (None, vec![]));
    // Null in so many words is null.
    let nil = soap(&perpetual).replace("</sObject>", "<sf:UsageEndDate xsi:nil=\"true\"/></sObject>");
    assert_eq!(row_of(&translated(&nil, &configured())).end, None);
    let theirs = declaring(&[("product_code", "Our_Code__c"), ("end_date", "Support_End__c")]);
    let fields = with(&[("Our_Code__c", "TEAM"), ("Support_End__c", "2026-06-30")]);
    let row = row_of(&translated(&soap(&fields), &theirs));
    assert_eq!((&*row.product.keys["product_code"], row.end), ("TEAM", Some(instant("2026-07-01T00:00:00Z"))));
}

#[test]
fn the_record_s_own_stamp_is_the_clock() {
    let older = [("SystemModstamp", ""), ("LastModifiedDate", "2026-01-04T00:00:00.000Z")];
    assert_eq!(translated(&soap(&with(&older)), &configured()).facts[0].key.at, instant("2026-01-04T00:00:00Z"));
    // Stored, and not folded.
    let without = translated(&soap(&with(&[("SystemModstamp", "")])), &configured());
    assert!(without.facts.is_empty() && without.links.is_empty());
    assert!(without.missing.unwrap().contains("SystemModstamp"));
}

#[test]
fn a_managed_asset_keeps_its_numbers_elsewhere() {
    let managed = [
        ("HasLifecycleManagement", "true"),
        ("CurrentQuantity", "7.0"),
        ("Quantity", ""),
        ("UsageEndDate", ""),
        ("LifecycleStartDate", "2026-01-01T00:00:00.000Z"),
        ("LifecycleEndDate", "2026-12-31T23:59:59.000Z"),
    ];
    let row = row(&managed);
    assert_eq!((row.quantity, row.start), (Some(7), Some(instant("2026-01-01T00:00:00Z"))));
    assert_eq!(row.end, Some(instant("2026-12-31T23:59:59Z")));
}

#[test]
fn a_line_is_found_through_what_it_is_a_line_of() {
    let callout = |object: &str, record: Value| {
        let said = json!({"event_id":"1","org_id":ORGANIZATION,"object":object,"record":record});
        translated(&said.to_string(), &configured())
    };
    let stamp = "2026-01-05T10:00:01Z";
    let line = callout("OrderItem", json!({"Id":"8025g0000010001","OrderId":"8015g0000010001","SystemModstamp":stamp}));
    assert_eq!(edges(&line), [("row:8025g0000010001AAA".to_owned(), "row:8015g0000010001AAA".to_owned())]);
    // Ids of 15 and 18 characters are the same, wherever they stand.
    let order =
        callout("Order", json!({"Id":"8015g0000010001AAA","AccountId":"0015g00000aBcDe","SystemModstamp":stamp}));
    assert_eq!(edges(&order)[0], ("row:8015g0000010001AAA".to_owned(), "book:0015g00000aBcDeAAK".to_owned()));
    let of_contact = callout("Asset", json!({"Id":ASSET,"ContactId":"0035g00000fGhIj","SystemModstamp":stamp}));
    assert_eq!(edges(&of_contact)[0].1, format!("book:{}", ids::long("0035g00000fGhIj").unwrap()));
    let of_nobody = callout("Asset", json!({"Id":ASSET,"SystemModstamp":stamp}));
    assert_eq!(edges(&of_nobody), [(format!("row:{ASSET}"), format!("book:{ASSET}"))]);
}

#[test]
fn dates_are_dates_or_it_is_quarantined() {
    for (name, odd) in [("UsageEndDate", "31.12.2026"), ("PurchaseDate", "soon"), ("UsageEndDate", "2026-02-30")] {
        let refused = Salesforce.translate(soap(&with(&[(name, odd)])).as_bytes(), &[], &configured()).unwrap_err();
        assert!(refused.0.contains("neither a date nor a time") && !refused.0.contains(odd), "{refused}");
    }
}

#[test]
fn the_samples() {
    let Some(body) = sample("ours__om_asset_two_notifications.xml") else { return };
    assert_eq!(verdict(&xml(&body, Some(TOKEN))), Ok(()));
    let both = parts(&body);
    assert_eq!(both[0].0, "00D5g00000AbCdEEAV04l5g000001AAAAAA4");
    let first = row_of(&translated(&both[0].2, &configured()));
    let end = Some(instant("2027-01-05T00:00:00Z"));
    assert_eq!((first.force, first.quantity, first.end), (Force::On, Some(5), end));
    assert_eq!(row_of(&translated(&both[1].2, &configured())).force, Force::Off);
    // The same asset as a callout says the same but for what the callout calls otherwise.
    let callout = sample("ours__callout_flow.json").unwrap();
    let said = row_of(&translated(&parts(&callout)[0].2, &configured()));
    assert_eq!((said.force, said.end, said.start, &said.account), (Force::On, end, first.start, &first.account));
    let deleted = callout.replace("CREATE", "DELETE");
    assert_eq!(row_of(&translated(&deleted, &configured())).force, Force::Deleted);
    let sandbox = callout.replace("\"sandbox\":false", "\"sandbox\":true");
    assert!(!row_of(&translated(&sandbox, &configured())).livemode);
    let quoted = parts(&sample("ours__om_cpq_subscription.xml").unwrap());
    assert_eq!(quoted[0].1, "SBQQ__Subscription__c");
    let quoted = row_of(&translated(&quoted[0].2, &configured()));
    assert_eq!((quoted.quantity, quoted.parent.as_deref()), (Some(10), Some("8005g000000mnopAAA")));
    assert_eq!(
        (quoted.end, quoted.cut),
        (Some(instant("2027-01-01T00:00:00Z")), Some(instant("2026-03-02T00:00:00Z")))
    );
    for name in ["create_account", "field_populated", "null_field_omitted"] {
        let body = sample(&format!("amp-labs__outbound_message_{name}.xml")).unwrap();
        assert_eq!(verdict(&xml(&body, Some(TOKEN))), Ok(()), "{name}");
        assert_eq!(parts(&body)[0].1, "Account", "{name}");
        assert_eq!(translated(&parts(&body)[0].2, &configured()), Translation::default(), "{name}");
    }
}
