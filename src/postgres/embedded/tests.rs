use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tokio_postgres::{Client, NoTls};

use super::*;

/// Set for the child process of the kill test: the data directory it serves.
const CHILD_DATA_DIR: &str = "SUBLEDGER_TEST_CHILD_DATA_DIR";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory of this test alone, as closed as `mktemp -d` makes it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sl-test-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options { shared_buffers_mb: 16, max_connections: 20, ..Options::default() }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(url: &str, query: &str) -> String {
    let client = connect(url).await;
    let row = client.query_one(query, &[]).await.unwrap();
    row.get(0)
}

fn postmaster_pid(dir: &Path) -> i32 {
    let text = std::fs::read_to_string(dir.join("postgres/postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

fn signal(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn start_query_stop_and_the_data_is_still_there() {
    let dir = Dir::new("life");
    let first = Embedded::start_exclusive(&dir.0, &options()).await.unwrap();
    assert!(first.started_here());
    connect(&first.owner_url()).await.batch_execute("CREATE TABLE kept AS SELECT 'yes'::text AS it").await.unwrap();
    check_settings(&first).await;
    check_roles(&first).await;
    check_that_psql_can_read_the_url(&first);

    let refused = Embedded::start_exclusive(&dir.0, &options()).await.unwrap_err().to_string();
    let expected = format!("another subledger serves {} (process {}):", dir.0.display(), std::process::id());
    assert!(refused.starts_with(&expected) && !refused.contains('\n'), "{refused}");

    let verb = Embedded::attach_or_start(&dir.0, &options()).await.unwrap();
    assert!(!verb.started_here());
    verb.stop().await.unwrap();
    assert_eq!(ask(&first.owner_url(), "SELECT it FROM kept").await, "yes", "a verb does not stop what serves");
    first.stop().await.unwrap();
    assert!(!dir.0.join("postgres/postmaster.pid").exists());

    let again = Embedded::attach_or_start(&dir.0, &options()).await.unwrap();
    assert!(again.started_here());
    assert_eq!(ask(&again.owner_url(), "SELECT it FROM kept").await, "yes");
    again.stop().await.unwrap();
    assert!(!dir.0.join("postgres/postmaster.pid").exists(), "a verb stops what it started");
}

async fn check_settings(embedded: &Embedded) {
    let expected = [
        ("synchronous_commit", "on"),
        ("fsync", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("TimeZone", "UTC"),
        ("server_encoding", "UTF8"),
        ("wal_compression", "lz4"),
        ("default_toast_compression", "lz4"),
        ("max_wal_size", "4GB"),
        ("checkpoint_timeout", "15min"),
    ];
    for (name, value) in expected {
        let query = format!("SELECT current_setting('{name}')");
        assert_eq!(ask(&embedded.service_url(), &query).await, value, "{name}");
    }
}

async fn check_roles(embedded: &Embedded) {
    let of_role = "SELECT concat(rolname, ' ', rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls) \
                   FROM pg_roles WHERE rolname = current_user";
    assert_eq!(ask(&embedded.service_url(), of_role).await, "subledger_service f");
    assert_eq!(ask(&embedded.owner_url(), of_role).await, "subledger_owner f");
    assert_eq!(ask(&embedded.admin_url(), of_role).await, "subledger_admin t");
    let service = connect(&embedded.service_url()).await;
    for forbidden in ["CREATE TABLE t (a int)", "CREATE TEMP TABLE t (a int)", "CREATE SCHEMA s", "CREATE ROLE r"] {
        let error = service.batch_execute(forbidden).await.unwrap_err();
        assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE), "{forbidden}");
    }
}

fn check_that_psql_can_read_the_url(embedded: &Embedded) {
    let run = std::process::Command::new("psql").arg(embedded.service_url()).args(["-Atc", "SELECT 42"]).output();
    // `psql` is a package of its own; where it is not installed there is nothing to check.
    if let Ok(output) = run {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{output:?}");
    }
}

#[tokio::test]
async fn a_killed_service_leaves_a_cluster_that_is_adopted() {
    let dir = Dir::new("killed");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "postgres::embedded::tests::child_that_serves_until_it_is_killed"])
        .env(CHILD_DATA_DIR, &dir.0)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !dir.0.join("ready").exists() {
        assert!(began.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Ctrl-C of a terminal goes to the whole foreground group, and so does this.
    let group = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    child.wait().unwrap();
    let pid = postmaster_pid(&dir.0);

    let adopted = Embedded::start_exclusive(&dir.0, &options()).await.unwrap();
    assert_eq!((adopted.started_here(), postmaster_pid(&dir.0)), (false, pid));
    assert_eq!(ask(&adopted.owner_url(), "SELECT it FROM kept").await, "yes");
    adopted.stop().await.unwrap();
    assert!(!dir.0.join("postgres/postmaster.pid").exists(), "who serves stops it, started or adopted");
}

#[tokio::test]
#[ignore = "run by the test above, in a process of its own"]
async fn child_that_serves_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD_DATA_DIR).map(PathBuf::from) else {
        return;
    };
    let embedded = Embedded::start_exclusive(&dir, &options()).await.unwrap();
    connect(&embedded.owner_url()).await.batch_execute("CREATE TABLE kept AS SELECT 'yes'::text AS it").await.unwrap();
    std::fs::write(dir.join("ready"), "").unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    embedded.stop().await.unwrap();
}

#[tokio::test]
async fn a_forgotten_handle_is_adopted_and_a_verb_leaves_it_running() {
    let dir = Dir::new("forgotten");
    std::mem::forget(Embedded::attach_or_start(&dir.0, &options()).await.unwrap());
    let pid = postmaster_pid(&dir.0);
    let verb = Embedded::attach_or_start(&dir.0, &options()).await.unwrap();
    verb.stop().await.unwrap();
    let adopted = Embedded::start_exclusive(&dir.0, &options()).await.unwrap();
    assert_eq!((adopted.started_here(), postmaster_pid(&dir.0)), (false, pid));
    adopted.stop().await.unwrap();
}

#[tokio::test]
async fn a_crash_of_postgres_is_recovered_from_whoever_has_its_pid_now() {
    let dir = Dir::new("crash");
    let first = Embedded::attach_or_start(&dir.0, &options()).await.unwrap();
    connect(&first.owner_url()).await.batch_execute("CREATE TABLE kept AS SELECT 'yes'::text AS it").await.unwrap();
    let pid = postmaster_pid(&dir.0);
    signal(pid, rustix::process::Signal::KILL);
    // At once: its backends may still be there.
    let second = Embedded::attach_or_start(&dir.0, &options()).await.unwrap();
    assert!(second.started_here() && postmaster_pid(&dir.0) != pid);
    assert_eq!(ask(&second.owner_url(), "SELECT it FROM kept").await, "yes");

    // The number is that of a living process, and even of Postgres' own user.
    let user = second.place.user.clone();
    let mut sleeper = std::process::Command::new("sleep");
    if let Some(user) = &user {
        sleeper.uid(user.uid).gid(user.gid);
    }
    let mut sleeper = sleeper.arg("60").spawn().unwrap();
    let mark = dir.0.join("postgres/postmaster.pid");
    let text = std::fs::read_to_string(&mark).unwrap();
    signal(postmaster_pid(&dir.0), rustix::process::Signal::KILL);
    let rest = text.split_once('\n').unwrap().1;
    std::fs::write(&mark, format!("{}\n{rest}", sleeper.id())).unwrap();
    let third = Embedded::start_exclusive(&dir.0, &options()).await.unwrap();
    assert!(third.started_here());
    assert_eq!(ask(&third.owner_url(), "SELECT it FROM kept").await, "yes");
    third.stop().await.unwrap();
    assert!(sleeper.try_wait().unwrap().is_none(), "the other program was left alone");
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[tokio::test]
async fn many_at_once_share_one_cluster_and_the_last_stops_it() {
    let dir = Dir::new("many");
    // A half-made cluster of an earlier kill is in the way.
    std::fs::create_dir(dir.0.join("postgres.new")).unwrap();
    std::fs::write(dir.0.join("postgres.new/PG_VERSION"), "15").unwrap();
    let opts = options();
    let open = || Embedded::attach_or_start(&dir.0, &opts);
    let (a, b, c) = tokio::join!(open(), open(), open());
    let all = [a.unwrap(), b.unwrap(), c.unwrap()];
    let starters = all.iter().filter(|e| e.started_here()).count();
    assert_eq!(starters, 1);
    let (mut first, others): (Vec<_>, Vec<_>) = all.into_iter().partition(Embedded::started_here);
    first.pop().unwrap().stop().await.unwrap();
    for embedded in others {
        assert_eq!(ask(&embedded.service_url(), "SELECT 'in use'::text").await, "in use");
        embedded.stop().await.unwrap();
    }
    // Left running by the starter, because others used it; whoever serves next has it.
    Embedded::start_exclusive(&dir.0, &options()).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket() {
    let dir = Dir::new("long");
    std::fs::set_permissions(&dir.0, std::fs::Permissions::from_mode(0o711)).unwrap();
    let deep = dir.0.join("d".repeat(120)).join("with space");
    let embedded = Embedded::attach_or_start(&deep, &options()).await.unwrap();
    assert!(embedded.place.socket_dir.starts_with("/tmp"));
    assert_eq!(ask(&embedded.service_url(), "SELECT 'fine'::text").await, "fine");
    let socket_dir = embedded.place.socket_dir.clone();
    embedded.stop().await.unwrap();
    std::fs::remove_dir_all(socket_dir).unwrap();
}

#[tokio::test]
async fn a_closed_parent_is_one_line() {
    if !rustix::process::geteuid().is_root() {
        return; // an ordinary user runs Postgres as itself, and reaches what it reaches
    }
    let dir = Dir::new("closed");
    let error = Embedded::attach_or_start(&dir.0.join("below/data"), &options()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("{} is closed to it", dir.0.display())), "{error}");
    assert!(error.contains("choose another data_dir") && !error.contains('\n'), "{error}");
}

#[tokio::test]
async fn a_wrong_version_is_one_line() {
    let dir = Dir::new("version");
    std::fs::create_dir(dir.0.join("postgres")).unwrap();
    std::fs::write(dir.0.join("postgres/PG_VERSION"), "9\n").unwrap();
    let error = Embedded::attach_or_start(&dir.0, &options()).await.unwrap_err().to_string();
    assert!(error.contains("was made by Postgres 9, and no Postgres 9 was found"), "{error}");
    let none = EmbeddedError::NoPostgres { found: " (only 14 (/usr/bin))".to_owned() }.to_string();
    assert!(none.starts_with("no Postgres ≥ 15 found (only 14 (/usr/bin)): install it (`apt-get install postgresql`"));
}

#[tokio::test]
async fn what_postgres_says_when_it_cannot_start_is_shown_in_one_line() {
    let dir = Dir::new("broken");
    Embedded::attach_or_start(&dir.0, &options()).await.unwrap().stop().await.unwrap();
    std::fs::write(dir.0.join("postgres/postgresql.auto.conf"), "nonsense = on\n").unwrap();
    let error = Embedded::attach_or_start(&dir.0, &options()).await.unwrap_err().to_string();
    assert!(error.starts_with("Postgres did not start: ") && error.contains("nonsense"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}
