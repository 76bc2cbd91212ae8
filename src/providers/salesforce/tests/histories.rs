//! Histories of accounts, and what is due on which day. What is expected is what Salesforce's
//! own documents, and those who have written of CPQ, say of the records.

use super::*;
use crate::domain::chains;
use crate::domain::entitlement::{SourceContext, Standing, Switch};
use crate::domain::plan::deserved;
use crate::domain::rules::Rules;
use crate::domain::state::{Recorded, State, fold};

const ACCOUNT: &str = "0015g00000aBcDeAAK";
const OTHER: &str = "0015g00000aBcDfAAK";
const CONTACT: &str = "0035g00000fGhIjAAI";

const RULES: &str = r#"{"catalog":[
    {"match":{"product_code":"PRO-Y"},"product_code":"PRO"},
    {"match":{"product_code":"PRO-M"},"product_code":"PRO"},
    {"match":{"product_code":"TEAM-Y"},"product_code":"TEAM"},
    {"match":{"product_code":"DEAL"},"product_code":"DEAL","period":"1y"},
    {"match":{"product_code":"EVER"},"product_code":"EVER","period":"1m"},
    {"match":{"product_code":"ONCE"},"product_code":"ONCE","license_type":"perpetual"}],
  "policy":{"default":{"grace_days":3}}}"#;

fn rules() -> Rules {
    serde_json::from_str(RULES).unwrap()
}

/// The n-th callout of a history, about an object.
fn callout(n: usize, object: &str, record: &Value) -> Value {
    json!({"event_id": format!("e{n}"), "org_id": ORGANIZATION, "object": object, "change": "UPDATE", "record": record})
}

/// Everything that a source heard, folded as the book of one account, and split.
fn split(heard: &[Value], account: &str, settings: &SourceSettings, order: &[usize]) -> Vec<State> {
    let (mut facts, mut links) = (Vec::new(), Vec::new());
    for n in order {
        let said = Salesforce.translate(heard[*n].to_string().as_bytes(), &[], settings).unwrap();
        let position = i64::try_from(*n).unwrap() + 1;
        facts.extend(said.facts.into_iter().map(|fact| Recorded { position, fact }));
        links.extend(said.links);
    }
    chains::split(&fold(account, facts, links), "sf", &rules())
}

/// What one history comes to, in every order in which it can arrive that is tried.
fn states(heard: &[Value], account: &str, settings: &SourceSettings) -> Vec<State> {
    let forward: Vec<usize> = (0..heard.len()).collect();
    let found = split(heard, account, settings, &forward);
    let mut turned = forward.clone();
    for turn in 0..heard.len() {
        turned.rotate_left(1);
        let mut order = turned.clone();
        if turn % 2 == 1 {
            order.reverse();
        }
        order.push(turn); // and one of them twice
        let other = split(heard, account, settings, &order);
        let hashes = |states: &[State]| states.iter().map(State::fold_hash).collect::<Vec<_>>();
        assert_eq!(hashes(&other), hashes(&found), "{order:?}");
    }
    found
}

/// State, seats, the date that is sent, and the reason, of every line at an instant.
fn due(states: &[State], at: &str) -> Vec<String> {
    let at = if at.len() == 10 { format!("{at}T12:00:00Z") } else { at.to_owned() };
    let context = SourceContext { name: "sf", live: true };
    let lines = states.iter().flat_map(|state| deserved(state, context, &rules(), instant(&at)).lines);
    let word = |standing: Standing| serde_json::to_value(standing).unwrap().as_str().unwrap().to_owned();
    let shown = lines.map(|line| {
        let e = line.entitlement;
        let seats = e.seats.map_or("-".to_owned(), |seats| seats.to_string());
        let until = e.valid_until.map_or("-".to_owned(), |date| date.to_string());
        let off = if e.switch == Switch::Off { " off" } else { "" };
        format!("{} {} {seats} {until} {}{off}", e.product_code, word(e.standing), e.reason)
    });
    shown.collect()
}

fn next(states: &[State], at: &str) -> Option<String> {
    let context = SourceContext { name: "sf", live: true };
    let next = states.iter().filter_map(|s| deserved(s, context, &rules(), instant(at)).next_transition_at).min();
    next.map(crate::domain::dates::rfc3339)
}

fn check(heard: &[(&str, Value)], days: &[(&str, &[&str])]) {
    check_with(heard, &configured(), days);
}

