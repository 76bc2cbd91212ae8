//! Intake: verify, blank what must never be stored, split, append, and only then acknowledge.
//!
//! Deliveries wait in one bounded queue a source; its flusher takes whatever is queued and
//! appends it in one call, so that batches grow by themselves while a call is in flight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::ledger::append::{Appended, NewDelivery};
use crate::providers::{EventHint, Refusal, Request};
use crate::registry::{Registry, Source};

mod cut;
mod flush;
pub mod refusals;

pub use flush::StoreError;
use refusals::Refusals;

/// Deliveries that may wait in one source's queue.
const QUEUE_DELIVERIES_MAX: usize = 4_096;
/// KiB of bodies that may be in memory at once, over all sources.
const BODY_KIB_MAX: usize = 64 * 1024;
/// Connections that append at once in this process.
const CALLS_IN_FLIGHT_MAX: usize = 2;
/// Longest a provider waits for the commit before it is asked to come again.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(10);

/// A delivery that waits for its commit.
struct Job {
    delivery: NewDelivery,
    reply: oneshot::Sender<Result<Vec<Appended>, StoreError>>,
    _room: Room,
    /// In its queue, and at the door of this process.
    _waiting: [Waiting; 2],
}

/// Counts a delivery among those that wait, until it is dropped: in the queue, or in a call that
/// is not answered yet.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The way to a source's flusher.
struct Queue {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// Room for a body in memory, given back when dropped. It grows with the bytes that came, not with
/// those that were announced: an announcement costs its sender nothing.
pub struct Room {
    all: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Makes room for a body of so many bytes in all.
    ///
    /// # Errors
    /// There is none left: the provider is asked to come again.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), IntakeError> {
        let taken = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more) = bytes.div_ceil(1024).checked_sub(taken).filter(|more| *more > 0) else { return Ok(()) };
        let more = u32::try_from(more).map_err(|_| IntakeError::Overloaded)?;
        let more = self.all.clone().try_acquire_many_owned(more).map_err(|_| IntakeError::Overloaded)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }
}

/// What was stored of a delivery.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub hints: Vec<EventHint>,
    pub appended: Vec<Appended>,
    pub unreadable: bool,
}

/// Why a delivery was not stored.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("too many deliveries are waiting")]
    Overloaded,
    #[error("the ledger cannot be written: {0}")]
    Unavailable(String),
}

/// The door of one process.
pub struct Intake {
    queues: BTreeMap<i32, Queue>,
    room: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    pub refusals: Refusals,
}

impl Intake {
    /// Starts a flusher for every source.
    #[must_use]
    pub fn start(pool: &Pool, registry: &Registry, wake: &Arc<Notify>, waiting: &Arc<AtomicUsize>) -> Self {
        let calls = Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX));
        let mut queues = BTreeMap::new();
        for source in registry.sources.values() {
            let (sender, receiver) = mpsc::channel(QUEUE_DELIVERIES_MAX);
            let flusher = flush::Flusher {
                pool: pool.clone(),
                journal: source.journal,
                calls: calls.clone(),
                wake: wake.clone(),
            };
            tokio::spawn(flusher.run(receiver));
            queues.insert(source.journal, Queue { jobs: sender, waiting: Arc::default() });
        }
        Self {
            queues,
            room: Arc::new(Semaphore::new(BODY_KIB_MAX)),
            waiting: waiting.clone(),
            refusals: Refusals::start(pool.clone()),
        }
    }

    /// Room for a body that is about to be read.
    #[must_use]
    pub fn room(&self) -> Room {
        Room { all: self.room.clone(), taken: None }
    }

    /// Deliveries that wait for their commit, by journal.
    #[must_use]
    pub fn depths(&self) -> BTreeMap<i32, usize> {
        self.queues.iter().map(|(journal, q)| (*journal, q.waiting.load(Ordering::Relaxed))).collect()
    }

    /// Verifies a request, cuts it into events and stores it; answers after the commit.
    ///
    /// # Errors
    /// [`IntakeError`]: nothing was stored, or it is not known to be.
    pub async fn receive(
        &self,
        source: &Source,
        request: &Request<'_>,
        room: Room,
        now: DateTime<Utc>,
    ) -> Result<Receipt, IntakeError> {
        source.provider.verify(request, &source.settings, now)?;
        let cuts = source.provider.blank(request)?;
        let body = cut::blanked(request.body, &cuts).ok_or(Refusal::SessionId)?;
        // From here on nobody sees the bytes as they came.
        let request = &Request { body: &body, ..*request };
        let headers = kept_headers(source, request);
        let (delivery, hints, unreadable) = match source.provider.split(request) {
            Ok(hints) if hints.is_empty() => return Ok(Receipt { hints, appended: Vec::new(), unreadable: false }),
            Ok(hints) => match cut::readable(request.body, &hints, headers.clone(), now) {
                Some(delivery) => (delivery, hints, false),
                None => (cut::unreadable(request.body, headers, now), Vec::new(), true),
            },
            Err(_) => (cut::unreadable(request.body, headers, now), Vec::new(), true),
        };
        let delivery = NewDelivery { cuts, ..delivery };
        let appended = self.store(source.journal, delivery, room).await?;
        Ok(Receipt { hints, appended, unreadable })
    }

    async fn store(&self, journal: i32, delivery: NewDelivery, room: Room) -> Result<Vec<Appended>, IntakeError> {
        let queue =
            self.queues.get(&journal).ok_or_else(|| IntakeError::Unavailable("the source has no queue".to_owned()))?;
        let (reply, answer) = oneshot::channel();
        let waiting = [&queue.waiting, &self.waiting].map(Waiting::new);
        let job = Job { delivery, reply, _room: room, _waiting: waiting };
        queue.jobs.try_send(job).map_err(|_| IntakeError::Overloaded)?;
        match tokio::time::timeout(COMMIT_WAIT_MAX, answer).await {
            Ok(Ok(Ok(appended))) => Ok(appended),
            Ok(Ok(Err(e))) => Err(IntakeError::Unavailable(e.to_string())),
            Ok(Err(_)) => Err(IntakeError::Unavailable("the flusher stopped".to_owned())),
            Err(_) => Err(IntakeError::Unavailable("the commit took too long".to_owned())),
        }
    }
}

/// The headers worth keeping, as JSON; never credentials.
fn kept_headers(source: &Source, request: &Request<'_>) -> Option<String> {
    let kept: BTreeMap<&str, &str> = source
        .provider
        .kept_headers()
        .iter()
        .filter_map(|name| request.header(name).map(|value| (*name, value)))
        .collect();
    serde_json::to_string(&kept).ok()
}
