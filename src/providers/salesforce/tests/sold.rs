//! Contracts, orders, deals, and objects of the org's own: what puts them in force.

use super::histories::*;
use super::*;
use crate::domain::entitlement::SourceContext;
use crate::domain::plan::deserved;

#[test]
fn the_same_sale_told_by_several_objects_counts_once() {
    let won = json!({"Id": "0065g0000010001", "AccountId": ACCOUNT, "LSL_Product_Code__c": "PRO-Y", "LSL_Quantity__c": 5,
        "IsClosed": true, "IsWon": true, "CloseDate": "2026-01-01", "SystemModstamp": "2026-01-01T00:00:00Z"});
    check(
        &[asset(1, json!({})), quoted(2, 4.0, "2026-01-01", json!({})), ("Opportunity", won)],
        &[("2026-06-01", &["PRO active 5 2027-01-04 paid"])],
    );
}

#[test]
fn a_contract_puts_its_lines_in_force() {
    let contract = |code: &str, stamp: u32| {
        (
            "Contract",
            json!({"Id": "8005g000000mnop", "AccountId": ACCOUNT, "StatusCode": code, "Status": "our own word",
            "StartDate": "2026-01-01", "EndDate": "2026-09-30", "SystemModstamp": format!("2026-01-02T00:00:{stamp:02}Z")}),
        )
    };
    let line = || quoted(1, 10.0, "2026-01-01", json!({"SBQQ__Account__c": null}));
    check(&[line(), contract("Draft", 1)], &[("2026-02-01", &["PRO none - - not_in_force off"])]);
    check(&[line(), contract("InApproval", 1)], &[("2026-02-01", &["PRO none - - not_in_force off"])]);
    let active: (&str, &[&str]) = ("2026-02-01", &["PRO active 10 2026-10-04 paid"]);
    check(&[contract("Draft", 1), line(), contract("Activated", 2)], &[active]);
    for over in ["Terminated", "Expired"] {
        let history = [contract("Activated", 1), line(), contract(over, 2)];
        check(&history, &[("2026-02-01", &["PRO ended - - canceled off"])]);
    }
    // A status without its category is a word of the org's own.
    let own = [
        line(),
        (
            "Contract",
            json!({"Id": "8005g000000mnop", "AccountId": ACCOUNT, "Status": "Signed",
        "LSL_Product_Code__c": "TEAM-Y", "SystemModstamp": "2026-01-02T00:00:01Z"}),
        ),
    ];
    check(&own, &[("2026-02-01", &["PRO active 10 2027-01-04 paid", "TEAM none - - unknown_fields"])]);
    // A contract that names its product needs no lines; its term may be in months.
    let alone = json!({"Id": "8005g000000mnoq", "AccountId": ACCOUNT, "StatusCode": "Activated", "LSL_Product_Code__c": "TEAM-Y",
        "LSL_Quantity__c": "7", "StartDate": "2026-01-15", "ContractTerm": 12, "SystemModstamp": "2026-01-02T00:00:01Z"});
    check(&[("Contract", alone)], &[("2026-02-01", &["TEAM active 7 2027-01-18 paid"])]);
}

#[test]
fn orders_count_while_they_are_activated() {
    let order = |code: &str, stamp: u32| {
        (
            "Order",
            json!({"Id": "8015g0000010001", "AccountId": ACCOUNT, "StatusCode": code, "EffectiveDate": "2026-01-01",
            "EndDate": "2026-12-31", "SystemModstamp": format!("2026-01-02T00:00:{stamp:02}Z")}),
        )
    };
    let item = |n: u32, quantity: f64, start: &str| {
        (
            "OrderItem",
            json!({"Id": format!("8025g000001{n:04}"), "OrderId": "8015g0000010001AAA", "ProductCode": "PRO-Y",
            "Product2Id": "01t5g000003qrst", "Quantity": quantity, "ServiceDate": start, "SystemModstamp": "2026-01-01T00:00:00Z"}),
        )
    };
    // Without its order an item belongs to nobody.
    check(&[item(1, 5.0, "2026-02-01")], &[("2026-06-01", &[])]);
    check(&[item(1, 5.0, "2026-02-01"), order("Draft", 1)], &[("2026-06-01", &["PRO none - - not_in_force off"])]);
    let all = [item(1, 5.0, "2026-02-01"), order("Draft", 1), order("Activated", 2), item(2, -2.0, "2026-07-01")];
    check(
        &all,
        &[
            ("2026-01-15", &["PRO none - - not_started off"]),
            ("2026-02-01", &["PRO active 5 2027-01-04 paid"]),
            ("2026-07-01", &["PRO active 3 2027-01-04 paid"]),
        ],
    );
    let taken_back = [item(1, 5.0, "2026-02-01"), order("Activated", 1), order("Draft", 2)];
    check(&taken_back, &[("2026-06-01", &["PRO ended - - canceled off"])]);
    let unsaid = [
        item(1, 5.0, "2026-02-01"),
        (
            "Order",
            json!({"Id": "8015g0000010001", "AccountId": ACCOUNT,
        "EffectiveDate": "2026-01-01", "EndDate": "2026-12-31", "SystemModstamp": "2026-01-02T00:00:00Z"}),
        ),
    ];
    check(&unsaid, &[("2026-06-01", &["PRO none - - unknown_fields"])]);
}

