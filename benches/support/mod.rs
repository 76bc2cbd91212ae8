//! What the benches stand on: a private cluster, the service as a process, events to fill it with.
#![allow(dead_code)] // each bench uses its part

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use subledger::ledger::append::{NewDelivery, NewEvent, append};
use subledger::ledger::journal;
use subledger::postgres::embedded::{ADMIN_ROLE, DATABASE, Embedded, Options, SERVICE_ROLE};
use subledger::postgres::{migrate, pool};
use subledger::providers::{Request, SourceSettings, by_slug};

pub mod bodies;
pub mod http;
pub mod peers;

use bodies::{BODY_BYTES, Story};

pub const STRIPE_SECRET: &str = "whsec_bench_stripe_main";
/// The source that deliveries are sent to.
pub const SOURCE: &str = "stripe-main";
/// Rounds of one figure: the two sides take turns, the median of their ratios counts.
pub const ROUNDS: usize = 3;
/// Deliveries in one append call while the ledger is filled.
const FILL_DELIVERIES: usize = 256;
/// pgbench opens up to 256.
const CONNECTIONS_MAX: u32 = 400;

/// Events that the ledger holds before anything is measured: `BENCH_EVENTS`, else what is given.
pub fn events(otherwise: usize) -> usize {
    match std::env::var("BENCH_EVENTS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("BENCH_EVENTS is not a number: {text}")),
        Err(_) => otherwise,
    }
}

/// How many connections to measure with, one figure each: `BENCH_CONNECTIONS` alone, else what is given.
pub fn connections(otherwise: &[usize]) -> Vec<usize> {
    match std::env::var("BENCH_CONNECTIONS") {
        Ok(text) => vec![text.parse().unwrap_or_else(|_| panic!("BENCH_CONNECTIONS is not a number: {text}"))],
        Err(_) => otherwise.to_vec(),
    }
}

/// The median by the first figure of each.
pub fn median<const N: usize>(mut rounds: Vec<[f64; N]>) -> [f64; N] {
    rounds.sort_by(|a, b| a[0].total_cmp(&b[0]));
    rounds[rounds.len() / 2]
}

/// A cluster with a migrated database; `address` is where the service listens when it runs.
pub struct Bench {
    pub address: String,
    directory: PathBuf,
    embedded: Option<Embedded>,
    service: Option<Child>,
    begun: Instant,
}

