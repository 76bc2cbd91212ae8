//! What the benches stand on: a private cluster, the service as a process, and `pgbench`.
#![allow(dead_code)] // each bench uses its part

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use subledger::postgres::embedded::{Embedded, OWNER_ROLE, Options};
use subledger::postgres::{migrate, pool};

pub mod http;

pub const STRIPE_SECRET: &str = "whsec_bench_stripe_main";

/// Cores of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A cluster with a migrated database; `address` is where the service listens.
pub struct Bench {
    pub address: String,
    pub embedded: Option<Embedded>,
    directory: PathBuf,
    child: Option<Child>,
}

impl Bench {
    /// Cluster and service.
    pub async fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("subledger-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let options = Options { max_connections: 400, ..Options::default() };
        let embedded = Embedded::start_exclusive(&directory, &options).await.unwrap();
        let mut owner = pool::single(&embedded.owner_url()).await.unwrap();
        migrate::run(&mut owner, subledger::postgres::embedded::SERVICE_ROLE).await.unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = directory.join("subledger.toml");
        std::fs::write(&config, configuration(&embedded, port)).unwrap();
        let log = std::fs::File::create(directory.join("service.log")).unwrap();
        let mut bench = Self { address: format!("127.0.0.1:{port}"), embedded: Some(embedded), directory, child: None };
        let child = bench.command().arg("serve").stdout(Stdio::null()).stderr(log).spawn().unwrap();
        bench.child = Some(child);
        bench.wait_until_ready().await;
        bench
    }

    async fn wait_until_ready(&self) {
        for _ in 0..500 {
            let answer = reqwest::get(format!("http://{}/readyz", self.address)).await;
            if answer.is_ok_and(|a| a.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the service is not ready; see {}", self.directory.join("service.log").display());
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

    /// One number from the database.
    pub async fn count(&self, sql: &str) -> i64 {
        pool::single(&self.cluster().service_url()).await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }

    /// A pool under the service's role.
    pub fn pool(&self) -> deadpool_postgres::Pool {
        pool::connect(&self.cluster().service_url(), 8).unwrap()
    }

    /// Rows a second that `pgbench` inserts, one prepared statement a transaction.
    pub fn pgbench(&self, clients: usize, seconds: u64, body: &str) -> f64 {
        let url = self.cluster().url(OWNER_ROLE, "subledger");
        let table = "DROP TABLE IF EXISTS public.peer; CREATE TABLE public.peer (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL); ALTER TABLE public.peer ALTER COLUMN body SET COMPRESSION lz4";
        assert!(
            Command::new("psql")
                .args(["-q", "-d", &url, "-c", table])
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
        let script = self.directory.join("insert.sql");
        std::fs::write(&script, "INSERT INTO public.peer (body) VALUES (convert_to(:body, 'UTF8'));\n").unwrap();
        let pgbench = std::env::var_os("PGBENCH").map_or_else(find_pgbench, PathBuf::from);
        let output = Command::new(pgbench)
            .args(["-n", "-M", "prepared", "-c", &clients.to_string(), "-j", "2", "-T", &seconds.to_string()])
            .args(["-D", &format!("body={body}")])
            .arg("-f")
            .arg(&script)
            .arg(&url)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text
            .lines()
            .find(|l| l.starts_with("tps"))
            .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        drop(self.embedded.take());
        std::thread::sleep(Duration::from_secs(1));
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn find_pgbench() -> PathBuf {
    let bindir = Command::new("sh")
        .args(["-c", "pg_config --bindir 2>/dev/null || ls -d /usr/lib/postgresql/*/bin | tail -n 1"])
        .output()
        .unwrap();
    PathBuf::from(String::from_utf8_lossy(&bindir.stdout).trim()).join("pgbench")
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
[sources.stripe-main]
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

/// The n-th event: an invoice of one of many subscriptions, padded as real ones are.
pub fn stripe_body(n: usize, bytes: usize) -> String {
    let subscription = n / 8;
    let start = 1_700_000_000 + (n % 8) * 2_592_000;
    let mut body = format!(
        r#"{{"id":"evt_bench_{n}","object":"event","api_version":"2026-03-25.dahlia","created":{start},"livemode":true,"type":"invoice.paid","data":{{"object":{{"id":"in_bench_{n}","object":"invoice","status":"paid","customer":"cus_{subscription}","amount_paid":1000,"parent":{{"type":"subscription_details","subscription_details":{{"subscription":"sub_bench_{subscription}"}}}},"lines":{{"object":"list","has_more":false,"data":[{{"id":"il_{n}","amount":1000,"period":{{"start":{start},"end":{}}},"parent":{{"type":"subscription_item_details","subscription_item_details":{{"subscription":"sub_bench_{subscription}","subscription_item":"si_{subscription}","proration":false}}}},"pricing":{{"type":"price_details","price_details":{{"price":"price_pro","product":"prod_pro"}}}}}}]}},"description":""#,
        start + 2_592_000
    );
    let end = r#""}},"pending_webhooks":1,"request":{"id":null,"idempotency_key":null}}"#;
    let mut random = u64::try_from(n).unwrap_or(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while body.len() + end.len() < bytes {
        // Half compressible, as JSON is: words and random hex.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        body.push_str(&format!("default_payment_method {random:016x} "));
    }
    body.truncate(bytes - end.len());
    body.push_str(end);
    body
}
