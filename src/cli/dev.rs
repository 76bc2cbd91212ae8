//! `subledger dev`: everything on this machine, nothing to set up.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rand::RngCore;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::database::Database;
use super::failure::Failure;
use super::settings::{self, DATA_DIR, DEV_FILE};
use super::{serve, stories};
use crate::control::{self, Role};
use crate::postgres::embedded::{Embedded, Options};
use crate::sandbox::{self, MANAGEMENT_KEY, Sandbox, SandboxOptions};

/// Where the API listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:8080";
/// The last segment of the demo's Salesforce URL.
const TOKEN: &str = "demo0salesforce0main0url0token00";
const SEED_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where cluster, sandbox state, tokens and the generated configuration are kept
    #[arg(long, env = "SUBLEDGER__DATA_DIR", default_value = DATA_DIR)]
    data_dir: PathBuf,
    /// Address of webhooks and API
    #[arg(long, env = "SUBLEDGER__SERVER__LISTEN", default_value = LISTEN)]
    listen: String,
    /// Address of the LicenseSpring sandbox; its control port is the next one
    #[arg(long, default_value = sandbox::LISTEN)]
    sandbox_listen: String,
    /// Forgets everything of earlier runs first
    #[arg(long)]
    fresh: bool,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode, Failure> {
    let listener =
        serve::bind(args.listen.parse().map_err(|_| format!("--listen {}: must be ADDRESS:PORT", args.listen))?)?;
    make_private(&args.data_dir)?;
    Embedded::ensure_free(&args.data_dir)?; // or its configuration would be overwritten
    if args.fresh {
        forget(&args.data_dir).await?;
    }
    let sandbox = start_sandbox(args).await?;
    let file = write_config(args, &listener.local_addr()?.to_string(), &sandbox)?;
    let config = settings::read(&file)?;
    serve::start_logging(&config)?;
    let database = Database::serve(&config).await?;
    let served = async {
        database.migrate().await?;
        let tokens = tokens(&args.data_dir, &database).await?;
        print_welcome(&config.server.listen.to_string(), &sandbox, &tokens, &file, &database);
        serve::serve(&config, &database, listener).await
    }
    .await;
    let saved = sandbox.stop().await;
    database.close().await?;
    saved?;
    served
}

fn make_private(data_dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(data_dir)
        .map_err(|e| format!("cannot make {}: {e}; choose another place with --data-dir", data_dir.display()).into())
}

/// Stops a cluster that an earlier run left behind, then removes what is ours in the directory.
async fn forget(data_dir: &Path) -> Result<(), Failure> {
    if data_dir.join("postgres").exists() {
        Embedded::start_exclusive(data_dir, &Options::default()).await?.stop().await?;
    }
    for name in ["postgres", "postgres.log", "sandbox.json", "tokens.json", DEV_FILE] {
        let path = data_dir.join(name);
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match gone {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {e}", path.display()).into());
            }
            _ => {}
        }
    }
    Ok(())
}

async fn start_sandbox(args: &Args) -> Result<Sandbox, Failure> {
    let options = SandboxOptions {
        listen: args.sandbox_listen.clone(),
        data: Some(args.data_dir.join("sandbox.json")),
        ..SandboxOptions::default()
    };
    let sandbox = sandbox::start(options).await?;
    // Through its own door, like any user of it.
    let seed = json!({
        "products": [
            {"short_code": "PRO", "product_name": "Pro", "authorization_method": "license-key", "default_license_type": "subscription"},
            {"short_code": "TEAM", "product_name": "Team", "authorization_method": "license-key", "default_license_type": "subscription"},
        ],
        "policies": [{"code": "pro-monthly", "product": "PRO"}, {"code": "team-monthly", "product": "TEAM"}],
    });
    let url = format!("http://{}/seed", sandbox.control_addr());
    let client = reqwest::Client::builder().timeout(SEED_TIMEOUT).build()?;
    client.post(url).json(&seed).send().await?.error_for_status()?;
    Ok(sandbox)
}

