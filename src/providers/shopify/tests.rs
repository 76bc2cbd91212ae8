//! Shopify: signatures, shops, topics, and what each kind of body comes to.

use serde_json::{Value, json};

use super::*;
use crate::domain::fact::*;
use crate::providers::hashed_key;
use crate::providers::tests::{Verdict, instant, samples, settings};

mod contracts;
mod orders;

const SECRET: &str = "shpss_test_secret";
const TRIGGERED_AT: &str = "2026-01-05T10:00:00.123456789Z";

/// The sample's name as a topic: `2026-04__orders.paid.payload.json`.
fn topic_of(name: &str) -> String {
    let topic = name.split_once("__").unwrap().1.trim_end_matches(".payload.json");
    topic.replacen('.', "/", 1)
}

/// The headers of a genuine delivery, with some replaced; an empty one is left out.
fn headers(topic: &str, body: &[u8], own: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut headers = Shopify.sign(body, &settings(&[SECRET]), instant(TRIGGERED_AT));
    for (name, value) in [("x-shopify-topic", topic)].iter().chain(own) {
        headers.retain(|(held, _)| held != name);
        headers.push(((*name).to_owned(), (*value).to_owned()));
    }
    headers.retain(|(_, value)| !value.is_empty());
    headers
}

fn verdict(topic: &str, body: &[u8], own: &[(&str, &str)]) -> Verdict {
    let request = Request { headers: &headers(topic, body, own), body, url_token: None };
    Shopify.verify(&request, &settings(&[SECRET]), instant(TRIGGERED_AT))
}

fn try_translated(topic: &str, body: &Value, own: &[(&str, &str)]) -> Result<Translation, Unreadable> {
    let body = body.to_string();
    Shopify.translate(body.as_bytes(), &headers(topic, body.as_bytes(), own), &settings(&[SECRET]))
}

fn translated(topic: &str, body: &Value) -> Translation {
    try_translated(topic, body, &[]).unwrap()
}

fn about<'a>(translation: &'a Translation, entity: &str) -> &'a Fact {
    translation.facts.iter().find(|fact| fact.entity.key() == entity).unwrap()
}

fn links(translation: &Translation) -> Vec<String> {
    translation.links.iter().map(|link| format!("{} > {}", link.child.key(), link.parent.key())).collect()
}

