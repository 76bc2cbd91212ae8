//! What admins do: once under a key, recorded with who and why; tokens; another look at what was
//! quarantined; and what reading shows of it.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::service::Service;
use crate::support::stripe::{DAY, event, invoice, subscription};

async fn buy(service: &Service, id: &str) {
    let now = chrono::Utc::now().timestamp();
    let period = (now, now + 30 * DAY);
    let held = subscription(id, "active", "price_pro", 1, period);
    let paid = invoice(&format!("in_{id}"), id, "paid", "price_pro", period);
    for body in [
        event(&format!("evt_{id}_1"), "customer.subscription.created", now, &held, None),
        event(&format!("evt_{id}_2"), "invoice.paid", now, &paid, None),
    ] {
        assert_eq!(service.post("stripe-main", body.to_string().as_bytes()).await.0, 200);
    }
}

/// An act under a key; answers with status, whether it is the answer of before, and the answer.
async fn keyed(service: &Service, key: &str, path: &str, body: &Value) -> (u16, bool, Value) {
    let request = service.http.post(format!("{}{path}", service.url)).bearer_auth(&service.admin_token);
    let answer = request.header("Idempotency-Key", key).json(body).send().await.unwrap();
    let (status, replayed) = (answer.status().as_u16(), answer.headers().contains_key("idempotency-replayed"));
    (status, replayed, answer.json().await.unwrap())
}