#[test]
fn a_deal_counts_while_it_is_won_and_is_withdrawn_when_it_is_opened_again() {
    let deal = |stamp: u32, is_closed: bool, is_won: bool, code: &str| {
        (
            "Opportunity",
            json!({"Id": "0065g0000010001", "AccountId": ACCOUNT, "StageName": "a stage", "IsClosed": is_closed,
            "IsWon": is_won, "CloseDate": "2026-01-10", "LSL_Product_Code__c": code, "LSL_Quantity__c": 5.0,
            "SystemModstamp": format!("2026-01-02T00:00:{stamp:02}Z")}),
        )
    };
    check(&[deal(1, false, false, "DEAL")], &[("2026-02-01", &["DEAL none - - not_in_force off"])]);
    check(&[deal(1, true, false, "DEAL")], &[("2026-02-01", &["DEAL none - - not_in_force off"])]);
    let won: (&str, &[&str]) = ("2026-02-01", &["DEAL active 5 2027-01-13 paid"]);
    check(&[deal(1, false, false, "DEAL"), deal(2, true, true, "DEAL")], &[won]);
    let opened = [deal(2, true, true, "DEAL"), deal(3, false, false, "DEAL")];
    check(&opened, &[("2026-02-01", &["DEAL ended - - canceled off"])]);
    let again = [deal(2, true, true, "DEAL"), deal(3, false, false, "DEAL"), deal(4, true, true, "DEAL")];
    check(&again, &[won]);
    // Deleted and restored, a deal that was never won is one that is not won yet.
    let (object, open) = deal(1, false, false, "DEAL");
    let said = |n: usize, change: &str| {
        let mut said = callout(n, object, &open);
        merge(&mut said, json!({"change": change, "occurred_at": format!("2026-01-03T00:00:0{n}Z")}));
        said
    };
    let heard = [callout(0, object, &open), said(1, "DELETE"), said(2, "UNDELETE")];
    let restored = states(&heard, ACCOUNT, &configured());
    assert_eq!(
        (restored[0].status(), due(&restored, "2026-02-01")),
        (Status::Incomplete, vec!["DEAL none - - not_in_force off".to_owned()])
    );
    // The catalog must say how long, or that it has no end.
    check(&[deal(2, true, true, "PRO-Y")], &[("2026-02-01", &["PRO none - - no_end_date"])]);
    check(&[deal(2, true, true, "ONCE")], &[("2050-02-01", &["ONCE active 5 - paid"])]);
    // A flag is never null: absent, it is not sent.
    let unsaid = json!({"Id": "0065g0000010001", "AccountId": ACCOUNT, "LSL_Product_Code__c": "DEAL", "CloseDate": "2026-01-10",
        "StageName": "Closed Won", "SystemModstamp": "2026-01-02T00:00:00Z"});
    check(&[("Opportunity", unsaid)], &[("2026-02-01", &["DEAL none - - unknown_fields"])]);
    let line = json!({"Id": "00k5g0000010001", "OpportunityId": "0065g0000010001", "ProductCode": "DEAL", "Quantity": 9.0,
        "SystemModstamp": "2026-01-02T00:00:00Z"});
    check(
        &[deal(2, true, true, "TEAM-Y"), ("OpportunityLineItem", line)],
        &[("2026-02-01", &["DEAL active 9 2027-01-13 paid", "TEAM none - - no_end_date"])],
    );
}