fn check_with(heard: &[(&str, Value)], settings: &SourceSettings, days: &[(&str, &[&str])]) {
    let heard: Vec<Value> = heard.iter().enumerate().map(|(n, (object, record))| callout(n, object, record)).collect();
    let states = states(&heard, ACCOUNT, settings);
    for (day, expected) in days {
        assert_eq!(due(&states, day), *expected, "{day}: {states:#?}");
    }
}

/// A row of CPQ of 2026; `more` overrides.
fn quoted(n: u32, quantity: f64, start: &str, more: Value) -> (&'static str, Value) {
    let mut row = json!({"Id": format!("a0F5g000001{n:04}"), "SBQQ__Account__c": ACCOUNT, "SBQQ__Contract__c": "8005g000000mnop",
        "LSL_Product_Code__c": "PRO-Y", "SBQQ__Quantity__c": quantity, "SBQQ__StartDate__c": start,
        "SBQQ__EndDate__c": "2026-12-31", "SystemModstamp": format!("2026-01-01T00:00:{n:02}.000Z")});
    merge(&mut row, more);
    ("SBQQ__Subscription__c", row)
}

fn asset(n: u32, more: Value) -> (&'static str, Value) {
    let mut row = json!({"Id": format!("02i5g000001{n:04}"), "AccountId": ACCOUNT, "LSL_Product_Code__c": "PRO-Y",
        "Quantity": 5.0, "Status": "Purchased", "PurchaseDate": "2026-01-01", "UsageEndDate": "2026-12-31",
        "SystemModstamp": format!("2026-01-01T00:00:{n:02}.000Z")});
    merge(&mut row, more);
    ("Asset", row)
}

fn merge(row: &mut Value, more: Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        row[name] = value.clone();
    }
}

