//! Group commit: whatever is queued goes in with one call.

use std::sync::{Arc, Weak};

use deadpool_postgres::{Client, Pool};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::Job;
use crate::ledger::append::NewDelivery;
use crate::ledger::append::{AppendError, Appended, append};
use crate::postgres::{DbError, execute};
use crate::sql;

/// Deliveries in one append call.
const BATCH_DELIVERIES_MAX: usize = 256;
/// Bytes of bodies after which a call takes no more: they are copied into it once again.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Why a delivery was not stored, for its own requester.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Calls of one source in flight: while one is under way in the database, the next is written
/// and sent on the same connection, and is at hand when its turn comes.
const FLIGHTS_MAX: usize = 2;

/// Calls that go through one connection before it is given back, so that every source has its turn.
const LINE_CALLS_MAX: usize = 16;

/// A connection that a source's calls go through, one behind the other.
struct Line {
    client: Client,
    _permit: OwnedSemaphorePermit,
}

/// What arrived while calls were in flight.
#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    bytes: usize,
}

impl Batch {
    fn has_room(&self) -> bool {
        self.jobs.len() < BATCH_DELIVERIES_MAX && self.bytes < BATCH_BYTES_MAX
    }

    /// Takes in a job, and those behind it.
    fn take_in(&mut self, first: Job, queue: &mut mpsc::Receiver<Job>) {
        let mut next = Some(first);
        while let Some(job) = next {
            self.bytes += job.delivery.size();
            self.jobs.push(job);
            next = if self.has_room() { queue.try_recv().ok() } else { None };
        }
    }
}

pub(super) struct Flusher {
    pub pool: Pool,
    pub journal: i32,
    pub calls: Arc<Semaphore>,
    pub wake: Arc<Notify>,
}

impl Flusher {
    /// Flushes until every sender is gone.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let flusher = Arc::new(self);
        let mut flights = JoinSet::new();
        let (mut line, mut calls) = (Weak::<Line>::new(), 0);
        let mut waiting = Batch::default();
        let mut sent = 0;
        loop {
            tokio::select! {
                Some(_) = flights.join_next() => {}
                job = queue.recv(), if waiting.has_room() => match job {
                    Some(job) => waiting.take_in(job, &mut queue),
                    None if waiting.jobs.is_empty() && flights.is_empty() => return,
                    // Nothing else will come: what waits goes as soon as a call has returned.
                    None => { flights.join_next().await; }
                },
            }
            // A second call that left with the first job to come would leave with little: it waits
            // until half as much is there as went with the first.
            let is_due = match flights.len() {
                0 => !waiting.jobs.is_empty(),
                n => n < FLIGHTS_MAX && waiting.jobs.len() * 2 >= sent,
            };
            if is_due {
                let jobs = std::mem::take(&mut waiting).jobs;
                sent = jobs.len();
                let held = match line.upgrade() {
                    Some(held) if calls < LINE_CALLS_MAX => Ok(held),
                    _ => {
                        calls = 0;
                        flusher.open().await
                    }
                };
                calls += 1;
                line = held.as_ref().map(Arc::downgrade).unwrap_or_default();
                let flusher = flusher.clone();
                flights.spawn(async move { flusher.flush(jobs, held).await });
            }
        }
    }

    async fn open(&self) -> Result<Arc<Line>, StoreError> {
        let permit = self.calls.clone().acquire_owned().await.map_err(|e| StoreError(e.to_string()))?;
        let client = self.pool.get().await.map_err(|e| StoreError(DbError::from(e).to_string()))?;
        Ok(Arc::new(Line { client, _permit: permit }))
    }

    async fn flush(&self, jobs: Vec<Job>, line: Result<Arc<Line>, StoreError>) {
        let (deliveries, replies): (Vec<NewDelivery>, Vec<_>) =
            jobs.into_iter().map(|j| (j.delivery, (j.reply, (j._room, j._waiting)))).unzip();
        let answers = match &line {
            Ok(line) => self.store(&line.client, &deliveries).await,
            Err(e) => self.nothing(deliveries.len(), e.clone()),
        };
        drop(line);
        self.wake.notify_one();
        let duplicates: Vec<i64> = answers
            .iter()
            .flatten()
            .flat_map(|a: &Vec<Appended>| a.iter().filter(|a| !a.is_new).map(|a| a.position))
            .collect();
        for ((reply, _held), answer) in replies.into_iter().zip(answers) {
            let _ = reply.send(answer); // the requester may have left; the event is stored all the same
        }
        self.note_duplicates(&duplicates).await;
    }

    async fn store(&self, client: &Client, deliveries: &[NewDelivery]) -> Vec<Result<Vec<Appended>, StoreError>> {
        match append(client, self.journal, None, deliveries).await {
            Ok(appended) => per_delivery(deliveries, appended).into_iter().map(Ok).collect(),
            // One bad row must not fail its batch.
            Err(AppendError::Database(e)) if e.is_data_error() && deliveries.len() > 1 => {
                self.one_by_one(client, deliveries).await
            }
            Err(e) => self.nothing(deliveries.len(), StoreError(e.to_string())),
        }
    }

    /// The same answer for all: nothing was stored, or it is not known to be.
    fn nothing(&self, deliveries: usize, why: StoreError) -> Vec<Result<Vec<Appended>, StoreError>> {
        error!(journal = self.journal, deliveries, error = %why, "an append failed; the providers will send again");
        vec![Err(why); deliveries]
    }

    async fn one_by_one(&self, client: &Client, deliveries: &[NewDelivery]) -> Vec<Result<Vec<Appended>, StoreError>> {
        let mut answers = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let answer = append(client, self.journal, None, std::slice::from_ref(delivery)).await;
            if let Err(e) = &answer {
                error!(journal = self.journal, error = %e, "a delivery cannot be stored");
            }
            answers.push(answer.map_err(|e| StoreError(e.to_string())));
        }
        answers
    }

    /// A duplicate is noted, never a second event. Losing a note loses nothing.
    async fn note_duplicates(&self, positions: &[i64]) {
        if positions.is_empty() {
            return;
        }
        let noted = async {
            let client = self.pool.get().await?;
            execute(&client, sql!("schema/statements/note_duplicates.sql"), &[&self.journal, &positions]).await
        };
        if let Err(e) = noted.await {
            warn!(journal = self.journal, error = %e, "duplicates could not be noted");
        }
    }
}

/// The answers, dealt out to the deliveries they belong to.
fn per_delivery(deliveries: &[NewDelivery], appended: Vec<Appended>) -> Vec<Vec<Appended>> {
    let mut appended = appended.into_iter();
    deliveries.iter().map(|d| appended.by_ref().take(d.events.len()).collect()).collect()
}
