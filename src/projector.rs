//! The projector: reads the ledger by checkpoint, folds, and saves rows and checkpoint in one
//! transaction a batch. Woken inside the process, and by a tick: a wake-up is a hint, the tick
//! is the promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use deadpool_postgres::{Pool, Transaction};
use tokio::sync::{Notify, watch};
use tracing::{error, warn};

use crate::ledger::rules;
use crate::parallel;
use crate::postgres::DbError;
use crate::projections::events::{self, EventRow, EventStatus};
use crate::projections::{Place, generations};
use crate::registry::Registry;

pub mod account;
mod ahead;
pub mod books;
pub mod gather;
pub mod meaning;
pub mod meanings;
pub mod outlook;
pub mod rebuild;
pub mod retry;
mod source;
pub mod timed;
mod units;

use ahead::{Ahead, Batch};

/// Most events one transaction takes: enough to make the round trips cheap and to fold what came
/// of one subscription at once, few enough to commit in a blink.
pub const BATCH_EVENTS_MAX: i64 = 8_000;
/// What nobody has read ahead is a smaller batch, and each that is read meanwhile is twice as large:
/// so reading and folding are soonest at work together.
pub const FIRST_EVENTS_MAX: i64 = 1_000;
/// After a round it rests at least this long: what comes meanwhile is folded at once.
const REST_MIN: Duration = Duration::from_millis(20);
/// The door goes first: while so many deliveries wait for their commit …
const DOOR_BUSY: usize = 8;
/// … the projector rests this many times as long as it worked, but never longer than …
const REST_FACTOR: u32 = 3;
/// … this: however long a flood lasts, it goes on.
const REST_MAX: Duration = Duration::from_millis(500);
/// Ticks while there is work, and while there is none.
const TICK_BUSY: Duration = Duration::from_millis(20);
const TICK_IDLE: Duration = Duration::from_millis(250);
/// After a database error.
const TICK_TROUBLE: Duration = Duration::from_secs(1);

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing to read.
    Drained,
    /// So many events were folded.
    Advanced(usize),
    /// Somebody else holds the checkpoint.
    Busy,
}

/// What one round over all checkpoints came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    pub worked: bool,
    /// A batch was full: more waits.
    pub is_behind: bool,
}

/// What every step needs.
#[derive(Clone)]
pub struct Projector {
    pub pool: Pool,
    pub registry: Arc<Registry>,
    /// Rung after an append of this process.
    pub wake: Arc<Notify>,
    /// Rung after rows were saved.
    pub saved: Arc<Notify>,
    /// Deliveries that wait for their commit in this process.
    pub at_the_door: Arc<AtomicUsize>,
    ahead: Arc<Ahead>,
}

impl Projector {
    #[must_use]
    pub fn new(pool: Pool, registry: Arc<Registry>) -> Self {
        Self {
            pool,
            registry,
            wake: Arc::default(),
            saved: Arc::default(),
            at_the_door: Arc::default(),
            ahead: Arc::default(),
        }
    }

