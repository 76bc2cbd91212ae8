//! The reconciler: compares what licenses should be with what LicenseSpring last showed, and
//! makes the calls that are needed, as often as told. A lost message cannot matter.
//!
//! One is active per account: it holds the account's row while it works. What it decides is
//! checked by the ledger itself: an intent is appended with the tail it was decided at.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::domain::entitlement::SourceContext;
use crate::domain::plan::{Step, deserved, diff};
use crate::ledger::{journal, rules};
use crate::licensespring::Client;
use crate::postgres::{DbError, execute};
use crate::projections::subscriptions::Dirty;
use crate::projections::{Place, generations, licenses, subscriptions};
use crate::projector::Projector;
use crate::registry::{Account, Source};
use crate::sql;

mod act;
mod budget;
mod doubt;

use budget::Budget;

/// Between looks when nothing rang.
const TICK: Duration = Duration::from_millis(100);
const TICK_TROUBLE: Duration = Duration::from_secs(1);
/// Subscriptions looked at while the row is held once: it must be let go now and then.
const SUBSCRIPTIONS_MAX: i64 = 50;

/// How an account is reconciled.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `false`: plans only, or frozen.
    pub active: bool,
    /// From the first dirty mark to the call; never restarted.
    pub coalesce: Duration,
    pub requests_per_minute: u32,
    /// The rules of this instance's file; another adopted hash means: do nothing here.
    pub rules_hash: String,
}

/// The reconciler of one account in this process.
pub struct Reconciler {
    pub projector: Projector,
    pub account: Account,
    pub client: Client,
    pub settings: Settings,
}

/// What is true while one turn lasts.
pub(crate) struct Turn {
    /// The account's journal in its live generation.
    place: Place,
    /// Where the account's journal ended when the licenses were read.
    tail: i64,
    rules: rules::Adopted,
    budget: Budget,
    now: DateTime<Utc>,
}

/// Why a turn ends early.
#[derive(Debug)]
pub(crate) enum Halt {
    Database(DbError),
    /// The journal moved: everything is read anew.
    Moved,
    /// The account answers with trouble: nothing before then.
    NotBefore(DateTime<Utc>),
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
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let saved = Arc::clone(&self.projector.saved);
        let mut foreign_rules_said = false;
        while !*stop.borrow() {
            let tick = match self.turn(&mut foreign_rules_said).await {
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

    /// One turn: take the row, settle doubts, compare what is dirty, let the row go.
    async fn turn(&self, foreign_rules_said: &mut bool) -> Result<(), DbError> {
        if !self.settings.active {
            return Ok(());
        }
        let mut client = self.projector.pool.get().await?;
        let tx = client.transaction().await?;
        let Some(mut budget) = Budget::take(&tx, &self.account.name, self.settings.requests_per_minute).await? else {
            return Ok(()); // another instance is at it
        };
        if budget.is_closed() {
            return Ok(());
        }
        match self.work(&mut budget, foreign_rules_said).await {
            Ok(()) | Err(Halt::Moved) => {}
            Err(Halt::NotBefore(at)) => budget.close_until(at),
            Err(Halt::Database(e)) => return Err(e),
        }
        budget.leave(&tx, &self.account.name).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn work(&self, budget: &mut Budget, foreign_rules_said: &mut bool) -> Result<(), Halt> {
        let client = self.projector.pool.get().await.map_err(DbError::from)?;
        let live = generations::live(&client).await?;
        let Some(mine) = live.get(&self.account.journal) else { return Ok(()) };
        let place = Place { generation: mine.generation, journal: self.account.journal };
        // The tail first: the licenses are then read at it or after it, and an intent that was
        // decided from less is refused by the ledger.
        let tail = journal::tail(&client, place.journal).await?;
        self.projector.drain(place).await?;
        let adopted = rules::adopted(&client, self.projector.registry.system).await?;
        if self.has_foreign_rules(&adopted, foreign_rules_said) {
            return Ok(());
        }
        let now = crate::projector::database_now(&client).await?;
        let mut turn = Turn { place, tail, rules: adopted, budget: budget.clone(), now };
        let mut done = self.settle_doubts(&mut turn, &client).await;
        for source in self.projector.registry.sources_of(&self.account.name) {
            if done.is_err() {
                break;
            }
            let Some(live) = live.get(&source.journal).filter(|l| l.caught_up) else { continue };
            let place = Place { generation: live.generation, journal: source.journal };
            done = self.reconcile_source(&mut turn, &client, source, place).await;
        }
        *budget = turn.budget;
        done
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
        client: &deadpool_postgres::Client,
        source: &Source,
        place: Place,
    ) -> Result<(), Halt> {
        let window = TimeDelta::from_std(self.settings.coalesce).unwrap_or(TimeDelta::MAX);
        let since = turn.now - window;
        for dirty in subscriptions::dirty(client, place, since, SUBSCRIPTIONS_MAX).await? {
            let settled = self.reconcile_one(turn, client, source, &dirty).await?;
            if settled {
                subscriptions::clean(client, place, &dirty.state.subscription_id, dirty.version).await?;
            }
        }
        Ok(())
    }

    /// Makes one subscription's licenses equal its entitlements. `true`: they are equal, as far
    /// as calls can make them. What is in doubt keeps its mark until it is settled: a mark that
    /// were taken off before could be lost with the process.
    async fn reconcile_one(
        &self,
        turn: &mut Turn,
        client: &deadpool_postgres::Client,
        source: &Source,
        dirty: &Dirty,
    ) -> Result<bool, Halt> {
        let compared = self.compare(turn, client, source, dirty).await?;
        for step in &compared.steps {
            if !self.act(turn, client, step, dirty).await? {
                break; // the steps of a line build on each other
            }
        }
        if compared.steps.is_empty() {
            return Ok(!compared.in_doubt);
        }
        self.projector.drain(turn.place).await?;
        let compared = self.compare(turn, client, source, dirty).await?;
        Ok(compared.steps.is_empty() && !compared.in_doubt)
    }

    async fn compare(
        &self,
        turn: &Turn,
        client: &deadpool_postgres::Client,
        source: &Source,
        dirty: &Dirty,
    ) -> Result<Compared, Halt> {
        let held = licenses::of_state(client, turn.place, &source.name, &dirty.state).await?;
        let context = SourceContext { name: &source.name, live: source.settings.livemode };
        let deserved = deserved(&dirty.state, context, &turn.rules.rules, turn.now);
        let in_doubt = held.iter().any(|h| h.open.is_some());
        Ok(Compared { steps: diff(&deserved, &held, &dirty.state), in_doubt })
    }
}

/// What a comparison comes to.
struct Compared {
    steps: Vec<Step>,
    /// A call of this subscription may or may not have been done.
    in_doubt: bool,
}

/// Says at start what an account's reconciler will do.
pub fn announce(account: &Account, settings: &Settings) {
    info!(
        account = account.name,
        active = settings.active,
        coalesce_ms = u64::try_from(settings.coalesce.as_millis()).unwrap_or(u64::MAX),
        requests_per_minute = settings.requests_per_minute,
        "reconciler"
    );
}
