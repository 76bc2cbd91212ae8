//! Keeping the world in a file: a short while after a change, and once more at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::SandboxError;
use super::shared::Shared;

/// Changes of this long are written together.
const DEBOUNCE: Duration = Duration::from_millis(150);

/// Writes behind the changes.
#[derive(Debug)]
pub(super) struct Saver {
    file: Arc<DataFile>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct DataFile {
    path: PathBuf,
    /// One write at a time, and each writes what is true when its turn comes: an older state can
    /// then never replace a newer one. True after the last write: a straggler must not overwrite
    /// what the next sandbox keeps in this file.
    finished: Mutex<bool>,
}

impl Saver {
    /// Writes once, so that an unusable path is an error at the start and not a warning later,
    /// then behind every change.
    pub fn start(path: PathBuf, shared: Arc<Shared>) -> Result<Self, SandboxError> {
        let file = Arc::new(DataFile { path, finished: Mutex::new(false) });
        file.save(&shared, false)?;
        let task = tokio::spawn(save_changes(Arc::clone(&file), shared));
        Ok(Self { file, task })
    }

    /// The last write, when no request can come any more.
    pub async fn finish(self, shared: Arc<Shared>) -> Result<(), SandboxError> {
        self.task.abort();
        self.file.save(&shared, true)
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn save_changes(file: Arc<DataFile>, shared: Arc<Shared>) {
    loop {
        shared.changed.notified().await;
        tokio::time::sleep(DEBOUNCE).await;
        let started = Instant::now();
        let (file, shared) = (Arc::clone(&file), Arc::clone(&shared));
        match tokio::task::spawn_blocking(move || file.save(&shared, false)).await {
            Ok(Err(error)) => tracing::warn!(%error, "sandbox state was not saved"),
            Ok(Ok(())) => {}
            Err(_) => return, // the runtime is going away
        }
        // A large world is written for long: requests must get at least as much of the lock.
        tokio::time::sleep(started.elapsed()).await;
    }
}

impl DataFile {
    fn save(&self, shared: &Shared, is_last: bool) -> Result<(), SandboxError> {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if *finished {
            return Ok(());
        }
        *finished = is_last;
        let unwritable = |source| SandboxError::DataUnwritable { path: self.path.clone(), source };
        let bytes = serde_json::to_vec(&shared.lock().world).map_err(|e| unwritable(e.into()))?;
        let beside = beside(&self.path);
        fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &self.path)).map_err(unwritable)
    }
}

/// The temporary name, in the same directory so that the rename is atomic.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}
