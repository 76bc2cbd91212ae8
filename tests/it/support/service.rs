//! The real binary, serving a database of the test's own.

use std::process::{Child, Command, Stdio};

use reqwest::{Response, StatusCode};
use serde_json::Value;
use subledger::control::{self, Role};
use subledger::providers::{SourceSettings, by_slug};

use super::cluster::Database;
use super::sandbox::Sandbox;
use super::{Scratch, eventually, free_port};

/// The secrets of the sources.
pub const STRIPE_SECRET: &str = "whsec_test_stripe_main";
pub const FASTSPRING_SECRET: &str = "test-fastspring-main";
pub const SHOPIFY_SECRET: &str = "shpss_test_shopify_main";
pub const SALESFORCE_SECRET: &str = "test-salesforce-main";
pub const SALESFORCE_TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Whose deliveries the last two take.
pub const SHOP: &str = "test.myshopify.com";
pub const ORGANIZATION: &str = "00D5g00000AbCdEEAV";

/// The settings of a source that signs with one secret.
pub fn signing(secret: &str) -> SourceSettings {
    SourceSettings { secrets: vec![secret.into()], ..SourceSettings::default() }
}

/// A running `subledger serve`, killed at the end.
pub struct Service {
    pub database: Database,
    pub sandbox: Sandbox,
    pub url: String,
    pub auditor: String,
    pub admin_token: String,
    pub config: std::path::PathBuf,
    pub http: reqwest::Client,
    child: Option<Child>,
    scratch: Scratch,
}

impl Service {
    /// A database, a sandbox and a service with a source of every provider (`stripe-main`, …)
    /// and a coalescing window of 300 ms.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same, with lines of configuration added.
    pub async fn start_with(extra: &str) -> Self {
        let database = Database::new().await;
        let sandbox = Sandbox::start().await;
        let scratch = Scratch::new("service");
        let port = free_port();
        let config = scratch.path().join("subledger.toml");
        std::fs::write(&config, configuration(&database, &sandbox, port, extra)).unwrap();
        let client = database.pool().get().await.unwrap();
        let (_, auditor) = control::create(&client, "test auditor", Role::Auditor, None).await.unwrap();
        let (_, admin) = control::create(&client, "test admin", Role::Admin, None).await.unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let mut service = Self {
            database,
            sandbox,
            url,
            auditor,
            admin_token: admin,
            config,
            http: reqwest::Client::new(),
            child: None,
            scratch,
        };
        service.run().await;
        service
    }

    /// Starts the process and waits until it is ready.
    pub async fn run(&mut self) {
        self.spawn();
        let ready = format!("{}/readyz", self.url);
        eventually("the service is ready", || async {
            let answer = self.http.get(&ready).send().await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// Starts the process and does not wait.
    pub fn spawn(&mut self) {
        let log =
            std::fs::File::options().create(true).append(true).open(self.scratch.path().join("service.log")).unwrap();
        let child = self.command().arg("serve").stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.child = Some(child);
    }

    /// `subledger` with this service's configuration in its environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_subledger"));
        command
            .env("SUBLEDGER_CONFIG", &self.config)
            .env("TEST_STRIPE_SECRET", STRIPE_SECRET)
            .env("TEST_FASTSPRING_SECRET", FASTSPRING_SECRET)
            .env("TEST_SHOPIFY_SECRET", SHOPIFY_SECRET)
            .env("TEST_SALESFORCE_SECRET", SALESFORCE_SECRET)
            .env("TEST_SALESFORCE_TOKEN", SALESFORCE_TOKEN)
            .env("TEST_LICENSESPRING_KEY", "sandbox.management-key");
        command
    }

    /// The most memory that the process has held, in KiB.
    pub fn memory_peak_kib(&self) -> u64 {
        let pid = self.child.as_ref().map(Child::id).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// What `/metrics` says, sample by sample, after a look at its form.
    pub async fn metrics(&self) -> std::collections::BTreeMap<String, f64> {
        let request = self.http.get(format!("{}/metrics", self.url)).bearer_auth(&self.auditor);
        let text = request.send().await.unwrap().text().await.unwrap();
        let mut samples = std::collections::BTreeMap::new();
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            let family = name.split('{').next().unwrap();
            for head in ["HELP", "TYPE"] {
                assert!(text.contains(&format!("# {head} {family} ")), "{family} has no {head}");
            }
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} is there twice");
        }
        samples
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What the service logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("service.log")).unwrap_or_default()
    }

    /// Posts a body signed as the provider would.
    pub async fn post(&self, source: &str, body: &[u8]) -> (StatusCode, Value) {
        self.poster().try_post(source, body).await.unwrap()
    }

    /// What posts, to be handed to other tasks.
    pub fn poster(&self) -> Poster {
        Poster { url: self.url.clone(), http: self.http.clone() }
    }

