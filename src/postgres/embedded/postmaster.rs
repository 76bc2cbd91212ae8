//! The server process: found or started, awaited, stopped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::Child;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::binaries::Binaries;
use super::cluster::reason;
use super::place::{Place, SOCKET_NAME, io};
use super::{ADMIN_ROLE, EmbeddedError, Options};

/// Until a server that says nothing is given up.
const READY_MAX: Duration = Duration::from_secs(60);
/// Until a server is given up that says it is recovering: up to `max_wal_size` is replayed.
const RECOVERY_MAX: Duration = Duration::from_secs(600);
/// A fast shutdown writes a checkpoint.
const STOP_MAX: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(25);
/// One attempt to connect; a socket answers at once or the server is not well.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The log is begun anew above this size, one old one is kept.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How much of the log's end is read for a message, and how many lines are shown.
const TAIL_BYTES: u64 = 4096;
const TAIL_LINES: usize = 4;

/// Above every system's largest process id: certainly not running.
const NO_PID: i32 = i32::MAX - 1;

/// Fixed at every start, whatever the cluster's own file says: what is promised depends on the
/// first ones. The sizes are for a log that is appended to all day.
const SETTINGS: [&str; 13] = [
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "checkpoint_timeout=15min",
    "max_wal_size=4GB",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=off",
    "log_destination=stderr",
    "log_line_prefix=%m [%p] ",
];

/// The server, if this process started it; else only the data directory knows it.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Option<Child>,
}

/// What a connection attempt tells.
enum Probe {
    Ready,
    /// It is there, and starting, recovering or stopping.
    Busy(String),
    Silent(String),
}

