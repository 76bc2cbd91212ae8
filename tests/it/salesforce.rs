//! Records of Salesforce from the door to the license: amendments, renewals, deals, deletions.

use chrono::{Days, Months, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::support::service::{ORGANIZATION, Service};

const ACCOUNT: &str = "0015g00000aBcDeAAK";
const FIRST: &str = "a0F5g000001aaacAAA";
const AMENDED: &str = "a0F5g000001aaadAAA";
const RENEWED: &str = "a0F5g000001aaaeAAA";
const OLDER: &str = "a0F5g000001aaabAAA";

/// A row of CPQ, as it was at minute `stamp`.
fn quoted(id: &str, quantity: f64, from: NaiveDate, to: NaiveDate, stamp: u32) -> Value {
    json!({"Id": id, "SBQQ__Account__c": ACCOUNT, "SBQQ__Contract__c": "8005g000000mnopAAA", "SBQQ__Quantity__c": quantity,
        "LSL_Product_Code__c": "APP-PRO-Y", "LSL_Contact_Email__c": "ada@example.com", "SBQQ__StartDate__c": from,
        "SBQQ__EndDate__c": to, "SystemModstamp": format!("2026-01-05T10:{stamp:02}:00.000Z")})
}

/// A notification of a record.
fn notification(n: u32, object: &str, record: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields: String = record
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("<sf:{name}>{}</sf:{name}>", text(value)))
        .collect();
    format!(
        r#"<Notification><Id>04l5g00000{n:05}</Id><sObject xsi:type="sf:{object}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{fields}</sObject></Notification>"#
    )
}

async fn post_message(service: &Service, notifications: &str) {
    let body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">
  <OrganizationId>{ORGANIZATION}</OrganizationId><SessionId xsi:nil="true"/>{notifications}
 </notifications></soapenv:Body></soapenv:Envelope>"#
    );
    let answer = service.poster().send("salesforce-main", body.as_bytes(), &[]).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

async fn call_out(service: &Service, object: &str, change: &str, record: &Value) {
    let body = json!({"event_id": uuid::Uuid::new_v4(), "occurred_at": Utc::now(), "org_id": ORGANIZATION, "object": object,
        "change": change, "record": record});
    let answer = service.poster().send("salesforce-main", body.to_string().as_bytes(), &[]).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
}

async fn shown(service: &Service, id: &str, query: &str) -> Value {
    let (status, shown) = service.get(&format!("/v1/subscriptions/salesforce-main/{id}{query}")).await;
    assert_eq!(status, 200, "{shown}");
    shown
}

