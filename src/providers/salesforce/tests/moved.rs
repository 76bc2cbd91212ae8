//! One record told twice, deleted, restored, or given to somebody else.

use super::histories::*;
use super::*;
use crate::domain::chains;
use crate::domain::state::{Recorded, fold};

#[test]
fn a_message_and_a_callout_of_one_change_have_one_effect() {
    let (object, record) = asset(1, json!({}));
    let heard = [callout(0, object, &record)];
    let once = states(&heard, ACCOUNT, &configured());
    let fields: Vec<String> = record
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            format!("<sf:{name}>{}</sf:{name}>", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    let message = notification("04l5g000001AAAAAA4", &fields.concat());
    let (mut facts, mut links) = (Vec::new(), Vec::new());
    for (position, part) in [(1, heard[0].to_string()), (2, message)] {
        let said = Salesforce.translate(part.as_bytes(), &[], &configured()).unwrap();
        facts.extend(said.facts.into_iter().map(|fact| Recorded { position, fact }));
        links.extend(said.links);
    }
    let both = chains::split(&fold(ACCOUNT, facts, links), "sf", &rules());
    assert_eq!(both[0].state_hash(), once[0].state_hash());
    // The callout may know less under the same stamp; the fuller one stands.
    let mut less = record;
    less.as_object_mut().unwrap().remove("Quantity");
    let both = states(&[heard[0].clone(), callout(1, object, &less)], ACCOUNT, &configured());
    assert_eq!(both[0].state_hash(), once[0].state_hash());
}

#[test]
fn what_is_deleted_is_over_and_comes_back_when_it_is_restored() {
    let (object, record) = asset(1, json!({}));
    let stamp = record["SystemModstamp"].clone();
    let said = |n: usize, change: &str, at: &str, record: Value| {
        let mut said = callout(n, object, &record);
        merge(&mut said, json!({"change": change, "occurred_at": at}));
        said
    };
    // A trigger that runs after the deletion has the stamp of the change before; a Flow little but the id.
    let first = said(0, "CREATE", "2026-01-01T00:00:02Z", record.clone());
    for of_deleted in
        [record.clone(), json!({"Id": record["Id"], "SystemModstamp": stamp}), json!({"Id": record["Id"]})]
    {
        let deleted = said(1, "DELETE", "2026-02-01T00:00:00Z", of_deleted);
        let gone = states(&[first.clone(), deleted.clone()], ACCOUNT, &configured());
        assert_eq!(due(&gone, "2026-06-01"), ["PRO ended - - canceled off"]);
        let back = said(2, "UNDELETE", "2026-03-01T00:00:00Z", record.clone());
        let back = states(&[first.clone(), deleted, back], ACCOUNT, &configured());
        assert_eq!(due(&back, "2026-06-01"), ["PRO active 5 2027-01-04 paid"]);
    }
}

#[test]
fn a_record_that_changes_hands_takes_its_seats_along() {
    let moved = asset(1, json!({"AccountId": OTHER, "SystemModstamp": "2026-02-01T00:00:00Z"}));
    let history = [asset(1, json!({})), asset(2, json!({"Quantity": 3.0})), moved];
    let heard: Vec<Value> = history.iter().enumerate().map(|(n, (o, r))| callout(n, o, r)).collect();
    assert_eq!(due(&states(&heard, ACCOUNT, &configured()), "2026-06-01"), ["PRO active 3 2027-01-04 paid"]);
    assert_eq!(due(&states(&heard, OTHER, &configured()), "2026-06-01"), ["PRO active 5 2027-01-04 paid"]);
    // One that named nobody waits in a book of its own, until it does.
    let alone = asset(1, json!({"AccountId": null}));
    let heard = [callout(0, alone.0, &alone.1)];
    let own = states(&heard, "02i5g0000010001AAA", &configured());
    assert_eq!(due(&own, "2026-06-01"), ["PRO none - - unknown_fields"]);
    assert_eq!(own[0].missing().into_iter().collect::<Vec<_>>(), ["Asset.account"]);
    let named = asset(1, json!({"SystemModstamp": "2026-02-01T00:00:00Z"}));
    let heard = [heard[0].clone(), callout(1, named.0, &named.1)];
    assert!(states(&heard, "02i5g0000010001AAA", &configured()).is_empty());
    assert_eq!(due(&states(&heard, ACCOUNT, &configured()), "2026-06-01"), ["PRO active 5 2027-01-04 paid"]);
}

#[test]
fn the_e_mail_is_the_contact_s_where_the_record_has_none() {
    let own = asset(1, json!({"ContactId": CONTACT}));
    let contact = (
        "Contact",
        json!({"Id": CONTACT, "FirstName": "Ada", "LastName": "Lovelace", "Email": "ada@example.com",
        "SystemModstamp": "2026-01-01T00:00:00Z"}),
    );
    let account =
        ("Account", json!({"Id": ACCOUNT, "Name": "Analytical Engines", "SystemModstamp": "2026-01-01T00:00:00Z"}));
    let heard: Vec<Value> = [own, contact, account].iter().enumerate().map(|(n, (o, r))| callout(n, o, r)).collect();
    let customer = states(&heard, ACCOUNT, &configured())[0].customer();
    assert_eq!(customer.email.as_deref(), Some("ada@example.com"));
    assert_eq!(
        (customer.first_name.as_deref(), customer.company.as_deref()),
        (Some("Ada"), Some("Analytical Engines"))
    );
}

#[test]
fn a_sandbox_s_records_entitle_nothing_in_a_live_source() {
    let (object, record) = asset(1, json!({}));
    let mut heard = [callout(0, object, &record)];
    heard[0]["sandbox"] = json!(true);
    let found = states(&heard, ACCOUNT, &configured());
    assert_eq!(due(&found, "2026-06-01"), ["PRO none 5 - test_mode"]);
}

#[test]
fn a_license_is_found_under_every_record_of_its_product() {
    use crate::domain::license::{LicenseRecord, Line};
    let heard: Vec<Value> = [asset(2, json!({"PurchaseDate": "2026-02-01"})), asset(1, json!({}))]
        .iter()
        .enumerate()
        .map(|(n, (o, r))| callout(n, o, r))
        .collect();
    let line =
        |id: &str| Line { source: "sf".into(), subscription_id: id.into(), product_code: "PRO".into(), ordinal: 1 };
    let before = split(&heard, ACCOUNT, &configured(), &[0]);
    assert_eq!(before[0].subscription_id, "02i5g0000010002AAA");
    // An older record is heard of late: the group is called by it, and the license stays.
    let after = split(&heard, ACCOUNT, &configured(), &[0, 1]);
    assert_eq!(after[0].subscription_id, "02i5g0000010001AAA");
    assert_eq!(after[0].license_ids(), ["02i5g0000010001AAA", "02i5g0000010002AAA"]);
    let second = line("02i5g0000010002AAA");
    let record = LicenseRecord { intents: 1, ..LicenseRecord::new(&second.order_id(1), second.clone(), 1) };
    let held = after[0].adopt(vec![record]);
    assert_eq!((&held[0].line, &*held[0].order_id), (&line("02i5g0000010001AAA"), "sf:02i5g0000010002AAA:PRO"));
}
