//! Reading: who may ask, what is answered, and that an answer about the past stays as it was.

use std::collections::BTreeMap;
use std::process::Output;

use chrono::Utc;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use subledger::control::{self, Role};

use crate::adapters;
use crate::support::eventually;
use crate::support::service::{ORGANIZATION, Service};
use crate::support::stripe::{DAY, event, invoice, subscription};
use crate::support::tree;

async fn ask(service: &Service, method: Method, path: &str, token: Option<&str>) -> reqwest::Response {
    let request = service.http.request(method, format!("{}{path}", service.url));
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
    .send()
    .await
    .unwrap()
}

/// One subscription of 3 seats, paid for; answers with the instant it began at.
async fn paid(service: &Service, id: &str) -> i64 {
    let now = Utc::now().timestamp();
    let period = (now, now + 30 * DAY);
    let created = subscription(id, "active", "price_pro", 3, period);
    let paid = invoice(&format!("in_{id}"), id, "paid", "price_pro", period);
    send(service, &event(&format!("evt_{id}_1"), "customer.subscription.created", now, &created, None)).await;
    send(service, &event(&format!("evt_{id}_2"), "invoice.paid", now, &paid, None)).await;
    now
}

async fn send(service: &Service, body: &Value) -> String {
    let (status, answer) = service.post("stripe-main", body.to_string().as_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["events"][0].as_str().unwrap().to_owned()
}

/// The names of the events in an answer.
fn names(answer: &Value) -> Vec<String> {
    let events = answer["events"].as_array().unwrap_or_else(|| panic!("{answer}"));
    events.iter().map(|e| e["event"].as_str().unwrap().to_owned()).collect()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

// ---- Who may ask

/// Every route of the route table that needs a token: method, path with examples filled in, role.
fn routes() -> Vec<(Method, String, Role)> {
    let table = std::fs::read_to_string(tree::root().join("src/http.rs")).unwrap();
    let mut found = Vec::new();
    for line in table.split("(at(\"").skip(1) {
        let (path, rest) = line.split_once("\", [").unwrap();
        let (methods, _) = rest.split_once("])").unwrap();
        if ["/healthz", "/readyz", "/webhooks"].iter().any(|open| path.starts_with(open)) {
            continue;
        }
        let role = if path.starts_with("/v1/admin") { Role::Admin } else { Role::Auditor };
        // Paths that lead nowhere: who asks is checked before whether there is anything.
        let filled = path.split('/').map(|s| if s.starts_with('{') { "none" } else { s }).collect::<Vec<_>>().join("/");
        for method in methods.split(", ") {
            let (name, _) = method.trim().split_once('(').unwrap();
            found.push((Method::from_bytes(name.to_uppercase().as_bytes()).unwrap(), filled.clone(), role));
        }
    }
    assert!(found.len() > 40);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_says_which_methods_it_has() {
    let service = Service::start().await;
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    routes().into_iter().for_each(|(method, path, _)| of.entry(path).or_default().push(method.to_string()));
    for (path, methods) in of {
        let answer = ask(&service, Method::PATCH, &path, Some(&service.admin_token)).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers()["allow"].to_str().unwrap(), methods.join(", "), "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    let nobody = ask(&service, Method::PATCH, "/v1/events", None).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED, "who asks comes first");
    let door = ask(&service, Method::GET, "/webhooks/stripe-main", None).await;
    assert_eq!((door.status(), &door.headers()["allow"]), (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap()));
    assert_eq!(ask(&service, Method::GET, "/v1/nothing", Some(&service.auditor)).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_without_a_token_of_the_role() {
    let service = Service::start().await;
    let client = service.database.pool().get().await.unwrap();
    let past = Some(Utc::now() - chrono::TimeDelta::seconds(1));
    let (_, expired) = control::create(&client, "expired", Role::Admin, past).await.unwrap();
    let (revoked_token, revoked) = control::create(&client, "revoked", Role::Admin, None).await.unwrap();
    assert!(control::revoke(&client, revoked_token.id).await.unwrap());
    let long = "x".repeat(5_000);
    for (method, path, role) in routes() {
        let path = path.as_str();
        for (what, token) in [
            ("none", None),
            ("unknown", Some("sl_admin_0000")),
            ("empty", Some("")),
            ("long", Some(long.as_str())),
            ("expired", Some(expired.as_str())),
            ("revoked", Some(revoked.as_str())),
        ] {
            let answer = ask(&service, method.clone(), path, token).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path} with {what} token");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!((&problem["status"], &problem["title"]), (&json!(401), &json!("Unauthorized")));
        }
        let as_auditor = ask(&service, method.clone(), path, Some(&service.auditor)).await.status();
        assert_eq!(
            as_auditor == StatusCode::FORBIDDEN,
            role == Role::Admin,
            "{method} {path} as auditor: {as_auditor}"
        );
        let as_admin = ask(&service, method.clone(), path, Some(&service.admin_token)).await;
        assert!(![401, 403].contains(&as_admin.status().as_u16()), "{method} {path} as admin: {}", as_admin.status());
        if !as_admin.status().is_success() {
            assert_eq!(as_admin.headers()["content-type"], "application/problem+json", "{method} {path}");
        }
    }
    let basic = service.http.get(format!("{}/v1/journals", service.url)).basic_auth("x", Some(&service.auditor));
    assert_eq!(basic.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_adopted_by_an_admin_with_a_reason() {
    let service = Service::start().await;
    let put = async |body: &'static str| {
        let request = service.http.put(format!("{}/v1/admin/config", service.url)).bearer_auth(&service.admin_token);
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    for body in ["", "nonsense", "{}", "{\"reason\":\"  \"}"] {
        let (status, problem) = put(body).await;
        assert_eq!((status, &problem["title"]), (400, &json!("Bad request")), "{body}");
    }
    let (status, adopted) = put("{\"reason\":\"a look\"}").await;
    assert_eq!((status, &adopted["event"]), (200, &json!("system/1")), "what was adopted at the start is the same");
}

// ---- Journals and events

#[tokio::test(flavor = "multi_thread")]
async fn journals_say_how_long_they_are() {
    let service = Service::start().await;
    paid(&service, "sub_1").await;
    service.settled().await;
    let (status, answer) = service.get("/v1/journals").await;
    assert_eq!(status, StatusCode::OK);
    let heads: BTreeMap<&str, (&str, i64)> = answer["journals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|j| (j["journal"].as_str().unwrap(), (j["kind"].as_str().unwrap(), j["head"].as_i64().unwrap())))
        .collect();
    let expected = [
        ("fastspring-main", ("source", 0)),
        ("licensespring-main", ("licensespring", 2)),
        ("salesforce-main", ("source", 0)),
        ("shopify-main", ("source", 0)),
        ("stripe-main", ("source", 2)),
        ("system", ("system", 1)),
    ];
    assert_eq!(heads, BTreeMap::from(expected));
    let (_, one) = service.get("/v1/journals/stripe-main").await;
    assert_eq!((&one["head"], &one["events"], &one["projected"]), (&json!(2), &json!(2), &json!(2)));
    assert_eq!(service.get("/v1/journals/nothing").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_what_is_known_of_them() {
    let service = Service::start().await;
    paid(&service, "sub_1").await;
    paid(&service, "sub_2").await;
    let fastspring = json!({"events": [{"id": "fs_1", "type": "mystery.happened", "live": true,
        "created": Utc::now().timestamp_millis(), "data": {}}]});
    service.post("fastspring-main", fastspring.to_string().as_bytes()).await;
    service.settled().await;
    let (early, late) = (encoded("2020-01-01T00:00:00Z"), encoded("2100-01-01T00:00:00+02:00"));
    let stripe: &[&str] = &["stripe-main/4", "stripe-main/3", "stripe-main/2", "stripe-main/1"];
    let rows: [(String, &[&str]); 17] = [
        ("source=stripe-main".into(), stripe),
        ("source=stripe-main&order=desc".into(), stripe),
        ("source=stripe-main&order=asc&limit=2".into(), &["stripe-main/1", "stripe-main/2"]),
        ("source=stripe-main&type=invoice.paid".into(), &["stripe-main/4", "stripe-main/2"]),
        ("source=stripe-main&subscription=sub_1".into(), &["stripe-main/2", "stripe-main/1"]),
        ("subscription=sub_2&type=invoice.paid".into(), &["stripe-main/4"]),
        ("source=stripe-main&customer=cus_sub_2".into(), &["stripe-main/4", "stripe-main/3"]),
        ("source=fastspring-main".into(), &["fastspring-main/1"]),
        ("status=unknown_type".into(), &["fastspring-main/1"]),
        ("source=stripe-main&status=applied".into(), stripe),
        ("source=stripe-main&status=pending".into(), &[]),
        ("source=system".into(), &["system/1"]),
        (format!("source=stripe-main&received_after={early}&received_before={late}"), stripe),
        (format!("source=stripe-main&received_before={early}"), &[]),
        (format!("source=stripe-main&occurred_after={late}"), &[]),
        (format!("source=stripe-main&occurred_after={early}&occurred_before={late}"), stripe),
        ("type=nothing".into(), &[]),
    ];
    for (query, expected) in rows {
        let (status, answer) = service.get(&format!("/v1/events?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {answer}");
        assert_eq!(names(&answer), expected, "{query}");
    }
    let (_, all) = service.get("/v1/events?limit=1000").await;
    let plain = "/v1/events?limit=1000&source=&type=&customer=&subscription=&status=&order=&cursor=&received_after=&received_before=&occurred_after=&occurred_before=";
    assert_eq!(service.get(plain).await.1, all, "an empty parameter counts as absent");
    let ours: Vec<&Value> = all["events"].as_array().unwrap().iter().filter(|e| e["source"].is_null()).collect();
    assert_eq!(ours.len(), 5, "rules, and an intent and an outcome each");
    assert!(ours.iter().all(|e| e["status"] != "pending"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_is_told_which_part_is_wrong() {
    let service = Service::start().await;
    for (path, field) in [
        ("/v1/events?limit=0", "limit"),
        ("/v1/events?limit=1001", "limit"),
        ("/v1/events?limit=-1", "limit"),
        ("/v1/events?limit=ten", "limit"),
        ("/v1/subscriptions?limit=1001", "limit"),
        ("/v1/subscriptions?status=lively", "status"),
        ("/v1/licenses?state=gone", "state"),
        ("/v1/licenses?limit=1001", "limit"),
        ("/v1/refusals?limit=1001", "limit"),
        ("/v1/events?order=sideways", "order"),
        ("/v1/events?cursor=%21", "cursor"),
        ("/v1/events?source=nobody", "source"),
        ("/v1/events?received_after=yesterday", "received_after"),
        ("/v1/events/system/1/body?part=half", "part"),
        ("/v1/subscriptions?source=nobody", "source"),
        ("/v1/subscriptions/stripe-main/x?as_of=now", "as_of"),
        ("/v1/subscriptions/stripe-main/x?known_at=then", "known_at"),
        ("/v1/subscriptions/stripe-main/x?known_at=stripe-main/99", "known_at"),
    ] {
        let (status, problem) = service.get(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
    }
    for (path, status) in [
        ("/v1/events?limit=1&limit=2", 400),
        ("/v1/events?type=%00", 400),
        ("/v1/subscriptions/stripe-main/%00", 400),
        ("/v1/licenses/%00", 400),
        ("/v1/events/stripe-main/first", 404),
        ("/v1/events/stripe-main/1", 404),
        ("/v1/events/nothing/1", 404),
        ("/v1/subscriptions/stripe-main/nothing", 404),
        ("/v1/subscriptions/nothing/x", 404),
        ("/v1/licenses/nothing/why", 404),
        ("/v1/nothing", 404),
    ] {
        let answer = ask(&service, Method::GET, path, Some(&service.auditor)).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    for limit in ["", "1", "1000"] {
        assert_eq!(service.get(&format!("/v1/events?limit={limit}")).await.0, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn walking_the_pages_meets_every_event_once_while_others_come_in() {
    const BEFORE: usize = 60;
    let service = Service::start().await;
    let one = |n: usize| {
        event(
            &format!("evt_{n}"),
            "customer.updated",
            Utc::now().timestamp(),
            &json!({"id": format!("cus_{n}"), "object": "customer"}),
            None,
        )
    };
    let mut sent = 0;
    for order in ["desc", "asc"] {
        let present: Vec<String> = {
            for _ in 0..BEFORE {
                send(&service, &one(sent)).await;
                sent += 1;
            }
            names(&service.get("/v1/events?limit=1000").await.1)
        };
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let (_, page) = service.get(&format!("/v1/events?order={order}&limit=7&cursor={cursor}")).await;
            names(&page).into_iter().for_each(|name| *seen.entry(name).or_default() += 1);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
            for _ in 0..3 {
                send(&service, &one(sent)).await;
                sent += 1;
            }
        }
        assert!(seen.values().all(|times| *times == 1), "{order}: {seen:?}");
        let missing: Vec<&String> = present.iter().filter(|name| !seen.contains_key(*name)).collect();
        assert!(missing.is_empty(), "{order}: {missing:?}");
        if order == "desc" {
            assert_eq!(seen.len(), present.len(), "newest was fixed by the first page");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_given_back_as_harmless_attachments() {
    let service = Service::start().await;
    let html = json!({"id": "evt_html", "type": "<script>alert(1)</script>", "object": "event"}).to_string();
    for (n, (sent, given)) in [
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/plain", "text/plain"),
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("", "application/octet-stream"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = html.replace("evt_html", &format!("evt_{n}"));
        let mut request =
            service.http.post(format!("{}/webhooks/stripe-main", service.url)).header("content-type", sent);
        let stripe = subledger::providers::by_slug("stripe").unwrap();
        let settings = crate::support::service::signing(crate::support::service::STRIPE_SECRET);
        for (name, value) in stripe.sign(body.as_bytes(), &settings, Utc::now()) {
            request = request.header(name, value);
        }
        let stored: Value = request.body(body.clone()).send().await.unwrap().json().await.unwrap();
        let name = stored["events"][0].as_str().unwrap();
        for part in ["", "?part=", "?part=delivery", "?part=event"] {
            let answer =
                ask(&service, Method::GET, &format!("/v1/events/{name}/body{part}"), Some(&service.auditor)).await;
            assert_eq!(answer.status(), StatusCode::OK);
            let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(header("content-type"), given, "sent as {sent:?}");
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("content-security-policy"), "sandbox");
            assert!(header("content-disposition").starts_with("attachment; filename="));
            assert_eq!(answer.text().await.unwrap(), body);
        }
    }
}

// ---- Subscriptions, now and then

/// What an answer says of the subscription itself, without when it was asked and what it led to.
fn said(mut answer: Value) -> Value {
    assert!(answer["state_hash"].is_string(), "{answer}");
    for item in answer["items"].as_array_mut().unwrap() {
        item["license"] = Value::Null;
    }
    answer["known_at"] = answer["known_at"]["stripe-main"].take();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_at_a_time_never_changes() {
    let service = Service::start().await;
    let began = paid(&service, "sub_1").await;
    service.settled().await;
    let at = encoded(&chrono::DateTime::from_timestamp(began + DAY, 0).unwrap().to_rfc3339());
    let path = format!("/v1/subscriptions/stripe-main/sub_1?at={at}");
    let (_, first) = service.get(&path).await;
    // Intent and outcome of the one call; the rules of the file.
    assert_eq!(first["known_at"], json!({"stripe-main": 2, "licensespring-main": 2, "system": 1}));
    assert_eq!(first["items"][0]["entitlement"]["state"], "active");
    let instant = encoded(&Utc::now().to_rfc3339());
    let vector = encoded(&first["known_at"].to_string());

    let mut changed = subscription("sub_1", "active", "price_pro", 9, (began, began + 30 * DAY));
    changed["cancel_at_period_end"] = json!(true);
    let before = json!({"items": {"data": [{"id": "si_sub_1", "quantity": 3}]}});
    // Earlier than what is held, at the same time, and later; and a payment that links late.
    for (n, created) in [began - 50, began, began + 50].into_iter().enumerate() {
        let body =
            event(&format!("evt_more_{n}"), "customer.subscription.updated", created, &changed, Some(before.clone()));
        send(&service, &body).await;
        let now = encoded(&Utc::now().to_rfc3339());
        let (status, fresh) = service.get(&format!("{path}&known_at={now}")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            fresh["known_at"]["stripe-main"],
            3 + n,
            "an answer about this instant waits for what was stored by then"
        );
        for known in [&vector, &instant, &encoded("stripe-main/2")] {
            let (status, then) = service.get(&format!("{path}&known_at={known}")).await;
            assert_eq!(status, StatusCode::OK, "{then}");
            assert_eq!(said(then), said(first.clone()), "known_at={known}");
        }
    }
    // What was known of the licenses and by which rules, too, after all of it has changed.
    service.settled().await;
    let rules = "[[catalog]]\nmatch = { price = \"price_pro\" }\nproduct_code = \"PRO\"\nseats = \"floating_users\"\n";
    service.adopt_and_approve(json!({"catalog_and_policy": rules})).await;
    let (_, now) = service.get(&path).await;
    assert_eq!(now["items"][0]["quantity"], 9);
    assert_ne!(now["items"][0]["license"], first["items"][0]["license"]);
    for known in [&vector, &instant] {
        let (_, then) = service.get(&format!("{path}&known_at={known}")).await;
        for held in ["license", "entitlement"] {
            assert_eq!(then["items"][0][held], first["items"][0][held], "{held} known_at={known}");
        }
    }
    let (_, then) = service.get(&format!("{path}&known_at={vector}")).await;
    assert_eq!((&then["known_at"], &then["items"]), (&first["known_at"], &first["items"]), "a vector asks for itself");
    let long_ago = encoded("2020-01-01T00:00:00Z");
    assert_eq!(service.get(&format!("{path}&known_at={long_ago}")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_of_an_instant_before_a_change_the_earlier_state_is_shown() {
    let service = Service::start().await;
    let began = paid(&service, "sub_1").await;
    let mut canceled = subscription("sub_1", "canceled", "price_pro", 3, (began, began + 30 * DAY));
    canceled["ended_at"] = json!(began + 60);
    send(&service, &event("evt_end", "customer.subscription.deleted", began + 60, &canceled, None)).await;
    service.settled().await;
    for (seconds, status) in [(0, "active"), (59, "active"), (60, "canceled"), (600, "canceled")] {
        let as_of = encoded(&chrono::DateTime::from_timestamp(began + seconds, 0).unwrap().to_rfc3339());
        let (_, shown) = service.get(&format!("/v1/subscriptions/stripe-main/sub_1?as_of={as_of}")).await;
        assert_eq!(shown["status"], status, "{seconds} s after the beginning");
    }
    let before = encoded(&chrono::DateTime::from_timestamp(began - 1, 0).unwrap().to_rfc3339());
    let (status, _) = service.get(&format!("/v1/subscriptions/stripe-main/sub_1?as_of={before}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_listed_in_pages() {
    let service = Service::start().await;
    for n in 0..5 {
        paid(&service, &format!("sub_{n}")).await;
    }
    service.settled().await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = service.get(&format!("/v1/subscriptions?limit=2&cursor={}", encoded(&cursor))).await;
        found.extend(
            page["subscriptions"].as_array().unwrap().iter().map(|s| s["subscription_id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(found, ["sub_0", "sub_1", "sub_2", "sub_3", "sub_4"]);
    let (_, page) = service.get("/v1/subscriptions?limit=1").await;
    let (_, mut alone) = service.get("/v1/subscriptions/stripe-main/sub_0").await;
    alone["at"] = page["subscriptions"][0]["at"].clone();
    alone["unmapped"] = json!(false);
    assert_eq!(page["subscriptions"][0], alone, "as it is shown alone");
    for (query, count) in
        [("status=active", 5), ("status=canceled", 0), ("source=stripe-main", 5), ("source=fastspring-main", 0)]
    {
        let (_, page) = service.get(&format!("/v1/subscriptions?{query}")).await;
        assert_eq!(page["subscriptions"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_only_a_payment_speaks_of_can_be_read() {
    let service = Service::start().await;
    let now = Utc::now().timestamp();
    let paid = invoice("in_1", "sub_early", "paid", "price_pro", (now, now + 30 * DAY));
    send(&service, &event("evt_1", "invoice.paid", now, &paid, None)).await;
    service.settled().await;
    let (status, shown) = service.get("/v1/subscriptions/stripe-main/sub_early").await;
    assert_eq!((status.as_u16(), &shown["status"], &shown["items"]), (200, &json!("unknown"), &json!([])), "{shown}");
    assert_eq!(service.get("/v1/subscriptions/stripe-main/sub_other").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_license_says_why() {
    let service = Service::start().await;
    paid(&service, "sub_1").await;
    service.settled().await;
    let (_, listed) = service.get("/v1/licenses?state=enabled").await;
    assert_eq!(listed["licenses"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(service.get("/v1/licenses?state=disabled").await.1["licenses"], json!([]));
    let (_, why) = service.get("/v1/licenses/stripe-main:sub_1:PRO/why").await;
    assert_eq!(why["fields"]["seats"]["value"], 3, "{why}");
    assert_eq!(why["fields"]["seats"]["events"], json!(["stripe-main/1"]));
    assert_eq!(why["fields"]["valid_until"]["events"], json!(["stripe-main/2"]));
    assert_eq!(why["rules"]["event"], "system/1");
    let calls: Vec<&str> = why["calls"].as_array().unwrap().iter().map(|c| c["event"].as_str().unwrap()).collect();
    assert_eq!(calls, ["licensespring-main/1", "licensespring-main/2"]);
    let (_, one) = service.get("/v1/licenses/stripe-main:sub_1:PRO").await;
    assert_eq!((&one["enabled"], &one["max_activations"]), (&json!(true), &json!(3)));
    assert_eq!(service.get("/v1/parked").await.1, json!({"parked": [], "next_cursor": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_whether_its_signature_still_checks_and_what_it_led_to() {
    let service = Service::start().await;
    paid(&service, "sub_1").await;
    service.settled().await;
    let (_, event) = service.get("/v1/events/stripe-main/2").await;
    assert_eq!(event["signature"]["verdict"], "valid", "{event}");
    assert_eq!(event["delivery"]["cuts"], json!([]));
    let calls: Vec<(&str, &str)> = event["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["event"].as_str().unwrap(), c["type"].as_str().unwrap()))
        .collect();
    assert_eq!(calls, [("licensespring-main/1", "intent"), ("licensespring-main/2", "outcome")]);

    let end = Utc::now().date_naive() + chrono::Months::new(1);
    let message = adapters::message(ORGANIZATION, &adapters::asset(1, adapters::ASSET, "Purchased", end));
    service.post("salesforce-main", message.as_bytes()).await;
    let (_, event) = service.get("/v1/events/salesforce-main/1").await;
    assert_eq!(event["signature"]["verdict"], "not_checkable", "{event}");
    let cuts = event["delivery"]["cuts"].as_array().unwrap();
    assert!(!cuts.is_empty() && event["signature"]["why"].as_str().unwrap().contains("blanked"), "{event}");
    let (_, ours) = service.get("/v1/events/licensespring-main/1").await;
    assert_eq!(
        (&ours["signature"], &ours["calls"]),
        (&Value::Null, &json!([])),
        "what we wrote ourselves is not signed"
    );
}

// ---- The command line

fn run(service: &Service, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = service.command().args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_listed_and_revoked_at_the_command_line() {
    let service = Service::start().await;
    let create = ["token", "create", "--role", "auditor", "--name", "grafana", "--expires", "90d", "--json"];
    let (code, stdout, stderr) = run(&service, &create);
    assert_eq!(code, Some(0), "{stderr}");
    let made: Value = serde_json::from_str(&stdout).expect("only JSON on stdout");
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert_eq!((&made["role"], &made["name"]), (&json!("auditor"), &json!("grafana")));
    let expires: chrono::DateTime<Utc> = made["expires_at"].as_str().unwrap().parse().unwrap();
    assert!((expires - Utc::now() - chrono::TimeDelta::days(90)).num_minutes().abs() < 2);
    let allowed = async || ask(&service, Method::GET, "/v1/journals", Some(token)).await.status();
    assert_eq!(allowed().await, StatusCode::OK);

    let (code, listed, _) = run(&service, &["token", "list", "--json"]);
    let listed_json: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(code, Some(0));
    assert!(listed_json["tokens"].as_array().unwrap().iter().any(|t| t["id"] == id && t["revoked_at"].is_null()));
    assert!(!listed.contains(token), "a list never holds a secret");

    assert_eq!(run(&service, &["token", "revoke", id]).0, Some(0));
    assert_eq!(allowed().await, StatusCode::UNAUTHORIZED, "at once");
    let (code, _, stderr) = run(&service, &["token", "revoke", id]);
    assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_and_a_wrong_configuration_are_told_apart() {
    let service = Service::start().await;
    for wrong in [
        &["frobnicate"][..],
        &["token", "create"],
        &["token", "create", "--role", "king", "--name", "x"],
        &["token", "create", "--role", "auditor", "--name", "x", "--expires", "soon"],
        &["token", "revoke", "not-an-id"],
        &["serve", "--nonsense"],
    ] {
        let (code, stdout, stderr) = run(&service, wrong);
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{wrong:?}: {stderr}");
    }
    assert_eq!(run(&service, &["--help"]).0, Some(0));
    let (code, stdout, _) = run(&service, &["config", "check"]);
    assert!(code == Some(0) && stdout.contains(": ok (4 sources"), "{stdout}");

    let wrong = service.config.with_file_name("wrong.toml");
    let text = "[server]\nlisten = \"nowhere\"\ncolour = \"red\"\n[sources.stripe-main]\nprovider = \"strype\"\n\
                secrets = [{ env = \"NOT_SET_ANYWHERE\" }]\nlicensespring = \"missing\"\n[policy.default]\ngrace_days = -1\n";
    std::fs::write(&wrong, text).unwrap();
    let (code, stdout, stderr) = run(&service, &["config", "check", "--config", wrong.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    for key in ["listen", "colour", "provider", "NOT_SET_ANYWHERE", "missing", "grace_days"] {
        assert!(stderr.contains(key), "nothing about {key} in:\n{stderr}");
    }
    assert!(stderr.lines().count() >= 6, "each on a line of its own:\n{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_of_a_source_that_is_gone_is_kept_read_and_not_folded_away() {
    let mut service = Service::start().await;
    service.post("fastspring-main", b"{\"events\":[{\"id\":\"fs_1\",\"type\":\"x\"}]}").await;
    service.settled().await;
    service.kill();
    let text = std::fs::read_to_string(&service.config).unwrap();
    let at = text.find("[sources.fastspring-main]").unwrap();
    let end = at + text[at..].find("[[catalog]]").unwrap();
    std::fs::write(&service.config, format!("{}{}", &text[..at], &text[end..])).unwrap();
    service.run().await;
    // Which sources there are is a part of the rules: until they are adopted, no calls are made.
    assert_eq!(service.admin("PUT", "/v1/admin/config", json!({"reason": "it is gone"})).await.0, StatusCode::OK);
    paid(&service, "sub_1").await;
    service.settled().await;
    let (_, kept) = service.get("/v1/events?source=fastspring-main").await;
    assert_eq!(names(&kept), ["fastspring-main/1"]);
    let (code, _, stderr) = run(&service, &["rebuild", "--promote"]);
    assert_eq!(code, Some(1));
    let said: Vec<&str> = stderr.lines().filter(|l| l.starts_with("subledger: ")).collect();
    assert!(said.len() == 1 && said[0].contains("fastspring-main"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_says_that_it_is_up_to_anybody() {
    let service = Service::start().await;
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = ask(&service, Method::GET, path, None).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], status);
    }
    let newer =
        "INSERT INTO public.refinery_schema_history (version, name, applied_on, checksum) VALUES (99, 'x', 'x', '1')";
    service.database.owner().await.batch_execute(newer).await.unwrap();
    eventually("it is not ready under another schema", || async {
        let answer = ask(&service, Method::GET, "/readyz", None).await;
        let shown: (u16, Value) = (answer.status().as_u16(), answer.json().await.unwrap());
        (shown.0 == 503 && shown.1["checks"]["schema"] == "failed").then_some(())
    })
    .await;
}
