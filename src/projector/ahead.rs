//! Reading ahead: while one batch is folded and saved, the next is read and translated. What was
//! read stays true, because the ledger never changes; where it does not fit, it is read again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{GenericClient, Pool, Timeouts};
use tokio::task::JoinHandle;

use super::meaning;
use super::meanings::Meanings;
use crate::ledger::read::{self, StoredEvent};
use crate::postgres::DbError;
use crate::projections::{Place, events};
use crate::registry::Registry;

/// What comes next in a journal, in position order.
pub(super) struct Batch {
    /// How many events, and the position of the last.
    pub len: usize,
    pub last: Option<i64>,
    /// As many as were asked for: more may follow.
    pub is_full: bool,
    /// In the journal of a source: what they mean.
    pub meanings: Meanings,
    /// In any other: the events themselves.
    pub events: Vec<StoredEvent>,
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
        let (mut len, mut last) = (0, None);
        let (mut meanings, mut events) = (Vec::new(), Vec::new());
        let arrived = |event: StoredEvent| {
            len += 1;
            last = Some(event.position);
            match source {
                Some(source) => meanings.push(meaning::of(source, &event)),
                None => events.push(event),
            }
        };
        read::after(client, journal, from, limit, arrived).await?;
        let is_full = i64::try_from(len) == Ok(limit);
        Ok(Self { len, last, is_full, meanings: Meanings::of(meanings), events, mentioned: false })
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
    /// Begins to read at most `limit` events that follow `from`, in place of what was being read.
    pub(super) fn begin(&self, pool: &Pool, registry: &Arc<Registry>, place: Place, from: i64, limit: i64) {
        let task = tokio::spawn(read_on(pool.clone(), registry.clone(), place, from, limit));
        if let Some(given_up) = self.slot().replace(Begun { place, from, task }) {
            given_up.task.abort();
        }
    }

    /// The batch that follows `from`, if it was begun and could be read.
    pub(super) async fn take(&self, place: Place, from: i64) -> Option<Batch> {
        let begun = self.slot().take_if(|begun| begun.place == place && begun.from == from)?;
        let batch = begun.task.await.ok()?.ok()?;
        batch.last.is_some().then_some(batch)
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
async fn read_on(pool: Pool, registry: Arc<Registry>, place: Place, from: i64, limit: i64) -> Result<Batch, DbError> {
    let at_once = Timeouts { wait: Some(Duration::ZERO), ..pool.timeouts() };
    let client = pool.timeout_get(&at_once).await?;
    let mut batch = Batch::read(&client, &registry, place.journal, from, limit).await?;
    events::mention_first(&client, place, &batch.meanings.mentions).await?;
    batch.mentioned = true;
    Ok(batch)
}
