//! What every provider's door promises, exercised on every one of `PROVIDERS` through the real
//! binary. A fifth provider is under test as soon as it can make a body.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use subledger::providers::{PROVIDERS, Provider, SourceSettings};

use crate::support::service::{
    FASTSPRING_SECRET, ORGANIZATION, SALESFORCE_SECRET, SALESFORCE_TOKEN, SHOP, SHOPIFY_SECRET, STRIPE_SECRET, Service,
};

/// One provider, as its conformance is tested.
struct Case {
    provider: &'static dyn Provider,
    secret: &'static str,
    /// The path after `/webhooks/`.
    path: String,
    /// What a refusal is answered with.
    refused: u16,
    /// The provider signs the time, too.
    signs_time: bool,
}

fn cases() -> impl Iterator<Item = Case> {
    PROVIDERS.into_iter().map(|provider| {
        let slug = provider.slug();
        let (secret, token) = match slug {
            "stripe" => (STRIPE_SECRET, None),
            "fastspring" => (FASTSPRING_SECRET, None),
            "shopify" => (SHOPIFY_SECRET, None),
            "salesforce" => (SALESFORCE_SECRET, Some(SALESFORCE_TOKEN)),
            other => panic!("{other} has no case here yet"),
        };
        let path = token.map_or_else(|| format!("{slug}-main"), |token| format!("{slug}-main/{token}"));
        let refused = if slug == "stripe" { 400 } else { 401 };
        Case { provider, secret, path, refused, signs_time: matches!(slug, "stripe" | "salesforce") }
    })
}

/// Headers that a provider sends beside the signature, replaced or added.
type Own<'a> = &'a [(&'a str, &'a str)];

