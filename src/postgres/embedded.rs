//! The private Postgres cluster: found binaries, a cluster in `<data_dir>/postgres`, a Unix
//! socket and nothing on the network.
//!
//! **Who holds it.** Whoever serves holds `serve.lock`; a second one is refused. Other verbs use
//! the running cluster, or start it for their own run. Every user of the cluster holds a shared
//! lock on `users.lock`, so that a verb that started it leaves it to a `serve` that came later. The
//! locks are the kernel's and die with their process: after a `kill -9` nothing is left to clean.
//!
//! **What survives.** The cluster is in a process group of its own, so neither Ctrl-C nor the
//! death of this process ends it; the next start adopts it. What Postgres itself left behind
//! (`postmaster.pid`, a log to replay) is taken care of here and by its own recovery.
//!
//! **Who may use it.** Local connections are trusted, because the way to the socket is the
//! permission: its directory is 0700 and belongs to the user that Postgres runs as. That user and
//! root can read the data files anyway, so a password would guard nothing more.

use std::path::{Path, PathBuf};
use std::time::Duration;

mod binaries;
mod cluster;
mod locks;
mod place;
mod postmaster;
#[cfg(test)]
mod tests;

use binaries::Binaries;
use locks::Lock;
use place::Place;
use postmaster::Postmaster;

/// The superuser of the private cluster. Only this module and tests use it.
pub const ADMIN_ROLE: &str = "subledger_admin";
/// Owns the database and its schema.
pub const OWNER_ROLE: &str = "subledger_owner";
/// What the service connects as.
pub const SERVICE_ROLE: &str = "subledger_service";
/// The database.
pub const DATABASE: &str = "subledger";

/// How the cluster is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memory that Postgres keeps pages in, in MB; at least 1.
    pub shared_buffers_mb: u32,
    /// Connections at once, of which Postgres keeps 3 for the superuser.
    pub max_connections: u32,
    /// Directories to look for binaries in before all others.
    pub bin_dirs: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { shared_buffers_mb: 256, max_connections: 100, bin_dirs: Vec::new() }
    }
}

/// A running cluster that this process uses. [`Embedded::stop`] it at the end: dropping asks a
/// cluster that is ours to stop and does not wait.
#[derive(Debug)]
pub struct Embedded {
    place: Place,
    postmaster: Postmaster,
    /// Held while serving.
    serving: Option<Lock>,
    /// Shared by all users of the cluster; `None` once stopped.
    using: Option<Lock>,
    /// This process started the postmaster.
    started: bool,
}

/// Why there is no cluster; each displays as one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no Postgres ≥ {} found{found}: install it (`apt-get install postgresql`, `dnf install postgresql-server`, \
         `brew install postgresql@17`), or set database.url",
        binaries::MAJOR_MIN
    )]
    NoPostgres {
        /// What was found instead, beginning with a space; may be empty.
        found: String,
    },
    #[error(
        "the cluster in {cluster} was made by Postgres {major}, and no Postgres {major} was found: \
         install that version (`apt-get install postgresql-{major}`)"
    )]
    OtherMajor { cluster: String, major: u32 },
    #[error(
        "the data directory {data_dir} cannot be reached by user {user}, as whom Postgres runs because you are root: \
         {closed} is closed to it; choose another data_dir (such as /var/lib/subledger), open that directory \
         (`chmod o+x {closed}`), or start as an ordinary user"
    )]
    Unreachable { data_dir: String, user: String, closed: String },
    #[error("{path} belongs to another user (uid {uid}): run as that user or as root, or choose another data_dir")]
    NotYours { path: String, uid: u32 },
    #[error("another subledger serves {data_dir}{by}: stop it first, or give this one its own data_dir")]
    AlreadyServed {
        data_dir: String,
        /// ` (process 123)`, where it is known.
        by: String,
    },
    #[error("another subledger has been starting or stopping the cluster in {data_dir} for {} s: try again", .after.as_secs())]
    Busy { data_dir: String, after: Duration },
    #[error("{what} {path}: {source}")]
    Io {
        what: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the path {0} cannot be used: choose a data_dir whose path is UTF-8")]
    Path(String),
    #[error("initdb failed: {0}")]
    Initdb(String),
    #[error("Postgres did not start: {reason}; see {log}")]
    NotStarted { reason: String, log: String },
    #[error("Postgres was not ready after {} s: {reason}; see {log}", .after.as_secs())]
    NotReady { after: Duration, reason: String, log: String },
    #[error("Postgres was still stopping after {} s; it goes on by itself, see {log}", .after.as_secs())]
    NotStopped { after: Duration, log: String },
    #[error("the private cluster could not be prepared: {0}")]
    Sql(String),
}

