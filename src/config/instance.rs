//! The file from top to bottom, and the sections that every instance has.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::network::Network;
use super::section::Section;
use super::section::word::{Drift, LogFormat, ReconcilerMode};
use super::{Config, Database, Reconciler, Server, Telemetry, Tls, rules, sources};

const DATA_DIR_DEFAULT: &str = ".subledger";
const PORT_DEFAULT: u16 = 8080;

const BODY_BYTES_DEFAULT: usize = 8 * 1024 * 1024;
const BODY_BYTES_MIN: u64 = 1024;
/// A body is held in memory while it is verified and appended.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

const POOL_SIZE_DEFAULT: usize = 16;
/// The least that is asked for; an account more raises it by what its reconciler holds.
const POOL_SIZE_MIN: u64 = 6;
const POOL_SIZE_MAX: u64 = 500;

const COALESCE_MS_MAX: u64 = 600_000;
const GUARD_MAX: u64 = 1_000_000;

/// Reads everything; what is wrong is in the report, and the value is then not used.
pub(super) fn read(root: &mut Section<'_>, providers: &[&str]) -> Config {
    let data_dir = root.file_path("data_dir").unwrap_or_else(|| root.report.dir.join(DATA_DIR_DEFAULT));
    let server = server(root.section("server"));
    let database = database(root.section("database"));
    let licensespring = sources::accounts(root);
    let sources = sources::sources(root, providers, &licensespring);
    let names: Vec<&str> = sources.keys().map(String::as_str).collect();
    let mut rules = rules::read(root, &names);
    // Only what differs from the rule, so that a source more or less does not change the rules.
    rules.integration_keys =
        sources.iter().filter(|(_, s)| !s.integration_keys).map(|(name, _)| (name.clone(), false)).collect();
    let reconciler = reconciler(root.section("reconciler"));
    let telemetry = telemetry(root.section("telemetry"));
    root.section("erasure").finish();
    Config { data_dir, server, database, licensespring, sources, rules, reconciler, telemetry }
}

fn server(mut section: Section<'_>) -> Server {
    let server = Server {
        listen: section.get_or("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT))),
        public_url: section.web_url("public_url"),
        max_body_bytes: section.number("max_body_bytes", BODY_BYTES_DEFAULT, BODY_BYTES_MIN..=BODY_BYTES_MAX),
        trusted_proxies: trusted_proxies(&mut section),
        tls: section.has("tls").then(|| tls(section.section("tls"))),
    };
    section.finish();
    server
}

fn trusted_proxies(section: &mut Section<'_>) -> Vec<Network> {
    let texts: Vec<String> = section.get("trusted_proxies").unwrap_or_default();
    let read = |text: &String| {
        let network = text.parse().ok();
        if network.is_none() {
            let fix = "write an address or a block such as \"10.0.0.0/8\"";
            section.problem("trusted_proxies", format!("cannot hold {text:?}"), fix);
        }
        network
    };
    texts.iter().filter_map(read).collect()
}

fn tls(mut section: Section<'_>) -> Tls {
    let tls = Tls {
        certificate_file: readable(&mut section, "certificate_file"),
        key_file: readable(&mut section, "key_file"),
    };
    section.finish();
    tls
}

/// A file that is there: better found missing now than when the listener starts.
fn readable(section: &mut Section<'_>, key: &'static str) -> PathBuf {
    if !section.has(key) {
        section.problem(key, "is missing", format!("add {key} = \"path of a PEM file\""));
    }
    let path = section.file_path(key).unwrap_or_default();
    if !path.as_os_str().is_empty()
        && let Err(e) = std::fs::File::open(&path)
    {
        section.problem(key, format!("names {}, which cannot be read: {e}", path.display()), "correct the path");
    }
    path
}

fn database(mut section: Section<'_>) -> Database {
    let url_key_present = section.has("url");
    let url = section.secret_url("url");
    let owner_url = section.secret_url("owner_url");
    if owner_url.is_some() && !url_key_present {
        section.problem("owner_url", "is set without url", "add url = \"postgres://…\", or remove owner_url");
    }
    let migrate = section.get_or("migrate", !url_key_present);
    let pool_size = section.number("pool_size", POOL_SIZE_DEFAULT, POOL_SIZE_MIN..=POOL_SIZE_MAX);
    section.finish();
    Database { url, owner_url, migrate, pool_size }
}

fn reconciler(mut section: Section<'_>) -> Reconciler {
    let reconciler = Reconciler {
        mode: section.get_or("mode", ReconcilerMode::Continuous),
        coalesce_ms: section.number("coalesce_ms", 2000, 0..=COALESCE_MS_MAX),
        guard_max_destructive: section.number("guard_max_destructive", 25, 0..=GUARD_MAX),
        guard_max_destructive_per_day: section.number("guard_max_destructive_per_day", 100, 0..=GUARD_MAX),
        guard_max_percent: section.number("guard_max_percent", 5, 0..=100),
        guard_max_announced_per_day: section.number("guard_max_announced_per_day", 1000, 0..=GUARD_MAX),
        drift: section.get_or("drift", Drift::Report),
    };
    section.finish();
    reconciler
}

fn telemetry(mut section: Section<'_>) -> Telemetry {
    let telemetry = Telemetry {
        log_format: section.get_or("log_format", LogFormat::Text),
        log_filter: section.text("log_filter").unwrap_or_else(|| "info".to_owned()),
    };
    section.finish();
    telemetry
}
