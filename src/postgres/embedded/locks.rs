//! Locks on files of the data directory. The kernel drops them with their process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::EmbeddedError;
use super::place::Place;

const SERVE: &str = "serve.lock";
const DECIDE: &str = "start.lock";
const USERS: &str = "users.lock";

/// Longer than a start and a stop of another process take.
const DECIDE_MAX: Duration = Duration::from_secs(150);
const DECIDE_PAUSE: Duration = Duration::from_millis(50);

/// A process id has at most 7 digits.
const HOLDER_BYTES_MAX: u64 = 16;

/// A held lock; dropping releases it.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// For a shared lock: nobody else holds it. Ends this one's sharing either way.
    pub(super) fn was_last(self) -> bool {
        // The kernel may drop the shared lock before it refuses the exclusive one: fine, we leave.
        self.0.try_lock().is_ok()
    }
}

/// The right to serve this data directory.
pub(super) fn serve(place: &Place) -> Result<Lock, EmbeddedError> {
    let path = place.data_dir.join(SERVE);
    let mut file = open(&path)?;
    match file.try_lock() {
        Ok(()) => {
            // For the message that a second one gets; the lock holds without it.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            Ok(Lock(file))
        }
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::AlreadyServed {
            data_dir: place.data_dir.display().to_string(),
            by: holder(&mut file).map(|pid| format!(" (process {pid})")).unwrap_or_default(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(&path, source)),
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The right to start or stop the cluster. Waits for others, within bounds.
pub(super) async fn decide(place: &Place) -> Result<Lock, EmbeddedError> {
    let path = place.data_dir.join(DECIDE);
    let file = open(&path)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::Error(source)) => return Err(failed(&path, source)),
            Err(TryLockError::WouldBlock) if began.elapsed() > DECIDE_MAX => {
                return Err(EmbeddedError::Busy { data_dir: place.data_dir.display().to_string(), after: DECIDE_MAX });
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(DECIDE_PAUSE).await,
        }
    }
}

/// Notes that this process uses the cluster. Others hold the lock exclusively only for the
/// instant in which they look whether they are the last: it does not block.
pub(super) fn use_shared(place: &Place) -> Result<Lock, EmbeddedError> {
    let path = place.data_dir.join(USERS);
    let file = open(&path)?;
    file.lock_shared().map_err(|source| failed(&path, source))?;
    Ok(Lock(file))
}

fn open(path: &Path) -> Result<File, EmbeddedError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> EmbeddedError {
    EmbeddedError::Io { what: "cannot lock", path: path.display().to_string(), source }
}