impl Embedded {
    /// For a verb: uses the running cluster, or starts it for this run.
    ///
    /// # Errors
    /// [`EmbeddedError`], one line each.
    pub async fn attach_or_start(data_dir: &Path, options: &Options) -> Result<Self, EmbeddedError> {
        let place = Place::prepare(data_dir)?;
        Self::open(place, None, options).await
    }

    /// For `serve`: the same, refused where another process serves this data directory. The
    /// cluster is ours from then on, also if it was running.
    ///
    /// # Errors
    /// [`EmbeddedError::AlreadyServed`], or any other.
    pub async fn start_exclusive(data_dir: &Path, options: &Options) -> Result<Self, EmbeddedError> {
        let place = Place::prepare(data_dir)?;
        let serving = locks::serve(&place)?;
        Self::open(place, Some(serving), options).await
    }

    /// Refuses a data directory that another process serves, before anything in it is touched.
    ///
    /// # Errors
    /// [`EmbeddedError::AlreadyServed`], or the directory cannot be used.
    pub fn ensure_free(data_dir: &Path) -> Result<(), EmbeddedError> {
        locks::serve(&Place::prepare(data_dir)?).map(drop)
    }

    async fn open(place: Place, serving: Option<Lock>, options: &Options) -> Result<Self, EmbeddedError> {
        // One process at a time looks at the cluster and decides: else two would start it.
        let _deciding = locks::decide(&place).await?;
        let using = locks::use_shared(&place)?;
        let binaries = Binaries::find(&place, &options.bin_dirs).await?;
        cluster::create_if_absent(&place, &binaries).await?;
        let (postmaster, started) = Postmaster::attach_or_start(&place, &binaries, options).await?;
        let embedded = Self { place, postmaster, serving, using: Some(using), started };
        cluster::ensure_roles(&embedded.admin_url()).await?;
        Ok(embedded)
    }

    /// Asks Postgres to stop (open transactions are rolled back) and waits, if the cluster is
    /// ours: we serve, or we started it and nobody else uses it. Else it is left running.
    ///
    /// # Errors
    /// [`EmbeddedError::NotStopped`]: it takes longer, and goes on by itself.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        let _deciding = locks::decide(&self.place).await?;
        if !self.let_go() {
            return Ok(());
        }
        self.postmaster.ask_to_stop(&self.place)?;
        self.postmaster.wait_until_stopped(&self.place).await
    }

    /// Whether this process started the postmaster, rather than found it running.
    #[must_use]
    pub fn started_here(&self) -> bool {
        self.started
    }

    /// As the service: no superuser, no owner.
    #[must_use]
    pub fn service_url(&self) -> String {
        self.url(SERVICE_ROLE, DATABASE)
    }

    /// As the owner of the database: for `migrate`.
    #[must_use]
    pub fn owner_url(&self) -> String {
        self.url(OWNER_ROLE, DATABASE)
    }

    /// As the superuser, in the database `postgres`.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url(ADMIN_ROLE, "postgres")
    }

    /// For any role and database, as tokio-postgres, libpq and psql read it.
    #[must_use]
    pub fn url(&self, role: &str, database: &str) -> String {
        self.place.url(role, database)
    }

    /// Stops using the cluster; whether it is ours to stop. False the second time.
    fn let_go(&mut self) -> bool {
        let Some(using) = self.using.take() else { return false };
        self.serving.is_some() || (self.started && using.was_last())
    }
}

impl Drop for Embedded {
    /// Nothing here can wait or fail; Postgres finishes on its own.
    fn drop(&mut self) {
        if self.let_go() {
            let _ = self.postmaster.ask_to_stop(&self.place);
        }
    }
}
