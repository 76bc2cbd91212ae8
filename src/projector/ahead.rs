//! Reading ahead: while one batch is folded and saved, the next is read and translated. What was
//! read stays true, because the ledger never changes; where it does not fit, it is read again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{GenericClient, Pool, Timeouts};
use tokio::task::JoinHandle;

use super::BATCH_EVENTS_MAX;
use super::meaning::{self, Meaning};
use super::source;
use crate::ledger::read::{self, StoredEvent};
use crate::postgres::DbError;
use crate::projections::Place;
use crate::registry::Registry;

/// Events in position order and, for the journal of a source, what each of them means.
pub(super) struct Batch {
    pub events: Vec<StoredEvent>,
    pub meanings: Vec<Meaning>,
    /// Its mentions are saved already.
    pub mentioned: bool,
}

impl Batch {
    /// Reads what follows `from`, and translates it as it arrives.
    pub(super) async fn read(
        client: &impl GenericClient,
        registry: &Registry,
        journal: i32,
        from: i64,
        limit: i64,
    ) -> Result<Self, DbError> {
        let source = registry.source_of(journal);
        let mut meanings = Vec::new();
        let understand = |event: &mut StoredEvent| {
            if let Some(source) = source {
                meanings.push(meaning::of(source, event));
                event.bytes = None; // not needed any more, and most of the batch's weight
            }
        };
        let events = read::after(client, journal, from, limit, understand).await?;
        Ok(Self { events, meanings, mentioned: false })
    }

    pub(super) fn is_full(&self) -> bool {
        i64::try_from(self.events.len()) == Ok(BATCH_EVENTS_MAX)
    }
}

struct Begun {
    place: Place,
    from: i64,
    task: JoinHandle<Result<Batch, DbError>>,
}

/// The one batch that is being read ahead.
#[derive(Default)]
pub(super) struct Ahead(Mutex<Option<Begun>>);

impl Ahead {
    /// Begins to read what follows `from`, in place of what was being read.
    pub(super) fn begin(&self, pool: &Pool, registry: &Arc<Registry>, place: Place, from: i64) {
        let task = tokio::spawn(read_on(pool.clone(), registry.clone(), place, from));
        if let Some(given_up) = self.slot().replace(Begun { place, from, task }) {
            given_up.task.abort();
        }
    }

    /// The batch that follows `from`, if it was begun and could be read.
    pub(super) async fn take(&self, place: Place, from: i64) -> Option<Batch> {
        let begun = self.slot().take_if(|begun| begun.place == place && begun.from == from)?;
        let batch = begun.task.await.ok()?.ok()?;
        (!batch.events.is_empty()).then_some(batch)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Begun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only with a connection that nobody needs: else whoever waits for this would wait for
/// connections that are held by those who wait.
///
/// The mentions are saved here, before their batch: whoever looks for the mentions of what is
/// projected asks for positions up to a checkpoint, and to save them once more changes nothing.
async fn read_on(pool: Pool, registry: Arc<Registry>, place: Place, from: i64) -> Result<Batch, DbError> {
    let at_once = Timeouts { wait: Some(Duration::ZERO), ..pool.timeouts() };
    let client = pool.timeout_get(&at_once).await?;
    let mut batch = Batch::read(&client, &registry, place.journal, from, BATCH_EVENTS_MAX).await?;
    source::mention(&client, place, &batch.meanings).await?;
    batch.mentioned = true;
    Ok(batch)
}
