//! `kill -9` at any moment: nothing acknowledged is lost, nothing happens twice, and LicenseSpring
//! ends as if nothing had been killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::support::service::{Poster, Service};
use crate::support::stripe::{DAY, event, invoice, subscription};

const SUBSCRIPTIONS: usize = 80;
const RENEWALS: usize = 8;
/// Every third delivery is sent twice.
const DOUBLED: usize = 3;
const KILLS: usize = 8;
const KILLS_MAX: usize = 24;
/// Deliveries on their way at once.
const SENDERS: usize = 16;
/// So many are sent again at a time while kills are left.
const COPIES: usize = 10 * SENDERS;
/// Every second kill waits at most so long for a delivery that is on its way.
const ON_ITS_WAY_MAX: Duration = Duration::from_secs(2);
/// So slow is each write at LicenseSpring, so that a kill finds one under way.
const WRITE_DELAY_MS: u64 = 120;
/// Each sender rests so long between two deliveries, so that every kill finds some on their way.
const REST: Duration = Duration::from_millis(40);

/// A delivery: the event's id and the body.
type Delivery = (String, Vec<u8>);

/// The lives of some subscriptions, and the ends of every fourth.
fn lives(now: i64) -> (Vec<Delivery>, Vec<Delivery>) {
    let mut ends = Vec::new();
    let mut deliveries = Vec::new();
    for n in 0..SUBSCRIPTIONS {
        let id = format!("sub_{n}");
        // From now on, as a test clock would: every payment moves the license's date.
        let start = now - DAY;
        let mut push = |name: String, event_type: &str, at: i64, object: Value, previous: Option<Value>| {
            let event_id = format!("evt_{id}_{name}");
            let body = event(&event_id, event_type, at, &object, previous).to_string().into_bytes();
            deliveries.push((event_id, body));
        };
        let period = |k: usize| {
            let from = start + 30 * DAY * i64::try_from(k).unwrap();
            (from, from + 30 * DAY)
        };
        push(
            "created".to_owned(),
            "customer.subscription.created",
            start,
            subscription(&id, "active", "price_pro", 1, period(0)),
            None,
        );
        for k in 0..=RENEWALS {
            let at = period(k).0 + 5;
            let paid = invoice(&format!("in_{id}_{k}"), &id, "paid", "price_pro", period(k));
            push(format!("paid_{k}"), "invoice.paid", at, paid.clone(), None);
            push(format!("succeeded_{k}"), "invoice.payment_succeeded", at, paid, None);
            if k > 0 {
                let seats = 1 + i64::try_from(k).unwrap();
                let object = subscription(&id, "active", "price_pro", seats, period(k));
                let previous = json!({"items": {"data": subscription(&id, "active", "price_pro", seats - 1, period(k - 1))["items"]["data"]}});
                push(format!("updated_{k}"), "customer.subscription.updated", at, object, Some(previous));
            }
        }
        if n % 4 == 0 {
            let mut ended = subscription(&id, "canceled", "price_pro", 7, period(RENEWALS));
            let at = period(RENEWALS).0 + DAY;
            ended["ended_at"] = json!(at);
            let event_id = format!("evt_{id}_deleted");
            let body = event(&event_id, "customer.subscription.deleted", at, &ended, None).to_string().into_bytes();
            ends.push((event_id, body));
        }
    }
    (deliveries, ends)
}

/// What can be seen of a sending from outside.
#[derive(Default)]
struct Sending {
    on_their_way: AtomicUsize,
    /// Attempts that a kill left without an answer.
    unanswered: AtomicUsize,
    /// No more kills are to come.
    is_over: AtomicBool,
}

impl Sending {
    fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// One attempt; whether it was acknowledged.
    async fn attempt(&self, poster: &Poster, body: &[u8]) -> bool {
        self.on_their_way.fetch_add(1, Ordering::Relaxed);
        let answer = poster.try_post("stripe-main", body).await;
        self.on_their_way.fetch_sub(1, Ordering::Relaxed);
        match answer {
            Ok((status, _)) => status.is_success(),
            Err(e) => {
                self.unanswered.fetch_add(usize::from(!e.is_connect()), Ordering::Relaxed);
                false
            }
        }
    }

    /// Until a delivery is on its way, or for as long as a kill may wait for one.
    async fn is_under_way(&self) {
        let waited = Instant::now();
        while self.on_their_way.load(Ordering::Relaxed) == 0 && waited.elapsed() < ON_ITS_WAY_MAX {
            tokio::task::yield_now().await;
        }
    }
}

