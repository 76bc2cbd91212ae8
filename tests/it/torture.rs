//! Everything at once: two instances of the real binary, killed at random; wires to Postgres and
//! to LicenseSpring cut, refused and slowed; every fault LicenseSpring can have; lives of four
//! kinds delivered twice, late and in any order, ends that come by the clock alone. Then it may
//! settle: LicenseSpring is as the reference says, nothing acknowledged is lost, no order was
//! made twice, and no call was made that the ledger does not know.
//!
//! Short here; `make torture` runs it for minutes. A run is repeated by its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::histories::{fastspring, shopify, stripe};
use crate::reference::{self, Expected, RULES};
use crate::support::proxy::{Proxy, Upstream};
use crate::support::rng::{Rng, base_seed};
use crate::support::service::{Poster, Service};
use crate::support::{eventually, free_port};

const DAY: i64 = 86_400;
/// How long it goes on where nobody says.
const SECONDS: u64 = 25;
const SENDERS: usize = 8;
/// Tries of one delivery before a provider would give up: far more than a run can need.
const TRIES_MAX: usize = 2_000;
/// How many lives there are for each second.
const LIVES_PER_SECOND: u64 = 2;

const EXTRA: &str = r#"
guard_max_destructive = 1000000
guard_max_destructive_per_day = 1000000
guard_max_percent = 100
[[catalog]]
source = "shopify-main"
match = { sku = "PRO-Y" }
product_code = "PRO"
period = "1y"
[[catalog]]
source = "shopify-main"
match = { sku = "PRO-M" }
product_code = "PRO"
period = "1m"
[[catalog]]
source = "shopify-main"
match = { sku = "TEAM-M" }
product_code = "TEAM"
period = "1m"
[[catalog]]
source = "shopify-main"
match = { sku = "TOOL" }
product_code = "TOOL"
[[catalog]]
source = "fastspring-main"
match = { path = "team-monthly" }
product_code = "TEAM"
"#;

/// One of the instances.
struct Instance {
    child: Option<Child>,
    config: PathBuf,
    url: String,
}

impl Instance {
    fn new(service: &Service, n: usize, database: &Proxy, licensespring: &Proxy) -> Self {
        let port = free_port();
        let address = service.url.trim_start_matches("http://");
        let file = std::fs::read_to_string(&service.config).unwrap();
        let config: tokio_postgres::Config = service.database.service_url.parse().unwrap();
        let (user, name) = (config.get_user().unwrap(), config.get_dbname().unwrap());
        let database = format!("postgres://{user}@127.0.0.1:{}/{name}?sslmode=disable", database.port);
        let file = file
            .replace(address, &format!("127.0.0.1:{port}"))
            .replace(&service.database.service_url, &database)
            .replace(&service.sandbox.api, &format!("http://127.0.0.1:{}", licensespring.port));
        let config = service.config.with_file_name(format!("instance-{n}.toml"));
        std::fs::write(&config, file).unwrap();
        Self { child: None, config, url: format!("http://127.0.0.1:{port}") }
    }

