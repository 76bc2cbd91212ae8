//! The blast-radius guard, over the real binary: it fires before the first call beyond it, holds
//! one plan, lets everything else go on, and is not got around.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::service::Service;
use crate::support::shop::{buy, cancel, change, enabled, now, order, post, renew};
use crate::support::stripe::{DAY, event, invoice, subscription};
use crate::support::{eventually, free_port};

async fn held(service: &Service) -> Value {
    eventually("the guard holds a plan", || async {
        let (_, listed) = service.admin("GET", "/v1/admin/plans?state=held", Value::Null).await;
        listed["plans"].as_array().and_then(|p| p.first()).cloned()
    })
    .await
}

async fn plan(service: &Service, id: &Value) -> Value {
    let path = format!("/v1/admin/plans/{}", id.as_str().unwrap());
    service.admin("GET", &path, Value::Null).await.1
}

async fn buy_many(service: &Service, count: usize) {
    service.sandbox.control("PUT", "/plan", &json!({"plan": "unlimited"})).await;
    for n in 0..count {
        buy(service, &format!("sub_{n}"), "price_pro", 3).await;
    }
    service.settled().await;
    assert_eq!(enabled(service).await, count);
}

async fn decide(service: &Service, id: &Value, what: &str, body: Value) -> (u16, Value) {
    let path = format!("/v1/admin/plans/{}/{what}", id.as_str().unwrap());
    let (status, answer) = service.admin("POST", &path, body).await;
    (status.as_u16(), answer)
}