/// The configuration of the demo, as a file that a user can read, copy and change.
fn write_config(args: &Args, listen: &str, sandbox: &Sandbox) -> Result<PathBuf, Failure> {
    let file = args.data_dir.join(DEV_FILE);
    let data_dir = args.data_dir.canonicalize()?;
    let text = format!(
        r#"# Written by `subledger dev` at every start: copy it to subledger.toml to change it.
# Secrets stand here only because this is a demo; elsewhere give {{ env = "NAME" }} or {{ file = "path" }}.
data_dir = {data_dir:?}

[server]
listen = "{listen}"

[licensespring.main]
base_url = "http://{sandbox}"
api_key = "{MANAGEMENT_KEY}"

[sources.stripe-main]
provider = "stripe"
secrets = ["whsec_demo_stripe_main"]
mode = "test"
licensespring = "main"

[sources.fastspring-main]
provider = "fastspring"
secrets = ["demo-fastspring-main"]
mode = "test"
licensespring = "main"

[sources.shopify-main]
provider = "shopify"
shop_domain = "demo.myshopify.com"
secrets = ["shpss_demo_shopify_main"]
mode = "test"
licensespring = "main"

[sources.salesforce-main]
provider = "salesforce"
url_token = "{TOKEN}"
organization_ids = ["{organization}"]
secrets = ["demo-salesforce-main-callouts"]
mode = "test"
licensespring = "main"

[[catalog]]
source = "stripe-main"
match = {{ price = "{price}" }}
product_code = "PRO"
policy_code = "pro-monthly"

[[catalog]]
source = "stripe-main"
match = {{ price = "price_demo_team_monthly" }}
product_code = "TEAM"
policy_code = "team-monthly"

[[catalog]]
source = "fastspring-main"
match = {{ path = "{path}" }}
product_code = "PRO"
policy_code = "pro-monthly"

[[catalog]]
source = "shopify-main"
match = {{ sku = "{sku}" }}
product_code = "PRO"
policy_code = "pro-monthly"
period = "1m"                      # orders do not say how long they last

[[catalog]]
source = "salesforce-main"
match = {{ product_code = "{code}" }}
product_code = "PRO"
policy_code = "pro-monthly"

[policy.default]
extend_on = "payment"
grace_days = 3
"#,
        data_dir = data_dir.display().to_string(),
        sandbox = sandbox.api_addr(),
        price = stories::PRICE,
        path = stories::PATH,
        sku = stories::shopify::SKU,
        organization = stories::salesforce::ORGANIZATION,
        code = stories::salesforce::PRODUCT_CODE,
    );
    write_secret(&file, text.as_bytes())?;
    Ok(file)
}

/// Readable by its owner alone.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    opened.and_then(|mut f| f.write_all(bytes)).map_err(|e| format!("cannot write {}: {e}", path.display()).into())
}

#[derive(Serialize, Deserialize)]
struct Tokens {
    admin: String,
    auditor: String,
}

/// The demo's tokens: made once, kept beside the cluster, printed at every start.
async fn tokens(data_dir: &Path, database: &Database) -> Result<Tokens, Failure> {
    let path = data_dir.join("tokens.json");
    let held = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let tokens = match held {
        Some(tokens) => tokens,
        None => {
            let tokens = Tokens { admin: random("admin"), auditor: random("auditor") };
            write_secret(&path, serde_json::to_string(&tokens)?.as_bytes())?;
            tokens
        }
    };
    let client = database.pool()?.get().await?;
    control::insert(&client, "dev admin", Role::Admin, None, &tokens.admin).await?;
    control::insert(&client, "dev auditor", Role::Auditor, None, &tokens.auditor).await?;
    Ok(tokens)
}

fn random(role: &str) -> String {
    let mut bytes = [0u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    format!("sl_{role}_{}", hex::encode(bytes))
}

fn print_welcome(listen: &str, sandbox: &Sandbox, tokens: &Tokens, file: &Path, database: &Database) {
    println!("webhooks        http://{listen}/webhooks/stripe-main, …/fastspring-main, …/shopify-main");
    println!("                http://{listen}/webhooks/salesforce-main/{TOKEN}");
    println!("API             http://{listen}/v1/events");
    println!("admin token     {}", tokens.admin);
    println!("auditor token   {}", tokens.auditor);
    println!(
        "LicenseSpring   http://{}/api/v1/ (sandbox; Authorization: Api-Key {MANAGEMENT_KEY})",
        sandbox.api_addr()
    );
    println!("sandbox state   http://{}/state", sandbox.control_addr());
    println!("database        {}", database.service_url);
    println!("configuration   {}", file.display());
    println!();
    println!("try:  subledger send stripe-main --example start");
}
