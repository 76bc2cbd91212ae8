//! Stripe: signatures, keys, and what each kind of event comes to.

use serde_json::{Value, json};

use super::*;
use crate::domain::fact::*;
use crate::providers::tests::{Verdict, check_types, fixtures, samples, settings, split};

mod events;
mod lives;
mod payments;
mod purchases;
mod subscriptions;

const OLD: &str = "whsec_vector_OLD_0123456789abcdefghijklmnop";
const NEW: &str = "whsec_vector_NEW_ponmlkjihgfedcba9876543210";
const B: &str = r#"{"id":"evt_vec1","object":"event","type":"customer.subscription.updated","created":1699999999,"livemode":false}"#;
const PRETTY: &str = "{\n  \"id\": \"evt_vec2\",\n  \"object\": \"event\",\n  \"note\": \"Zoë — naïve ✓\",\n  \"tax_rates\": [\n\n  ]\n}\n";
const OF_OLD: &str = "25300e350124ece87aafa07c8c135bf3cfbc78b1a3eccf9c3f32c1e31d66029e";
const OF_NEW: &str = "412ca538a4a3735afd31ba8f4396ac2fe7e5b220ee29dd277c01da50e6db4753";
const OF_PRETTY: &str = "6b6f32ab772f59fe1e7312c2a266dafbff70e2bc570864a1392b6ffd59d66c8a";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn check(body: &str, header: &str, secrets: &[&str], now: i64) -> Verdict {
    let headers = [(verify::HEADER.to_owned(), header.to_owned())];
    Stripe.verify(&Request { headers: &headers, body: body.as_bytes(), url_token: None }, &settings(secrets), at(now))
}

#[test]
fn signatures() {
    use Refusal::{MalformedSignature, StaleTimestamp, WrongSignature};
    let plain = format!("t=1700000000,v1={OF_OLD}");
    let rolled = format!("t=1700000000,v1={OF_OLD},v1={OF_NEW},v0={}", "0".repeat(64));
    let tampered = B.replace("\"livemode\":false", "\"livemode\":true ");
    let compact = serde_json::from_str::<Value>(PRETTY).unwrap().to_string();
    let upper = format!("t=1700000000,v1={}", OF_OLD.to_uppercase());
    let of_pretty = format!("t=1700000000,v1={OF_PRETTY}");
    let later = 1_700_000_005;
    let table: [(&str, &str, &[&str], i64, Verdict); 27] = [
        (B, &plain, &[OLD], later, Ok(())),
        (B, &format!("{plain},v0=00,v9=zz"), &[OLD], later, Ok(())),
        (B, &rolled, &[OLD], later, Ok(())),
        (B, &rolled, &[NEW], later, Ok(())),
        (B, &rolled, &[OLD, NEW], later, Ok(())),
        (B, &format!("t=1700000000,v1={OF_NEW}"), &[OLD, NEW], later, Ok(())),
        (B, &plain, &["whsec_other"], later, Err(WrongSignature)),
        (B, &plain, &[OLD], 1_700_000_300, Ok(())),
        (B, &plain, &[OLD], 1_700_000_301, Err(StaleTimestamp)),
        (B, &plain, &[OLD], 1_699_999_700, Ok(())),
        (B, &plain, &[OLD], 1_699_999_699, Err(StaleTimestamp)),
        // A forger is not told that the clock was the trouble.
        (B, &plain, &[NEW], 1_800_000_000, Err(WrongSignature)),
        (&tampered, &plain, &[OLD], later, Err(WrongSignature)),
        (B, &plain.replace("t=1700000000", "t=1700000100"), &[OLD], 1_700_000_105, Err(WrongSignature)),
        (PRETTY, &of_pretty, &[OLD], later, Ok(())),
        (&compact, &of_pretty, &[OLD], later, Err(WrongSignature)),
        (B, &upper, &[OLD], later, Err(WrongSignature)),
        (B, &format!("t=1700000000,v0={OF_OLD}"), &[OLD], later, Err(MalformedSignature)),
        (B, &format!("v1={OF_OLD}"), &[OLD], later, Err(MalformedSignature)),
        (B, &format!("t=abc,v1={OF_OLD}"), &[OLD], later, Err(MalformedSignature)),
        (B, &format!("t=,v1={OF_OLD}"), &[OLD], later, Err(MalformedSignature)),
        (B, &format!("t=-1700000000,v1={OF_OLD}"), &[OLD], later, Err(MalformedSignature)),
        (B, &format!("t=99999999999999999999,v1={OF_OLD}"), &[OLD], later, Err(MalformedSignature)),
        (B, &format!("t=9223372036854775807,v1={OF_OLD}"), &[OLD], later, Err(WrongSignature)),
        (B, &format!("{plain},t=1700000001"), &[OLD], later, Err(MalformedSignature)),
        (B, &format!("{plain},t=1700000000"), &[OLD], later, Ok(())),
        (B, "", &[OLD], later, Err(Refusal::MissingSignature)),
    ];
    for (body, header, secrets, now, expected) in table {
        assert_eq!(check(body, header, secrets, now), expected, "{header} at {now}");
    }
    assert_eq!(Stripe.sign(B.as_bytes(), &settings(&[OLD]), at(1_700_000_000))[0].1, plain);
    assert_eq!(Stripe.refusal_status(Refusal::WrongSignature), 400);
}

