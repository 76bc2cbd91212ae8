//! Finding and reading the configuration, and what it makes of sources and accounts.

use std::path::{Path, PathBuf};

use tracing::warn;

use super::ConfigArg;
use super::failure::Failure;
use crate::config::{self, Amendments, Config, LoadOptions, SourceMode, load, process_environment};
use crate::ledger::journal::{self, JournalKind};
use crate::postgres::DbError;
use crate::providers::{PROVIDERS, SourceSettings, by_slug};
use crate::registry::{Account, Registry, Source};

/// Where `dev` keeps everything unless told otherwise.
pub(super) const DATA_DIR: &str = ".subledger";
/// What `dev` writes; only a file of this name may hold secrets as literals.
pub(super) const DEV_FILE: &str = "dev.toml";

/// The file to read: told, or `subledger.toml`, or what `dev` left here.
pub(super) fn path(arg: &ConfigArg) -> Result<PathBuf, Failure> {
    if let Some(path) = &arg.config {
        return Ok(path.clone());
    }
    let candidates = [PathBuf::from("subledger.toml"), Path::new(DATA_DIR).join(DEV_FILE)];
    candidates.into_iter().find(|p| p.is_file()).ok_or_else(|| {
        "no configuration: give --config FILE, or run `subledger dev` here first to have one made".into()
    })
}

/// Reads the configuration; every problem is a line.
pub(super) fn read(path: &Path) -> Result<Config, Failure> {
    let slugs: Vec<&str> = PROVIDERS.iter().map(|p| p.slug()).collect();
    let dev = path.file_name().is_some_and(|n| n == DEV_FILE);
    let options = LoadOptions { dev, providers: &slugs, environment: process_environment() };
    let (config, warnings) = load(path, &options)
        .map_err(|problems| Failure::lines(problems.0.iter().map(ToString::to_string).collect()))?;
    for warning in warnings {
        warn!("{warning}");
    }
    Ok(config)
}

/// The path, then the configuration.
pub(super) fn find(arg: &ConfigArg) -> Result<Config, Failure> {
    read(&path(arg)?)
}

/// What a source's provider needs to know of its configuration.
pub(super) fn of_source(source: &config::Source) -> SourceSettings {
    SourceSettings {
        secrets: source.secrets.clone(),
        livemode: source.mode == SourceMode::Live,
        shop_domain: source.shop_domain.clone(),
        past_secrets: source.past_secrets.clone(),
        renewal_sources: source.renewal_sources.clone(),
        url_token: source.url_token.clone(),
        organization_ids: source.organization_ids.clone(),
        fields: source.fields.clone(),
        time_zone: source.salesforce.time_zone,
        amendments_replace: source.salesforce.cpq_amendments == Amendments::Full,
        off_statuses: source.salesforce.off_statuses.clone(),
        callout_secret_in_header: source.salesforce.callout_secret_in_header,
    }
}

/// Opens the journals that a configuration names.
pub(super) async fn registry(config: &Config, client: &deadpool_postgres::Client) -> Result<Registry, DbError> {
    let mut registry =
        Registry { system: journal::open(client, journal::SYSTEM, JournalKind::System).await?, ..Registry::default() };
    for name in config.licensespring.keys() {
        let journal = journal::open(client, &journal::of_account(name), JournalKind::Licensespring).await?;
        registry.accounts.insert(name.clone(), Account { name: name.clone(), journal });
    }
    for (name, source) in &config.sources {
        let Some(provider) = by_slug(&source.provider) else { continue };
        let journal = journal::open(client, name, JournalKind::Source).await?;
        let settings = of_source(source);
        let account = source.licensespring.clone().unwrap_or_default();
        registry.sources.insert(name.clone(), Source { name: name.clone(), journal, provider, settings, account });
    }
    Ok(registry)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_field_that_the_configuration_takes_is_one_that_is_read() {
        assert_eq!(crate::config::FIELD_NAMES, crate::providers::salesforce::FIELD_NAMES);
    }
}