impl Bench {
    /// The cluster; the service is not running yet.
    pub async fn prepare() -> Self {
        let begun = Instant::now();
        let directory = std::env::temp_dir().join(format!("subledger-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let options = Options { max_connections: CONNECTIONS_MAX, ..Options::default() };
        let embedded = Embedded::start_exclusive(&directory, &options).await.unwrap();
        let mut owner = pool::single(&embedded.owner_url()).await.unwrap();
        migrate::run(&mut owner, SERVICE_ROLE).await.unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(directory.join("subledger.toml"), configuration(&embedded, port)).unwrap();
        let address = format!("127.0.0.1:{port}");
        Self { address, directory, embedded: Some(embedded), service: None, begun }
    }

    /// Starts the service and waits until it is ready.
    pub async fn serve(&mut self) {
        let log = std::fs::File::create(self.directory.join("service.log")).unwrap();
        self.service = Some(self.command().arg("serve").stdout(Stdio::null()).stderr(log).spawn().unwrap());
        for _ in 0..1_000 {
            let answer = reqwest::get(format!("http://{}/readyz", self.address)).await;
            if answer.is_ok_and(|a| a.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the service is not ready; see {}", self.directory.join("service.log").display());
    }

    /// Ends the service: what it has committed stays.
    pub fn end_service(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }

    /// `subledger` with the bench's configuration.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_subledger"));
        command
            .env("SUBLEDGER_CONFIG", self.directory.join("subledger.toml"))
            .env("BENCH_STRIPE_SECRET", STRIPE_SECRET)
            .env("BENCH_KEY", "sandbox.management-key")
            .env("SUBLEDGER_LOG", "warn");
        command
    }

    fn cluster(&self) -> &Embedded {
        self.embedded.as_ref().unwrap()
    }

    /// As the superuser of the private cluster, without a limit to a statement's time, and with the
    /// processes that Postgres would give it: what the service does without, its peers may have.
    pub async fn admin(&self) -> tokio_postgres::Client {
        let admin = pool::single(&self.cluster().url(ADMIN_ROLE, DATABASE)).await.unwrap();
        admin.batch_execute("SET statement_timeout = 0; SET max_parallel_workers_per_gather = 2").await.unwrap();
        admin
    }

    /// One number from the database.
    pub async fn count(&self, sql: &str) -> i64 {
        self.admin().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Appends the first `events` events, through the append function, with the service's journal.
    pub async fn fill(&self, events: usize) {
        let story = Story::of(events);
        let pool = pool::connect(&self.cluster().service_url(), 4).unwrap();
        let client = pool.get().await.unwrap();
        let journal = journal::open(&client, SOURCE, journal::JournalKind::Source).await.unwrap();
        for from in (0..events).step_by(FILL_DELIVERIES) {
            let until = (from + FILL_DELIVERIES).min(events);
            let deliveries: Vec<NewDelivery> = (from..until).map(|n| delivery(bodies::body(n, story))).collect();
            append(&client, journal, None, &deliveries).await.unwrap();
        }
        // What autovacuum would do in its own time (and would not to empty tables).
        let admin = self.admin().await;
        if events > 0 {
            admin.batch_execute("VACUUM ANALYZE ledger.events, ledger.bodies").await.unwrap();
        }
        admin.batch_execute("CHECKPOINT").await.unwrap();
    }

    /// Holds every checkpoint, as an instance that projects does, until it rolls back.
    pub async fn hold_checkpoints(&self) -> tokio_postgres::Client {
        let admin = self.admin().await;
        admin.batch_execute("BEGIN; SELECT 1 FROM control.checkpoints FOR UPDATE").await.unwrap();
        admin
    }

    /// Waits until every event is projected.
    pub async fn level(&self) {
        const BEHIND: &str = "SELECT coalesce(sum((SELECT coalesce(max(position), 0) FROM ledger.events e WHERE e.journal = c.journal) - c.position), 0)::int8
             FROM control.checkpoints c JOIN control.generations g ON g.generation = c.generation WHERE g.state <> 'dropped'";
        let admin = self.admin().await;
        while admin.query_one(BEHIND, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Empties the projections and the checkpoints, as for a new set of tables.
    pub async fn forget_projections(&self) {
        let forget = "DO $$ DECLARE t text; BEGIN
                        FOR t IN SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'projection' AND c.relkind = 'p'
                        LOOP EXECUTE format('TRUNCATE projection.%I', t); END LOOP; END $$;
                      UPDATE control.checkpoints SET position = 0, caught_up = false";
        self.admin().await.batch_execute(forget).await.unwrap();
    }

    /// The head of a table: on what machine, and how much is in the ledger.
    pub async fn introduce(&self, title: &str, words: &str) {
        let admin = self.admin().await;
        let version: String = admin.query_one("SHOW server_version", &[]).await.unwrap().get(0);
        let sizes = "SELECT count(*), pg_size_pretty(pg_total_relation_size('ledger.events') + pg_total_relation_size('ledger.bodies')) FROM ledger.events";
        let sizes = admin.query_one(sizes, &[]).await.unwrap();
        println!("\n{title}");
        println!("{words}");
        println!(
            "{} cores for all of it (service, Postgres {version}, load), bodies of {BODY_BYTES} bytes, ledger of {} events ({}) at the beginning,",
            std::thread::available_parallelism().map_or(1, usize::from),
            sizes.get::<_, i64>(0),
            sizes.get::<_, String>(1),
        );
        println!(
            "fsync and synchronous_commit on, {ROUNDS} rounds by turns: the round with the median ratio is shown.\n"
        );
    }

    /// The foot of a table.
    pub fn conclude(&self) {
        println!("\nThis took {:.0} s, filling the ledger included.", self.begun.elapsed().as_secs_f64());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.end_service();
        drop(self.embedded.take());
        std::thread::sleep(Duration::from_secs(1));
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What the door makes of a delivery.
fn delivery(body: String) -> NewDelivery {
    let asked = Request { headers: &[], body: body.as_bytes(), url_token: None };
    let hint = by_slug("stripe").unwrap().split(&asked).unwrap().remove(0);
    let event = NewEvent {
        part: 0,
        dedupe_key: hint.dedupe_key,
        external_id: hint.external_id,
        event_type: hint.event_type,
        occurred_at: hint.occurred_at,
        livemode: hint.livemode,
    };
    let headers = Some(r#"{"content-type":"application/json"}"#.to_owned());
    NewDelivery {
        received_at: chrono::Utc::now(),
        headers,
        cuts: Vec::new(),
        parts: vec![body.into_bytes()],
        events: vec![event],
    }
}

/// Signed requests with the events `from..until`, ready to be sent.
pub fn requests(from: usize, until: usize, story: Story) -> Vec<Vec<u8>> {
    let settings = SourceSettings { secrets: vec![STRIPE_SECRET.into()], ..SourceSettings::default() };
    let (provider, now) = (by_slug("stripe").unwrap(), chrono::Utc::now());
    let path = format!("/webhooks/{SOURCE}");
    (from..until)
        .map(|n| {
            let body = bodies::body(n, story);
            http::request(&path, &provider.sign(body.as_bytes(), &settings, now), body.as_bytes())
        })
        .collect()
}

fn configuration(embedded: &Embedded, port: u16) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:{port}"
[database]
url = "{}"
[licensespring.main]
base_url = "http://127.0.0.1:9"
api_key = {{ env = "BENCH_KEY" }}
[sources.{SOURCE}]
provider = "stripe"
secrets = [{{ env = "BENCH_STRIPE_SECRET" }}]
licensespring = "main"
[[catalog]]
match = {{ price = "price_pro" }}
product_code = "PRO"
[reconciler]
mode = "plan_only"
"#,
        embedded.service_url()
    )
}