#[test]
fn nothing_is_for_ever_unless_the_catalog_says_so() {
    let endless = |code: &str| asset(1, json!({"UsageEndDate": null, "LSL_Product_Code__c": code}));
    check(&[endless("PRO-Y")], &[("2026-06-01", &["PRO none - - no_end_date"])]);
    check(&[endless("ONCE")], &[("2026-06-01", &["ONCE active 5 - paid"]), ("2096-06-01", &["ONCE active 5 - paid"])]);
    check(&[endless("DEAL")], &[("2026-06-01", &["DEAL active 5 2027-01-04 paid"])]);
    // A perpetual license has no date that could end it.
    let dated = asset(1, json!({"LSL_Product_Code__c": "ONCE"}));
    check(&[dated], &[("2026-06-01", &["ONCE active 5 - paid"]), ("2027-06-01", &["ONCE ended 5 - term_over off"])]);
}

#[test]
fn any_object_whose_fields_are_named_counts() {
    let names = [
        ("account", "Kunde__c"),
        ("product_code", "Artikel__c"),
        ("quantity", "Anzahl__c"),
        ("status", "Lage__c"),
        ("start_date", "Von__c"),
        ("end_date", "Bis__c"),
        ("email", "Mail__c"),
        ("modified", "Stand__c"),
    ];
    let table = |names: &[(&str, &str)]| names.iter().map(|(o, t)| ((*o).to_owned(), (*t).to_owned())).collect();
    let settings = SourceSettings { fields: [("Lizenz__c".to_owned(), table(&names))].into(), ..configured() };
    let record = json!({"Id": "a005g0000010001", "Kunde__c": ACCOUNT, "Artikel__c": "PRO-Y", "Anzahl__c": 4.0, "Lage__c": "aktiv",
        "Von__c": "2026-01-01", "Bis__c": "2026-12-31", "Mail__c": "ada@example.com", "Stand__c": "2026-01-01T00:00:00Z"});
    let good: (&str, &[&str]) = ("2026-06-01", &["PRO active 4 2027-01-04 paid"]);
    check_with(&[("Lizenz__c", record.clone())], &settings, &[good]);
    let mut over = record.clone();
    over["Lage__c"] = json!("Expired");
    check_with(&[("Lizenz__c", over.clone())], &settings, &[("2026-06-01", &["PRO ended - - canceled off"])]);
    // Which words mean "no more" is the org's own.
    let german = SourceSettings { off_statuses: vec!["Gekündigt".into()], ..settings.clone() };
    check_with(&[("Lizenz__c", over.clone())], &german, &[good]);
    over["Lage__c"] = json!("gekündigt");
    check_with(&[("Lizenz__c", over)], &german, &[("2026-06-01", &["PRO ended - - canceled off"])]);
    // What is declared and absent is null; what is not declared is not known.
    let mut null = record.clone();
    null.as_object_mut().unwrap().remove("Anzahl__c");
    check_with(&[("Lizenz__c", null.clone())], &settings, &[("2026-06-01", &["PRO active - 2027-01-04 paid"])]);
    let fewer = SourceSettings { fields: [("Lizenz__c".to_owned(), table(&names[..2]))].into(), ..configured() };
    null["SystemModstamp"] = json!("2026-01-01T00:00:00Z");
    let heard = [callout(0, "Lizenz__c", &null)];
    let found = states(&heard, ACCOUNT, &fewer);
    assert_eq!(due(&found, "2026-06-01"), ["PRO none - - unknown_fields"]);
    assert_eq!(found[0].missing().into_iter().collect::<Vec<_>>(), ["Lizenz__c.end_date", "Lizenz__c.quantity"]);
    let context = SourceContext { name: "sf", live: true };
    assert_eq!(
        deserved(&found[0], context, &rules(), instant("2026-06-01T00:00:00Z")).unmapped,
        ["main"],
        "it is shown"
    );
    // An object that nobody mapped is only kept.
    assert_eq!(Salesforce.translate(heard[0].to_string().as_bytes(), &[], &configured()), Ok(Translation::default()));
}