fn with(mut object: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

#[test]
fn signatures() {
    use Refusal::{MalformedSignature, MissingSignature, NoSecret, WrongSignature};
    const ONE: &str = "K2XDCjoIIQnsCAW9wJNjHt4VwaiFCMoHAkXVA+JPSq0=";
    const EMPTY: &str = "UFwgrGBPZilFtmKh8TqcovA78LGYb1BdWu9I4Q2oyRg=";
    let table: [(&str, &str, &[&str], Verdict); 9] = [
        (r#"{"id":1}"#, ONE, &[SECRET], Ok(())),
        (r#"{"id":1}"#, ONE, &["new", SECRET], Ok(())),
        ("{}", EMPTY, &["hush"], Ok(())),
        (r#"{"id":1}"#, ONE, &["hush"], Err(WrongSignature)),
        (r#"{"id":2}"#, ONE, &[SECRET], Err(WrongSignature)),
        ("{}", &hex::encode([0; 32]), &["hush"], Err(MalformedSignature)),
        ("{}", EMPTY.trim_end_matches('='), &["hush"], Err(MalformedSignature)),
        ("{}", "", &["hush"], Err(MissingSignature)),
        ("{}", EMPTY, &[], Err(NoSecret)),
    ];
    for (body, mac, secrets, expected) in table {
        // Every topic, those of the law too, is answered 401, whatever the body.
        for topic in ["nobody/knows", "customers/redact"] {
            let mut headers = headers(topic, body.as_bytes(), &[("x-shopify-hmac-sha256", mac)]);
            if mac.is_empty() {
                headers.retain(|(name, _)| name != "x-shopify-hmac-sha256");
            }
            let request = Request { headers: &headers, body: body.as_bytes(), url_token: None };
            let found = Shopify.verify(&request, &settings(secrets), instant(TRIGGERED_AT));
            assert_eq!(found, expected, "{topic} {body} {mac}");
            assert!(found.is_ok() || Shopify.refusal_status(found.unwrap_err()) == 401);
        }
    }
}

#[test]
fn a_delivery_is_of_the_configured_shop_or_refused() {
    let body = br#"{"id":1}"#;
    let shop = |shop| verdict("nobody/knows", body, &[("x-shopify-shop-domain", shop)]);
    assert_eq!(shop("{Shop}.MyShopify.com"), Ok(()));
    for wrong in ["other.myshopify.com", "", "{shop}.myshopify.com.evil.example"] {
        assert_eq!(shop(wrong), Err(Refusal::WrongShop), "{wrong}");
    }
    // Signed by the same app, for another shop, which the body names.
    let other = br#"{"shop_id":1,"shop_domain":"other.myshopify.com"}"#;
    assert_eq!(verdict("shop/redact", other, &[]), Err(Refusal::WrongShop));
    let nowhere = SourceSettings { shop_domain: None, ..settings(&[SECRET]) };
    let request = Request { headers: &headers("nobody/knows", body, &[]), body, url_token: None };
    assert_eq!(Shopify.verify(&request, &nowhere, instant(TRIGGERED_AT)), Err(Refusal::WrongShop));
    // Where there is a token, it must be in the URL.
    let with_token = SourceSettings { url_token: Some("token".into()), ..settings(&[SECRET]) };
    for (given, expected) in
        [(Some("token"), Ok(())), (Some("x"), Err(Refusal::WrongUrlToken)), (None, Err(Refusal::WrongUrlToken))]
    {
        let request = Request { url_token: given, ..request };
        assert_eq!(Shopify.verify(&request, &with_token, instant(TRIGGERED_AT)), expected);
    }
}

#[test]
fn every_sample_is_read_under_its_own_topic_and_no_other() {
    let all = samples("shopify");
    let family = |topic: &str| match topic {
        "orders/edited" | "orders/delete" | "customers/data_request" | "shop/redact" => topic.to_owned(),
        // Both are a message of a customer of a shop.
        "customers/redact" => "customers/redact".to_owned(),
        "app/scopes_update" | "app/uninstalled" => topic.to_owned(),
        topic if topic.starts_with("subscription_billing_cycle") => "cycles".to_owned(),
        topic => topic.split_once('/').unwrap().0.to_owned(),
    };
    for (name, body) in &all {
        let topic = topic_of(name);
        assert_eq!(verdict(&topic, body, &[]), Ok(()), "{name}");
        let read = |topic: &str| Shopify.translate(body, &headers(topic, body, &[]), &settings(&[SECRET]));
        assert!(!read(&topic).unwrap().unknown_type, "{name}");
        for (other, _) in &all {
            let other = topic_of(other);
            // An uninstalled shop has no key of its own, and no effect either.
            if family(&other) != family(&topic) && other != "app/uninstalled" {
                let why = read(&other).expect_err(&format!("{name} as {other}"));
                assert!(why.0.contains(&other), "{why}");
            }
        }
    }
}

/// Shopify deletes a subscription whose deliveries fail eight times in a row.
#[test]
fn what_is_well_signed_is_let_in_whatever_its_shape() {
    for (topic, body) in [
        ("orders/paid", r#"{"id":1}"#),
        ("orders/paid", "{}"),
        ("orders/paid", "<html>"),
        ("customers/redact", "{}"),
        ("subscription_contracts/update", "[]"),
        ("", "{}"),
    ] {
        assert_eq!(verdict(topic, body.as_bytes(), &[]), Ok(()), "{topic} {body}");
        let headers = headers(topic, body.as_bytes(), &[]);
        let read = Shopify.translate(body.as_bytes(), &headers, &settings(&[SECRET]));
        assert!(read.is_err(), "{topic} {body}");
    }
    // Topics of a known family that this build has no use for.
    for topic in ["orders/risk_assessment_changed", "orders/shopify_protect_eligibility_changed"] {
        let body = json!({"id":1,"order_id":2});
        assert_eq!(verdict(topic, body.to_string().as_bytes(), &[]), Ok(()));
        assert!(translated(topic, &body).unknown_type, "{topic}");
    }
    let request = Request { headers: &headers("", b"{}", &[]), body: b"{}", url_token: None };
    assert!(Shopify.split(&request).unwrap_err().0.contains("topic"));
}

#[test]
fn the_key_is_topic_and_webhook_id() {
    let body = br#"{"id":1,"test":true}"#;
    let hint = |own: &[(&str, &str)]| {
        let request = Request { headers: &headers("orders/paid", body, own), body, url_token: None };
        Shopify.split(&request).unwrap().remove(0)
    };
    let named = hint(&[("x-shopify-webhook-id", "b54557e4")]);
    assert_eq!(
        (&*named.dedupe_key, &*named.external_id, &*named.event_type),
        ("orders/paid:b54557e4", "b54557e4", "orders/paid")
    );
    assert_eq!((named.range, named.livemode), (0..body.len(), Some(false)));
    assert_eq!(named.occurred_at, Some(instant(TRIGGERED_AT)));
    let unnamed = hint(&[("x-shopify-webhook-id", ""), ("x-shopify-triggered-at", "yesterday")]);
    assert_eq!(unnamed.dedupe_key, hashed_key(b"orders/paid\0{\"id\":1,\"test\":true}"));
    assert_eq!((&unnamed.external_id, unnamed.occurred_at), (&unnamed.dedupe_key, None));
}
