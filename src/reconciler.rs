//! The reconciler: compares what licenses should be with what LicenseSpring last showed, and
//! makes the calls that are needed, as often as told. A lost message cannot matter.
//!
//! One is active per account: it holds the account's row while it works. What it decides is
//! checked by the ledger itself: an intent is appended with the tail it was decided at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::Client as Connection;
use tokio::sync::watch as signal;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::control::plans;
use crate::domain::account::Mode;
use crate::domain::guard::{Fired, Limits};
use crate::ledger::{journal, rules};
use crate::licensespring::Client;
use crate::postgres::{DbError, execute};
use crate::projections::generations::{self, Live};
use crate::projections::subscriptions::Dirty;
use crate::projections::{Place, accounts, subscriptions};
use crate::projector::Projector;
use crate::registry::{Account, Source};
use crate::sql;

mod act;
mod apply;
pub mod budget;
mod compare;
mod doubt;
pub mod owed;
pub mod planning;
mod sweep;
mod watch;

use budget::Budget;
use compare::{Compared, With};
use watch::Passed;

/// Between looks when nothing rang.
const TICK: Duration = Duration::from_millis(100);
const TICK_TROUBLE: Duration = Duration::from_secs(1);
/// Subscriptions looked at while the row is held once: it must be let go now and then.
const SUBSCRIPTIONS_MAX: i64 = 50;
/// After a call of a subscription failed, it is left alone for so long, twice as long each time, …
const FAILED_PAUSE_MIN: TimeDelta = TimeDelta::seconds(1);
/// … but never longer than this: those behind it in the queue are served meanwhile.
const FAILED_PAUSE_MAX: TimeDelta = TimeDelta::seconds(60);
/// Between two looks at a stop that waits for an event to be read.
const UNREAD_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// How an account is reconciled.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the file says; an admin can only make it stricter.
    pub mode: Mode,
    /// From the first dirty mark to the call; never restarted.
    pub coalesce: Duration,
    pub requests_per_minute: u32,
    /// The rules of this instance's file; another adopted hash means: do nothing here.
    pub rules_hash: String,
    pub limits: Limits,
    /// What was changed by hand is changed back.
    pub repair: bool,
    /// By source: hours after which its silence is not believed.
    pub silence_hours: BTreeMap<String, u32>,
}

/// The reconciler of one account in this process.
pub struct Reconciler {
    pub projector: Projector,
    pub account: Account,
    pub client: Client,
    pub settings: Settings,
}

/// Whether a subscription has to be looked at again.
enum Settled {
    Yes,
    No,
    /// A stop waits for an event to be read.
    Waits,
}

/// What is true while one turn lasts.
pub(crate) struct Turn {
    /// The account's journal in its live generation.
    place: Place,
    /// Where the account's journal ended when the licenses were read.
    tail: i64,
    mode: Mode,
    rules: rules::Adopted,
    budget: Budget,
    now: DateTime<Utc>,
    watch: watch::Watch,
    /// The plan that the guard holds.
    held: Option<Uuid>,
    looks: doubt::Looks,
    failing: Failing,
    sweeping: Option<sweep::Running>,
}

/// How often in a row a call of a subscription (journal and id) failed.
type Failing = BTreeMap<(i32, String), u32>;

/// What a process remembers between turns. It may forget it at any time.
#[derive(Default)]
struct Memory {
    foreign_rules_said: bool,
    looks: doubt::Looks,
    failing: Failing,
    sweeping: Option<sweep::Running>,
}

/// Why a turn ends early.
#[derive(Debug)]
pub(crate) enum Halt {
    Database(DbError),
    /// The journal moved: everything is read anew.
    Moved,
    /// The account answers with trouble: nothing before then, or before the breaker says.
    NotBefore(Option<DateTime<Utc>>),
}

impl From<DbError> for Halt {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

impl Reconciler {
    /// Makes sure that the account has the row whose lock makes one reconciler active.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn open(&self) -> Result<(), DbError> {
        let client = self.projector.pool.get().await?;
        execute(&client, sql!("schema/statements/reconciler_open.sql"), &[&self.account.name]).await?;
        Ok(())
    }

