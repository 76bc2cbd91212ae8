//! The providers' door: what is stored before it is acknowledged, and what is turned away.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use subledger::providers::by_slug;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::eventually;
use crate::support::service::{FASTSPRING_SECRET, STRIPE_SECRET, Service, signing};
use crate::support::stripe::{DAY, event, invoice, subscription};

/// The default of `server.max_body_bytes`.
const BODY_BYTES_MAX: usize = 8 << 20;

type Headers = Vec<(String, String)>;

fn signed(slug: &str, secret: &str, body: &[u8], at: DateTime<Utc>) -> Headers {
    by_slug(slug).unwrap().sign(body, &signing(secret), at)
}

async fn post(service: &Service, source: &str, headers: &Headers, body: &[u8]) -> reqwest::Response {
    let mut request = service.http.post(format!("{}/webhooks/{source}", service.url));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body.to_vec()).send().await.unwrap()
}

fn customer(id: &str) -> Value {
    event(
        id,
        "customer.updated",
        Utc::now().timestamp(),
        &json!({"id": format!("cus_{id}"), "object": "customer"}),
        None,
    )
}

fn fastspring(ids: &[&str]) -> String {
    let events: Vec<Value> = ids
        .iter()
        .map(|id| json!({"id": id, "type": "account.updated", "live": true, "processed": false,
            "created": Utc::now().timestamp_millis(), "data": {"id": format!("acc_{id}"), "account": format!("acc_{id}")}}))
        .collect();
    json!({"events": events}).to_string()
}

/// dedupe key → (events of that key, the bytes of its delivery), of one source's journal.
async fn log(service: &Service, source: &str) -> BTreeMap<String, (usize, Vec<u8>)> {
    let all = "SELECT e.dedupe_key, (SELECT string_agg(b.bytes, ''::bytea ORDER BY b.part) FROM ledger.bodies b
                                     WHERE b.journal = e.journal AND b.position = e.carrier)
               FROM ledger.events e JOIN ledger.journals j ON j.id = e.journal WHERE j.name = $1";
    let mut found: BTreeMap<String, (usize, Vec<u8>)> = BTreeMap::new();
    for row in service.database.service().await.query(all, &[&source]).await.unwrap() {
        found.entry(row.get(0)).or_insert_with(|| (0, row.get(1))).0 += 1;
    }
    found
}

