//! Whole lives over the real binary and the sandbox: as many calls as a person would make by
//! hand, counted by the reference and never by the code that makes them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::histories::stripe::{Life, Shape, Told};
use crate::histories::{fastspring, stripe};
use crate::reference::{self, Clerk, RULES};
use crate::support::eventually;
use crate::support::other::Other;
use crate::support::rng::{Rng, base_seed};
use crate::support::service::Service;
use crate::support::shop;
use crate::support::stripe::{DAY, event, invoice, subscription};

/// Something that happens to a subscription, and its name.
type Step<T> = (&'static str, fn(&mut T));

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// The sandbox holds what the clerk holds, and was asked as often.
async fn check(service: &Service, clerk: &Clerk, when: &str) {
    let calls: Vec<String> =
        service.sandbox.mutating().await.iter().map(|r| format!("{} {}", r["path"], r["body"])).collect();
    assert_eq!(calls.len(), clerk.calls.len(), "{when}: made {calls:#?}\nneeded {:#?}", clerk.calls);
    for (order, held) in &clerk.licenses {
        let license = service.sandbox.license(order).await.unwrap_or_else(|| panic!("{when}: no license for {order}"));
        assert_eq!(license["enabled"], json!(held.enabled), "{when}: {order}");
        if held.enabled {
            let shown = license["validity_period"].as_str().unwrap_or_default();
            assert!(shown.starts_with(&held.validity_period), "{when}: {order} {shown} {}", held.validity_period);
            assert_eq!(
                (&license["max_activations"], &license["is_trial"]),
                (&json!(held.seats), &json!(held.is_trial)),
                "{when}: {order}"
            );
        }
    }
    assert_eq!(service.sandbox.licenses().await.len(), clerk.licenses.len(), "{when}");
}

/// Posts what is new, with copies of it and of what was long before, in a bad order.
async fn deliver(service: &Service, life: &Life, from: usize, rng: &mut Rng) {
    let mut bodies: Vec<&Value> = life.since(from).iter().map(|t: &Told| &t.event).collect();
    bodies.extend(life.since(from).iter().filter(|_| rng.once_in(3)).map(|t| &t.twin));
    bodies.extend(life.told.iter().filter(|_| rng.once_in(8)).map(|t| &t.event));
    rng.shuffle(&mut bodies);
    for body in bodies {
        let (status, answer) = service.post("stripe-main", body.to_string().as_bytes()).await;
        assert_eq!(status, 200, "{answer}");
    }
    service.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_stripe_life_makes_the_calls_that_a_person_would() {
    let service = Service::start().await;
    let seed = base_seed();
    println!("seed {seed}");
    let mut rng = Rng::new(seed);
    let mut life = Life::new("sub_life", now() - 60, rng.pick(&[Shape::Old, Shape::New]), 3);
    let mut clerk = Clerk::default();
    let mut from = 0;
    let steps: Vec<Step<Life>> = [("start", (|l| l.start_paid(false, 1)) as fn(&mut Life))]
        .into_iter()
        .chain((0..11).map(|_| ("renewal", (|l| l.renew()) as fn(&mut Life))))
        .chain([
            (
                "TEAM",
                (|l| {
                    l.now += DAY;
                    l.set_plan("price_team", false)
                }) as fn(&mut Life),
            ),
            ("cancel", |l| {
                l.now += DAY;
                l.cancel_at_period_end(true)
            }),
            ("the end", |l| {
                l.now += DAY;
                l.end()
            }),
        ])
        .collect();
    let started = Instant::now();
    for (name, step) in steps {
        step(&mut life);
        deliver(&service, &life, from, &mut rng).await;
        from = life.told.len();
        let expected = reference::stripe(life.told.iter().map(|t| &t.event), now(), &RULES);
        clerk.look("stripe-main", "sub_life", &expected["sub_life"]);
        check(&service, &clerk, &format!("seed {seed}, {name}")).await;
    }
    assert_eq!(clerk.calls.len(), 1 + 11 + 2 + 1, "{:?}", clerk.calls);
    let (_, shown) = service.get("/v1/subscriptions/stripe-main/sub_life").await;
    assert_eq!((&shown["status"], &shown["uncertain"]), (&json!("canceled"), &json!(false)), "{shown}");
    println!("{} webhooks, {} calls, {:?}", from, clerk.calls.len(), started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fastspring_life_makes_the_calls_that_a_person_would() {
    let service = Service::start().await;
    let mut life = fastspring::Life::new("Sub-life", now() * 1_000 - 60_000, 2);
    let mut clerk = Clerk::default();
    let mut posted = 0;
    let steps: [Step<fastspring::Life>; 7] = [
        ("start", fastspring::Life::activate),
        ("renewal", fastspring::Life::charge),
        ("renewal", fastspring::Life::charge),
        ("seats", |l| {
            l.now += 1_000;
            l.update("pro-monthly", 5)
        }),
        ("cancel", |l| {
            l.now += 1_000;
            l.cancel()
        }),
        ("uncancel", |l| {
            l.now += 1_000;
            l.uncancel()
        }),
        ("the end", |l| {
            l.now += 1_000;
            l.deactivate()
        }),
    ];
    for (name, step) in steps {
        step(&mut life);
        // Everything in one post, the newest first, and once more under ids of a manual resend.
        let mut events: Vec<Value> = life.posts[posted..].iter().flatten().cloned().collect();
        posted = life.posts.len();
        events.reverse();
        let body = json!({"events": events}).to_string();
        events.iter_mut().for_each(|e| e["id"] = json!(format!("again-{}", e["id"].as_str().unwrap())));
        for body in [body.clone(), body, json!({"events": events}).to_string()] {
            let (status, answer) = service.post("fastspring-main", body.as_bytes()).await;
            assert_eq!(status, 200, "{answer}");
        }
        service.settled().await;
        let expected = reference::fastspring(life.events(), now(), &RULES);
        clerk.look("fastspring-main", "Sub-life", &expected["Sub-life"]);
        check(&service, &clerk, name).await;
    }
    assert_eq!(clerk.calls.len(), 1 + 2 + 1 + 1, "{:?}", clerk.calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_switches_off_also_when_its_link_comes_last() {
    let service = Service::start().await;
    let mut life = Life::new("sub_back", now() - 60, Shape::New, 1);
    life.start_paid(true, 0);
    life.now += 10;
    life.refund(100, false);
    let is_link = |t: &&Told| t.event["type"] == "invoice_payment.paid";
    let is_refund = |t: &&Told| t.event["type"] == "charge.refunded" || t.event["type"] == "refund.created";
    let post = async |told: &Told| {
        let (status, answer) = service.post("stripe-main", told.event.to_string().as_bytes()).await;
        assert_eq!(status, 200, "{answer}");
    };
    // The refund first of all: it belongs to nobody yet.
    for told in life.told.iter().filter(is_refund) {
        post(told).await;
    }
    service.settled().await;
    let (_, unlinked) = service.get("/v1/events?status=unlinked").await;
    assert_eq!(unlinked["events"].as_array().map(Vec::len), Some(2), "{unlinked}");
    for told in life.told.iter().filter(|t| !is_link(t) && !is_refund(t)) {
        post(told).await;
    }
    service.settled().await;
    let order = "stripe-main:sub_back:PRO";
    assert_eq!(service.sandbox.license(order).await.unwrap()["enabled"], json!(true));
    for told in life.told.iter().filter(is_link) {
        post(told).await;
    }
    service.settled().await;
    assert_eq!(service.sandbox.license(order).await.unwrap()["enabled"], json!(false));
    assert_eq!(service.sandbox.mutating().await.len(), 2);
    let (_, unlinked) = service.get("/v1/events?status=unlinked").await;
    assert_eq!(unlinked["events"], json!([]));
}

/// What was paid is over, its license runs on in its days of grace, and the money goes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_in_the_days_of_grace_switches_off() {
    let service = Service::start().await;
    let mut life = Life::new("sub_grace", now() - 31 * DAY, Shape::New, 1);
    life.start_paid(true, 0);
    let bought = life.told.len();
    deliver(&service, &life, 0, &mut Rng::new(1)).await;
    let order = "stripe-main:sub_grace:PRO";
    assert_eq!(service.sandbox.license(order).await.unwrap()["enabled"], json!(true));
    life.now = now() - 60;
    life.refund(100, false);
    deliver(&service, &life, bought, &mut Rng::new(1)).await;
    assert_eq!(service.sandbox.license(order).await.unwrap()["enabled"], json!(false));
    assert_eq!(service.sandbox.mutating().await.len(), 2);
}

async fn buy(service: &Service, id: &str, price: &str) {
    shop::buy(service, id, price, 3).await;
}

const NEW_RULE: &str = "\n[[catalog]]\nmatch = { price = \"price_new\" }\nproduct_code = \"TEAM\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_unmapped_product_is_kept_shown_and_healed_by_adopting_a_rule() {
    let mut service = Service::start().await;
    buy(&service, "sub_new", "price_new").await;
    service.settled().await;
    let (_, unmapped) = service.get("/v1/events?status=unmapped").await;
    assert_eq!(unmapped["events"].as_array().map(Vec::len), Some(2), "{unmapped}");
    assert_eq!(service.sandbox.mutating().await.len(), 0);

    service.kill();
    let file = std::fs::read_to_string(&service.config).unwrap();
    std::fs::write(&service.config, file + NEW_RULE).unwrap();
    service.run().await;
    // A changed file alone changes nothing: the adopted rules count.
    buy(&service, "sub_pro", "price_pro").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(service.sandbox.mutating().await.len(), 0, "a file that nobody adopted makes no calls");
    assert_eq!(adopt(&service, json!({})).await.0, 400, "an act without a reason");
    let (status, answer) = adopt(&service, json!({"reason": "the new product"})).await;
    assert_eq!((status, &answer["plan"]["summary"]["create"]), (200, &json!(2)), "{answer}");
    service.settled().await;
    assert!(service.sandbox.license("stripe-main:sub_new:TEAM").await.is_none(), "nobody has looked at the plan yet");
    service.adopt_and_approve(json!({})).await;
    service.settled().await;
    for order in ["stripe-main:sub_new:TEAM", "stripe-main:sub_pro:PRO"] {
        assert_eq!(service.sandbox.license(order).await.unwrap()["enabled"], json!(true), "{order}");
    }
    let (_, unmapped) = service.get("/v1/events?status=unmapped").await;
    assert_eq!(unmapped["events"], json!([]));
    assert_eq!(service.sandbox.mutating().await.len(), 2);
}

async fn adopt(service: &Service, body: Value) -> (u16, Value) {
    let (status, answer) = service.admin("PUT", "/v1/admin/config", body).await;
    (status.as_u16(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_a_foreign_file_takes_webhooks_and_makes_no_calls() {
    let mut service = Service::start().await;
    let other = Other::start(&service, NEW_RULE).await;
    service.kill();
    let home = std::mem::replace(&mut service.url, other.url.clone());
    buy(&service, "sub_1", "price_pro").await;
    eventually("the foreign instance says why it does nothing", || async {
        std::fs::read_to_string(&other.log).unwrap().contains("no calls are made here").then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(service.sandbox.mutating().await.len(), 0);
    let (_, shown) = service.get("/v1/subscriptions/stripe-main/sub_1").await;
    assert_eq!(
        shown["items"][0]["entitlement"]["state"],
        json!("active"),
        "folded it is, by the adopted rules: {shown}"
    );
    service.url = home;
    service.run().await;
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_end_takes_effect_without_a_webhook() {
    let service = Service::start().await;
    let end = now() + 6;
    let period = (now() - 60, now() + 30 * DAY);
    let mut ending = subscription("sub_1", "active", "price_pro", 3, period);
    ending["cancel_at"] = json!(end);
    for body in [
        event("evt_1", "invoice.paid", period.0, &invoice("in_1", "sub_1", "paid", "price_pro", period), None),
        event("evt_2", "customer.subscription.created", period.0, &ending, None),
    ] {
        assert_eq!(service.post("stripe-main", body.to_string().as_bytes()).await.0, 200);
    }
    service.settled().await;
    let order = "stripe-main:sub_1:PRO";
    assert_eq!(service.sandbox.license(order).await.unwrap()["enabled"], json!(true), "until then it runs");
    assert!(now() < end, "the test itself was too slow");
    eventually("the license is off", || async {
        (service.sandbox.license(order).await?["enabled"] == json!(false)).then_some(())
    })
    .await;
    assert!(now() >= end, "not before its time");
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_equals_the_live_state_and_causes_no_call_while_posts_go_on() {
    let service = Service::start().await;
    service.sandbox.control("PUT", "/plan", &json!({"plan": "unlimited"})).await;
    let mut rng = Rng::new(base_seed());
    let mut bodies: Vec<String> = Vec::new();
    let mut lives: Vec<Life> = Vec::new();
    for n in 0..30 {
        let life = stripe::random(&mut rng, &format!("sub_{n}"), now() - 60, 4);
        bodies.extend(life.told.iter().map(|t| t.event.to_string()));
        lives.push(life);
    }
    rng.shuffle(&mut bodies);
    let (first, rest) = bodies.split_at(bodies.len() / 3);
    for body in first {
        assert_eq!(service.post("stripe-main", body.as_bytes()).await.0, 200);
    }
    let rebuild = |mode: &'static str| {
        let mut command = service.command();
        command.args(["rebuild", "--json", mode]);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let posting = async {
        for body in rest {
            assert_eq!(service.post("stripe-main", body.as_bytes()).await.0, 200);
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    };
    let rebuilding = async {
        for mode in ["--dry-run", "--promote", "--dry-run"] {
            let output = rebuild(mode).await.unwrap();
            let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            let answer: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{mode}: {e}: {shown}"));
            assert_eq!(answer["differences"], json!(0), "{mode}: {shown}");
            assert_eq!(answer["promoted"], json!(mode == "--promote"), "{shown}");
        }
    };
    tokio::join!(posting, rebuilding);
    service.settled().await;
    let calls = service.sandbox.mutating().await.len();
    let output = rebuild("--promote").await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    tokio::time::sleep(Duration::from_secs(1)).await;
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), calls, "a promotion caused a call");
    for life in &lives {
        let expected = reference::stripe(life.told.iter().map(|t| &t.event), now(), &RULES);
        let mut clerk = Clerk::default();
        clerk.look("stripe-main", &life.id, &expected[&life.id]);
        for (order, held) in clerk.licenses {
            let license = service.sandbox.license(&order).await.unwrap_or_else(|| panic!("no license for {order}"));
            assert_eq!(license["enabled"], json!(true), "{order}");
            assert!(
                license["validity_period"].as_str().unwrap().starts_with(&held.validity_period),
                "{order}: {license}"
            );
        }
    }
}

/// Printed, never asserted: machines differ.
#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_license_takes() {
    let service = Service::start_with("").await;
    let mut took = Vec::new();
    for n in 0..5 {
        let started = Instant::now();
        buy(&service, &format!("sub_{n}"), "price_pro").await;
        let order = format!("stripe-main:sub_{n}:PRO");
        while service.sandbox.license(&order).await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        took.push(started.elapsed());
    }
    took.sort();
    println!("from the first webhook to the license, with a window of 300 ms: {took:?}");
}