/// The date that is sent for a term through `day`: the day after it, and three days of grace.
fn last(day: NaiveDate) -> String {
    (day + Days::new(4)).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn amendments_and_a_renewal_contract_move_one_license() {
    let service = Service::start().await;
    let today = Utc::now().date_naive();
    let (from, to) = (today - Days::new(30), today + Days::new(300));
    let order = format!("salesforce-main:{FIRST}:PRO");
    // The sale and an amendment that holds already, as one message; sent twice.
    let first = quoted(FIRST, 10.0, from, to, 1);
    let mut amended = quoted(AMENDED, 5.0, today - Days::new(10), to, 2);
    amended["SBQQ__RevisedSubscription__c"] = json!(FIRST);
    let both = format!(
        "{}{}",
        notification(1, "SBQQ__Subscription__c", &first),
        notification(2, "SBQQ__Subscription__c", &amended)
    );
    post_message(&service, &both).await;
    post_message(&service, &both).await;
    // The same change as a callout, and an amendment for later.
    call_out(&service, "SBQQ__Subscription__c", "CREATE", &first).await;
    let soon = today + Days::new(20);
    call_out(&service, "SBQQ__Subscription__c", "CREATE", &quoted("a0F5g000001aaafAAA", -2.0, soon, to, 3)).await;
    service.settled().await;
    let license = service.sandbox.license(&order).await.expect("a license");
    assert_eq!((&license["enabled"], &license["max_activations"]), (&json!(true), &json!(15)));
    assert!(license["validity_period"].as_str().unwrap().starts_with(&last(to)), "{license}");
    assert_eq!(service.sandbox.mutating().await.len(), 1);
    let now = shown(&service, FIRST, "").await;
    let item = &now["items"][0];
    assert_eq!(
        (&now["customer_id"], &now["status"], &item["quantity"]),
        (&json!(ACCOUNT), &json!("active"), &json!(15))
    );
    assert_eq!(item["entitlement"]["next_transition_at"], json!(format!("{soon}T00:00:00Z")), "it changes at midnight");
    assert_eq!(shown(&service, AMENDED, "").await["subscription_id"], json!(FIRST), "every row leads there");
    let events = async |id: &str| service.get(&format!("/v1/events?subscription={id}")).await.1["events"].clone();
    assert_eq!(events(FIRST).await.as_array().map(Vec::len), Some(6), "four events, a call and its outcome");
    assert_eq!(events(AMENDED).await, events(FIRST).await, "and so do its events");
    let then = shown(&service, FIRST, &format!("?at={soon}T00:00:00Z")).await;
    assert_eq!(then["items"][0]["entitlement"]["seats"], json!(13));
    let before = shown(&service, FIRST, "?as_of=2026-01-05T10:01:30Z").await;
    assert_eq!(before["items"][0]["quantity"], json!(10));

    // Renewed after a gap of days, with a contract of its own: the same key for longer.
    let (again, until) = (to + Days::new(3), to + Months::new(12));
    let mut renewed = quoted(RENEWED, 20.0, to + Days::new(1), until, 4);
    renewed["SBQQ__Contract__c"] = json!("8005g000000mnoqAAA");
    post_message(&service, &notification(3, "SBQQ__Subscription__c", &renewed)).await;
    service.settled().await;
    let renewed_license = service.sandbox.license(&order).await.unwrap();
    assert!(renewed_license["validity_period"].as_str().unwrap().starts_with(&last(until)), "{renewed_license}");
    assert_eq!(renewed_license["max_activations"], json!(15), "until the renewal begins");
    renewed["SBQQ__StartDate__c"] = json!(again);
    renewed["SystemModstamp"] = json!("2026-01-05T10:05:00Z");
    post_message(&service, &notification(4, "SBQQ__Subscription__c", &renewed)).await;
    service.settled().await;
    let gap = service.sandbox.license(&order).await.unwrap();
    assert!(gap["validity_period"].as_str().unwrap().starts_with(&last(to)), "a gap is not covered ahead: {gap}");
    let after = shown(&service, RENEWED, &format!("?at={again}T12:00:00Z")).await;
    assert_eq!(after["items"][0]["entitlement"]["seats"], json!(20));
    assert_eq!(after["items"][0]["license"]["order_id"], json!(order));

    // An older row is heard of late: the subscription is called by it, and the license stays.
    let calls = service.sandbox.mutating().await.len();
    let older = quoted(OLDER, 7.0, from - Months::new(12), from - Days::new(1), 0);
    post_message(&service, &notification(5, "SBQQ__Subscription__c", &older)).await;
    service.settled().await;
    assert_eq!(shown(&service, FIRST, "").await["subscription_id"], json!(OLDER));
    assert_eq!(shown(&service, OLDER, "").await["items"][0]["license"]["in_sync"], json!(true));
    assert_eq!(service.sandbox.mutating().await.len(), calls, "nothing that matters has changed");
    let (_, of_it) = service.get(&format!("/v1/events?source=salesforce-main&subscription={OLDER}")).await;
    assert_eq!(of_it["events"].as_array().unwrap().len(), 7, "every event of its rows: {of_it}");
    let (_, all) = service.get("/v1/subscriptions?source=salesforce-main").await;
    assert_eq!(all["subscriptions"].as_array().unwrap().len(), 1, "{all}");
    let (_, why) = service.get(&format!("/v1/licenses/{order}/why")).await;
    assert_eq!(why["entitlement"]["seats"], json!(15), "{why}");

    // Everything is terminated, as of the day before yesterday.
    for (id, quantity, stamp) in [(FIRST, 10.0, 7), (AMENDED, 5.0, 8)] {
        let mut over = quoted(id, quantity, from, to, stamp);
        over["SBQQ__TerminatedDate__c"] = json!(today - Days::new(2));
        call_out(&service, "SBQQ__Subscription__c", "UPDATE", &over).await;
    }
    service.settled().await;
    assert_eq!(service.sandbox.license(&order).await.unwrap()["enabled"], json!(false));
    // A fraction is for a person to look at, and changes nothing.
    let calls = service.sandbox.mutating().await.len();
    call_out(&service, "SBQQ__Subscription__c", "UPDATE", &quoted(FIRST, 2.5, from, to, 9)).await;
    service.settled().await;
    let (_, quarantine) = service.get("/v1/quarantine").await;
    assert!(quarantine["quarantine"][0]["reason"].as_str().unwrap().contains("whole number"), "{quarantine}");
    assert_eq!(service.sandbox.mutating().await.len(), calls);
    rebuilt_equals_live(&service).await;
}

async fn rebuilt_equals_live(service: &Service) {
    let output = service.command().args(["rebuild", "--dry-run", "--json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["differences"], json!(0), "{told}");
}

const RULES: &str = r#"
[[catalog]]
match = { product_code = "DEAL" }
product_code = "PRO"
policy_code = "pro-monthly"
period = "1y"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn deals_orders_and_assets_come_and_go() {
    let service = Service::start_with(RULES).await;
    let today = Utc::now().date_naive();
    let deal = |stamp: u32, won: bool| {
        json!({"Id": "0065g000001aaaaAAA", "AccountId": ACCOUNT, "StageName": "x", "IsClosed": won, "IsWon": won,
            "CloseDate": today - Days::new(5), "LSL_Product_Code__c": "DEAL", "LSL_Quantity__c": 4.0,
            "SystemModstamp": format!("2026-01-05T10:{stamp:02}:00Z")})
    };
    let order = "salesforce-main:0065g000001aaaaAAA:PRO";
    call_out(&service, "Opportunity", "UPDATE", &deal(1, false)).await;
    service.settled().await;
    assert!(service.sandbox.license(order).await.is_none());
    for (stamp, won, enabled) in [(2, true, true), (3, false, false), (4, true, true)] {
        call_out(&service, "Opportunity", "UPDATE", &deal(stamp, won)).await;
        service.settled().await;
        let license = service.sandbox.license(order).await.expect("a license");
        assert_eq!(license["enabled"], json!(enabled), "{stamp}");
    }
    // An item is a stranger's until its order says whose it is.
    let other = "0015g00000aBcDfAAK";
    let item = json!({"Id": "8025g000001aaaaAAA", "OrderId": "8015g000001aaaa", "ProductCode": "APP-PRO-Y", "Quantity": 3.0,
        "ServiceDate": today - Days::new(1), "SystemModstamp": "2026-01-05T10:00:00Z"});
    post_message(&service, &notification(1, "OrderItem", &item)).await;
    service.settled().await;
    let (_, unlinked) = service.get("/v1/unlinked").await;
    assert_eq!(unlinked["unlinked"].as_array().unwrap().len(), 1, "{unlinked}");
    let head = |code: &str, stamp: u32| {
        json!({"Id": "8015g000001aaaaAAA", "AccountId": other, "StatusCode": code, "EffectiveDate": today - Days::new(9),
            "EndDate": today + Days::new(90), "SystemModstamp": format!("2026-01-05T10:{stamp:02}:00Z")})
    };
    post_message(&service, &notification(2, "Order", &head("Draft", 1))).await;
    post_message(&service, &notification(3, "Order", &head("Activated", 2))).await;
    service.settled().await;
    let license = service.sandbox.license("salesforce-main:8025g000001aaaaAAA:PRO").await.expect("a license");
    assert_eq!(license["max_activations"], json!(3));
    let (_, unlinked) = service.get("/v1/unlinked").await;
    assert_eq!(unlinked["unlinked"], json!([]), "it landed");
    // What is deleted is over; a trigger still shows the stamp of the change before.
    call_out(&service, "OrderItem", "DELETE", &item).await;
    service.settled().await;
    let license = service.sandbox.license("salesforce-main:8025g000001aaaaAAA:PRO").await.unwrap();
    assert_eq!(license["enabled"], json!(false));
    // Without an end, and a catalog that does not sell it for ever, a person is asked.
    let endless = json!({"Id": "02i5g000001aaaaAAA", "AccountId": other, "LSL_Product_Code__c": "APP-PRO-Y", "Status": "Purchased",
        "Quantity": 1.0, "PurchaseDate": today, "SystemModstamp": "2026-01-05T10:30:00Z", "ContactId": "0035g00000fGhIjAAI"});
    let stranger = json!({"Id": "02i5g000001aaabAAA", "LSL_Product_Code__c": "APP-PRO-Y", "UsageEndDate": today + Days::new(9),
        "SystemModstamp": "2026-01-05T10:30:00Z"});
    let mut alone = endless.clone();
    alone["AccountId"] = json!("0015g00000aBcDgAAK");
    for record in [&alone, &stranger] {
        call_out(&service, "Asset", "UPDATE", record).await;
    }
    service.settled().await;
    let (_, unmapped) = service.get("/v1/unmapped").await;
    let mut fixes: Vec<_> = unmapped["unmapped"].as_array().unwrap().iter().map(|u| u["fix"].to_string()).collect();
    fixes.sort();
    assert!(fixes.len() == 2 && fixes[0].contains("period = "), "{unmapped}");
    assert!(fixes[1].contains("[sources.salesforce-main.fields.Asset]\\naccount"), "{unmapped}");
    let record = shown(&service, "02i5g000001aaabAAA", "").await;
    assert_eq!((&record["status"], &record["missing"]), (&json!("unknown"), &json!(["Asset.account"])), "{record}");
    // Then it is said whose it is.
    let mut named = stranger;
    named["AccountId"] = json!("0015g00000aBcDhAAK");
    named["SystemModstamp"] = json!("2026-01-05T10:31:00Z");
    call_out(&service, "Asset", "UPDATE", &named).await;
    service.settled().await;
    let license = service.sandbox.license("salesforce-main:02i5g000001aaabAAA:PRO").await.expect("a license");
    assert_eq!(license["enabled"], json!(true));
    rebuilt_equals_live(&service).await;
}