// ---- Turned away

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_did_not_sign_is_refused_and_nothing_of_it_is_stored() {
    let service = Service::start().await;
    let body = customer("evt_1").to_string().into_bytes();
    let now = Utc::now();
    let stripe = |secret, at| signed("stripe", secret, &body, at);
    let named = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let rows: [(&str, Headers, u16, &str); 11] = [
        ("stripe-main", vec![], 400, "missing_signature"),
        ("stripe-main", named("stripe-signature", "t=1"), 400, "malformed_signature"),
        ("stripe-main", stripe("whsec_of_somebody_else", now), 400, "wrong_signature"),
        ("stripe-main", stripe("", now), 400, "wrong_signature"),
        ("stripe-main", stripe(STRIPE_SECRET, now - TimeDelta::seconds(310)), 400, "stale_timestamp"),
        ("stripe-main", stripe(STRIPE_SECRET, now + TimeDelta::seconds(330)), 400, "stale_timestamp"),
        ("stripe-main", signed("fastspring", FASTSPRING_SECRET, &body, now), 400, "missing_signature"),
        ("stripe-main", signed("stripe", STRIPE_SECRET, b"other bytes", now), 400, "wrong_signature"),
        ("fastspring-main", vec![], 401, "missing_signature"),
        ("fastspring-main", named("x-fs-signature", "not base64!"), 401, "malformed_signature"),
        ("fastspring-main", signed("fastspring", "old-secret", &body, now), 401, "wrong_signature"),
    ];
    for (source, headers, status, code) in &rows {
        let answer = post(&service, source, headers, &body).await;
        assert_eq!(answer.status().as_u16(), *status, "{source} {code}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let refusals = eventually("every refusal is listed", || async {
        let (_, listed) = service.get("/v1/refusals").await;
        let listed = listed["refusals"].as_array().unwrap().clone();
        (listed.len() >= rows.len()).then_some(listed)
    })
    .await;
    let listed: Vec<(&str, &str)> =
        refusals.iter().rev().map(|r| (r["source"].as_str().unwrap(), r["code"].as_str().unwrap())).collect();
    assert_eq!(listed, rows.iter().map(|(source, _, _, code)| (*source, *code)).collect::<Vec<_>>());
    assert!(log(&service, "stripe-main").await.is_empty() && log(&service, "fastspring-main").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_source_is_not_found() {
    let service = Service::start().await;
    for source in ["stripe-other", "system", "licensespring-main", "..%2Fv1", "%00"] {
        let answer = post(&service, source, &signed("stripe", STRIPE_SECRET, b"{}", Utc::now()), b"{}").await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{source}");
    }
    assert_eq!(service.get("/v1/refusals").await.1, json!({"refusals": [], "next_cursor": null}));
}

/// A request written by hand; answers with the first line of the response.
async fn by_hand(service: &Service, head: &str, body: &[u8]) -> String {
    let address = service.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!("POST /webhooks/stripe-main HTTP/1.1\r\nHost: {address}\r\n{head}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let _ = stream.write_all(body).await; // it may have been turned away before it was read
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.contains(&b'\n') {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => answer.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_as_soon_as_that_is_known() {
    let service = Service::start().await;
    let announced = format!("Content-Length: {}", BODY_BYTES_MAX + 1);
    let answer = by_hand(&service, &announced, b"").await;
    assert!(answer.contains(" 413 "), "by its Content-Length, before any byte: {answer:?}");
    let mut chunks = Vec::new();
    for _ in 0..=BODY_BYTES_MAX / 0x10000 {
        chunks.extend_from_slice(b"10000\r\n");
        chunks.extend(std::iter::repeat_n(b'x', 0x10000));
        chunks.extend_from_slice(b"\r\n");
    }
    assert!(by_hand(&service, "Transfer-Encoding: chunked", &chunks).await.contains(" 413 "), "by what came");
    let codes = eventually("both are listed", || async {
        let (_, listed) = service.get("/v1/refusals").await;
        let codes: Vec<Value> = listed["refusals"].as_array().unwrap().iter().map(|r| r["code"].clone()).collect();
        (codes.len() == 2).then_some(codes)
    })
    .await;
    assert_eq!(codes, ["too_large", "too_large"]);
    let mut largest = customer("evt_large").to_string();
    largest.push_str(&" ".repeat(BODY_BYTES_MAX - largest.len()));
    assert_eq!(service.post("stripe-main", largest.as_bytes()).await.0, StatusCode::OK, "exactly the limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_announce_much_and_send_nothing_keep_nobody_out() {
    let service = Service::start().await;
    let address = service.url.trim_start_matches("http://").to_owned();
    let mut idle = Vec::new();
    for _ in 0..150 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /webhooks/stripe-main HTTP/1.1\r\nHost: {address}\r\nContent-Length: {BODY_BYTES_MAX}\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(service.post("stripe-main", customer("evt_1").to_string().as_bytes()).await.0, StatusCode::OK);
}

// ---- Stored, whatever it is

#[tokio::test(flavor = "multi_thread")]
async fn a_well_signed_body_that_cannot_be_read_is_stored_byte_for_byte() {
    let service = Service::start().await;
    let whole = customer("evt_1").to_string().into_bytes();
    let bodies: [(&str, Vec<u8>); 9] = [
        ("stripe-main", vec![]),
        ("stripe-main", b"hello".to_vec()),
        ("stripe-main", b"[1,2]".to_vec()),
        ("stripe-main", b"{\"object\":\"event\"}".to_vec()),
        ("stripe-main", b"\xff\xfe{\"id\":\"evt\"}".to_vec()),
        ("stripe-main", whole[..whole.len() / 2].to_vec()),
        ("stripe-main", [&b"\xef\xbb\xbf"[..], &whole].concat()),
        ("fastspring-main", b"{\"events\":{}}".to_vec()),
        ("fastspring-main", b"{\"events\":[{\"id\":\"a\"\xf0".to_vec()),
    ];
    for (source, body) in &bodies {
        let (status, answer) = service.post(source, body).await;
        assert_eq!((status, &answer["stored"]), (StatusCode::OK, &json!(1)), "{source} {body:?} {answer}");
        let name = answer["events"][0].as_str().unwrap().to_owned();
        let shown = eventually("it was looked at", || async {
            let (_, shown) = service.get(&format!("/v1/events/{name}")).await;
            (shown["status"] != "pending").then_some(shown)
        })
        .await;
        assert_eq!((&shown["type"], &shown["status"]), (&json!("unreadable"), &json!("unreadable")));
        let url = format!("{}/v1/events/{name}/body", service.url);
        let bytes = service.http.get(url).bearer_auth(&service.auditor).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes, body.as_slice());
        let (_, again) = service.post(source, body).await;
        assert_eq!((&again["stored"], &again["duplicates"]), (&json!(0), &json!(1)), "sent again it is the same");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_event_never_loses_its_neighbours_nor_stops_what_follows() {
    let service = Service::start().await;
    let now = Utc::now().timestamp();
    let (nul, long) = ("evil\u{0}id", "x".repeat(10_000));
    let mut bodies: Vec<(&str, String)> = Vec::new();
    for (n, evil) in [nul, long.as_str(), "\u{1f600}", "' OR 1=1; --"].into_iter().enumerate() {
        let period = (now, now + 30 * DAY);
        let mut renamed = customer("evt");
        renamed["id"] = json!(format!("evt_{n}_{evil}"));
        let mut retyped = customer(&format!("evt_type_{n}"));
        retyped["type"] = json!(evil);
        let mut versioned = customer(&format!("evt_version_{n}"));
        versioned["api_version"] = json!(evil);
        let mut held = subscription(evil, "active", evil, 1, period);
        held["customer"] = json!(evil);
        held["metadata"] = json!({ evil: evil });
        let held = event(&format!("evt_sub_{n}"), "customer.subscription.created", now, &held, None);
        let paid = invoice(evil, evil, "paid", evil, period);
        let paid = event(&format!("evt_inv_{n}"), "invoice.paid", now, &paid, None);
        let created =
            event(&format!("evt_at_{n}"), "customer.updated", [i64::MAX, i64::MIN, -1, 0][n], &json!({}), None);
        bodies.extend([renamed, retyped, versioned, held, paid, created].map(|b| ("stripe-main", b.to_string())));
        bodies.push(("fastspring-main", fastspring(&[&format!("good_{n}_1"), evil, &format!("good_{n}_2")])));
    }
    bodies.extend((0..40).map(|n| ("stripe-main", customer(&format!("evt_good_{n}")).to_string())));
    let service = &service;
    let answers = stream::iter(bodies.iter().cloned())
        .map(|(source, body)| async move { (service.post(source, body.as_bytes()).await, body) })
        .buffer_unordered(32)
        .collect::<Vec<_>>()
        .await;
    for ((status, answer), body) in answers {
        let events = if body.starts_with("{\"events\"") { 3 } else { 1 };
        assert_eq!((status, &answer["stored"]), (StatusCode::OK, &json!(events)), "{body:.300}: {answer}");
    }
    for source in ["stripe-main", "fastspring-main"] {
        let stored: Vec<Vec<u8>> = log(service, source).await.into_values().map(|(_, bytes)| bytes).collect();
        for (_, body) in bodies.iter().filter(|(s, _)| *s == source) {
            assert!(stored.iter().any(|bytes| bytes == body.as_bytes()), "{body:.300}");
        }
    }
    // What follows them is still folded.
    let last = service.post("stripe-main", customer("evt_last").to_string().as_bytes()).await.1;
    let name = last["events"][0].as_str().unwrap().to_owned();
    eventually("the projector got past them", || async {
        let (_, shown) = service.get(&format!("/v1/events/{name}")).await;
        (shown["status"] != "pending").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fastspring_post_is_answered_with_the_position_of_every_event_in_it() {
    let service = Service::start().await;
    let rows: [(&[&str], Value); 4] = [
        (&[], json!({"received": 0, "stored": 0, "duplicates": 0, "events": []})),
        (
            &["a", "b", "c"],
            json!({"received": 3, "stored": 3, "duplicates": 0,
            "events": ["fastspring-main/1", "fastspring-main/2", "fastspring-main/3"]}),
        ),
        (
            &["b", "d", "a"],
            json!({"received": 3, "stored": 1, "duplicates": 2,
            "events": ["fastspring-main/2", "fastspring-main/4", "fastspring-main/1"]}),
        ),
        (
            &["e", "e"],
            json!({"received": 2, "stored": 1, "duplicates": 1,
            "events": ["fastspring-main/5", "fastspring-main/5"]}),
        ),
    ];
    for (ids, expected) in rows {
        let body = fastspring(ids);
        let (status, answer) = service.post("fastspring-main", body.as_bytes()).await;
        assert_eq!((status, &answer), (StatusCode::OK, &expected), "{ids:?}");
    }
    // The part of one event, and the delivery it came in.
    let get = |path: &str| {
        let url = format!("{}/v1/events/{path}", service.url);
        let request = service.http.get(url).bearer_auth(&service.auditor).send();
        async { request.await.unwrap().text().await.unwrap() }
    };
    let part: Value = serde_json::from_str(&get("fastspring-main/4/body?part=event").await).unwrap();
    assert_eq!(part["id"], "d");
    let delivery: Value = serde_json::from_str(&get("fastspring-main/4/body").await).unwrap();
    let ids: Vec<&Value> = delivery["events"].as_array().unwrap().iter().map(|e| &e["id"]).collect();
    assert_eq!(ids, ["b", "d", "a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_with_other_bytes_is_a_duplicate_and_flagged() {
    let service = Service::start().await;
    let mut body = customer("evt_1");
    service.post("stripe-main", body.to_string().as_bytes()).await;
    for webhooks in [2, 3] {
        body["pending_webhooks"] = json!(webhooks);
        let (status, answer) = service.post("stripe-main", body.to_string().as_bytes()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&answer["duplicates"], &answer["events"]), (&json!(1), &json!(["stripe-main/1"])));
    }
    eventually("copies and variants are shown", || async {
        let (_, shown) = service.get("/v1/events/stripe-main/1").await;
        (shown["duplicates"] == 2 && shown["variants"] == 2).then_some(())
    })
    .await;
}

// ---- Many, and nobody home

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_posts_at_once_every_2xx_is_in_the_log_exactly_once() {
    const POSTS: usize = 1_000;
    /// Every so many posts one id comes twice.
    const TWICE: usize = 10;
    let service = Service::start().await;
    let service = &service;
    let posts = (0..POSTS).map(|n| async move {
        let id = format!("evt_{}", n - usize::from(n % TWICE == 1));
        let body = customer(&id).to_string();
        let headers = signed("stripe", STRIPE_SECRET, body.as_bytes(), Utc::now());
        let answer = post(service, "stripe-main", &headers, body.as_bytes()).await;
        let again = answer.headers().contains_key("retry-after");
        (id, answer.status(), again)
    });
    let answers: Vec<(String, StatusCode, bool)> = stream::iter(posts).buffer_unordered(400).collect().await;
    let log = log(service, "stripe-main").await;
    for (id, status, again) in &answers {
        let found = log.get(&format!(":{id}@2026-03-25.dahlia")).map_or(0, |(count, _)| *count);
        match status.as_u16() {
            200 => assert_eq!(found, 1, "{id} was acknowledged"),
            503 => assert!(*again, "{id} was turned away without a word about when to come again"),
            other => panic!("{id}: {other}"),
        }
    }
    assert!(answers.iter().filter(|(_, status, _)| status.is_success()).count() > POSTS / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_nothing_is_acknowledged_and_it_heals_by_itself() {
    let service = Service::start().await;
    let admin = subledger::postgres::pool::single(&service.database.admin_url).await.unwrap();
    let name: String = admin.query_one("SELECT current_database()", &[]).await.unwrap().get(0);
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for n in 0..60 {
        if n == 20 {
            // Committed before anything is ended: else who connects again in between is let in.
            let revoke = format!("REVOKE CONNECT ON DATABASE {name} FROM subledger_service");
            let end = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND usename = 'subledger_service'"
            );
            for step in [revoke, end] {
                admin.batch_execute(&step).await.unwrap();
            }
        }
        if n == 25 {
            let up = service.http.get(format!("{}/healthz", service.url)).send().await.unwrap();
            assert_eq!(up.status(), StatusCode::OK, "the process is up");
            let ready = service.http.get(format!("{}/readyz", service.url)).send().await.unwrap();
            assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE, "and says that it cannot work");
            let (status, problem) = service.get("/v1/journals").await;
            assert_eq!((status, &problem["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(503)));
            assert!(!problem.to_string().contains("subledger_service"), "{problem}");
        }
        if n == 30 {
            admin.batch_execute(&format!("GRANT CONNECT ON DATABASE {name} TO subledger_service")).await.unwrap();
        }
        let id = format!("evt_{n}");
        let body = customer(&id).to_string();
        let headers = signed("stripe", STRIPE_SECRET, body.as_bytes(), Utc::now());
        let answer = post(&service, "stripe-main", &headers, body.as_bytes()).await;
        match answer.status().as_u16() {
            200 => acknowledged.push(id),
            503 => {
                assert!(answer.headers().contains_key("retry-after"));
                refused += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(refused >= 10, "{refused} were refused while there was no database");
    assert!(acknowledged.contains(&"evt_59".to_owned()), "it healed");
    let log = log(&service, "stripe-main").await;
    for id in acknowledged {
        assert!(log.contains_key(&format!(":{id}@2026-03-25.dahlia")), "{id} was acknowledged and is not in the log");
    }
    service.settled().await;
}

// ---- What is never shown

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_address_is_ever_logged() {
    let service = Service::start_with("[telemetry]\nlog_filter = \"debug\"").await;
    let now = Utc::now().timestamp();
    let period = (now, now + 30 * DAY);
    for body in [
        event(
            "evt_1",
            "customer.subscription.created",
            now,
            &subscription("sub_1", "active", "price_pro", 1, period),
            None,
        ),
        event("evt_2", "invoice.paid", now, &invoice("in_1", "sub_1", "paid", "price_pro", period), None),
    ] {
        service.post("stripe-main", body.to_string().as_bytes()).await;
    }
    let wrong = signed("stripe", "whsec_guessed", b"{}", Utc::now());
    post(&service, "stripe-main", &wrong, b"{}").await;
    service.get("/v1/events").await;
    service.http.get(format!("{}/v1/events", service.url)).bearer_auth("sl_guessed_token").send().await.unwrap();
    service.settled().await;
    let log = service.log();
    assert!(log.contains("DEBUG"), "the log is as talkative as it can be");
    for secret in [
        STRIPE_SECRET,
        FASTSPRING_SECRET,
        "sandbox.management-key",
        &service.auditor,
        &service.admin_token,
        "sl_guessed_token",
        &wrong[0].1,
        "sub_1@example.com",
    ] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_works_as_the_service_role_alone() {
    let service = Service::start().await;
    let admin = subledger::postgres::pool::single(&service.database.admin_url).await.unwrap();
    let who = "SELECT DISTINCT usename::text FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'subledger'";
    let who: Vec<String> = admin.query(who, &[]).await.unwrap().iter().map(|r| r.get(0)).collect();
    assert_eq!(who, ["subledger_service"]);
}
