//! Histories of accounts, and what is due on which day. What is expected is what Salesforce's
//! own documents, and those who have written of CPQ, say of the records.

use super::*;
use crate::domain::chains;
use crate::domain::entitlement::{SourceContext, Standing, Switch};
use crate::domain::plan::deserved;
use crate::domain::rules::Rules;
use crate::domain::state::{Recorded, State, fold};

pub const ACCOUNT: &str = "0015g00000aBcDeAAK";
pub const OTHER: &str = "0015g00000aBcDfAAK";
pub const CONTACT: &str = "0035g00000fGhIjAAI";

const RULES: &str = r#"{"catalog":[
    {"match":{"product_code":"PRO-Y"},"product_code":"PRO"},
    {"match":{"product_code":"PRO-M"},"product_code":"PRO"},
    {"match":{"product_code":"TEAM-Y"},"product_code":"TEAM"},
    {"match":{"product_code":"DEAL"},"product_code":"DEAL","period":"1y"},
    {"match":{"product_code":"EVER"},"product_code":"EVER","period":"1m"},
    {"match":{"product_code":"ONCE"},"product_code":"ONCE","license_type":"perpetual"}],
  "policy":{"default":{"grace_days":3}}}"#;

pub fn rules() -> Rules {
    serde_json::from_str(RULES).unwrap()
}

/// The n-th callout of a history, about an object.
pub fn callout(n: usize, object: &str, record: &Value) -> Value {
    json!({"event_id": format!("e{n}"), "org_id": ORGANIZATION, "object": object, "change": "UPDATE", "record": record})
}

/// Everything that a source heard, folded as the book of one account, and split.
pub fn split(heard: &[Value], account: &str, settings: &SourceSettings, order: &[usize]) -> Vec<State> {
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
pub fn states(heard: &[Value], account: &str, settings: &SourceSettings) -> Vec<State> {
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
pub fn due(states: &[State], at: &str) -> Vec<String> {
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

pub fn next(states: &[State], at: &str) -> Option<String> {
    let context = SourceContext { name: "sf", live: true };
    let next = states.iter().filter_map(|s| deserved(s, context, &rules(), instant(at)).next_transition_at).min();
    next.map(crate::domain::dates::rfc3339)
}

pub fn check(heard: &[(&str, Value)], days: &[(&str, &[&str])]) {
    check_with(heard, &configured(), days);
}

pub fn check_with(heard: &[(&str, Value)], settings: &SourceSettings, days: &[(&str, &[&str])]) {
    let heard: Vec<Value> = heard.iter().enumerate().map(|(n, (object, record))| callout(n, object, record)).collect();
    let states = states(&heard, ACCOUNT, settings);
    for (day, expected) in days {
        assert_eq!(due(&states, day), *expected, "{day}: {states:#?}");
    }
}

/// A row of CPQ of 2026; `more` overrides.
pub fn quoted(n: u32, quantity: f64, start: &str, more: Value) -> (&'static str, Value) {
    let mut row = json!({"Id": format!("a0F5g000001{n:04}"), "SBQQ__Account__c": ACCOUNT, "SBQQ__Contract__c": "8005g000000mnop",
        "LSL_Product_Code__c": "PRO-Y", "SBQQ__Quantity__c": quantity, "SBQQ__StartDate__c": start,
        "SBQQ__EndDate__c": "2026-12-31", "SystemModstamp": format!("2026-01-01T00:00:{n:02}.000Z")});
    merge(&mut row, more);
    ("SBQQ__Subscription__c", row)
}

pub fn asset(n: u32, more: Value) -> (&'static str, Value) {
    let mut row = json!({"Id": format!("02i5g000001{n:04}"), "AccountId": ACCOUNT, "LSL_Product_Code__c": "PRO-Y",
        "Quantity": 5.0, "Status": "Purchased", "PurchaseDate": "2026-01-01", "UsageEndDate": "2026-12-31",
        "SystemModstamp": format!("2026-01-01T00:00:{n:02}.000Z")});
    merge(&mut row, more);
    ("Asset", row)
}

pub fn merge(row: &mut Value, more: Value) {
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
            ("2025-12-31", &["PRO none - - not_started off"]),
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
        &[
            quoted(1, 10.0, "2026-01-01", terminated),
            quoted(2, 4.0, "2026-01-01", json!({"SBQQ__EndDate__c": "2026-06-30"})),
        ],
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
fn what_was_amended_to_nothing_does_not_come_back_when_its_term_ends() {
    let days: [(&str, &[&str]); 4] = [
        ("2026-04-30", &["PRO active 10 2027-01-04 paid"]),
        ("2026-05-01", &["PRO ended - - canceled off"]),
        ("2027-01-01", &["PRO ended - - canceled off"]),
        ("2027-06-01", &["PRO ended - - canceled off"]),
    ];
    let amends = || json!({"SBQQ__RevisedSubscription__c": "a0F5g0000010001"});
    check(&[quoted(1, 10.0, "2026-01-01", json!({})), quoted(2, -10.0, "2026-05-01", amends())], &days);
    // The whole quantity is none; announced, it changes nothing before its day.
    let full = SourceSettings { amendments_replace: true, ..configured() };
    check_with(&[quoted(1, 10.0, "2026-01-01", json!({})), quoted(2, 0.0, "2026-05-01", amends())], &full, &days);
}

#[test]
fn a_reduction_that_outlasts_what_it_reduced_takes_no_grace_away() {
    let longer = json!({"SBQQ__EndDate__c": "2027-03-31"});
    let history =
        |reduction: Value| [quoted(1, 10.0, "2026-01-01", json!({})), quoted(2, -4.0, "2025-12-01", reduction)];
    let days: [(&str, &[&str]); 4] = [
        ("2025-12-15", &["PRO none - - not_started off"]),
        ("2026-06-01", &["PRO active 6 2027-01-04 paid"]),
        ("2027-01-02", &["PRO grace 6 2027-01-04 renewal_due"]),
        ("2027-02-01", &["PRO ended 6 2027-01-04 lapsed"]),
    ];
    check(&history(longer.clone()), &days);
    // Nor does one that is terminated.
    let mut terminated = longer;
    merge(&mut terminated, json!({"SBQQ__TerminatedDate__c": "2027-01-01"}));
    check(&history(terminated), &days[1..3]);
}

#[test]
fn a_term_that_ends_before_it_begins_covers_nothing() {
    let turned = asset(1, json!({"PurchaseDate": "2026-02-01", "UsageEndDate": "2026-01-15"}));
    check(
        &[turned],
        &[("2026-01-17", &["PRO none - - not_started off"]), ("2026-02-02", &["PRO none - - not_started off"])],
    );
}

#[test]
fn what_is_evergreen_is_covered_period_by_period_until_it_is_terminated() {
    let ever =
        json!({"LSL_Product_Code__c": "EVER", "SBQQ__SubscriptionType__c": "Evergreen", "SBQQ__EndDate__c": null});
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
        quoted(
            7,
            12.0,
            start,
            json!({"SBQQ__EndDate__c": "2027-12-31", "SBQQ__Contract__c": contract, "LSL_Product_Code__c": "PRO-M"}),
        )
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