    /// Asks as an auditor.
    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.auditor).send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Asks as an admin.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.admin_token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Adopts rules, looks at the plan they lead to, and lets it through. `wanted`: more keys of the
    /// request, such as a text. Answers with the plan.
    pub async fn adopt_and_approve(&self, wanted: Value) -> Value {
        let mut asked = wanted;
        asked["reason"] = "the new rules".into();
        let (status, first) = self.admin("PUT", "/v1/admin/config", asked.clone()).await;
        assert_eq!(status, StatusCode::OK, "{first}");
        asked["approve"] = first["plan"]["hash"].clone();
        let (status, second) = self.admin("PUT", "/v1/admin/config", asked).await;
        assert_eq!(status, StatusCode::OK, "{second}");
        first["plan"].clone()
    }

    /// Waits until everything that was appended is projected and nothing is left to reconcile.
    pub async fn settled(&self) {
        let client = self.database.service().await;
        let open = "SELECT
            (SELECT count(*) FROM ledger.journals j
             JOIN control.live v ON v.journal = j.id
             JOIN control.checkpoints c ON c.journal = j.id AND c.generation = v.generation
             WHERE c.position < coalesce((SELECT max(e.position) FROM ledger.events e WHERE e.journal = j.id), 0))
          + (SELECT count(*) FROM projection.subscriptions s JOIN control.live v ON v.journal = s.journal AND v.generation = s.generation
             WHERE s.dirty_since IS NOT NULL)
          + (SELECT count(*) FROM projection.licenses l JOIN control.live v ON v.journal = l.journal AND v.generation = l.generation
             WHERE l.open_since IS NOT NULL)";
        eventually("everything is reconciled", || async {
            let left: i64 = client.query_one(open, &[]).await.unwrap().get(0);
            (left == 0).then_some(())
        })
        .await;
    }
}

/// Posts deliveries to a service that may be dying.
#[derive(Clone)]
pub struct Poster {
    url: String,
    http: reqwest::Client,
}

impl Poster {
    /// To another instance.
    pub fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// Posts a body signed as the provider would; the connection may break.
    pub async fn try_post(&self, source: &str, body: &[u8]) -> reqwest::Result<(StatusCode, Value)> {
        let answer = self.send(source, body, &[]).await?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }

    /// The same with headers of the delivery's own.
    pub async fn send(&self, source: &str, body: &[u8], own: &[(&str, &str)]) -> reqwest::Result<Response> {
        let (slug, secret) = match source {
            "stripe-main" => ("stripe", STRIPE_SECRET),
            "fastspring-main" => ("fastspring", FASTSPRING_SECRET),
            "shopify-main" => ("shopify", SHOPIFY_SECRET),
            _ => ("salesforce", SALESFORCE_SECRET),
        };
        let token = if slug == "salesforce" { format!("/{SALESFORCE_TOKEN}") } else { String::new() };
        let settings = SourceSettings {
            secrets: vec![secret.into()],
            shop_domain: Some(SHOP.to_owned()),
            ..SourceSettings::default()
        };
        let signed = by_slug(slug).unwrap().sign(body, &settings, chrono::Utc::now());
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut headers =
            std::collections::BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
        headers.extend(signed.into_iter().chain(own));
        let mut request = self.http.post(format!("{}/webhooks/{source}{token}", self.url));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(body.to_vec()).send().await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the service's log\n{}", self.log());
        }
    }
}

/// Most tests stop more in a minute than any shop does in a day.
const NO_GUARD: &str =
    "guard_max_destructive = 100000\nguard_max_destructive_per_day = 100000\nguard_max_percent = 100";

fn configuration(database: &Database, sandbox: &Sandbox, port: u16, extra: &str) -> String {
    let guard = if extra.contains("guard_") { "" } else { NO_GUARD };
    format!(
        r#"
[server]
listen = "127.0.0.1:{port}"
[database]
url = "{}"
owner_url = "{}"
[licensespring.main]
base_url = "{}"
api_key = {{ env = "TEST_LICENSESPRING_KEY" }}
requests_per_minute = 2400
timeout_ms = 2000
[sources.stripe-main]
provider = "stripe"
secrets = [{{ env = "TEST_STRIPE_SECRET" }}]
mode = "live"
licensespring = "main"
[sources.fastspring-main]
provider = "fastspring"
secrets = [{{ env = "TEST_FASTSPRING_SECRET" }}]
mode = "live"
licensespring = "main"
[sources.shopify-main]
provider = "shopify"
secrets = [{{ env = "TEST_SHOPIFY_SECRET" }}]
shop_domain = "{SHOP}"
mode = "live"
licensespring = "main"
[sources.salesforce-main]
provider = "salesforce"
secrets = [{{ env = "TEST_SALESFORCE_SECRET" }}]
url_token = {{ env = "TEST_SALESFORCE_TOKEN" }}
organization_ids = ["{ORGANIZATION}"]
mode = "live"
licensespring = "main"
[[catalog]]
match = {{ sku = "PRO-M" }}
product_code = "PRO"
policy_code = "pro-monthly"
[[catalog]]
match = {{ product_code = "APP-PRO-Y" }}
product_code = "PRO"
policy_code = "pro-monthly"
[[catalog]]
match = {{ price = "price_pro" }}
product_code = "PRO"
policy_code = "pro-monthly"
[[catalog]]
match = {{ price = "price_team" }}
product_code = "TEAM"
policy_code = "team-monthly"
[[catalog]]
match = {{ path = "pro-monthly" }}
product_code = "PRO"
policy_code = "pro-monthly"
[policy.default]
grace_days = 3
[reconciler]
coalesce_ms = 300
{guard}
{extra}
"#,
        database.service_url, database.owner_url, sandbox.api
    )
}