    /// Follows the ledger until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut tick = TICK_BUSY;
        while !*stop.borrow() {
            tokio::select! {
                _ = stop.changed() => break,
                // In trouble a wake-up would only hurry what cannot be hurried.
                () = self.wake.notified(), if tick != TICK_TROUBLE => {}
                () = tokio::time::sleep(tick) => {}
            }
            let begun = Instant::now();
            tick = match self.round().await {
                Ok(round) => {
                    tokio::time::sleep(self.rest(begun.elapsed(), round)).await;
                    if round.worked || tick == TICK_TROUBLE { TICK_BUSY } else { (tick * 2).min(TICK_IDLE) }
                }
                Err(e) => {
                    error!(error = %e, "the projector could not work; it tries again");
                    TICK_TROUBLE
                }
            };
        }
    }

    /// How long to rest after a round that took so long.
    fn rest(&self, took: Duration, round: Round) -> Duration {
        if self.at_the_door.load(Ordering::Relaxed) >= DOOR_BUSY {
            (took * REST_FACTOR).clamp(REST_MIN, REST_MAX)
        } else if round.is_behind {
            Duration::ZERO
        } else {
            REST_MIN
        }
    }

    /// One step for every checkpoint, and what has become due by time.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn round(&self) -> Result<Round, DbError> {
        let mut round = Round::default();
        let client = self.pool.get().await?;
        let checkpoints = generations::checkpoints(&client).await?;
        let adopted = rules::adopted(&client, self.registry.system).await?;
        drop(client);
        for checkpoint in checkpoints {
            let stepped = self.step(checkpoint.place).await?;
            let split = books::keep_up(self, checkpoint.place, &adopted).await? > 0;
            let timed = checkpoint.state == "live" && timed::step(self, checkpoint.place).await? > 0;
            if matches!(stepped, Step::Advanced(_)) || split || timed {
                round.worked = true;
                self.saved.notify_waiters();
            }
            round.is_behind |=
                matches!(stepped, Step::Advanced(n) if i64::try_from(n).is_ok_and(|n| n >= FIRST_EVENTS_MAX));
        }
        Ok(round)
    }

    /// Steps one checkpoint until it is drained; answers with the number of events.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn drain(&self, place: Place) -> Result<usize, DbError> {
        let mut total = 0;
        loop {
            match self.step(place).await? {
                Step::Advanced(n) => total += n,
                Step::Drained => return Ok(total),
                // Given up meanwhile: nobody will ever let go of it.
                Step::Busy if !generations::is_followed(&self.pool.get().await?, place).await? => return Ok(total),
                Step::Busy => tokio::time::sleep(TICK_BUSY).await,
            }
        }
    }

    /// Reads one batch into a generation. What cannot be saved is taken event by event, and the
    /// one that is to blame is quarantined: nothing stops a journal.
    ///
    /// # Errors
    /// The database cannot be used; nothing was saved.
    pub async fn step(&self, place: Place) -> Result<Step, DbError> {
        if !self.registry.knows(place.journal) {
            return Ok(Step::Drained); // another instance's, or one that waits for its configuration
        }
        match self.batch(place, FIRST_EVENTS_MAX).await {
            Err(e) if e.is_data_error() => match self.batch(place, 1).await {
                Err(e) if e.is_data_error() => self.quarantine(place, &e.to_string()).await,
                stepped => stepped,
            },
            stepped => stepped,
        }
    }

    /// Take the lease, read, fold, save, move, commit. With a limit of 1 it is one event alone.
    async fn batch(&self, place: Place, limit: i64) -> Result<Step, DbError> {
        let mut client = self.pool.get().await?;
        let tx = client.transaction().await?;
        let Some(from) = generations::take(&tx, place).await? else { return Ok(Step::Busy) };
        let batch = self.next(&tx, place, from, limit).await?;
        let Some(to) = batch.last else {
            generations::drained(&tx, place).await?;
            tx.commit().await?;
            return Ok(Step::Drained);
        };
        if batch.is_full && limit > 1 {
            let next = (2 * i64::try_from(batch.len).unwrap_or(BATCH_EVENTS_MAX)).min(BATCH_EVENTS_MAX);
            self.ahead.begin(&self.pool, &self.registry, place, to, next);
        }
        let adopted = rules::adopted(&tx, self.registry.system).await?;
        let now = database_now(&tx).await?;
        if let Some(source) = self.registry.source_of(place.journal) {
            if !batch.mentioned {
                events::mention(&tx, place, &batch.meanings.mentions).await?;
            }
            source::project_mentioned(&tx, place, source, &adopted, from, &batch.meanings, now).await?;
        } else if self.registry.account_of(place.journal).is_some() {
            account::project(&tx, place, &self.registry, &batch.events, now).await?;
        } else {
            account::record_only(&tx, place, &batch.events).await?;
        }
        generations::advance(&tx, place, from, to).await?;
        tx.commit().await?;
        if grew_many_times(from, to)
            && let Err(e) = generations::analyze(&client, place.generation).await
        {
            warn!(error = %e, "the planner was not told how large the tables are; it will see for itself");
        }
        let len = batch.len;
        parallel::discard(batch);
        Ok(Step::Advanced(len))
    }

    /// The batch that was read ahead, or else one of at most `limit` events that is read now.
    async fn next(&self, tx: &Transaction<'_>, place: Place, from: i64, limit: i64) -> Result<Batch, DbError> {
        if limit > 1
            && let Some(batch) = self.ahead.take(place, from).await
        {
            return Ok(batch);
        }
        Batch::read(tx, &self.registry, place.journal, from, limit).await
    }

    /// Steps over the next event and keeps the reason.
    async fn quarantine(&self, place: Place, why: &str) -> Result<Step, DbError> {
        let mut client = self.pool.get().await?;
        let tx = client.transaction().await?;
        let Some(from) = generations::take(&tx, place).await? else { return Ok(Step::Busy) };
        let position = from + 1;
        error!(journal = place.journal, position, why, "an event cannot be projected; it is quarantined");
        let row = EventRow {
            position,
            status: EventStatus::Quarantined,
            entity: None,
            customer_id: None,
            subscription_id: None,
            error: Some(why.to_owned()),
        };
        events::save(&tx, place, &[row]).await?;
        generations::advance(&tx, place, from, position).await?;
        tx.commit().await?;
        Ok(Step::Advanced(1))
    }
}

/// Whether a journal has, on the way from one position to another, become several times as long:
/// the planner is told so, for whom a table that was small a moment ago still is.
fn grew_many_times(from: i64, to: i64) -> bool {
    const LENGTHS: [i64; 6] = [1_000, 5_000, 25_000, 125_000, 625_000, 3_125_000];
    LENGTHS.iter().any(|length| (from..to).contains(length))
}

/// `now` is the database's clock, taken once a batch.
///
/// # Errors
/// The database cannot be read.
pub async fn database_now(client: &impl deadpool_postgres::GenericClient) -> Result<DateTime<Utc>, DbError> {
    let row = crate::postgres::query_opt(client, "SELECT clock_timestamp()", &[]).await?;
    row.map(|r| r.get(0)).ok_or_else(|| DbError::Corrupt("no time".to_owned()))
}