#[test]
fn amendments_add_up_by_date() {
    let amended = json!({"SBQQ__RevisedSubscription__c": "a0F5g0000010001"});
    let history = [
        quoted(1, 10.0, "2026-01-01", json!({})),
        quoted(2, 5.0, "2026-03-01", amended.clone()),
        quoted(3, -3.0, "2026-06-01", amended),
    ];
    check(
        &history,
        &[
            ("2025-12-31", &["PRO none - - not_started"]),
            ("2026-01-01", &["PRO active 10 2027-01-04 paid"]),
            ("2026-02-28T23:59:59Z", &["PRO active 10 2027-01-04 paid"]),
            ("2026-03-01T00:00:00Z", &["PRO active 15 2027-01-04 paid"]),
            ("2026-06-01", &["PRO active 12 2027-01-04 paid"]),
            ("2026-12-31T23:59:59Z", &["PRO active 12 2027-01-04 paid"]),
            ("2027-01-01T00:00:00Z", &["PRO grace 12 2027-01-04 renewal_due"]),
            ("2027-01-04T00:00:00Z", &["PRO ended 12 2027-01-04 lapsed"]),
        ],
    );
    let heard: Vec<Value> = history.iter().enumerate().map(|(n, (o, r))| callout(n, o, r)).collect();
    let states = states(&heard, ACCOUNT, &configured());
    let root = ids::long("a0F5g0000010001").unwrap();
    assert_eq!((states.len(), &states[0].subscription_id), (1, &root), "called by the root");
    for (at, expected) in [
        ("2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("2026-03-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ("2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2027-01-01T00:00:00Z", "2027-01-04T00:00:00Z"),
    ] {
        assert_eq!(next(&states, at).as_deref(), Some(expected), "the seats change by themselves");
    }
}

#[test]
fn an_amendment_says_the_whole_quantity_where_the_source_says_so() {
    let amends = |root: u32| json!({"SBQQ__RevisedSubscription__c": format!("a0F5g000001{root:04}")});
    let full = SourceSettings { amendments_replace: true, ..configured() };
    // An amendment of the amendment, and one that names the root again.
    let history = [
        quoted(1, 10.0, "2026-01-01", json!({})),
        quoted(2, 15.0, "2026-03-01", amends(1)),
        quoted(3, 12.0, "2026-06-01", amends(2)),
        quoted(4, 20.0, "2026-09-01", amends(1)),
        quoted(5, 2.0, "2026-10-01", json!({})),
    ];
    check_with(
        &history,
        &full,
        &[
            ("2026-02-28", &["PRO active 10 2027-01-04 paid"]),
            ("2026-03-01", &["PRO active 15 2027-01-04 paid"]),
            ("2026-06-01", &["PRO active 12 2027-01-04 paid"]),
            ("2026-09-01", &["PRO active 20 2027-01-04 paid"]),
            ("2026-10-01", &["PRO active 22 2027-01-04 paid"]),
        ],
    );
}

#[test]
fn a_terminated_row_counts_through_that_day_and_is_then_a_cancellation() {
    let terminated = json!({"SBQQ__TerminatedDate__c": "2026-03-01"});
    check(
        &[quoted(1, 10.0, "2026-01-01", terminated.clone())],
        &[
            ("2026-02-01", &["PRO active 10 2027-01-04 paid"]),
            ("2026-03-01T23:59:59Z", &["PRO active 10 2027-01-04 paid"]),
            ("2026-03-02T00:00:00Z", &["PRO ended - - canceled off"]),
            ("2027-06-01", &["PRO ended - - canceled off"]),
        ],
    );
    // Only a part of it is.
    check(
        &[quoted(1, 10.0, "2026-01-01", terminated), quoted(2, 4.0, "2026-01-01", json!({"SBQQ__EndDate__c": "2026-06-30"}))],
        &[
            ("2026-03-01", &["PRO active 14 2027-01-04 paid"]),
            ("2026-03-02", &["PRO active 4 2026-07-04 paid"]),
            ("2026-07-01", &["PRO grace 4 2026-07-04 renewal_due"]),
            ("2026-07-05", &["PRO ended 4 2026-07-04 lapsed"]),
        ],
    );
    // An amendment takes all of it away.
    check(
        &[quoted(1, 10.0, "2026-01-01", json!({})), quoted(2, -10.0, "2026-05-01", json!({}))],
        &[("2026-04-30", &["PRO active 10 2027-01-04 paid"]), ("2026-05-01", &["PRO ended - - canceled off"])],
    );
}

#[test]
fn what_is_evergreen_is_covered_period_by_period_until_it_is_terminated() {
    let ever = json!({"LSL_Product_Code__c": "EVER", "SBQQ__SubscriptionType__c": "Evergreen", "SBQQ__EndDate__c": null});
    let days: [(&str, &[&str]); 3] = [
        ("2026-01-31", &["EVER active 10 2026-02-04 paid"]),
        ("2026-02-01", &["EVER active 10 2026-03-04 paid"]),
        ("2035-07-15", &["EVER active 10 2035-08-04 paid"]),
    ];
    check(&[quoted(1, 10.0, "2026-01-01", ever.clone())], &days);
    let mut over = ever;
    merge(&mut over, json!({"SBQQ__TerminatedDate__c": "2026-04-15"}));
    check(
        &[quoted(1, 10.0, "2026-01-01", over)],
        &[("2026-04-15", &["EVER active 10 2026-05-04 paid"]), ("2026-04-16", &["EVER ended - - canceled off"])],
    );
}

#[test]
fn a_renewal_keeps_the_license() {
    let renewal = |start: &str, contract: &str| {
        quoted(7, 12.0, start, json!({"SBQQ__EndDate__c": "2027-12-31", "SBQQ__Contract__c": contract, "LSL_Product_Code__c": "PRO-M"}))
    };
    let first = || quoted(1, 10.0, "2026-01-01", json!({}));
    // At once, after a gap of days, and with days that overlap.
    check(
        &[first(), renewal("2027-01-01", "8005g000000mnoq")],
        &[("2026-12-31", &["PRO active 10 2028-01-04 paid"]), ("2027-01-01", &["PRO active 12 2028-01-04 paid"])],
    );
    check(
        &[first(), renewal("2027-01-03", "8005g000000mnoq")],
        &[
            ("2026-12-31", &["PRO active 10 2027-01-04 paid"]),
            ("2027-01-02", &["PRO grace 10 2027-01-04 renewal_due"]),
            ("2027-01-03", &["PRO active 12 2028-01-04 paid"]),
        ],
    );
    check(
        &[first(), renewal("2027-02-01", "8005g000000mnoq")],
        &[("2027-01-20", &["PRO ended 10 2027-01-04 lapsed"]), ("2027-02-01", &["PRO active 12 2028-01-04 paid"])],
    );
    check(
        &[first(), renewal("2026-12-20", "8005g000000mnoq")],
        &[
            ("2026-12-19", &["PRO active 10 2028-01-04 paid"]),
            ("2026-12-20", &["PRO active 22 2028-01-04 paid"]),
            ("2027-01-01", &["PRO active 12 2028-01-04 paid"]),
        ],
    );
    // A new asset after the old one; the old one is put away later.
    let next = || asset(2, json!({"PurchaseDate": "2027-01-01", "UsageEndDate": "2027-12-31"}));
    check(&[asset(1, json!({})), next()], &[("2027-06-01", &["PRO active 5 2028-01-04 paid"])]);
    check(&[asset(1, json!({"Status": "Obsolete"})), next()], &[("2027-06-01", &["PRO active 5 2028-01-04 paid"])]);
}

#[test]
fn accounts_and_products_are_apart_and_assets_of_one_product_add_up() {
    let history = [
        asset(1, json!({})),
        asset(2, json!({"Quantity": 3.0})),
        asset(3, json!({"LSL_Product_Code__c": "TEAM-Y"})),
        asset(4, json!({"AccountId": OTHER})),
    ];
    check(&history, &[("2026-06-01", &["PRO active 8 2027-01-04 paid", "TEAM active 5 2027-01-04 paid"])]);
    let heard: Vec<Value> = history.iter().enumerate().map(|(n, (o, r))| callout(n, o, r)).collect();
    assert_eq!(due(&states(&heard, OTHER, &configured()), "2026-06-01"), ["PRO active 5 2027-01-04 paid"]);
}

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
        ("Contract", json!({"Id": "8005g000000mnop", "AccountId": ACCOUNT, "StatusCode": code, "Status": "our own word",
            "StartDate": "2026-01-01", "EndDate": "2026-09-30", "SystemModstamp": format!("2026-01-02T00:00:{stamp:02}Z")}))
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
    let own = [line(), ("Contract", json!({"Id": "8005g000000mnop", "AccountId": ACCOUNT, "Status": "Signed",
        "LSL_Product_Code__c": "TEAM-Y", "SystemModstamp": "2026-01-02T00:00:01Z"}))];
    check(&own, &[("2026-02-01", &["PRO active 10 2027-01-04 paid", "TEAM none - - unknown_fields"])]);
    // A contract that names its product needs no lines; its term may be in months.
    let alone = json!({"Id": "8005g000000mnoq", "AccountId": ACCOUNT, "StatusCode": "Activated", "LSL_Product_Code__c": "TEAM-Y",
        "LSL_Quantity__c": "7", "StartDate": "2026-01-15", "ContractTerm": 12, "SystemModstamp": "2026-01-02T00:00:01Z"});
    check(&[("Contract", alone)], &[("2026-02-01", &["TEAM active 7 2027-01-18 paid"])]);
}