impl Postmaster {
    /// The running server, or a new one; and whether it is new. Waits until it answers.
    pub(super) async fn attach_or_start(
        place: &Place,
        binaries: &Binaries,
        options: &Options,
    ) -> Result<(Self, bool), EmbeddedError> {
        let began = Instant::now();
        let mut child = None;
        loop {
            let (limit, said) = match probe(place).await {
                Probe::Ready => {
                    let started = child.is_some();
                    return Ok((Self { child }, started));
                }
                Probe::Busy(said) => (RECOVERY_MAX, said),
                Probe::Silent(said) => (READY_MAX, said),
            };
            if began.elapsed() > limit {
                return Err(EmbeddedError::NotReady {
                    after: limit,
                    reason: said,
                    log: place.log.display().to_string(),
                });
            }
            if ended(&mut child, place, began)? && running(place).is_none() {
                child = Some(start(place, binaries, options)?);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Fast shutdown: open transactions are rolled back.
    pub(super) fn ask_to_stop(&self, place: &Place) -> Result<(), EmbeddedError> {
        let Some(pid) = running(place) else { return Ok(()) };
        kill_process(pid, Signal::INT).map_err(|e| io("cannot stop the server of", &place.cluster, e.into()))
    }

    /// Until the server has removed its own mark, the last thing it does.
    pub(super) async fn wait_until_stopped(&mut self, place: &Place) -> Result<(), EmbeddedError> {
        let began = Instant::now();
        while running(place).is_some() {
            if began.elapsed() > STOP_MAX {
                return Err(EmbeddedError::NotStopped { after: STOP_MAX, log: place.log.display().to_string() });
            }
            tokio::time::sleep(PAUSE).await;
        }
        if let Some(child) = &mut self.child {
            let _ = tokio::time::timeout(STOP_MAX, child.wait()).await;
        }
        Ok(())
    }
}

async fn probe(place: &Place) -> Probe {
    let url = place.url(ADMIN_ROLE, "postgres");
    let attempt = tokio::time::timeout(CONNECT_MAX, tokio_postgres::connect(&url, NoTls));
    match attempt.await {
        // Without its mark it is the ghost of a removed cluster, which ends by itself.
        Ok(Ok(_)) if mark(place).exists() => Probe::Ready,
        Ok(Ok(_)) => Probe::Silent("another server answers at its socket".to_owned()),
        Ok(Err(e)) if e.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => Probe::Busy(reason(&e)),
        Ok(Err(e)) => Probe::Silent(reason(&e)),
        Err(_) => Probe::Silent("it does not answer".to_owned()),
    }
}

/// The server that the cluster's `postmaster.pid` names, if it really runs. The number may be
/// left from a crash and belong to another program by now: in a container, often to ourselves.
fn running(place: &Place) -> Option<Pid> {
    let pid = pid_of(&std::fs::read_to_string(mark(place)).ok()?)?;
    (is_alive(pid) && is_postmaster_of(pid, &place.cluster)).then_some(pid)
}

fn mark(place: &Place) -> PathBuf {
    place.cluster.join("postmaster.pid")
}

fn pid_of(mark: &str) -> Option<Pid> {
    let number: i32 = mark.lines().next()?.trim().parse().ok()?;
    if number > 0 { Pid::from_raw(number) } else { None }
}

fn is_alive(pid: Pid) -> bool {
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// A postmaster's working directory is its cluster, and its command line names it.
fn is_postmaster_of(pid: Pid, cluster: &Path) -> bool {
    let pid = pid.as_raw_nonzero();
    if Path::new("/proc/self").exists() {
        return std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == cluster);
    }
    let ps = std::process::Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    ps.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(&cluster.display().to_string()))
}

/// Whether there is no child of ours to wait for (any more). One that ended may be tried again
/// where only the leftovers of a crash stood in its way.
fn ended(child: &mut Option<Child>, place: &Place, began: Instant) -> Result<bool, EmbeddedError> {
    let Some(process) = child else { return Ok(true) };
    if process.try_wait().ok().flatten().is_none() {
        return Ok(false);
    }
    let last = log_tail(&place.log);
    // Backends notice within moments that their postmaster was killed, and let go.
    let crash_lingers = last.contains("pre-existing shared memory block") && began.elapsed() < READY_MAX;
    if !crash_lingers {
        return Err(EmbeddedError::NotStarted { reason: last, log: place.log.display().to_string() });
    }
    *child = None;
    Ok(true)
}

fn start(place: &Place, binaries: &Binaries, options: &Options) -> Result<Child, EmbeddedError> {
    disown_reused_pid(place)?;
    remove_socket(place);
    // Opened here, so that Postgres' user needs no right to write into the data directory.
    let log = open_log(&place.log)?;
    let also = log.try_clone().map_err(|e| io("cannot open", &place.log, e))?;
    let mut command = place.command(&binaries.postgres);
    command.arg("-D").arg(&place.cluster);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.args(["-c", &format!("shared_buffers={}MB", options.shared_buffers_mb.max(1))]);
    command.args(["-c", &format!("max_connections={}", options.max_connections)]);
    command.args(["-c", &format!("unix_socket_directories={}", place.socket_dir.display())]);
    command.stdin(std::process::Stdio::null()).stdout(log).stderr(also);
    // Its own group: the terminal's Ctrl-C is for us, who then stop it in order.
    command.process_group(0).kill_on_drop(false);
    tracing::debug!(cluster = %place.cluster.display(), major = binaries.major, "starting the private Postgres");
    command.spawn().map_err(|e| io("cannot run", &binaries.postgres, e))
}

/// Postgres refuses to start while the process of `postmaster.pid` lives, whatever it is. Only
/// the number is replaced: the rest of the file is how Postgres finds the backends of a killed
/// postmaster, which must be gone before a new one may write.
fn disown_reused_pid(place: &Place) -> Result<(), EmbeddedError> {
    let path = mark(place);
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(());
    };
    let Some(pid) = pid_of(&text).filter(|pid| is_alive(*pid)) else {
        return Ok(());
    };
    tracing::warn!(pid = pid.as_raw_nonzero(), "the process id of the last Postgres belongs to another program now");
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    std::fs::write(&path, format!("{NO_PID}\n{rest}")).map_err(|e| io("cannot write", &path, e))
}

/// The socket's lock file names a process as well, with the same doubt. Nothing but this cluster
/// has its socket here, and what guards the data is `postmaster.pid`.
fn remove_socket(place: &Place) {
    for name in [SOCKET_NAME.to_owned(), format!("{SOCKET_NAME}.lock")] {
        // Mostly absent; where it cannot be removed, Postgres says so.
        let _ = std::fs::remove_file(place.socket_dir.join(name));
    }
}

fn open_log(path: &Path) -> Result<File, EmbeddedError> {
    if path.metadata().is_ok_and(|found| found.len() > LOG_BYTES_MAX) {
        std::fs::rename(path, path.with_extension("log.old")).map_err(|e| io("cannot move", path, e))?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options.open(path).map_err(|e| io("cannot open", path, e))
}

/// The last lines of the log, in one.
fn log_tail(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(TAIL_BYTES)))?;
        file.take(TAIL_BYTES).read_to_end(&mut bytes)
    });
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match (read, lines.get(lines.len().saturating_sub(TAIL_LINES)..)) {
        (Ok(_), Some(last)) if !last.is_empty() => last.join(" | "),
        _ => "it left no log".to_owned(),
    }
}
