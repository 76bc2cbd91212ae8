//! The database of a run: the one a URL names, or the private cluster in the data directory.

use deadpool_postgres::Pool;
use secrecy::ExposeSecret;

use super::failure::Failure;
use crate::config::Config;
use crate::postgres::embedded::{Embedded, Options};
use crate::postgres::migrate::{self, Migrated};
use crate::postgres::pool;

/// A database that can be connected to, and the cluster behind it where it is ours.
pub(super) struct Database {
    pub service_url: String,
    owner_url: String,
    embedded: Option<Embedded>,
    pool_size: usize,
}

impl Database {
    /// For `serve`: the private cluster is ours alone, and stops with us.
    pub(super) async fn serve(config: &Config) -> Result<Self, Failure> {
        Self::open(config, true).await
    }

    /// For the other verbs: finds the cluster that is running, or starts it for this run.
    pub(super) async fn attach(config: &Config) -> Result<Self, Failure> {
        Self::open(config, false).await
    }

    async fn open(config: &Config, exclusive: bool) -> Result<Self, Failure> {
        // A turn of a reconciler holds four connections; the other loops and the door need some too.
        let pool_size = config.database.pool_size.max(4 * config.licensespring.len() + 4);
        if let Some(url) = &config.database.url {
            let service_url = url.expose_secret().to_owned();
            let owner_url = config
                .database
                .owner_url
                .as_ref()
                .map_or_else(|| service_url.clone(), |u| u.expose_secret().to_owned());
            return Ok(Self { service_url, owner_url, embedded: None, pool_size });
        }
        let options = Options::default();
        let embedded = if exclusive {
            Embedded::start_exclusive(&config.data_dir, &options).await?
        } else {
            Embedded::attach_or_start(&config.data_dir, &options).await?
        };
        Ok(Self {
            service_url: embedded.service_url(),
            owner_url: embedded.owner_url(),
            embedded: Some(embedded),
            pool_size,
        })
    }

    /// Connections under the service's role.
    pub(super) fn pool(&self) -> Result<Pool, Failure> {
        Ok(pool::connect(&self.service_url, self.pool_size)?)
    }

    /// Runs schema steps as the owner.
    pub(super) async fn migrate(&self) -> Result<Migrated, Failure> {
        let role = migrate::role_of(&pool::config(&self.service_url, "subledger")?);
        let mut owner = pool::single(&self.owner_url).await?;
        Ok(migrate::run(&mut owner, &role).await?)
    }

    /// Stops the private cluster, if it is ours to stop.
    pub(super) async fn close(self) -> Result<(), Failure> {
        if let Some(embedded) = self.embedded {
            embedded.stop().await?;
        }
        Ok(())
    }
}