#[test]
fn orders_count_while_they_are_activated() {
    let order = |code: &str, stamp: u32| {
        ("Order", json!({"Id": "8015g0000010001", "AccountId": ACCOUNT, "StatusCode": code, "EffectiveDate": "2026-01-01",
            "EndDate": "2026-12-31", "SystemModstamp": format!("2026-01-02T00:00:{stamp:02}Z")}))
    };
    let item = |n: u32, quantity: f64, start: &str| {
        ("OrderItem", json!({"Id": format!("8025g000001{n:04}"), "OrderId": "8015g0000010001AAA", "ProductCode": "PRO-Y",
            "Product2Id": "01t5g000003qrst", "Quantity": quantity, "ServiceDate": start, "SystemModstamp": "2026-01-01T00:00:00Z"}))
    };
    // Without its order an item belongs to nobody.
    check(&[item(1, 5.0, "2026-02-01")], &[("2026-06-01", &[])]);
    check(&[item(1, 5.0, "2026-02-01"), order("Draft", 1)], &[("2026-06-01", &["PRO none - - not_in_force off"])]);
    let all = [item(1, 5.0, "2026-02-01"), order("Draft", 1), order("Activated", 2), item(2, -2.0, "2026-07-01")];
    check(
        &all,
        &[
            ("2026-01-15", &["PRO none - - not_started"]),
            ("2026-02-01", &["PRO active 5 2027-01-04 paid"]),
            ("2026-07-01", &["PRO active 3 2027-01-04 paid"]),
        ],
    );
    let taken_back = [item(1, 5.0, "2026-02-01"), order("Activated", 1), order("Draft", 2)];
    check(&taken_back, &[("2026-06-01", &["PRO ended - - canceled off"])]);
    let unsaid = [item(1, 5.0, "2026-02-01"), ("Order", json!({"Id": "8015g0000010001", "AccountId": ACCOUNT,
        "EffectiveDate": "2026-01-01", "EndDate": "2026-12-31", "SystemModstamp": "2026-01-02T00:00:00Z"}))];
    check(&unsaid, &[("2026-06-01", &["PRO none - - unknown_fields"])]);
}