    /// Works until told to stop.
    pub async fn run(self, mut stop: signal::Receiver<bool>) {
        let saved = Arc::clone(&self.projector.saved);
        let mut memory = Memory::default();
        while !*stop.borrow() {
            let tick = match self.turn(&mut memory).await {
                Ok(()) => TICK,
                Err(e) => {
                    error!(account = self.account.name, error = %e, "the reconciler could not work; it tries again");
                    TICK_TROUBLE
                }
            };
            tokio::select! {
                _ = stop.changed() => break,
                () = saved.notified() => tokio::time::sleep(Duration::from_millis(1)).await,
                () = tokio::time::sleep(tick) => {}
            }
        }
    }

    /// Works until `done` says so; for verbs that wait for one thing.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn run_until<F>(&self, mut done: impl FnMut() -> F) -> Result<(), DbError>
    where
        F: Future<Output = Result<bool, DbError>>,
    {
        let mut memory = Memory::default();
        while !done().await? {
            self.turn(&mut memory).await?;
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    /// One turn: take the row, settle doubts, compare what is dirty, let the row go.
    async fn turn(&self, memory: &mut Memory) -> Result<(), DbError> {
        let mut lease = self.projector.pool.get().await?;
        let tx = lease.transaction().await?;
        if !budget::lease(&tx, &self.account.name).await? {
            return Ok(()); // another instance is at it
        }
        let client = self.projector.pool.get().await?;
        let per_minute = self.settings.requests_per_minute;
        let Some(budget) = Budget::load(&client, &self.account.name, per_minute).await? else { return Ok(()) };
        if budget.is_closed() {
            return Ok(());
        }
        let Some((mut turn, live)) = self.begin(&client, budget, memory).await? else { return Ok(()) };
        let worked = self.work(&mut turn, &client, &live).await;
        memory.looks = std::mem::take(&mut turn.looks);
        memory.failing = std::mem::take(&mut turn.failing);
        memory.sweeping = turn.sweeping.take();
        match worked {
            Ok(()) | Err(Halt::Moved) => {}
            Err(Halt::NotBefore(Some(at))) => turn.budget.close_until(&client, at).await?,
            Err(Halt::NotBefore(None)) => turn.budget.failed(&client).await?,
            Err(Halt::Database(e)) => return Err(e),
        }
        tx.commit().await?;
        Ok(())
    }

    /// Reads what the turn is decided by. `None`: nothing is to be done here now.
    async fn begin(
        &self,
        client: &Connection,
        budget: Budget,
        memory: &mut Memory,
    ) -> Result<Option<(Turn, BTreeMap<i32, Live>)>, DbError> {
        let live = generations::live(client).await?;
        let Some(mine) = live.get(&self.account.journal) else { return Ok(None) };
        let place = Place { generation: mine.generation, journal: self.account.journal };
        // The tail first: the licenses are then read at it or after it, and an intent that was
        // decided from less is refused by the ledger.
        let tail = journal::tail(client, place.journal).await?;
        self.projector.drain(place).await?;
        let said = accounts::mode(client, place).await?.map(|(mode, _)| mode);
        let mode = Mode::effective(self.settings.mode, said);
        let rules = rules::adopted(client, self.projector.registry.system).await?;
        if mode == Mode::Frozen || self.has_foreign_rules(&rules, &mut memory.foreign_rules_said) {
            return Ok(None);
        }
        let turn = Turn {
            place,
            tail,
            mode,
            rules,
            budget,
            now: crate::projector::database_now(client).await?,
            watch: watch::Watch::default(),
            held: plans::held(client, &self.account.name).await?,
            looks: std::mem::take(&mut memory.looks),
            failing: std::mem::take(&mut memory.failing),
            sweeping: memory.sweeping.take(),
        };
        Ok(Some((turn, live)))
    }

    async fn work(&self, turn: &mut Turn, client: &Connection, live: &BTreeMap<i32, Live>) -> Result<(), Halt> {
        self.settle_doubts(turn, client).await?;
        self.work_plans(turn, client, live).await?;
        if turn.mode == Mode::Continuous {
            for source in self.projector.registry.sources_of(&self.account.name) {
                let Some(live) = live.get(&source.journal).filter(|l| l.caught_up) else { continue };
                let place = Place { generation: live.generation, journal: source.journal };
                self.reconcile_source(turn, client, source, place).await?;
            }
        }
        self.sweep(turn, client, live).await
    }

    /// Two instances with different files cannot fight: the adopted rules count, and an
    /// instance with other ones says so, once, and makes no call.
    fn has_foreign_rules(&self, adopted: &rules::Adopted, said: &mut bool) -> bool {
        let foreign = adopted.hash != self.settings.rules_hash;
        if foreign && !*said {
            warn!(
                account = self.account.name,
                "the adopted catalog and policy differ from this instance's file: no calls are made here until they are adopted"
            );
        }
        *said = foreign;
        foreign
    }

    async fn reconcile_source(
        &self,
        turn: &mut Turn,
        client: &Connection,
        source: &Source,
        place: Place,
    ) -> Result<(), Halt> {
        let window = TimeDelta::from_std(self.settings.coalesce).unwrap_or(TimeDelta::MAX);
        let since = turn.now - window;
        for dirty in subscriptions::dirty(client, place, since, SUBSCRIPTIONS_MAX).await? {
            let id = &dirty.state.subscription_id;
            match self.reconcile_one(turn, client, source, &dirty).await {
                Ok(Settled::Yes) => {
                    turn.failing.remove(&(place.journal, id.clone()));
                    subscriptions::clean(client, place, id, dirty.version).await?;
                }
                Ok(Settled::No) => {}
                Ok(Settled::Waits) => subscriptions::defer(client, place, id, turn.now + UNREAD_PAUSE).await?,
                Err(Halt::NotBefore(None)) => {
                    let failures = turn.failing.entry((place.journal, id.clone())).or_default();
                    let pause = FAILED_PAUSE_MAX.min(FAILED_PAUSE_MIN * (1 << (*failures).min(6)));
                    *failures = failures.saturating_add(1);
                    subscriptions::defer(client, place, id, turn.now + pause).await?;
                    return Err(Halt::NotBefore(None));
                }
                Err(halt) => return Err(halt),
            }
        }
        Ok(())
    }

    /// Makes one subscription's licenses equal its entitlements. Settled: they are equal, as far
    /// as calls can make them, or what is left waits in the held plan. What is in doubt keeps its
    /// mark until it is settled: a mark that were taken off before could be lost with the process.
    async fn reconcile_one(
        &self,
        turn: &mut Turn,
        client: &Connection,
        source: &Source,
        dirty: &Dirty,
    ) -> Result<Settled, Halt> {
        let rules = turn.rules.clone();
        let with = With { account: turn.place, source, rules: &rules, now: turn.now };
        let compared = compare_one(client, with, dirty).await?;
        let mut waiting: BTreeMap<String, Fired> = BTreeMap::new();
        for step in &compared.steps {
            if waiting.contains_key(&step.order_id) {
                continue; // the steps of an order build on each other
            }
            let call = match self.judge(turn, client, with, &compared, step).await? {
                Passed::Whole(call) => call,
                Passed::Held { fired, harmless } => {
                    waiting.insert(step.order_id.clone(), fired);
                    let Some(call) = harmless else { continue };
                    call
                }
            };
            if !self.act(turn, client, &call, &compared).await? {
                break; // and so do those of a subscription
            }
        }
        if compared.steps.is_empty() && turn.held.is_none() {
            return Ok(if compared.is_in_doubt() { Settled::No } else { Settled::Yes });
        }
        self.projector.drain(turn.place).await?;
        let compared = compare_one(client, with, dirty).await?;
        if turn.held.is_some() || !waiting.is_empty() {
            self.hold(turn, with, &compared, &waiting).await?;
        }
        let left = compared.steps.iter().any(|s| !waiting.contains_key(&s.order_id));
        Ok(match waiting.values().any(|fired| matches!(fired, Fired::Unread { .. })) {
            _ if left || compared.is_in_doubt() => Settled::No,
            true => Settled::Waits,
            false => Settled::Yes,
        })
    }
}

async fn compare_one(client: &Connection, with: With<'_>, dirty: &Dirty) -> Result<Compared, DbError> {
    let states = vec![(dirty.state.clone(), dirty.state_hash.clone())];
    let compared = compare::compare(client, with, states).await?.into_iter().next();
    compared.ok_or_else(|| DbError::Corrupt("a comparison came to nothing".to_owned()))
}

/// Says at start what an account's reconciler will do.
pub fn announce(account: &Account, settings: &Settings) {
    info!(
        account = account.name,
        mode = settings.mode.as_str(),
        coalesce_ms = u64::try_from(settings.coalesce.as_millis()).unwrap_or(u64::MAX),
        requests_per_minute = settings.requests_per_minute,
        "reconciler"
    );
}
