//! FastSpring: signatures, cutting, and what each kind of event comes to.

use serde_json::{Value, json};

use super::*;
use crate::domain::fact::*;
use crate::providers::tests::{Verdict, check_types, fastspring_samples, instant, settings, split};
use crate::providers::{UNREADABLE, hashed_key};

mod events;
mod lives;
mod orders;
mod subscriptions;

const GREETING: &str = r#"{"events":[{"id":"evt_1","processed":false,"created":1580748797536,"type":"subscription.deactivated","live":false,"data":{"subscription":"sub_1","display":"Größe €"}}]}"#;

#[test]
fn signatures() {
    use Refusal::{MalformedSignature, MissingSignature, WrongSignature};
    const EMPTY: &str = r#"{"events":[]}"#;
    const OF_EMPTY: &str = "wfcu2fgM/DNpwPhI2gGV/MQzZ/A9WkXW9ZC2QWUazvY=";
    let table: [(&str, &str, &[&str], Verdict); 11] = [
        (EMPTY, OF_EMPTY, &["fs-test-secret"], Ok(())),
        (EMPTY, OF_EMPTY, &["old", "fs-test-secret"], Ok(())),
        (GREETING, "r9DmL2bsPsqz47pUxIZt9E0QlmdWbTlhiTb7p1MC+t4=", &["schlüssel"], Ok(())),
        (EMPTY, OF_EMPTY, &["schlüssel"], Err(WrongSignature)),
        (GREETING, OF_EMPTY, &["fs-test-secret"], Err(WrongSignature)),
        (
            EMPTY,
            "c1f72ed9f80cfc3369c0f848da0195fcc43367f03d5a45d6f590b641651acef6",
            &["fs-test-secret"],
            Err(MalformedSignature),
        ),
        (
            EMPTY,
            "sha256=c1f72ed9f80cfc3369c0f848da0195fcc43367f03d5a45d6f590b641651acef6",
            &["fs-test-secret"],
            Err(MalformedSignature),
        ),
        (EMPTY, OF_EMPTY.trim_end_matches('='), &["fs-test-secret"], Err(MalformedSignature)),
        (EMPTY, "AAAA", &["fs-test-secret"], Err(MalformedSignature)),
        (EMPTY, "", &["fs-test-secret"], Err(MissingSignature)),
        (EMPTY, OF_EMPTY, &[], Err(Refusal::NoSecret)),
    ];
    assert_eq!(GREETING.len(), 172);
    for (body, header, secrets, expected) in table {
        let headers = [(verify::HEADER.to_owned(), header.to_owned())];
        let request = Request { headers: &headers, body: body.as_bytes(), url_token: None };
        assert_eq!(
            FastSpring.verify(&request, &settings(secrets), instant("2026-01-01T00:00:00Z")),
            expected,
            "{header}"
        );
    }
    assert_eq!(FastSpring.refusal_status(Refusal::WrongSignature), 401);
}

#[test]
fn a_post_is_cut_into_the_exact_bytes_of_its_events() {
    let (one, two) = (
        r#"{"id":"e1","type":"order.completed","created":1554092668031,"live":true,"data":{"a":"ü ]}"}}"#,
        r#"{ "id" : "e2", "type":"x" }"#,
    );
    let (odd, long) = (r#"{"type":"no.id"}"#, format!(r#"{{"id":"{}","type":"a\u0000b"}}"#, "x".repeat(300)));
    let body = format!("{{ \"more\": [1], \"events\" : [ {one} ,\n{two},{odd}, 7,{long}, {{\"id\":\"e3\"}} ] }}");
    let events = split(&FastSpring, body.as_bytes()).unwrap();
    let parts: Vec<_> = events.iter().map(|event| &body[event.range.clone()]).collect();
    assert_eq!(parts, [one, two, odd, "7", &long, r#"{"id":"e3"}"#]);
    let keys: Vec<_> =
        events.iter().map(|event| (&*event.dedupe_key, &*event.external_id, &*event.event_type)).collect();
    let (hashed_odd, hashed_7) = (hashed_key(odd.as_bytes()), hashed_key(b"7"));
    let (hashed_id, hashed_type) = (hashed_key("x".repeat(300).as_bytes()), hashed_key(b"a\0b"));
    let hashed_3 = hashed_key(br#"{"id":"e3"}"#);
    assert_eq!(
        keys,
        [
            ("e1", "e1", "order.completed"),
            ("e2", "e2", "x"),
            (&hashed_odd, &hashed_odd, UNREADABLE),
            (&hashed_7, &hashed_7, UNREADABLE),
            (&hashed_id, &hashed_id, &hashed_type),
            (&hashed_3, "e3", UNREADABLE),
        ]
    );
    assert_eq!((events[0].occurred_at, events[0].livemode), (Some(instant("2019-04-01T04:24:28.031Z")), Some(true)));
    assert_eq!((events[1].occurred_at, events[1].livemode), (None, None));
    assert_eq!(split(&FastSpring, br#"{"events":[]}"#), Ok(vec![]));
}

// ---- for the tests of what events come to

const CREATED: i64 = 1_554_092_668_031; // 2019-04-01T04:24:28.031Z

fn try_translated(id: &str, kind: &str, data: Value) -> Result<Translation, Unreadable> {
    let event = json!({"id":id,"type":kind,"created":CREATED,"live":true,"data":data});
    FastSpring.translate(event.to_string().as_bytes(), &[], &SourceSettings::default())
}

fn translated(kind: &str, data: Value) -> Translation {
    try_translated("e1", kind, data).unwrap()
}

fn about<'a>(translation: &'a Translation, entity: &str) -> &'a Fact {
    translation.facts.iter().find(|fact| fact.entity.key() == entity).unwrap()
}

fn snapshot_of(translation: &Translation) -> Snapshot {
    match &about(translation, "sub:s1").body {
        FactBody::Subscription { after, before: None } => (**after).clone(),
        other => panic!("not a subscription: {other:?}"),
    }
}

fn links(translation: &Translation) -> Vec<String> {
    translation.links.iter().map(|link| format!("{} > {}", link.child.key(), link.parent.key())).collect()
}

fn ms(date: &str) -> Value {
    json!(instant(&format!("{date}T00:00:00Z")).timestamp_millis())
}

fn with(mut object: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// Expanded, as `subscription.*` events are with webhook expansion on.
fn active() -> Value {
    json!({"id":"s1","subscription":"s1","active":true,"state":"active","changed":1554091889618_i64,"autoRenew":true,
        "account":{"id":"a1","contact":{"first":"Ann","last":"Dam","email":"a@b.c","company":null}},
        "product":{"product":"pro","parent":null,"sku":"old","attributes":{"license_type":"x","license_policy":"q"}},
        "sku":"furious10","attributes":{"license_policy":"p","colour":"red"},"quantity":2,"adhoc":false,
        "next":ms("2019-05-01"),"nextChargeDate":ms("2019-05-01"),"end":null,"canceledDate":null,"deactivationDate":null})
}
