//! Making the cluster, once, and the roles and database in it.

use std::fs::File;
use std::path::Path;

use tokio_postgres::{Client, NoTls};

use super::binaries::Binaries;
use super::place::{Place, io};
use super::{ADMIN_ROLE, DATABASE, EmbeddedError, OWNER_ROLE, SERVICE_ROLE};

/// Lines of `initdb`'s complaint that are shown.
const SHOWN_LINES: usize = 3;

/// `initdb` works beside the final place and is moved there when it is done, so that a kill in
/// the middle leaves only what the next start removes.
pub(super) async fn create_if_absent(place: &Place, binaries: &Binaries) -> Result<(), EmbeddedError> {
    if place.cluster.join("PG_VERSION").exists() {
        return Ok(());
    }
    let new = place.data_dir.join("postgres.new");
    remove(&new)?;
    place.make_owned_dir(&new)?;
    initdb(place, binaries, &new).await?;
    std::fs::rename(&new, &place.cluster).map_err(|e| io("cannot move the new cluster to", &place.cluster, e))?;
    sync_dir(&place.data_dir)
}

async fn initdb(place: &Place, binaries: &Binaries, dir: &Path) -> Result<(), EmbeddedError> {
    let mut command = place.command(&binaries.initdb);
    command.arg("-D").arg(dir).args(["--username", ADMIN_ROLE]);
    command.args(["--encoding", "UTF8", "--locale", "C", "--data-checksums", "--no-instructions"]);
    // `trust` on the socket alone, whose directory is 0700; nothing listens on the network.
    command.args(["--auth-local", "trust", "--auth-host", "reject"]);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|e| io("cannot run", &binaries.initdb, e))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = complaint.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    Err(EmbeddedError::Initdb(last.join(" | ")))
}

fn remove(dir: &Path) -> Result<(), EmbeddedError> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("cannot remove the half-made", dir, e)),
        _ => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> Result<(), EmbeddedError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(|e| io("cannot sync", dir, e))
}

/// What the service needs and only the superuser can give. Does what is missing and nothing else.
pub(super) async fn ensure_roles(admin_url: &str) -> Result<(), EmbeddedError> {
    let (client, connection) = tokio_postgres::connect(admin_url, NoTls).await.map_err(|e| sql(&e))?;
    let driver = tokio::spawn(connection);
    let done = prepare(&client).await;
    drop(client);
    let _ = driver.await;
    done.map_err(|e| sql(&e))
}

async fn prepare(client: &Client) -> Result<(), tokio_postgres::Error> {
    for role in [OWNER_ROLE, SERVICE_ROLE] {
        if !exists(client, "SELECT 1 FROM pg_roles WHERE rolname = $1", role).await? {
            let create =
                format!("CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS");
            client.batch_execute(&create).await?;
        }
    }
    if !exists(client, "SELECT 1 FROM pg_database WHERE datname = $1", DATABASE).await? {
        client.batch_execute(&format!("CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}")).await?;
    }
    // No temporary tables for the service: one of a table's name would stand before it.
    let grants = format!(
        "REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC; GRANT CONNECT ON DATABASE {DATABASE} TO {SERVICE_ROLE}"
    );
    client.batch_execute(&grants).await?;
    compress_with_lz4(client).await
}

/// Twice the speed of the default at the size of a webhook; not every build has it.
async fn compress_with_lz4(client: &Client) -> Result<(), tokio_postgres::Error> {
    const MISSING: &str = "SELECT name FROM pg_settings WHERE name IN ('wal_compression', 'default_toast_compression') \
                           AND 'lz4' = ANY (enumvals) AND setting <> 'lz4'";
    let missing = client.query(MISSING, &[]).await?;
    for row in &missing {
        let name: &str = row.get(0);
        client.batch_execute(&format!("ALTER SYSTEM SET {name} = 'lz4'")).await?;
    }
    if !missing.is_empty() {
        client.batch_execute("SELECT pg_reload_conf()").await?;
    }
    Ok(())
}

async fn exists(client: &Client, query: &str, name: &str) -> Result<bool, tokio_postgres::Error> {
    Ok(client.query_opt(query, &[&name]).await?.is_some())
}

/// The driver's own text stops at "db error"; the server's message is what helps.
pub(super) fn sql(error: &tokio_postgres::Error) -> EmbeddedError {
    EmbeddedError::Sql(reason(error))
}

/// In one line, with the server's words where there are any.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    let text = error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned());
    text.replace('\n', " ")
}