    fn spawn(&mut self, service: &Service) {
        let log = std::fs::File::options().create(true).append(true).open(self.config.with_extension("log")).unwrap();
        let mut command = service.command();
        command.env("SUBLEDGER_CONFIG", &self.config).arg("serve").stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A process that gave up at start, because its database was away, is started again.
    fn revive(&mut self, service: &Service) {
        if self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
            self.spawn(service);
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.config.with_extension("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- {}\n{}", self.config.display(), tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

/// A delivery on its way: source, headers of its own, body, and the ids of its events.
#[derive(Clone)]
struct Delivery {
    source: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    ids: Vec<String>,
}

/// What was told of one customer, in its true order.
struct Told {
    source: &'static str,
    events: Vec<Value>,
    subscriptions: Vec<String>,
}

/// Lives of all kinds that end about now, and everything that tells of them.
fn lives(rng: &mut Rng, count: u64, now: i64) -> (Vec<Told>, Vec<Delivery>) {
    let (mut told, mut deliveries) = (Vec::new(), Vec::new());
    for n in 0..count {
        let (steps, start) = (rng.below(7), now - rng.between(1, 120) * DAY);
        match n % 3 {
            0 => {
                let life = stripe::random(rng, &format!("sub_{n}"), start, steps);
                let events: Vec<Value> = life.told.iter().map(|t| unique(&t.event, n)).collect();
                deliveries.extend(events.iter().map(|event| Delivery {
                    source: "stripe-main",
                    headers: vec![],
                    body: event.to_string().into_bytes(),
                    ids: vec![event["id"].as_str().unwrap().to_owned()],
                }));
                told.push(Told { source: "stripe-main", events, subscriptions: vec![life.id.clone()] });
            }
            1 => {
                let life = fastspring::random(rng, &format!("Sub-{n}"), 1_000 * start, steps);
                for post in &life.posts {
                    let events: Vec<Value> = post.iter().map(|event| unique(event, n)).collect();
                    deliveries.push(Delivery {
                        source: "fastspring-main",
                        headers: vec![],
                        body: json!({"events": events}).to_string().into_bytes(),
                        ids: events.iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect(),
                    });
                }
                let events = life.posts.iter().flatten().cloned().collect();
                told.push(Told { source: "fastspring-main", events, subscriptions: vec![life.id.clone()] });
            }
            _ => shop(rng, n, start, steps, &mut told, &mut deliveries),
        }
    }
    (told, deliveries)
}

/// The id of an event made one of this life alone.
fn unique(event: &Value, n: u64) -> Value {
    let mut event = event.clone();
    event["id"] = json!(format!("{}-{n}", event["id"].as_str().unwrap()));
    event
}

/// One buyer a shop has room for: every id in the bodies is moved by the number of the life.
fn shop(rng: &mut Rng, n: u64, start: i64, steps: usize, told: &mut Vec<Told>, deliveries: &mut Vec<Delivery>) {
    let life = shopify::random_orders(rng, start, steps);
    let moved = |text: String| {
        text.replace("8209829119461540", &format!("82{:06}61540", n))
            .replace(&shopify::BUYER.to_string(), &format!("9{n:09}"))
    };
    let mut events = Vec::new();
    for (k, message) in life.told.iter().enumerate() {
        let event: Value = serde_json::from_str(&moved(message.event().to_string())).unwrap();
        let id = format!("w-{n}-{k}");
        deliveries.push(Delivery {
            source: "shopify-main",
            headers: vec![
                ("x-shopify-topic", message.topic.to_owned()),
                ("x-shopify-webhook-id", id.clone()),
                ("x-shopify-triggered-at", shopify::written(message.at)),
            ],
            body: event["body"].to_string().into_bytes(),
            ids: vec![id],
        });
        events.push(event);
    }
    let subscriptions = life.subscriptions().into_iter().map(moved).collect();
    told.push(Told { source: "shopify-main", events, subscriptions });
}

/// Posts until everything is acknowledged, at whatever instance answers.
async fn deliver(posters: Vec<Poster>, deliveries: Vec<Delivery>, rest: Duration, calm: Arc<AtomicBool>) -> usize {
    let queue = Arc::new(Mutex::new(deliveries));
    let attempts = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (queue, attempts, posters, calm) = (queue.clone(), attempts.clone(), posters.clone(), calm.clone());
            tokio::spawn(async move {
                while let Some(delivery) = { queue.lock().await.pop() } {
                    let own: Vec<(&str, &str)> = delivery.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
                    for attempt in 0.. {
                        assert!(attempt < TRIES_MAX, "never acknowledged");
                        attempts.fetch_add(1, Ordering::Relaxed);
                        let poster = &posters[attempt % posters.len()];
                        let sent = poster.send(delivery.source, &delivery.body, &own);
                        let answer = tokio::time::timeout(Duration::from_secs(10), sent).await;
                        if answer.is_ok_and(|a| a.is_ok_and(|a| a.status().is_success())) {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    if !calm.load(Ordering::Relaxed) {
                        tokio::time::sleep(rest).await;
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    attempts.load(Ordering::Relaxed)
}

/// What goes wrong, how often.
#[derive(Default, Debug)]
struct Storm {
    kills: usize,
    cuts: usize,
    refusals: usize,
    delays: usize,
    faults: usize,
}

const FAULTS: [&str; 9] = [
    "reset",
    "timeout",
    "500",
    "502_html",
    "commit_then_500",
    "commit_then_reset",
    "commit_then_timeout",
    "429",
    "slow",
];

async fn storm(
    service: &Service,
    instances: &mut [Instance],
    database: &Proxy,
    licensespring: &Proxy,
    rng: &mut Rng,
    until: Instant,
) -> Storm {
    let mut storm = Storm::default();
    while Instant::now() < until {
        match rng.below(7) {
            0 | 1 => {
                let n = rng.below(instances.len());
                instances[n].kill();
                storm.kills += 1;
            }
            2 => {
                rng.pick(&[database, licensespring]).cut();
                storm.cuts += 1;
            }
            3 => {
                let wire = rng.pick(&[database, licensespring]);
                wire.refuse();
                storm.refusals += 1;
                tokio::time::sleep(Duration::from_millis(u64::try_from(rng.between(100, 900)).unwrap())).await;
                wire.mend();
            }
            4 => {
                let wire = rng.pick(&[database, licensespring]);
                wire.delay(u64::try_from(rng.between(2, 30)).unwrap());
                storm.delays += 1;
            }
            _ => {
                let method = rng.pick(&["POST", "PATCH", "GET"]);
                let kind = rng.pick(&FAULTS);
                let fault =
                    json!({"match": {"method": method, "path": "/api/v1/"}, "times": rng.between(1, 4), "kind": kind});
                service.sandbox.control("POST", "/faults", &fault).await;
                storm.faults += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(u64::try_from(rng.between(50, 700)).unwrap())).await;
        database.mend();
        licensespring.mend();
        for instance in instances.iter_mut() {
            instance.revive(service);
        }
    }
    storm
}

/// What the reference says of a told life at an instant.
fn expected(told: &Told, now: i64) -> BTreeMap<String, Vec<Expected>> {
    match told.source {
        "stripe-main" => reference::stripe(&told.events, now, &RULES),
        "fastspring-main" => reference::fastspring(&told.events, now, &RULES),
        _ => reference::shopify(&told.events, now, &RULES),
    }
}

/// Every license that should run does, as it should; none runs that should be off.
fn violations(told: &[Told], licenses: &BTreeMap<String, Value>, now: i64) -> Vec<String> {
    let mut found = Vec::new();
    for life in told {
        let all = expected(life, now);
        for id in &life.subscriptions {
            let lines = all.get(id).cloned().unwrap_or_default();
            let prefix = format!("{}:{id}:", life.source);
            let mine: Vec<(&String, &Value)> = licenses.iter().filter(|(o, _)| o.starts_with(&prefix)).collect();
            let mut running: Vec<String> = mine
                .iter()
                .filter(|(_, l)| l["enabled"] == true && runs_at(l, now))
                .map(|(order, l)| {
                    let product = order[prefix.len()..].split([':', '.']).next().unwrap_or_default();
                    format!("{product} {} x{} {}", date_of(l), l["max_activations"], l["is_trial"])
                })
                .collect();
            let mut wanted: Vec<String> = lines
                .iter()
                .filter(|e| e.on())
                .map(|e| {
                    let date = e.valid_until.clone().unwrap_or_default();
                    format!("{} {date} x{} {}", e.product, e.quantity, e.is_trial)
                })
                .collect();
            running.sort();
            wanted.sort();
            if running != wanted {
                found.push(format!("{prefix} runs {running:?}, should {wanted:?}"));
            }
        }
    }
    found
}

fn date_of(license: &Value) -> String {
    license["validity_period"].as_str().unwrap_or_default().chars().take(10).collect()
}

fn runs_at(license: &Value, now: i64) -> bool {
    let date = date_of(license);
    let midnight = date.parse::<chrono::NaiveDate>().ok().and_then(|d| d.and_hms_opt(0, 0, 0));
    midnight.is_none_or(|m| m.and_utc().timestamp() > now)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_in_the_end_everything_is_as_it_should_be() {
    let seed = std::env::var("TORTURE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(base_seed);
    let seconds = std::env::var("TORTURE_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(SECONDS);
    println!("seed: TORTURE_SEED={seed} TORTURE_SECONDS={seconds}");
    let mut rng = Rng::new(seed);
    let mut service = Service::start_with(EXTRA).await;
    service.kill();
    service.sandbox.control("PUT", "/plan", &json!({"plan": "unlimited"})).await;
    let tool = json!({"products": [{"short_code": "TOOL", "product_name": "Tool", "authorization_method": "license-key",
        "default_license_type": "perpetual"}], "policies": []});
    service.sandbox.control("POST", "/seed", &tool).await;
    let database = Proxy::start(Upstream::of_postgres(&service.database.service_url)).await;
    let sandbox = service.sandbox.api.trim_start_matches("http://").to_owned();
    let licensespring = Proxy::start(Upstream::Tcp(sandbox)).await;
    let mut instances: Vec<Instance> = (0..2).map(|n| Instance::new(&service, n, &database, &licensespring)).collect();
    instances.iter_mut().for_each(|i| i.spawn(&service));
    let posters: Vec<Poster> = instances
        .iter()
        .map(|i| {
            service.url.clone_from(&i.url);
            service.poster()
        })
        .collect();

    let (told, mut deliveries) = lives(&mut rng, seconds * LIVES_PER_SECOND, chrono::Utc::now().timestamp());
    let ids: BTreeSet<String> = deliveries.iter().flat_map(|d| d.ids.clone()).collect();
    let again: Vec<Delivery> = deliveries.iter().filter(|_| rng.once_in(4)).cloned().collect();
    deliveries.extend(again);
    rng.shuffle(&mut deliveries);
    let posted = deliveries.len();
    let rest = Duration::from_millis(seconds * 900 * u64::try_from(SENDERS).unwrap() / u64::try_from(posted).unwrap());
    let calm = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(deliver(posters, deliveries, rest, calm.clone()));
    let until = Instant::now() + Duration::from_secs(seconds);
    let storm = storm(&service, &mut instances, &database, &licensespring, &mut rng, until).await;
    calm.store(true, Ordering::Relaxed);
    service.sandbox.control("DELETE", "/faults", &json!({})).await;
    eventually("both instances serve", || async {
        let mut up = true;
        for instance in &instances {
            let ready = service.http.get(format!("{}/readyz", instance.url)).send().await;
            up &= ready.is_ok_and(|r| r.status().is_success());
        }
        up.then_some(())
    })
    .await;
    let attempts = sending.await.unwrap();
    service.settled().await;

    let client = service.database.service().await;
    let stored =
        "SELECT e.external_id FROM ledger.events e JOIN ledger.journals j ON j.id = e.journal WHERE j.kind = 'source'";
    let stored = client.query(stored, &[]).await.unwrap();
    assert_eq!(stored.len(), ids.len(), "an event is missing or twice in the log");
    assert_eq!(stored.iter().map(|r| r.get(0)).collect::<BTreeSet<String>>(), ids);
    let all = service.sandbox.licenses().await;
    let count = all.len();
    let licenses: BTreeMap<String, Value> =
        all.into_iter().map(|l| (l["order_store_id"].as_str().unwrap().to_owned(), l)).collect();
    assert_eq!(licenses.len(), count, "an order was made twice");
    // A grace or a cancellation may end while we look: what is wrong must stay wrong.
    eventually_right(&service, &told).await;
    let requests = known_to_the_ledger(&service, &client).await;
    println!(
        "{seconds} s: {} lives, {posted} deliveries in {attempts} attempts, {requests} changing requests, {storm:?}, 0 violations",
        told.len()
    );
    assert!(storm.kills > 0 && storm.faults > 0 && attempts > posted, "too calm to prove anything");
    let rebuilt = service.command().args(["rebuild", "--dry-run", "--json"]).output().unwrap();
    assert!(rebuilt.status.success(), "rebuilt is not live: {}", String::from_utf8_lossy(&rebuilt.stdout));
}

async fn eventually_right(service: &Service, told: &[Told]) {
    let mut last = Vec::new();
    for _ in 0..20 {
        service.settled().await;
        let licenses = service.sandbox.licenses().await;
        let licenses = licenses.into_iter().map(|l| (l["order_store_id"].as_str().unwrap().to_owned(), l)).collect();
        last = violations(told, &licenses, chrono::Utc::now().timestamp());
        if last.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for line in &last {
        explain(service, told, line).await;
    }
    panic!("{} violations:\n{}", last.len(), last.join("\n"));
}

/// All that is known of a life that went wrong: what was told, when it was stored, what was made of it.
async fn explain(service: &Service, told: &[Told], violation: &str) {
    let is_about = |t: &&Told| t.subscriptions.iter().any(|s| violation.contains(&format!(":{s}:")));
    let Some(life) = told.iter().find(is_about) else { return };
    life.events.iter().for_each(|event| println!("told: {event}"));
    let events: Vec<String> = life.events.iter().filter_map(|e| Some(e["id"].as_str()?.to_owned())).collect();
    let client = service.database.service().await;
    for (what, of, query) in [
        ("stored", &events, "SELECT e FROM ledger.events e WHERE external_id = ANY ($1) ORDER BY journal, position"),
        ("state", &life.subscriptions, "SELECT s FROM projection.subscriptions s WHERE subscription_id = ANY ($1)"),
        ("license", &life.subscriptions, "SELECT l FROM projection.licenses l WHERE subscription_id = ANY ($1)"),
        ("plan", &vec![], "SELECT p FROM control.plans p WHERE $1::text[] IS NOT NULL"),
    ] {
        for row in client.query(&format!("SELECT to_jsonb(x)::text FROM ({query}) x"), &[of]).await.unwrap() {
            println!("{what}: {}", row.get::<_, String>(0));
        }
    }
}

/// Every changing request was announced by an intent, and every intent has an outcome.
async fn known_to_the_ledger(service: &Service, client: &tokio_postgres::Client) -> usize {
    let open = "SELECT count(*) FROM ledger.events i WHERE i.type = 'intent' AND NOT EXISTS
        (SELECT 1 FROM ledger.events o WHERE o.journal = i.journal AND o.dedupe_key = 'outcome:' || substr(i.dedupe_key, 8))";
    assert_eq!(client.query_one(open, &[]).await.unwrap().get::<_, i64>(0), 0, "an intent has no outcome");
    let intents = "SELECT convert_from(b.bytes, 'UTF8') FROM ledger.events e
        JOIN ledger.bodies b ON b.journal = e.journal AND b.position = e.position WHERE e.type = 'intent'";
    let mut announced: BTreeMap<String, usize> = BTreeMap::new();
    for row in client.query(intents, &[]).await.unwrap() {
        let intent: Value = serde_json::from_str(row.get(0)).unwrap();
        *announced.entry(intent["order_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let orders: BTreeMap<String, String> = service
        .sandbox
        .licenses()
        .await
        .iter()
        .map(|l| (l["id"].to_string(), l["order_store_id"].as_str().unwrap().to_owned()))
        .collect();
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    let requests = service.sandbox.mutating().await;
    for request in &requests {
        let path = request["path"].as_str().unwrap();
        let body = &request["body"];
        let body: Value =
            body.as_str().map_or_else(|| body.clone(), |t| serde_json::from_str(t).unwrap_or(Value::Null));
        let order = match path.split('/').nth(4) {
            Some("create_order") => body["id"].as_str().map(str::to_owned),
            Some(id) => orders.get(id).cloned(),
            None => None,
        };
        let order = order.unwrap_or_else(|| panic!("a request about nothing of ours: {request}"));
        *made.entry(order).or_default() += 1;
    }
    for (order, requests) in &made {
        let intents = announced.get(order).copied().unwrap_or(0);
        assert!(*requests <= intents, "{order}: {requests} requests, {intents} intents");
    }
    requests.len()
}