#[test]
fn a_deal_counts_while_it_is_won_and_is_withdrawn_when_it_is_opened_again() {
    let deal = |stamp: u32, is_closed: bool, is_won: bool, code: &str| {
        ("Opportunity", json!({"Id": "0065g0000010001", "AccountId": ACCOUNT, "StageName": "a stage", "IsClosed": is_closed,
            "IsWon": is_won, "CloseDate": "2026-01-10", "LSL_Product_Code__c": code, "LSL_Quantity__c": 5.0,
            "SystemModstamp": format!("2026-01-02T00:00:{stamp:02}Z")}))
    };
    check(&[deal(1, false, false, "DEAL")], &[("2026-02-01", &["DEAL none - - not_in_force off"])]);
    check(&[deal(1, true, false, "DEAL")], &[("2026-02-01", &["DEAL none - - not_in_force off"])]);
    let won: (&str, &[&str]) = ("2026-02-01", &["DEAL active 5 2027-01-13 paid"]);
    check(&[deal(1, false, false, "DEAL"), deal(2, true, true, "DEAL")], &[won]);
    let opened = [deal(2, true, true, "DEAL"), deal(3, false, false, "DEAL")];
    check(&opened, &[("2026-02-01", &["DEAL ended - - canceled off"])]);
    let again = [deal(2, true, true, "DEAL"), deal(3, false, false, "DEAL"), deal(4, true, true, "DEAL")];
    check(&again, &[won]);
    // The catalog must say how long, or that it has no end.
    check(&[deal(2, true, true, "PRO-Y")], &[("2026-02-01", &["PRO none - - no_end_date"])]);
    check(&[deal(2, true, true, "ONCE")], &[("2050-02-01", &["ONCE active 5 - paid"])]);
    // A flag is never null: absent, it is not sent.
    let unsaid = json!({"Id": "0065g0000010001", "AccountId": ACCOUNT, "LSL_Product_Code__c": "DEAL", "CloseDate": "2026-01-10",
        "StageName": "Closed Won", "SystemModstamp": "2026-01-02T00:00:00Z"});
    check(&[("Opportunity", unsaid)], &[("2026-02-01", &["DEAL none - - unknown_fields"])]);
    let line = json!({"Id": "00k5g0000010001", "OpportunityId": "0065g0000010001", "ProductCode": "DEAL", "Quantity": 9.0,
        "SystemModstamp": "2026-01-02T00:00:00Z"});
    check(&[deal(2, true, true, "TEAM-Y"), ("OpportunityLineItem", line)], &[(
        "2026-02-01",
        &["DEAL active 9 2027-01-13 paid", "TEAM none - - no_end_date"],
    )]);
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
    let names = [("account", "Kunde__c"), ("product_code", "Artikel__c"), ("quantity", "Anzahl__c"), ("status", "Lage__c"),
        ("start_date", "Von__c"), ("end_date", "Bis__c"), ("email", "Mail__c"), ("modified", "Stand__c")];
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
    assert_eq!(deserved(&found[0], context, &rules(), instant("2026-06-01T00:00:00Z")).unmapped, ["main"], "it is shown");
    // An object that nobody mapped is only kept.
    assert_eq!(Salesforce.translate(heard[0].to_string().as_bytes(), &[], &configured()), Ok(Translation::default()));
}