impl Case {
    fn slug(&self) -> &'static str {
        self.provider.slug()
    }

    /// The n-th event, of a kind that touches a subscription.
    fn body(&self, n: u32) -> String {
        let seconds = Utc::now().timestamp();
        match self.slug() {
            "stripe" => json!({"id": format!("evt_{n}"), "object": "event", "api_version": "2026-03-25.dahlia", "created": seconds,
                "livemode": true, "type": "customer.updated", "data": {"object": {"id": format!("cus_{n}"), "object": "customer"}}}),
            "fastspring" => json!({"events": [{"id": format!("fs-{n}"), "live": true, "processed": false, "type": "account.updated",
                "created": seconds * 1_000, "data": {"id": format!("acc-{n}"), "account": format!("acc-{n}")}}]}),
            "shopify" => json!({"id": n, "admin_graphql_api_id": format!("gid://shopify/Order/{n}"), "financial_status": "pending",
                "test": false, "updated_at": Utc::now(), "created_at": Utc::now(), "line_items": []}),
            _ => json!({"event_id": format!("e-{n}"), "occurred_at": Utc::now(), "org_id": ORGANIZATION, "sandbox": false,
                "object": "Asset", "change": "UPDATE", "record": {"Id": format!("02i5g0000{n:09}"), "SystemModstamp": Utc::now()}}),
        }
        .to_string()
    }

    /// The same event, with other bytes.
    fn variant(&self, n: u32) -> String {
        let mut body: Value = serde_json::from_str(&self.body(n)).unwrap();
        let place = if self.slug() == "fastspring" { &mut body["events"][0]["data"] } else { &mut body };
        place["note"] = json!("another rendering");
        body.to_string()
    }

    /// An event of a type that nobody has heard of.
    fn unknown(&self) -> (String, Own<'static>) {
        let body: Value = serde_json::from_str(&self.body(77)).unwrap();
        let with = |key: &str, value: Value| {
            let mut body = body.clone();
            body[key] = value;
            body.to_string()
        };
        match self.slug() {
            "stripe" => (with("type", json!("comet.observed")), &[]),
            "fastspring" => (
                json!({"events": [{"id": "fs-77", "type": "comet.observed", "live": true, "created": 1, "data": {}}]})
                    .to_string(),
                &[],
            ),
            "shopify" => (json!({"id": 77}).to_string(), &[("x-shopify-topic", "comets/observe")]),
            _ => (with("object", json!("Comet__x")), &[]),
        }
    }

    fn signed(&self, secret: &str, body: &[u8], at: DateTime<Utc>) -> Vec<(String, String)> {
        let settings = SourceSettings {
            secrets: vec![secret.into()],
            shop_domain: Some(SHOP.to_owned()),
            ..SourceSettings::default()
        };
        self.provider.sign(body, &settings, at)
    }

    async fn send(&self, service: &Service, headers: &[(String, String)], own: Own<'_>, body: &[u8]) -> (u16, Value) {
        let mut request = service.http.post(format!("{}/webhooks/{}", service.url, self.path));
        let kept = headers.iter().filter(|(name, _)| !own.iter().any(|(o, _)| o == name));
        for (name, value) in kept.map(|(n, v)| (n.as_str(), v.as_str())).chain(own.iter().copied()) {
            request = request.header(name, value);
        }
        let answer = request.body(body.to_vec()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Sends it as the provider would.
    async fn post(&self, service: &Service, own: Own<'_>, body: &[u8]) -> (u16, Value) {
        self.send(service, &self.signed(self.secret, body, Utc::now()), own, body).await
    }

    async fn events(&self, service: &Service, query: &str) -> Vec<Value> {
        service.settled().await;
        let (status, found) = service.get(&format!("/v1/events?source={}-main&order=asc&{query}", self.slug())).await;
        assert_eq!(status, 200, "{found}");
        found["events"].as_array().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_signed_now_with_a_secret_of_now_is_let_in() {
    let service = Service::start().await;
    let now = Utc::now();
    for case in cases() {
        let body = case.body(1);
        let right = case.signed(case.secret, body.as_bytes(), now);
        let far = |by: i64| case.signed(case.secret, body.as_bytes(), now + TimeDelta::seconds(by));
        let mut refused = vec![
            ("missing", vec![], body.clone()),
            ("wrong", case.signed("somebody-else-s", body.as_bytes(), now), body.clone()),
            ("of a secret that was rolled away", case.signed("the-one-before", body.as_bytes(), now), body.clone()),
            ("of other bytes", right.clone(), body.replacen('1', "2", 1)),
            ("of half the body", right.clone(), body[..body.len() / 2].to_owned()),
            ("of a body re-encoded", right.clone(), body.replace(':', ": ")),
        ];
        if case.signs_time {
            refused.push(("too old", far(-310), body.clone()));
            refused.push(("of the future", far(330), body.clone()));
        }
        for (name, headers, body) in refused {
            let (status, answer) = case.send(&service, &headers, &[], body.as_bytes()).await;
            assert_eq!(status, case.refused, "{} {name}: {answer}", case.slug());
        }
        assert_eq!(case.events(&service, "").await, Vec::<Value>::new(), "{}", case.slug());
        let (status, answer) = case.send(&service, &right, &[], body.as_bytes()).await;
        assert_eq!(status, 200, "{}: {answer}", case.slug());
    }
}

/// A rolled secret: both are good until the old one is taken out.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_is_rolled_both_are_accepted() {
    let mut service = Service::start().await;
    service.kill();
    let text = std::fs::read_to_string(&service.config).unwrap();
    let roll = |provider: &str| format!("secrets = [{{ env = \"TEST_{provider}_SECRET\" }}]");
    let rolled = ["STRIPE", "FASTSPRING", "SHOPIFY", "SALESFORCE"].iter().fold(text, |text, provider| {
        let both = roll(provider).replace(" }]", " }, { file = \"the-new-one\" }]");
        text.replace(&roll(provider), &both)
    });
    let new = service.config.with_file_name("the-new-one");
    std::fs::write(&new, "the-new-secret").unwrap();
    std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&service.config, rolled.replace("the-new-one", &new.display().to_string())).unwrap();
    service.run().await;
    for case in cases() {
        for (n, secret) in [(1, case.secret), (2, "the-new-secret")] {
            let body = case.body(n);
            let headers = case.signed(secret, body.as_bytes(), Utc::now());
            let (status, answer) = case.send(&service, &headers, &[], body.as_bytes()).await;
            assert_eq!(status, 200, "{} {n}: {answer}", case.slug());
        }
        assert_eq!(case.events(&service, "").await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_one_event_and_other_bytes_under_its_id_are_kept_and_flagged() {
    let service = Service::start().await;
    for case in cases() {
        // Shopify's id is a header: the same one each time.
        let own: Own<'_> = if case.slug() == "shopify" {
            &[("x-shopify-webhook-id", "w-1"), ("x-shopify-topic", "orders/create")]
        } else {
            &[]
        };
        let (body, variant) = (case.body(1), case.variant(1));
        for (n, body) in [&body, &body, &variant, &variant, &body].into_iter().enumerate() {
            let (status, answer) = case.post(&service, own, body.as_bytes()).await;
            assert_eq!(status, 200, "{}: {answer}", case.slug());
            let stored = u8::from(n == 0);
            assert_eq!(answer["stored"], json!(stored), "{} {n}: {answer}", case.slug());
            assert_eq!(answer["events"][0], json!(format!("{}-main/1", case.slug())));
        }
        assert_eq!(case.events(&service, "").await.len(), 1, "{}", case.slug());
        let kept =
            "SELECT count(*) FROM ledger.variants v JOIN ledger.journals j ON j.id = v.journal WHERE j.name = $1";
        let client = service.database.service().await;
        let kept: i64 = client.query_one(kept, &[&format!("{}-main", case.slug())]).await.unwrap().get(0);
        assert_eq!(kept, 1, "{}: the other bytes, once", case.slug());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_nobody_has_heard_of_is_stored_counted_and_shown() {
    let service = Service::start().await;
    for case in cases() {
        let (body, own) = case.unknown();
        let (status, answer) = case.post(&service, own, body.as_bytes()).await;
        assert_eq!((status, &answer["stored"]), (200, &json!(1)), "{}: {answer}", case.slug());
        let events = case.events(&service, "").await;
        assert!(["unknown_type", "recorded"].contains(&events[0]["status"].as_str().unwrap()), "{}", events[0]);
        let path = format!("/v1/events/{}-main/1/body", case.slug());
        let kept =
            service.http.get(format!("{}{path}", service.url)).bearer_auth(&service.auditor).send().await.unwrap();
        assert_eq!(kept.bytes().await.unwrap(), body.as_bytes(), "{}: byte for byte", case.slug());
    }
    let shown =
        service.http.get(format!("{}/metrics", service.url)).bearer_auth(&service.auditor).send().await.unwrap();
    let shown = shown.text().await.unwrap();
    for case in cases() {
        let counted = format!("subledger_events_total{{source=\"{}-main\"}} 1", case.slug());
        assert!(shown.contains(&counted), "{counted}\n{shown}");
    }
}

/// No header of Shopify's is signed, so a genuine body may come under any topic: it is kept, and
/// acts under none that it does not fit.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_fit_its_topic_is_kept_and_says_nothing() {
    let service = Service::start().await;
    let case = cases().find(|case| case.slug() == "shopify").unwrap();
    for (topic, body) in [("orders/paid", r#"{"id":1}"#), ("orders/delete", &case.body(2)), ("refunds/create", "{}")] {
        let (status, answer) = case.post(&service, &[("x-shopify-topic", topic)], body.as_bytes()).await;
        assert_eq!((status, &answer["stored"]), (200, &json!(1)), "{topic}: {answer}");
    }
    let statuses: Vec<Value> = case.events(&service, "").await.iter().map(|event| event["status"].clone()).collect();
    assert_eq!(statuses, ["quarantined"; 3]);
    let (_, list) = service.get("/v1/quarantine").await;
    let reason = list["quarantine"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("does not fit its topic"), "{list}");
    let (_, refused) = service.get("/v1/refusals").await;
    assert_eq!(refused["refusals"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_is_kept_and_stops_nothing() {
    let service = Service::start().await;
    let mut unreadable_in_all = 0;
    for case in cases() {
        let whole = case.body(1);
        let utf16: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let latin1: Vec<u8> = [b"{\"id\":\"".as_slice(), &[0xe9, 0xff], b"\"}"].concat();
        let bodies: [(&str, Vec<u8>); 6] = [
            ("empty", vec![]),
            ("white space", b" \r\n".to_vec()),
            ("cut off", whole.as_bytes()[..whole.len() / 2].to_vec()),
            ("UTF-16", utf16),
            ("latin-1", latin1),
            ("nested deeply", deep.into_bytes()),
        ];
        // Where a session might hide in it, it is not kept.
        let is_kept =
            |body: &[u8]| case.slug() != "salesforce" || std::str::from_utf8(body).is_ok_and(|t| !t.contains('\0'));
        for (name, body) in &bodies {
            let (status, answer) = case.post(&service, &[], body).await;
            assert_eq!(status, if is_kept(body) { 200 } else { 400 }, "{} {name}: {answer}", case.slug());
        }
        let kept = bodies.iter().filter(|(_, body)| is_kept(body)).count();
        unreadable_in_all += kept;
        let (status, _) = case.post(&service, &[], whole.as_bytes()).await;
        assert_eq!(status, 200);
        let events = case.events(&service, "").await;
        let statuses: Vec<&str> = events.iter().map(|e| e["status"].as_str().unwrap()).collect();
        let unreadable = statuses.iter().filter(|s| **s == "unreadable").count();
        assert_eq!((unreadable, statuses.len()), (kept, kept + 1), "{}: {statuses:?}", case.slug());
        assert_ne!(statuses[kept], "pending", "what came after them is read");
        let huge = vec![b' '; (8 << 20) + 1];
        let (status, _) = case.post(&service, &[], &huge).await;
        assert_eq!(status, 413, "{}", case.slug());
    }
    let (_, quarantine) = service.get("/v1/quarantine?limit=100").await;
    assert_eq!(quarantine["quarantine"].as_array().unwrap().len(), unreadable_in_all);
}