async fn counted(service: &Service) -> (i64, i64) {
    let client = service.database.service().await;
    let row = client
        .query_one(
            "SELECT (SELECT count(*) FROM projection.destructive d JOIN control.live v ON v.journal = d.journal AND v.generation = d.generation
                     WHERE NOT undone AND NOT approved),
                    (SELECT tokens_milli FROM control.budgets WHERE account = 'main')",
            &[],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eleventh_stop_waits_for_a_person_and_everything_else_goes_on() {
    let mut service = Service::start_with("guard_max_percent = 5").await;
    buy_many(&service, 20).await;
    for n in 0..14 {
        cancel(&service, &format!("sub_{n}")).await;
    }
    service.settled().await;
    assert_eq!(enabled(&service).await, 10, "ten may always go");
    let waits = held(&service).await;
    assert_eq!((&waits["summary"]["deactivate"], &waits["summary"]["create"]), (&json!(4), &json!(0)), "{waits}");
    assert!(waits["reason"].as_str().unwrap().contains("guard_max_percent"), "{waits}");

    // A restart forgets nothing: the count and the budget are rows.
    let before = counted(&service).await;
    assert_eq!(before.0, 10);
    service.kill();
    service.run().await;
    assert_eq!(counted(&service).await.0, 10);

    // What takes nothing away goes on; of a call with two halves the one.
    buy(&service, "sub_new", "price_pro", 3).await;
    renew(&service, "sub_15", "price_pro", 1, 5).await;
    cancel(&service, "sub_14").await;
    service.settled().await;
    assert!(service.sandbox.license(&order("sub_new")).await.is_some());
    let renewed = service.sandbox.license(&order("sub_15")).await.unwrap();
    let later = chrono::DateTime::from_timestamp(now() + 40 * DAY, 0).unwrap().date_naive().to_string();
    assert!(renewed["validity_period"].as_str().unwrap() > later.as_str(), "the date moved on: {renewed}");
    assert_eq!(renewed["max_activations"], json!(3), "the seats wait");
    assert_eq!(enabled(&service).await, 11);

    // It joined the same plan, and changed its hash.
    let grown = held(&service).await;
    assert_eq!((&grown["id"], &grown["calls"]), (&waits["id"], &json!(6)), "{grown}");
    assert_ne!(grown["hash"], waits["hash"]);
    assert_eq!(
        decide(&service, &waits["id"], "approve", json!({"hash": waits["hash"], "reason": "looked at"})).await.0,
        409
    );
    assert_eq!(decide(&service, &waits["id"], "approve", json!({})).await.0, 400, "a reason is required");
    assert_eq!(decide(&service, &waits["id"], "apply", json!({"reason": "try"})).await.0, 409, "held until approved");
    let whole = plan(&service, &waits["id"]).await;
    let seats =
        whole["entries"].as_array().unwrap().iter().find(|e| e["order_id"] == order("sub_15").as_str()).unwrap();
    assert_eq!(seats["changes"], json!([{"field": "max_activations", "old": 3, "new": 1}]), "{seats}");
    assert!(seats["because"].as_array().is_some_and(|b| !b.is_empty()), "{seats}");

    let (status, answer) =
        decide(&service, &waits["id"], "approve", json!({"hash": grown["hash"], "reason": "a clearance sale"})).await;
    assert_eq!(status, 200, "{answer}");
    eventually("the plan is applied by itself", || async {
        (plan(&service, &waits["id"]).await["state"] == "applied").then_some(())
    })
    .await;
    assert_eq!(enabled(&service).await, 6);
    assert_eq!(service.sandbox.license(&order("sub_15")).await.unwrap()["max_activations"], json!(1));
    let (_, said) = service.get("/v1/events?type=plan_approved").await;
    assert_eq!(said["events"].as_array().map(Vec::len), Some(1), "{said}");
    // Exactly that plan: the next one waits again.
    cancel(&service, "sub_16").await;
    service.settled().await;
    assert_eq!(enabled(&service).await, 6);
    assert_ne!(held(&service).await["id"], waits["id"]);
}

/// Another instance with the same file, on the same database.
struct Twin(Child);

impl Twin {
    async fn start(service: &Service) -> Self {
        let port = free_port();
        let config = service.config.with_file_name(format!("twin-{port}.toml"));
        let address = service.url.trim_start_matches("http://").to_owned();
        let file = std::fs::read_to_string(&service.config).unwrap().replace(&address, &format!("127.0.0.1:{port}"));
        std::fs::write(&config, file).unwrap();
        let mut command = service.command();
        command.env("SUBLEDGER_CONFIG", &config).arg("serve").stdout(Stdio::null()).stderr(Stdio::null());
        let twin = Self(command.spawn().unwrap());
        let ready = format!("http://127.0.0.1:{port}/readyz");
        eventually("the twin is ready", || async {
            service.http.get(&ready).send().await.ok().filter(|a| a.status().is_success()).map(|_| ())
        })
        .await;
        twin
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_two_instances_nor_kills_nor_small_portions_get_around_the_guard() {
    let mut service = Service::start_with("guard_max_percent = 100\nguard_max_destructive = 7").await;
    buy_many(&service, 16).await;
    let _twin = Twin::start(&service).await;
    for n in 0..14 {
        cancel(&service, &format!("sub_{n}")).await;
        if n % 5 == 4 {
            service.kill();
            service.run().await;
        }
    }
    service.settled().await;
    assert_eq!(enabled(&service).await, 16 - 7);
    let disables =
        service.sandbox.mutating().await.iter().filter(|r| r["path"].as_str().unwrap().contains("disable")).count();
    assert_eq!(disables, 7);
    assert_eq!(held(&service).await["calls"], json!(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_recovers_leaves_the_held_plan_and_what_is_rejected_is_not_asked_for_again() {
    let service = Service::start_with("guard_max_destructive = 1").await;
    buy_many(&service, 4).await;
    cancel(&service, "sub_0").await;
    service.settled().await;
    change(&service, "sub_1", "price_pro", 2, 1).await;
    change(&service, "sub_2", "price_pro", 1, 1).await;
    service.settled().await;
    let waits = held(&service).await;
    assert_eq!(waits["calls"], json!(2), "{waits}");
    change(&service, "sub_1", "price_pro", 3, 2).await;
    service.settled().await;
    assert_eq!(held(&service).await["calls"], json!(1), "the seats are as they were");

    let (status, answer) = decide(&service, &waits["id"], "reject", json!({"reason": "they have paid by hand"})).await;
    assert_eq!((status, &answer["state"]), (200, &json!("rejected")), "{answer}");
    let (_, parked) = service.get("/v1/parked").await;
    assert!(parked["parked"][0]["reason"].as_str().unwrap().contains("paid by hand"), "{parked}");
    // The same word again is no news: nothing is asked for again.
    change(&service, "sub_2", "price_pro", 1, 3).await;
    service.settled().await;
    let (_, listed) = service.admin("GET", "/v1/admin/plans?state=held", Value::Null).await;
    assert_eq!(listed["plans"], json!([]), "{listed}");
    // Another word is.
    change(&service, "sub_2", "price_pro", 2, 4).await;
    service.settled().await;
    assert_eq!(held(&service).await["calls"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_cancellation_does_not_count_with_the_others() {
    let service = Service::start_with("guard_max_destructive = 1").await;
    let end = now() + 4;
    for n in 0..4 {
        let id = format!("sub_{n}");
        let period = (now() - 3_600, now() + 30 * DAY);
        let mut ending = subscription(&id, "active", "price_pro", 3, period);
        ending["cancel_at"] = json!(end);
        let paid = invoice(&format!("in_{id}"), &id, "paid", "price_pro", period);
        post(&service, event(&format!("evt_{id}_1"), "invoice.paid", period.0, &paid, None)).await;
        post(&service, event(&format!("evt_{id}_2"), "customer.subscription.created", period.0, &ending, None)).await;
    }
    // As if it had been known for two days: our own clock is the one thing a test cannot send.
    let admin = subledger::postgres::pool::single(&service.database.admin_url).await.unwrap();
    admin
        .batch_execute("SET session_replication_role = replica; UPDATE ledger.events SET recorded_at = recorded_at - interval '2 days' WHERE external_id LIKE 'evt_%'")
        .await
        .unwrap();
    eventually("all of them are off", || async {
        service.settled().await;
        let licenses = service.sandbox.licenses().await;
        (licenses.len() == 4 && licenses.iter().all(|l| l["enabled"] == false)).then_some(())
    })
    .await;
    let (_, status) = service.admin("GET", "/v1/admin/reconciler", Value::Null).await;
    let guard = &status["accounts"][0]["guard"];
    assert_eq!((&guard["announced_day"], &guard["hour"]), (&json!(4), &json!(0)), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_source_stops_nobody_by_time_alone() {
    let mut service = Service::start().await;
    buy_many(&service, 3).await;
    service.kill();
    let file = std::fs::read_to_string(&service.config).unwrap();
    std::fs::write(
        &service.config,
        file.replacen("[sources.stripe-main]", "[sources.stripe-main]\nsilence_hours = 5", 1),
    )
    .unwrap();
    service.run().await;
    let period = (now() - 3_600, now() + 30 * DAY);
    let mut ending = subscription("sub_0", "active", "price_pro", 3, period);
    let end = now() + 3;
    ending["cancel_at"] = json!(end);
    post(&service, event("evt_ending", "customer.subscription.updated", now() - 1_000, &ending, None)).await;
    let admin = subledger::postgres::pool::single(&service.database.admin_url).await.unwrap();
    admin
        .batch_execute("SET session_replication_role = replica; UPDATE ledger.events SET received_at = received_at - interval '6 hours' WHERE external_id LIKE 'evt_%'")
        .await
        .unwrap();
    let waits = held(&service).await;
    assert!(now() >= end);
    let reason = waits["reason"].as_str().unwrap();
    assert!(reason.contains("stripe-main has sent nothing since") && reason.contains("3 on "), "{reason}");
    assert_eq!(enabled(&service).await, 3);
    // It speaks again: what it says is believed.
    change(&service, "sub_1", "price_pro", 2, 9).await;
    service.settled().await;
    assert_eq!(service.sandbox.license(&order("sub_2")).await.unwrap()["enabled"], json!(true));
}

/// Nobody knows what an event says that cannot be read: what it mentions is not switched off.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_unreadable_event_mentions_is_not_switched_off_until_it_is_read() {
    let service = Service::start().await;
    let now = now();
    let period = (now - 60, now + 30 * DAY);
    for id in ["sub_held_1", "sub_free_2"] {
        buy(&service, id, "price_pro", 1).await;
    }
    service.settled().await;
    let broken = br#"{"id":"evt_broken","object":"event","type":"customer.subscription.updated","data":{"object":{"id":"sub_held_1","#;
    assert_eq!(service.post("stripe-main", broken).await.0, 200);
    for id in ["sub_held_1", "sub_free_2"] {
        let mut ended = subscription(id, "canceled", "price_pro", 1, period);
        ended["ended_at"] = json!(now + 1);
        let body = event(&format!("evt_{id}_3"), "customer.subscription.deleted", now + 1, &ended, None);
        assert_eq!(service.post("stripe-main", body.to_string().as_bytes()).await.0, 200);
    }
    let switch =
        async |id: &str| service.sandbox.license(&format!("stripe-main:{id}:PRO")).await.map(|l| l["enabled"].clone());
    eventually("the other one is off", || async { (switch("sub_free_2").await == Some(json!(false))).then_some(()) })
        .await;
    eventually("the log says what is held, and why", || async {
        service.log().contains("stripe-main/5 could not be read").then_some(())
    })
    .await;
    assert_eq!(switch("sub_held_1").await, Some(json!(true)));
    let (_, plans) = service.admin("GET", "/v1/admin/plans", json!(null)).await;
    assert_eq!(plans["plans"], json!([]), "it stands in nobody's way");
    // Somebody has looked at the event, and lets the stop through by a plan.
    let (status, proposed) = service.admin("POST", "/v1/admin/plans", json!({"reason": "looked at"})).await;
    assert_eq!((status.as_u16(), &proposed["summary"]["deactivate"]), (201, &json!(1)), "{proposed}");
    assert_eq!(decide(&service, &proposed["id"], "approve", json!({"reason": "it did end"})).await.0, 200);
    eventually("the approved stop is made", || async {
        (switch("sub_held_1").await == Some(json!(false))).then_some(())
    })
    .await;
}