#[test]
fn all_shared_signature_vectors() {
    let Some(folder) = fixtures("stripe") else { return };
    let file = std::fs::read_to_string(folder.join("signature_vectors.json")).unwrap();
    let vectors: Value = serde_json::from_str(&file).unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        let secrets: Vec<&str> = case["secrets"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let (body, header) = (case["body_utf8"].as_str().unwrap(), case["header"].as_str().unwrap());
        let expected = match case["expect"].as_str().unwrap() {
            "ok" => Ok(()),
            "bad_signature" => Err(Refusal::WrongSignature),
            "missing_header" => Err(Refusal::MissingSignature),
            "no_v1" | "bad_header" => Err(Refusal::MalformedSignature),
            _ => Err(Refusal::StaleTimestamp),
        };
        assert_eq!(check(body, header, &secrets, case["now"].as_i64().unwrap()), expected, "{}", case["name"]);
    }
    for case in vectors["file_cases"].as_array().unwrap() {
        // Some of the bodies are not handed out.
        let Ok(body) = std::fs::read_to_string(folder.join(case["file"].as_str().unwrap())) else { continue };
        let (header, secret) = (case["header"].as_str().unwrap(), case["secret"].as_str().unwrap());
        assert_eq!(check(&body, header, &[secret], case["t"].as_i64().unwrap()), Ok(()), "{}", case["file"]);
    }
}

#[test]
fn the_body_is_one_event_with_a_key_of_account_id_and_version() {
    let long = "x".repeat(300);
    let table = [
        (json!({"id":"evt_1","type":"a.b","created":1}), ":evt_1@", "evt_1", Some(at(1)), None),
        (
            json!({"id":"evt_1","type":"a.b","account":"acct_1","api_version":"2026","livemode":true}),
            "acct_1:evt_1@2026",
            "evt_1",
            None,
            Some(true),
        ),
        (json!({"id":"evt_1","type":"a.b","api_version":null,"created":1e300}), ":evt_1@", "evt_1", None, None),
        (
            json!({"id":"evt_1","type":"v1.x","object":"v2.core.event","created":"1970-01-01T00:00:01.000Z"}),
            ":evt_1@",
            "evt_1",
            Some(at(1)),
            None,
        ),
        (json!({"id":long,"type":"a.b"}), &printable_key(&format!(":{long}@")), &printable_key(&long), None, None),
    ];
    for (body, dedupe_key, external_id, occurred_at, livemode) in table {
        let text = body.to_string();
        let [hint] = <[EventHint; 1]>::try_from(split(&Stripe, text.as_bytes()).unwrap()).unwrap();
        assert_eq!((hint.dedupe_key.as_str(), hint.external_id.as_str()), (dedupe_key, external_id));
        assert_eq!((hint.occurred_at, hint.livemode, hint.range), (occurred_at, livemode, 0..text.len()));
    }
}

// ---- for the tests of what events come to

fn event(kind: &str, object: Value) -> Value {
    json!({"id":"evt_1","object":"event","api_version":"v","created":1000,"livemode":true,"type":kind,"data":{"object":object}})
}

fn translated(event: &Value) -> Translation {
    Stripe.translate(event.to_string().as_bytes(), &[], &SourceSettings::default()).unwrap()
}

fn translated_as(kind: &str, object: Value) -> Translation {
    translated(&event(kind, object))
}

fn snapshots(translation: &Translation) -> (Snapshot, Option<Snapshot>) {
    match &translation.facts[0].body {
        FactBody::Subscription { after, before } => ((**after).clone(), before.as_deref().cloned()),
        other => panic!("not a subscription: {other:?}"),
    }
}

fn after(object: Value) -> Snapshot {
    snapshots(&translated_as("customer.subscription.updated", object)).0
}

fn before(object: Value, previous: Value) -> Option<Snapshot> {
    let mut event = event("customer.subscription.updated", object);
    event["data"]["previous_attributes"] = previous;
    snapshots(&translated(&event)).1
}

fn links(translation: &Translation) -> Vec<String> {
    translation.links.iter().map(|link| format!("{} > {}", link.child.key(), link.parent.key())).collect()
}

fn pair((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// The first object with the keys of the second laid over it, at the top.
fn with(mut object: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// One item, in the shape since basil.
fn new_shape() -> Value {
    json!({"id":"sub_1","status":"active","customer":"cus_1","cancel_at_period_end":false,"items":{"has_more":false,"data":[
        {"id":"si_1","quantity":3,"current_period_start":100,"current_period_end":200,
         "price":{"id":"price_1","product":"prod_1","lookup_key":"pro","metadata":{"license_policy":"p","other":"x"}}}]}})
}
