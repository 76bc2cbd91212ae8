//! One private cluster for the whole run, one database a test, cloned from a migrated template.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use subledger::postgres::embedded::{Embedded, OWNER_ROLE, Options, SERVICE_ROLE};
use subledger::postgres::{migrate, pool};

/// The database every other is cloned from.
const TEMPLATE: &str = "subledger_template";

struct Cluster {
    embedded: Embedded,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(1);
/// Cloning a template needs it to itself.
static CLONING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A database of one test's own.
pub struct Database {
    pub service_url: String,
    pub owner_url: String,
    pub admin_url: String,
}

fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| {
        // A runtime of its own: the caller's may be gone before the cluster is.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(start())
        })
        .join()
        .unwrap()
    })
}

async fn start() -> Cluster {
    let directory = std::env::temp_dir().join(format!("subledger-it-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let options = Options { shared_buffers_mb: 64, max_connections: 400, ..Options::default() };
    let embedded = Embedded::start_exclusive(&directory, &options)
        .await
        .unwrap_or_else(|e| panic!("no Postgres to test with: {e}"));
    stop_when_we_are_gone(&directory);
    let admin = pool::single(&embedded.admin_url()).await.unwrap();
    admin.batch_execute(&format!("CREATE DATABASE {TEMPLATE} OWNER {OWNER_ROLE}")).await.unwrap();
    admin
        .batch_execute(&format!(
            "REVOKE ALL ON DATABASE {TEMPLATE} FROM PUBLIC; GRANT CONNECT ON DATABASE {TEMPLATE} TO {SERVICE_ROLE}"
        ))
        .await
        .unwrap();
    let mut owner = pool::single(&embedded.url(OWNER_ROLE, TEMPLATE)).await.unwrap();
    migrate::run(&mut owner, SERVICE_ROLE).await.unwrap();
    Cluster { embedded }
}

/// Statics are not dropped: a shell waits for this process and clears up after it.
#[allow(clippy::zombie_processes)] // it outlives us, that is its purpose
fn stop_when_we_are_gone(directory: &std::path::Path) {
    let script = format!(
        "while kill -0 {pid} 2>/dev/null; do sleep 0.2; done; \
         kill -INT $(head -n 1 {dir}/postgres/postmaster.pid) 2>/dev/null; sleep 2; rm -rf {dir}",
        pid = std::process::id(),
        dir = directory.display()
    );
    let mut watch = Command::new("sh");
    watch.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut watch, 0).spawn().unwrap();
}

impl Database {
    /// A fresh, migrated database.
    pub async fn new() -> Self {
        let name = format!("it_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let cluster = cluster();
        let _alone = CLONING.lock().await;
        let admin = pool::single(&cluster.embedded.admin_url()).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER_ROLE}")).await.unwrap();
        admin
            .batch_execute(&format!(
                "REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {SERVICE_ROLE}"
            ))
            .await
            .unwrap();
        Self {
            service_url: cluster.embedded.url(SERVICE_ROLE, &name),
            owner_url: cluster.embedded.url(OWNER_ROLE, &name),
            admin_url: cluster.embedded.url(subledger::postgres::embedded::ADMIN_ROLE, &name),
        }
    }

    /// A fresh database without any schema.
    pub async fn empty() -> Self {
        let name = format!("it_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let cluster = cluster();
        let admin = pool::single(&cluster.embedded.admin_url()).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name} OWNER {OWNER_ROLE}")).await.unwrap();
        Self {
            service_url: cluster.embedded.url(SERVICE_ROLE, &name),
            owner_url: cluster.embedded.url(OWNER_ROLE, &name),
            admin_url: cluster.embedded.url(subledger::postgres::embedded::ADMIN_ROLE, &name),
        }
    }

    /// A pool under the very role that `serve` uses.
    pub fn pool(&self) -> deadpool_postgres::Pool {
        pool::connect(&self.service_url, 8).unwrap()
    }

    /// One connection under the service's role.
    pub async fn service(&self) -> tokio_postgres::Client {
        pool::single(&self.service_url).await.unwrap()
    }

    /// A program of the server's own installation: `pg_dump`, `psql`.
    pub async fn program(&self, name: &str) -> Command {
        let admin = pool::single(&self.admin_url).await.unwrap();
        let row = admin.query_one("SELECT setting FROM pg_config WHERE name = 'BINDIR'", &[]).await.unwrap();
        Command::new(std::path::Path::new(&row.get::<_, String>(0)).join(name))
    }

    /// One connection as the owner of the schema.
    pub async fn owner(&self) -> tokio_postgres::Client {
        pool::single(&self.owner_url).await.unwrap()
    }
}
