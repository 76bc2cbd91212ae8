//! Configuration: one TOML file, overridden key by key from the environment.
//!
//! [`load`] reports *everything* that is wrong at once, one line a problem, each with the file
//! (or environment variable), the full key and the fix. Unknown keys are problems too: a typo in
//! a policy must not become a default.
//!
//! **Environment.** `SUBLEDGER__SECTION__KEY` sets `section.key`, `SUBLEDGER__SOURCES__STRIPE_MAIN__MODE`
//! sets `sources.stripe-main.mode`: upper case, `-` written `_`. Named tables (sources, LicenseSpring
//! accounts, policies) must exist in the file; lists and tables can be set only there. A secret set
//! this way is the secret itself.
//!
//! **Paths** in the file are relative to the file's directory, so that every verb finds the same
//! place whatever directory it is called from; paths from the environment are taken as they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::domain::rules::Rules;

mod environment;
mod instance;
mod network;
mod report;
mod rules;
mod salesforce;
mod secret;
mod section;
mod sources;
#[cfg(test)]
mod tests;

pub use environment::process_environment;
pub use network::Network;
pub use report::{Problem, Problems, Warning};
pub use rules::{rules_from_text, rules_hash, rules_text};
pub use salesforce::Salesforce;
pub use section::word::{Amendments, Drift, LogFormat, ReconcilerMode, SourceMode};
pub use sources::FIELD_NAMES;

use report::Report;
use section::Section;

/// The largest file that is read. A catalog of ten thousand rules is about 1 MiB.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Everything an instance is told. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// Absolute, or relative to the working directory if the file's own path was.
    pub data_dir: PathBuf,
    pub server: Server,
    pub database: Database,
    /// By account name.
    pub licensespring: BTreeMap<String, Account>,
    /// By source name.
    pub sources: BTreeMap<String, Source>,
    /// `[[catalog]]`, `[policy.*]` and the `integration_keys` of every source.
    pub rules: Rules,
    pub reconciler: Reconciler,
    pub telemetry: Telemetry,
}

/// `[server]`
#[derive(Debug, Clone)]
pub struct Server {
    pub listen: SocketAddr,
    /// How providers and people reach this instance from outside; no trailing slash.
    pub public_url: Option<String>,
    /// Largest request body, in bytes; 1 KiB to 64 MiB.
    pub max_body_bytes: usize,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    pub tls: Option<Tls>,
}

/// `[server.tls]`: PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

/// `[database]`
#[derive(Debug, Clone)]
pub struct Database {
    /// As the service role. `None`: the embedded cluster in the data directory. May hold a password.
    pub url: Option<SecretString>,
    /// As the owner of the schema; used by `migrate` alone.
    pub owner_url: Option<SecretString>,
    /// `serve` runs pending migrations first. Default: true for the embedded cluster, else false.
    pub migrate: bool,
    /// Connections of this instance; 2 to 500.
    pub pool_size: usize,
}

/// `[licensespring.<account>]`
#[derive(Debug, Clone)]
pub struct Account {
    /// Without `/api/v1`, no trailing slash.
    pub base_url: String,
    pub api_key: SecretString,
    /// At least 1.
    pub requests_per_minute: u32,
    /// For one call, in milliseconds; 100 to 300,000.
    pub timeout_ms: u64,
    /// For device deactivation.
    pub license_api: Option<LicenseApi>,
}

/// The keys `license_api_url`, `license_api_key` and `license_shared_key` of an account.
#[derive(Debug, Clone)]
pub struct LicenseApi {
    /// Without `/api/v4`, no trailing slash.
    pub url: String,
    pub key: SecretString,
    pub shared_key: SecretString,
}