#[test]
fn a_message_and_a_callout_of_one_change_have_one_effect() {
    let (object, record) = asset(1, json!({}));
    let heard = [callout(0, object, &record)];
    let once = states(&heard, ACCOUNT, &configured());
    let fields: Vec<String> = record.as_object().unwrap().iter().map(|(name, value)| {
        format!("<sf:{name}>{}</sf:{name}>", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }).collect();
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
    for of_deleted in [record.clone(), json!({"Id": record["Id"], "SystemModstamp": stamp}), json!({"Id": record["Id"]})] {
        let deleted = said(1, "DELETE", "2026-02-01T00:00:00Z", of_deleted);
        let gone = states(&[first.clone(), deleted.clone()], ACCOUNT, &configured());
        assert_eq!(due(&gone, "2026-06-01"), ["PRO ended - - canceled off"]);
        let back = said(2, "UNDELETE", "2026-03-01T00:00:00Z", record.clone());
        let back = states(&[first.clone(), deleted, back], ACCOUNT, &configured());
        assert_eq!(due(&back, "2026-06-01"), ["PRO active 5 2027-01-04 paid"]);
    }
}

#[test]
fn a_date_is_a_day_of_the_source_s_zone() {
    let at = |zone: chrono_tz::Tz| SourceSettings { time_zone: zone, ..configured() };
    for (zone, last, first_after, date) in [
        (chrono_tz::UTC, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", "2027-01-04"),
        (chrono_tz::Europe::Berlin, "2026-12-31T22:59:59Z", "2026-12-31T23:00:00Z", "2027-01-04"),
        (chrono_tz::America::Los_Angeles, "2027-01-01T07:59:59Z", "2027-01-01T08:00:00Z", "2027-01-05"),
    ] {
        let (active, grace) = (format!("PRO active 5 {date} paid"), format!("PRO grace 5 {date} renewal_due"));
        check_with(&[asset(1, json!({}))], &at(zone), &[(last, &[active.as_str()]), (first_after, &[grace.as_str()])]);
    }
    // Clocks that are put forward at midnight: the day begins an hour later.
    let cairo = asset(1, json!({"PurchaseDate": "2023-04-28", "UsageEndDate": "2027-12-31"}));
    let heard = [callout(0, cairo.0, &cairo.1)];
    let found = states(&heard, ACCOUNT, &at(chrono_tz::Africa::Cairo));
    assert_eq!(next(&found, "2023-01-01T00:00:00Z").as_deref(), Some("2023-04-27T22:00:00Z"));
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
    let contact = ("Contact", json!({"Id": CONTACT, "FirstName": "Ada", "LastName": "Lovelace", "Email": "ada@example.com",
        "SystemModstamp": "2026-01-01T00:00:00Z"}));
    let account = ("Account", json!({"Id": ACCOUNT, "Name": "Analytical Engines", "SystemModstamp": "2026-01-01T00:00:00Z"}));
    let heard: Vec<Value> = [own, contact, account].iter().enumerate().map(|(n, (o, r))| callout(n, o, r)).collect();
    let customer = states(&heard, ACCOUNT, &configured())[0].customer();
    assert_eq!(customer.email.as_deref(), Some("ada@example.com"));
    assert_eq!((customer.first_name.as_deref(), customer.company.as_deref()), (Some("Ada"), Some("Analytical Engines")));
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
        .iter().enumerate().map(|(n, (o, r))| callout(n, o, r)).collect();
    let line = |id: &str| Line {
        source: "sf".into(),
        subscription_id: id.into(),
        product_code: "PRO".into(),
        ordinal: 1,
    };
    let before = split(&heard, ACCOUNT, &configured(), &[0]);
    assert_eq!(before[0].subscription_id, "02i5g0000010002AAA");
    // An older record is heard of late: the group is called by it, and the license stays.
    let after = split(&heard, ACCOUNT, &configured(), &[0, 1]);
    assert_eq!(after[0].subscription_id, "02i5g0000010001AAA");
    assert_eq!(after[0].license_ids(), ["02i5g0000010001AAA", "02i5g0000010002AAA"]);
    let record = LicenseRecord {
        order_id: line("02i5g0000010002AAA").order_id(1),
        line: line("02i5g0000010002AAA"),
        order_generation: 1,
        intents: 1,
        open: None,
        observed: None,
        disabled_by_us: false,
        devices_released: false,
        parked: None,
        last_intent: None,
        last_outcome: None,
    };
    let held = after[0].adopt(vec![record]);
    assert_eq!((&held[0].line, &*held[0].order_id), (&line("02i5g0000010001AAA"), "sf:02i5g0000010002AAA:PRO"));
    // What is left under the old name claims nothing, and takes nothing away.
    let left = chains::closed(&before[0]);
    assert!(left.snapshot.as_ref().is_some_and(|said| !said.value.items_complete && said.value.items.is_empty()));
}