async fn acts(service: &Service, act: &str) -> usize {
    let (_, events) = service.get(&format!("/v1/events?type={act}&limit=1000")).await;
    events["events"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_under_a_key_is_done_once() {
    let mut service = Service::start().await;
    let (path, asked) = ("/v1/admin/rebuilds", json!({"scope": {}, "reason": "nightly"}));
    let (status, replayed, first) = keyed(&service, "night-1", path, &asked).await;
    assert_eq!((status, replayed), (202, false), "{first}");
    service.kill();
    service.run().await;
    for _ in 0..2 {
        let (status, replayed, again) = keyed(&service, "night-1", path, &asked).await;
        assert_eq!((status, replayed, &again), (202, true, &first), "across a restart, too");
    }
    let other = json!({"scope": {}, "reason": "another"});
    assert_eq!(keyed(&service, "night-1", path, &other).await.0, 422);
    assert_eq!(keyed(&service, "night-1", "/v1/admin/tokens", &asked).await.0, 422);
    assert_eq!(acts(&service, "rebuild_started").await, 1);
    // What was refused was not done, and may be asked again.
    assert_eq!(keyed(&service, "night-2", path, &json!({"scope": {}})).await.0, 400);
    assert_eq!(keyed(&service, "night-2", path, &asked).await.0, 202);
    assert_eq!(keyed(&service, &"k".repeat(256), path, &asked).await.0, 400);
    // Many at once: one act; the others are answered alike, or told that it is being done.
    let answers = futures_util::future::join_all((0..10).map(|_| keyed(&service, "night-3", path, &asked))).await;
    assert!(answers.iter().all(|(status, ..)| [202, 409].contains(status)), "{answers:?}");
    let ids: std::collections::BTreeSet<String> =
        answers.iter().filter(|a| a.0 == 202).map(|a| a.2["id"].to_string()).collect();
    assert_eq!((ids.len(), acts(&service, "rebuild_started").await), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_listed_and_revoked_and_their_secret_is_shown_once() {
    let service = Service::start().await;
    for (body, field) in [
        (json!({"name": "x", "role": "auditor"}), "reason"),
        (json!({"name": "x", "role": "king", "reason": "r"}), "role"),
        (json!({"name": " ", "role": "auditor", "reason": "r"}), "name"),
        (json!({"name": "x", "role": "auditor", "expires": "soon", "reason": "r"}), "expires"),
        (json!({"name": "x", "role": "auditor", "expires_at": "2020-01-01T00:00:00Z", "reason": "r"}), "expires_at"),
    ] {
        let (status, problem) = service.admin("POST", "/v1/admin/tokens", body).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (400, &json!(field)), "{problem}");
    }
    let asked = json!({"name": "the auditors", "role": "auditor", "expires": "90d", "reason": "the yearly audit"});
    let (status, _, made) = keyed(&service, "token-1", "/v1/admin/tokens", &asked).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["token"].as_str().unwrap().to_owned();
    let (status, replayed, again) = keyed(&service, "token-1", "/v1/admin/tokens", &asked).await;
    assert_eq!((status, replayed, &again["id"], &again["token"]), (201, true, &made["id"], &Value::Null));
    let kept = "SELECT count(*) FROM control.idempotency WHERE answer LIKE '%' || $1 || '%'";
    let kept: i64 = service.database.service().await.query_one(kept, &[&secret]).await.unwrap().get(0);
    assert_eq!(kept, 0, "a secret is stored nowhere");
    let ask = async |token: &str| {
        let request = service.http.get(format!("{}/v1/journals", service.url)).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&secret).await, 200);
    let (_, listed) = service.admin("GET", "/v1/admin/tokens", Value::Null).await;
    assert!(listed["tokens"].as_array().unwrap().iter().any(|t| t["id"] == made["id"]), "{listed}");
    assert!(!listed.to_string().contains(&secret));

    let path = format!("/v1/admin/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(service.admin("DELETE", &path, Value::Null).await.0, 400, "a reason is required");
    let (status, gone) = service.admin("DELETE", &path, json!({"reason": "the audit is over"})).await;
    assert_eq!((status.as_u16(), &gone["revoked"]), (200, &json!(true)), "{gone}");
    assert_eq!(ask(&secret).await, 401);
    assert_eq!(service.admin("DELETE", &path, json!({"reason": "again"})).await.0, 404);
    for act in ["token_created", "token_revoked"] {
        let (_, events) = service.get(&format!("/v1/events?source=system&type={act}")).await;
        let name = events["events"][0]["event"].as_str().unwrap_or_else(|| panic!("{act}: {events}")).to_owned();
        let (_, shown) = service.get(&format!("/v1/events/{name}")).await;
        assert_eq!(
            (&shown["facts"]["who"], &shown["facts"]["token"]["name"]),
            (&json!("test admin"), &json!("the auditors"))
        );
        assert!(!shown.to_string().contains(&secret));
    }
}

/// What is known of the subscriptions, whenever it is asked.
async fn subscriptions(service: &Service) -> Value {
    let (_, mut page) = service.get("/v1/subscriptions?source=stripe-main").await;
    for shown in page["subscriptions"].as_array_mut().unwrap() {
        // When it is asked, and whether the act itself is read already.
        let shown = shown.as_object_mut().unwrap();
        shown.remove("at");
        shown.remove("known_at");
    }
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_event_is_read_again_when_a_build_can() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    service.post("stripe-main", b"not json").await;
    service.settled().await;
    let before = subscriptions(&service).await;
    // As an older build would have left it that cannot read an invoice.
    let client = service.database.service().await;
    for statement in [
        "UPDATE projection.events SET status = 'quarantined', error = 'a field is missing', subscription_id = NULL, customer_id = NULL
         WHERE position = 2 AND journal = (SELECT id FROM ledger.journals WHERE name = 'stripe-main')",
        "DELETE FROM projection.mentions WHERE position = 2",
        "DELETE FROM projection.links WHERE position = 2",
        "UPDATE projection.subscriptions SET fold_version = 0, fold_hash = 'of another fold'",
    ] {
        assert!(client.execute(statement, &[]).await.unwrap() > 0, "{statement}");
    }
    let (_, listed) = service.get("/v1/quarantine?limit=1").await;
    assert_eq!(listed["quarantine"][0]["event"], json!("stripe-main/3"));
    let (_, listed) =
        service.get(&format!("/v1/quarantine?limit=1&cursor={}", listed["next_cursor"].as_str().unwrap())).await;
    let stuck = &listed["quarantine"][0];
    assert_eq!((&stuck["reason"], &listed["next_cursor"]), (&json!("a field is missing"), &Value::Null), "{listed}");
    assert!(stuck["fix"].as_str().unwrap().contains("/v1/admin/quarantine/stripe-main/2/retry"), "{stuck}");

    let retry =
        async |id: &str, body: Value| service.admin("POST", &format!("/v1/admin/quarantine/{id}/retry"), body).await;
    assert_eq!(retry("stripe-main/2", json!({})).await.0, 400);
    let (status, healed) = retry("stripe-main/2", json!({"reason": "upgraded"})).await;
    assert_eq!(
        (status.as_u16(), &healed["healed"], &healed["subscription_id"]),
        (200, &json!(true), &json!("sub_1")),
        "{healed}"
    );
    assert_eq!(subscriptions(&service).await, before, "as if it had been read at once");
    assert_eq!(retry("stripe-main/2", json!({"reason": "again"})).await.0, 409, "there is nothing to try again");
    let (status, stays) = retry("stripe-main%2F3", json!({"reason": "who knows"})).await;
    assert_eq!(
        (status.as_u16(), &stays["healed"], &stays["status"]),
        (200, &json!(false), &json!("unreadable")),
        "{stays}"
    );
    for id in ["stripe-main/99", "nothing/1", "none"] {
        assert_eq!(retry(id, json!({"reason": "x"})).await.0, 404, "{id}");
    }
    service.settled().await;
    assert_eq!(acts(&service, "quarantine_retried").await, 2);
    assert_eq!(service.sandbox.mutating().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_time_has_events_calls_and_acts_and_is_read_in_pages() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    buy(&service, "sub_2").await;
    service.settled().await;
    for (scope, n) in [
        (json!({"source": "stripe-main", "customer": "cus_sub_1"}), 1),
        (json!({"source": "fastspring-main"}), 2),
        (json!({}), 3),
    ] {
        let asked = json!({"scope": scope, "reason": format!("rebuild {n}")});
        assert_eq!(service.admin("POST", "/v1/admin/rebuilds", asked).await.0, 202);
    }
    let whole = "/v1/customers/stripe-main/cus_sub_1/timeline";
    let (_, line) = service.get(whole).await;
    let line = line["timeline"].as_array().unwrap();
    let of =
        |line: &[Value], key: &str| line.iter().map(|m| m[key].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>();
    assert_eq!(of(line, "kind"), ["admin", "admin", "call", "call", "event", "event", "admin"], "{line:?}");
    assert_eq!(of(line, "reason")[..2], ["rebuild 3", "rebuild 1"], "newest first; another source's is not theirs");
    assert_eq!(line[0]["who"], json!("test admin"));
    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = service.get(&format!("{whole}?limit=2&cursor={cursor}")).await;
        walked.extend(page["timeline"].as_array().unwrap().iter().cloned());
        // What comes in between is newer than all of it.
        let body = event(
            &format!("evt_more_{}", walked.len()),
            "customer.updated",
            1,
            &json!({"id": "cus_sub_1", "object": "customer"}),
            None,
        );
        service.post("stripe-main", body.to_string().as_bytes()).await;
        service.settled().await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(of(&walked, "event"), of(line, "event"));
    let (status, problem) = service.get(&format!("{whole}?cursor=nonsense")).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (400, &json!("cursor")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_license_is_shown_as_it_was_known_then() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    service.settled().await;
    let path = "/v1/subscriptions/stripe-main/sub_1";
    let then = chrono::Utc::now().to_rfc3339().replace('+', "%2B");
    let (_, before) = service.get(&format!("{path}?known_at={then}")).await;
    assert_eq!(before["items"][0]["license"]["state"], json!("enabled"), "{before}");
    let now = chrono::Utc::now().timestamp();
    let mut ended = subscription("sub_1", "canceled", "price_pro", 1, (now - 5, now + 30 * DAY));
    ended["ended_at"] = json!(now);
    let body = event("evt_end", "customer.subscription.deleted", now + 1, &ended, None);
    service.post("stripe-main", body.to_string().as_bytes()).await;
    service.settled().await;
    assert_eq!(service.get(path).await.1["items"][0]["license"]["state"], json!("disabled"));
    let (_, after) = service.get(&format!("{path}?known_at={then}")).await;
    assert_eq!(after["items"][0]["license"], before["items"][0]["license"]);
    let (_, first) = service.get(&format!("{path}?known_at=stripe-main/1")).await;
    assert_eq!(first["items"][0]["license"], Value::Null, "at its first event there was no license: {first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_in_pages_and_refusals_name_who_was_refused() {
    let service = Service::start_with("").await;
    let now = chrono::Utc::now().timestamp();
    for n in 0..5 {
        let held = subscription(&format!("sub_{n}"), "active", &format!("price_nobody_{n}"), 1, (now, now + 30 * DAY));
        let body = event(&format!("evt_{n}"), "customer.subscription.created", now, &held, None);
        service.post("stripe-main", body.to_string().as_bytes()).await;
        let refund = json!({"id": format!("ch_{n}"), "object": "charge", "payment_intent": format!("pi_{n}"), "amount": 5, "amount_refunded": 5, "refunded": true});
        service
            .post(
                "stripe-main",
                event(&format!("evt_r{n}"), "charge.refunded", now, &refund, None).to_string().as_bytes(),
            )
            .await;
        service.http.post(format!("{}/webhooks/stripe-main", service.url)).body("{}").send().await.unwrap();
    }
    service.settled().await;
    eventually("the refusals are written", || async {
        let (_, listed) = service.get("/v1/refusals").await;
        (listed["refusals"].as_array().unwrap().len() == 5).then_some(())
    })
    .await;
    for (list, key) in [("refusals", "refused_at"), ("unmapped", "subscription_id"), ("unlinked", "event")] {
        let (_, whole) = service.get(&format!("/v1/{list}")).await;
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let (_, page) = service.get(&format!("/v1/{list}?limit=2&cursor={cursor}")).await;
            let entries = page[list].as_array().unwrap();
            assert!(entries.len() <= 2);
            walked.extend(entries.iter().map(|e| e[key].clone()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let entries = whole[list].as_array().unwrap();
        assert_eq!(walked, entries.iter().map(|e| e[key].clone()).collect::<Vec<_>>(), "{list}");
        assert_eq!(walked.len(), 5, "{list}");
        assert!(entries.iter().all(|e| e["reason"].is_string() && e["fix"].is_string()), "{whole}");
        assert_eq!(service.get(&format!("/v1/{list}?cursor=nonsense")).await.0, 400);
        assert_eq!(service.get(&format!("/v1/{list}?limit=1001")).await.0, 400);
    }
    assert!(service.get("/v1/unlinked").await.1["unlinked"][0]["age_seconds"].is_i64());
    assert_eq!(service.get("/v1/events?status=strange").await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_says_who_was_refused() {
    for (trusted, remote) in [("", "127.0.0.1"), ("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]", "203.0.113.9")]
    {
        let mut service = Service::start().await;
        service.kill();
        let file = std::fs::read_to_string(&service.config).unwrap().replacen(
            "[database]",
            &format!("{trusted}\n[database]"),
            1,
        );
        std::fs::write(&service.config, file).unwrap();
        service.run().await;
        let request = service.http.post(format!("{}/webhooks/stripe-main", service.url)).body("{}");
        request.header("X-Forwarded-For", "198.51.100.1, 203.0.113.9, 10.1.2.3").send().await.unwrap();
        let refused = eventually("it is listed", || async {
            let (_, listed) = service.get("/v1/refusals").await;
            listed["refusals"][0]["remote"].as_str().map(ToOwned::to_owned)
        })
        .await;
        assert_eq!(refused, remote, "what stands before the last stranger was written by nobody we know");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_count_begins_at_0_and_says_what_happened() {
    let service = Service::start().await;
    let first = service.metrics().await;
    let of_source = ["deliveries_total", "events_total", "duplicates_total", "quarantined_total", "queue_depth"];
    for source in ["stripe-main", "fastspring-main", "shopify-main", "salesforce-main"] {
        for name in of_source {
            assert_eq!(first.get(&format!("subledger_{name}{{source=\"{source}\"}}")), Some(&0.0), "{name} {source}");
        }
        for code in ["wrong_signature", "too_large", "wrong_organization"] {
            let name = format!("subledger_refusals_total{{source=\"{source}\",code=\"{code}\"}}");
            assert_eq!(first.get(&name), Some(&0.0), "{name}: {first:?}");
        }
        let lag = eventually("it is at rest", || async {
            service.metrics().await.get(&format!("subledger_projector_lag_events{{journal=\"{source}\"}}")).copied()
        })
        .await;
        assert_eq!(lag.to_string(), "0");
    }
    for action in ["create_order", "update", "enable", "disable", "reset_devices"] {
        for name in ["calls_total", "calls_failed_total"] {
            let name = format!("subledger_{name}{{account=\"main\",action=\"{action}\"}}");
            assert_eq!(first.get(&name), Some(&0.0), "{name}: {first:?}");
        }
    }
    assert_eq!(first.get("subledger_calls_redundant_total{account=\"main\"}"), Some(&0.0));

    // While nobody can fold, the lag grows by what comes in.
    let mut holder = subledger::postgres::pool::single(&service.database.owner_url).await.unwrap();
    let held = holder.transaction().await.unwrap();
    held.execute("SELECT 1 FROM control.checkpoints WHERE journal = (SELECT id FROM ledger.journals WHERE name = 'stripe-main') FOR UPDATE", &[])
        .await
        .unwrap();
    buy(&service, "sub_1").await;
    buy(&service, "sub_1").await;
    service.http.post(format!("{}/webhooks/stripe-main", service.url)).body("{}").send().await.unwrap();
    let busy = service.metrics().await;
    let of = |samples: &std::collections::BTreeMap<String, f64>, name: &str| {
        samples[&format!("subledger_{name}")].to_string()
    };
    assert_eq!(of(&busy, "projector_lag_events{journal=\"stripe-main\"}"), "2");
    for (name, value) in [("deliveries_total", "4"), ("events_total", "2"), ("duplicates_total", "2")] {
        assert_eq!(of(&busy, &format!("{name}{{source=\"stripe-main\"}}")), value, "{name}");
    }
    assert_eq!(of(&busy, "refusals_total{source=\"stripe-main\",code=\"missing_signature\"}"), "1");
    held.rollback().await.unwrap();
    service.settled().await;
    let rest = service.metrics().await;
    assert_eq!(of(&rest, "projector_lag_events{journal=\"stripe-main\"}"), "0");
    assert_eq!(of(&rest, "calls_total{account=\"main\",action=\"create_order\"}"), "1");
    assert_eq!(of(&rest, "calls_redundant_total{account=\"main\"}"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_is_told_what_is_wrong_with_it() {
    let service = Service::start().await;
    let table: [(&str, &str, &str, Option<&str>); 11] = [
        ("POST", "/v1/admin/rebuilds", "[{},\"why\",\"manual\"]", None),
        ("POST", "/v1/admin/rebuilds", "{\"reason\":\"why\"", None),
        ("POST", "/v1/admin/rebuilds", "{\"reason\":\"why\"} {}", None),
        ("POST", "/v1/admin/rebuilds", "", Some("reason")),
        ("POST", "/v1/admin/rebuilds", "{\"reason\":7}", Some("reason")),
        ("POST", "/v1/admin/reconciler", "{\"mode\":\"off\",\"reason\":\"why\"}", Some("mode")),
        ("POST", "/v1/admin/overrides", "{\"kind\":\"gift\",\"reason\":\"why\"}", Some("kind")),
        (
            "POST",
            "/v1/admin/customer-joins",
            "{\"customers\":[{\"source\":1}],\"reason\":\"why\"}",
            Some("customers[0].source"),
        ),
        ("POST", "/v1/admin/tokens", "{\"name\":\"n\",\"role\":\"auditor\"}", Some("reason")),
        ("PUT", "/v1/admin/config", "{\"dryRun\":true,\"reason\":\"why\"}", Some("dryRun")),
        ("PUT", "/v1/admin/config", "{\"catalog_and_policy\":\" \",\"reason\":\"why\"}", Some("catalog_and_policy")),
    ];
    for (method, path, body, field) in table {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        // Without a content type, as `curl -d` would send another.
        let request = service.http.request(method, format!("{}{path}", service.url)).bearer_auth(&service.admin_token);
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path} {body}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"].as_str(), field, "{path} {body}: {problem}");
    }
    let (status, plan) = service.admin("POST", "/v1/admin/plans", json!({"reason": "look"})).await;
    assert_eq!(status, 201, "{plan}");
    let apply = format!("/v1/admin/plans/{}/apply", plan["id"].as_str().unwrap());
    let (status, problem) = service.admin("POST", &apply, Value::Null).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (400, &json!("reason")), "{problem}");
}