/// `[sources.<name>]`
#[derive(Debug, Clone)]
pub struct Source {
    /// Slug of the provider.
    pub provider: String,
    /// Any of them may have made a signature. Empty only where `url_token` is set.
    pub secrets: Vec<SecretString>,
    /// For `verify --signatures` alone.
    pub past_secrets: Vec<SecretString>,
    pub mode: SourceMode,
    /// Name of the account that gets the licenses. `None`: recorded and folded, no license.
    pub licensespring: Option<String>,
    /// Shopify: `name.myshopify.com`.
    pub shop_domain: Option<String>,
    /// Shopify: source names of orders that a subscription app charged, beside the usual ones.
    pub renewal_sources: Vec<String>,
    /// Salesforce: last segment of `/webhooks/{source}/{url_token}`.
    pub url_token: Option<SecretString>,
    /// Salesforce: the organizations that may send; 18 characters each.
    pub organization_ids: Vec<String>,
    /// Salesforce: object → our field → their field.
    pub fields: BTreeMap<String, BTreeMap<String, String>>,
    pub salesforce: Salesforce,
    /// Whether LicenseSpring's own integration keys map products.
    pub integration_keys: bool,
    /// Report the source when nothing came for so many hours; at least 1.
    pub silence_hours: Option<u32>,
    /// The name this source had before.
    pub renamed_from: Option<String>,
}

/// `[reconciler]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciler {
    pub mode: ReconcilerMode,
    /// From the first change to the call, in milliseconds; at most 600,000.
    pub coalesce_ms: u64,
    /// Destructive calls in any hour.
    pub guard_max_destructive: u32,
    /// Destructive calls in any 24 hours.
    pub guard_max_destructive_per_day: u32,
    /// Of enabled licenses, in any hour; 0 to 100.
    pub guard_max_percent: u8,
    /// Cancellations announced a day ahead, in any 24 hours.
    pub guard_max_announced_per_day: u32,
    pub drift: Drift,
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    pub log_format: LogFormat,
    /// In the syntax of `SUBLEDGER_LOG`, which outranks it.
    pub log_filter: String,
}

/// What [`load`] needs beside the file.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions<'a> {
    /// Secrets may be literals.
    pub dev: bool,
    /// Slugs that `sources.*.provider` may name.
    pub providers: &'a [&'a str],
    /// Usually [`process_environment`].
    pub environment: BTreeMap<String, String>,
}

impl Database {
    /// No `url`: the private cluster in the data directory.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.url.is_none()
    }
}

impl Config {
    /// The names of the keys under which `rules` may be looked up as a source.
    fn source_names(&self) -> Vec<&str> {
        self.sources.keys().map(String::as_str).collect()
    }
}

/// Reads one file.
///
/// # Errors
/// Every [`Problem`] found, in file order of sections.
pub fn load(path: &Path, options: &LoadOptions<'_>) -> Result<(Config, Vec<Warning>), Problems> {
    let text = read(path).map_err(|problem| Problems(vec![problem]))?;
    parse(&text, path, options)
}

/// Reads a text as if it stood in the file `path`.
///
/// # Errors
/// Every [`Problem`] found.
pub fn parse(text: &str, path: &Path, options: &LoadOptions<'_>) -> Result<(Config, Vec<Warning>), Problems> {
    let report = Report::new(path, options);
    let Some(mut table) = report.table(text) else {
        return Err(report.into_problems());
    };
    environment::apply(&report, &mut table);
    let mut root = Section::root(&report, table);
    let config = instance::read(&mut root, options.providers);
    root.finish();
    report.conclude(config)
}

fn read(path: &Path) -> Result<String, Problem> {
    let fail = |problem: String, fix: &str| Problem::of_file(path, problem, fix);
    let size = std::fs::metadata(path)
        .map_err(|e| fail(format!("cannot be read: {e}"), "give the path of a configuration file with --config"))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(fail(format!("has {size} bytes, more than {FILE_BYTES_MAX}"), "give a configuration file"));
    }
    std::fs::read_to_string(path)
        .map_err(|e| fail(format!("cannot be read: {e}"), "make it readable UTF-8 text for this user"))
}