/// Posts until every delivery was acknowledged.
async fn deliver(poster: &Poster, deliveries: Vec<Delivery>, rest: Duration, sending: &Arc<Sending>) {
    let queue = Arc::new(Mutex::new(deliveries));
    let senders = (0..SENDERS).map(|_| {
        let (queue, sending, poster) = (queue.clone(), sending.clone(), poster.clone());
        tokio::spawn(async move {
            while let Some((_, body)) = {
                let mut queue = queue.lock().await;
                queue.pop()
            } {
                while !sending.attempt(&poster, &body).await {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
                tokio::time::sleep(rest).await;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
}

/// What a license must agree on, by order.
async fn licenses(service: &Service) -> BTreeMap<String, Value> {
    let licenses = service.sandbox.licenses().await;
    let count = licenses.len();
    let fields = ["enabled", "validity_period", "max_activations", "is_trial"];
    let by_order: BTreeMap<String, Value> = licenses
        .into_iter()
        .map(|l| (l["order_store_id"].as_str().unwrap().to_owned(), fields.iter().map(|f| l[*f].clone()).collect()))
        .collect();
    assert_eq!(by_order.len(), count, "an order has two licenses");
    by_order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_at_any_moment_loses_nothing_and_repeats_nothing() {
    let seed: u64 =
        std::env::var("CRASH_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("seed: CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let now = chrono::Utc::now().timestamp();
    let (history, ends) = lives(now);
    let ids: BTreeSet<String> = history.iter().chain(&ends).map(|(id, _)| id.clone()).collect();
    let mut deliveries = history.clone();
    deliveries.extend(history.iter().step_by(DOUBLED).cloned());
    deliveries.shuffle(&mut random);

    let calm = Service::start().await;
    calm.sandbox.control("PUT", "/plan", &json!({"plan": "unlimited"})).await;
    let undisturbed = Arc::<Sending>::default();
    deliver(&calm.poster(), history.clone(), Duration::ZERO, &undisturbed).await;
    calm.settled().await;
    deliver(&calm.poster(), ends.clone(), Duration::ZERO, &undisturbed).await;
    calm.settled().await;
    let expected = licenses(&calm).await;
    assert_eq!(expected.len(), SUBSCRIPTIONS);
    drop(calm);

    let mut service = Service::start().await;
    service.sandbox.control("PUT", "/plan", &json!({"plan": "unlimited"})).await;
    for method in ["POST", "PATCH"] {
        let slow = json!({"match": {"method": method, "path": "/api/v1/"}, "times": 100_000, "kind": "slow", "delay_ms": WRITE_DELAY_MS});
        service.sandbox.control("POST", "/faults", &slow).await;
    }
    let poster = service.poster();
    let sent = deliveries.len();
    let seen = Arc::<Sending>::default();
    let watched = seen.clone();
    let sending = tokio::spawn(async move {
        deliver(&poster, deliveries, REST, &watched).await;
        // A fast service has them all before the last kill, which then finds copies on their way.
        for copies in history.chunks(COPIES).cycle() {
            if watched.is_over.load(Ordering::Relaxed) {
                break;
            }
            deliver(&poster, copies.to_vec(), REST, &watched).await;
        }
        poster
    });
    let mut calls_in_flight = 0;
    let mut kills = 0;
    // On a slow machine the first kills may find the service still starting: it is given longer
    // and longer, and killed on until both kinds of victims were found.
    while kills < KILLS || (kills < KILLS_MAX && (calls_in_flight == 0 || seen.unanswered() == 0)) {
        kills += 1;
        let longer = 50 * u64::try_from(kills).unwrap();
        tokio::time::sleep(Duration::from_millis(random.random_range(150..900) + longer)).await;
        if kills % 2 == 0 {
            seen.is_under_way().await;
        }
        service.kill();
        calls_in_flight += intents_without_outcome(&service).await;
        service.spawn();
        tokio::time::sleep(Duration::from_millis(random.random_range(400..900))).await;
    }
    seen.is_over.store(true, Ordering::Relaxed);
    let poster = sending.await.unwrap();
    service.settled().await;
    let watched = seen.clone();
    let ending = tokio::spawn(async move { deliver(&poster, ends, REST, &watched).await });
    tokio::time::sleep(Duration::from_millis(random.random_range(350..600))).await;
    service.kill();
    calls_in_flight += intents_without_outcome(&service).await;
    service.spawn();
    ending.await.unwrap();
    service.settled().await;
    let unanswered = seen.unanswered();
    println!(
        "{sent} deliveries, {} kills: {unanswered} hit an unacknowledged delivery, {calls_in_flight} a call in flight",
        kills + 1
    );

    let client = service.database.service().await;
    let rows = client
        .query("SELECT e.external_id FROM ledger.events e JOIN ledger.journals j ON j.id = e.journal WHERE j.name = 'stripe-main'", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), ids.len(), "an event is missing or twice in the log");
    assert_eq!(rows.iter().map(|r| r.get(0)).collect::<BTreeSet<String>>(), ids);
    let found = licenses(&service).await;
    let differing: Vec<_> = expected.iter().filter(|(order, l)| found.get(*order) != Some(*l)).collect();
    assert!(differing.is_empty() && found.len() == expected.len(), "not as in an undisturbed run: {differing:?}");
    let rebuilt = service.command().args(["rebuild", "--dry-run", "--json"]).output().unwrap();
    assert!(rebuilt.status.success(), "rebuilt is not live: {}", String::from_utf8_lossy(&rebuilt.stdout));
    assert!(unanswered > 0, "no kill hit an unacknowledged delivery: the test proved nothing");
    assert!(calls_in_flight > 0, "no kill hit a call in flight: the test proved nothing");
}

/// Intents that the process took with it.
async fn intents_without_outcome(service: &Service) -> usize {
    let client = service.database.service().await;
    let row = client
        .query_one(
            "SELECT count(*) FROM ledger.events i WHERE i.type = 'intent' AND NOT EXISTS
             (SELECT 1 FROM ledger.events o WHERE o.journal = i.journal AND o.dedupe_key = 'outcome:' || substr(i.dedupe_key, 8))",
            &[],
        )
        .await
        .unwrap();
    usize::try_from(row.get::<_, i64>(0)).unwrap()
}
