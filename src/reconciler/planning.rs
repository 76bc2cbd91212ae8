//! What admins do with plans: propose, apply, approve, reject. The calls themselves are made by
//! whoever holds the account's row; here is decided whether they may be.

use std::collections::BTreeSet;

use chrono::Utc;
use deadpool_postgres::Client;
use uuid::Uuid;

use super::Settings;
use super::compare::{With, compare};
use crate::control::plans::{self, ENTRIES_MAX, Placed, Plan};
use crate::domain::account::{AccountEvent, Decision, Declined, Mode, Rejection};
use crate::domain::guard::{self, Fired};
use crate::domain::plan::entry::Entry;
use crate::ledger::append::{AppendError, NewDelivery, append};
use crate::ledger::{journal, rules};
use crate::postgres::DbError;
use crate::projections::generations;
use crate::projections::{Place, accounts, destructive, subscriptions};
use crate::projector::{Projector, database_now};
use crate::registry::Account;

/// Subscriptions compared at once.
const PAGE: i64 = 500;
/// Calls of one plan; a longer one is made in parts.
const PLAN_ENTRIES_MAX: usize = 50_000;
/// Reads that a call is followed by: what was done is read back.
const READS_PER_CALL: i64 = 1;

/// The account that is planned for, and how it is reconciled.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    pub projector: &'a Projector,
    pub account: &'a Account,
    pub settings: &'a Settings,
}

/// Why an act on a plan did not happen.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("this plan is {0}")]
    WrongState(String),
    #[error("the plan has changed: its hash is {0} now; look at it again")]
    Changed(String),
    #[error("what the plan would take away is not as it was: {}", .0.join("; "))]
    Stale(Vec<String>),
    #[error("the guard holds it: {0}; approve it, with a reason")]
    Guarded(String),
    #[error("the guard would hold it ({why}), and already holds plan {held}: decide about that one first")]
    AnotherHeld { why: String, held: Uuid },
    #[error("the account is frozen: nothing is applied until an admin says otherwise")]
    Frozen,
    #[error("the projections are being built: try again")]
    NotReady,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl From<DbError> for PlanError {
    fn from(e: DbError) -> Self {
        Self::Append(AppendError::Database(e))
    }
}

impl From<deadpool_postgres::PoolError> for PlanError {
    fn from(e: deadpool_postgres::PoolError) -> Self {
        DbError::from(e).into()
    }
}

/// Seconds that so many calls take, with the reads that follow them.
#[must_use]
pub fn eta_seconds(calls: i64, settings: &Settings) -> i64 {
    let per_minute = i64::from(settings.requests_per_minute.max(1));
    (calls.saturating_mul(1 + READS_PER_CALL).saturating_mul(60) + per_minute - 1) / per_minute
}

impl Desk<'_> {
    async fn client(&self) -> Result<Client, PlanError> {
        Ok(self.projector.pool.get().await?)
    }

    async fn place(&self, client: &Client) -> Result<Place, PlanError> {
        let live = generations::live(client).await?;
        let live = live.get(&self.account.journal).ok_or(PlanError::NotReady)?;
        let place = Place { generation: live.generation, journal: self.account.journal };
        self.projector.drain(place).await?;
        Ok(place)
    }

    /// The stricter of what the file and an admin say.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn mode(&self) -> Result<Mode, PlanError> {
        let client = self.client().await?;
        let place = self.place(&client).await?;
        let said = accounts::mode(&client, place).await?.map(|(mode, _)| mode);
        Ok(Mode::effective(self.settings.mode, said))
    }

    /// Compares every subscription and saves the calls that are needed.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn propose(&self, who: &str, reason: &str) -> Result<Plan, PlanError> {
        let entries = self.needed(&self.client().await?).await?;
        self.save(who, reason, &entries).await
    }

    /// Saves the plan that the account is owed since rows were promoted, if anything follows from them.
    ///
    /// # Errors
    /// The database cannot be used; the plan stays owed.
    pub async fn propose_owed(&self) -> Result<Option<Plan>, PlanError> {
        let client = self.client().await?;
        let Some(owed) = plans::take_owed(&client, &self.account.name).await? else { return Ok(None) };
        match self.save_owed(&client, &owed.reason).await {
            Ok(saved) => {
                plans::forget_owed(&client, &owed).await?;
                Ok(saved)
            }
            Err(e) => {
                plans::give_back_owed(&client, &owed).await?;
                Err(e)
            }
        }
    }

    async fn save_owed(&self, client: &Client, reason: &str) -> Result<Option<Plan>, PlanError> {
        const WHO: &str = "subledger";
        let mut entries = self.needed(client).await?;
        // What waits for the reconciler anyway does not follow from it.
        let marked = self.marked(client).await?;
        entries.retain(|e| !marked.contains(&(e.source.clone(), e.subscription_id.clone())));
        if entries.is_empty() {
            return Ok(None);
        }
        self.save(WHO, reason, &entries).await.map(Some)
    }

    /// The subscriptions that wait for the reconciler, by source.
    async fn marked(&self, client: &Client) -> Result<BTreeSet<(String, String)>, PlanError> {
        let live = generations::live(client).await?;
        let mut marked = BTreeSet::new();
        for source in self.projector.registry.sources_of(&self.account.name) {
            let Some(live) = live.get(&source.journal) else { continue };
            let place = Place { generation: live.generation, journal: source.journal };
            let ids = subscriptions::marked(client, place).await?;
            marked.extend(ids.into_iter().map(|id| (source.name.clone(), id)));
        }
        Ok(marked)
    }

    async fn save(&self, who: &str, reason: &str, entries: &[Entry]) -> Result<Plan, PlanError> {
        let mut client = self.client().await?;
        let id = plans::create(&mut client, &self.account.name, who, reason, entries).await?;
        self.find(&client, id).await
    }

    async fn find(&self, client: &Client, id: Uuid) -> Result<Plan, PlanError> {
        let found = plans::one(client, id).await?;
        found.ok_or_else(|| DbError::Corrupt("a plan that was saved is not there".to_owned()).into())
    }

    async fn needed(&self, client: &Client) -> Result<Vec<Entry>, PlanError> {
        let account = self.place(client).await?;
        let rules = rules::adopted(client, self.projector.registry.system).await?;
        let now = database_now(client).await?;
        let live = generations::live(client).await?;
        let mut entries = Vec::new();
        for source in self.projector.registry.sources_of(&self.account.name) {
            let Some(live) = live.get(&source.journal) else { return Err(PlanError::NotReady) };
            let place = Place { generation: live.generation, journal: source.journal };
            self.projector.drain(place).await?;
            let with = With { account, source, rules: &rules, now };
            let mut after = String::new();
            loop {
                let page = subscriptions::page(client, place, &after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.subscription_id);
                let states = page.into_iter().map(|state| (state, String::new())).collect();
                for mut compared in compare(client, with, states).await? {
                    if compared.steps.is_empty() {
                        continue;
                    }
                    compared.state_hash = compared.state.state_hash();
                    entries.extend(compared.entries(client, with).await?);
                }
                if entries.len() >= PLAN_ENTRIES_MAX {
                    return Ok(entries);
                }
            }
        }
        Ok(entries)
    }

    /// Has a plan applied, if it is still what was looked at, and the guard lets it pass.
    ///
    /// # Errors
    /// It is stale, held, or in no state to be applied.
    pub async fn apply(&self, id: Uuid, who: &str, reason: &str) -> Result<Plan, PlanError> {
        if self.mode().await? == Mode::Frozen {
            return Err(PlanError::Frozen);
        }
        let client = self.client().await?;
        let plan = self.find(&client, id).await?;
        match plan.state.as_str() {
            "proposed" | "approved" => {}
            "held" => return Err(PlanError::Guarded(plan.reason)),
            other => return Err(PlanError::WrongState(other.to_owned())),
        }
        let entries = plans::entries(&client, id, ("", ""), ENTRIES_MAX, true).await?;
        self.drop_what_moved(&client, &plan, &entries).await?;
        if !plan.approved {
            self.guard(&client, &plan, &entries).await?;
        }
        let decision = Decision { plan: id, hash: plan.hash, who: who.to_owned(), reason: reason.to_owned() };
        self.say(&client, &format!("plan_applied:{id}"), &AccountEvent::PlanApplied(decision)).await?;
        plans::move_to(&client, id, &["proposed", "approved"], "applying").await?;
        self.projector.saved.notify_waiters();
        self.find(&client, id).await
    }

    /// A moved destructive entry refuses the plan; others that moved are left out of it.
    async fn drop_what_moved(&self, client: &Client, plan: &Plan, entries: &[Placed]) -> Result<(), PlanError> {
        let moved = self.moved(client, entries).await?;
        let destructive: Vec<String> =
            moved.iter().filter(|(p, _)| p.entry.destructive).map(|(_, why)| why.clone()).collect();
        if !destructive.is_empty() {
            plans::move_to(client, plan.id, &["proposed", "approved"], "stale").await?;
            return Err(PlanError::Stale(destructive));
        }
        for (placed, why) in moved {
            plans::conclude(client, plan.id, placed, &format!("dropped: {why}")).await?;
        }
        Ok(())
    }

    async fn moved<'e>(&self, client: &Client, entries: &'e [Placed]) -> Result<Vec<(&'e Placed, String)>, PlanError> {
        let account = self.place(client).await?;
        let rules = rules::adopted(client, self.projector.registry.system).await?;
        let now = database_now(client).await?;
        let live = generations::live(client).await?;
        let mut moved = Vec::new();
        let of = |p: &Placed| (p.entry.source.clone(), p.entry.subscription_id.clone());
        for group in entries.chunk_by(|a, b| of(a) == of(b)) {
            let Some(first) = group.first().map(|p| &p.entry) else { continue };
            let current = match self.projector.registry.sources.get(&first.source) {
                Some(source) => {
                    let live = live.get(&source.journal).ok_or(PlanError::NotReady)?;
                    let place = Place { generation: live.generation, journal: source.journal };
                    let with = With { account, source, rules: &rules, now };
                    match super::apply::current(client, with, place, &first.subscription_id).await? {
                        Some(compared) => compared.entries(client, with).await?,
                        None => Vec::new(),
                    }
                }
                None => Vec::new(),
            };
            moved.extend(group.iter().filter_map(|placed| Some((placed, placed.entry.moved(&current)?))));
        }
        Ok(moved)
    }

    /// Judges a plan as a whole, before its first call.
    async fn guard(&self, client: &Client, plan: &Plan, entries: &[Placed]) -> Result<(), PlanError> {
        let place = self.place(client).await?;
        let mut counts = destructive::count(client, place, database_now(client).await?).await?;
        let mut fired: Option<Fired> = None;
        for entry in entries.iter().map(|p| &p.entry).filter(|e| e.destructive) {
            fired = guard::judge(&self.settings.limits, &counts, entry.announced);
            if fired.is_some() {
                break;
            }
            counts.add(entry.announced);
        }
        let Some(fired) = fired else { return Ok(()) };
        let why = fired.to_string();
        if let Some(held) = plans::held(client, &self.account.name).await? {
            return Err(PlanError::AnotherHeld { why, held });
        }
        plans::move_to(client, plan.id, &["proposed"], "held").await?;
        Err(PlanError::Guarded(why))
    }

    /// Lets exactly this plan through the guard. With `hash`: only as it was at that hash.
    ///
    /// # Errors
    /// It has changed, or is in no state to be approved.
    pub async fn approve(&self, id: Uuid, hash: Option<&str>, who: &str, reason: &str) -> Result<Plan, PlanError> {
        self.decide(id, hash, who, reason, &["proposed", "held"], "approved").await
    }

    /// Has a plan not done. What the guard held of it is not asked for again as long as its
    /// subscription says the same.
    ///
    /// # Errors
    /// It has changed, or is in no state to be rejected.
    pub async fn reject(&self, id: Uuid, hash: Option<&str>, who: &str, reason: &str) -> Result<Plan, PlanError> {
        self.decide(id, hash, who, reason, &["proposed", "held", "approved"], "rejected").await
    }

    async fn decide(
        &self,
        id: Uuid,
        hash: Option<&str>,
        who: &str,
        reason: &str,
        from: &[&str],
        to: &str,
    ) -> Result<Plan, PlanError> {
        let mut locking = self.client().await?;
        let client = self.client().await?;
        // Locked until the decision is written: what is decided is what was looked at.
        let tx = locking.transaction().await.map_err(DbError::from)?;
        plans::lock(&tx, id).await?;
        let plan = self.find(&client, id).await?;
        if !from.contains(&plan.state.as_str()) {
            return Err(PlanError::WrongState(plan.state));
        }
        if hash.is_some_and(|asked| asked != plan.hash) {
            return Err(PlanError::Changed(plan.hash));
        }
        let decision = Decision { plan: id, hash: plan.hash.clone(), who: who.to_owned(), reason: reason.to_owned() };
        let event = if to == "approved" {
            AccountEvent::PlanApproved(decision)
        } else {
            let declined = if plan.state == "held" { self.declined(&client, id).await? } else { Vec::new() };
            AccountEvent::PlanRejected(Rejection { decision, declined })
        };
        self.say(&client, &format!("plan_{to}:{id}:{}", plan.hash), &event).await?;
        plans::decide(&tx, id, to, to == "approved", who, reason).await?;
        tx.commit().await.map_err(DbError::from)?;
        self.projector.saved.notify_waiters();
        self.find(&client, id).await
    }

    async fn declined(&self, client: &Client, id: Uuid) -> Result<Vec<Declined>, PlanError> {
        let entries = plans::entries(client, id, ("", ""), ENTRIES_MAX, false).await?;
        let declined = entries.into_iter().map(|p| Declined {
            order_id: p.entry.order_id,
            action_hash: p.entry.action_hash,
            state_hash: p.entry.state_hash,
        });
        Ok(declined.collect())
    }

    /// Appends an admin's word to the account's journal, and has it folded.
    ///
    /// # Errors
    /// Nothing was appended.
    pub async fn say(&self, client: &Client, key: &str, event: &AccountEvent) -> Result<i64, PlanError> {
        let body = serde_json::to_value(event).map_err(|e| DbError::Corrupt(e.to_string()))?;
        let delivery = NewDelivery::own(event.event_type(), key, &body, Utc::now());
        let appended = append(client, self.account.journal, None, &[delivery]).await?;
        self.place(client).await?;
        Ok(appended.first().map_or(0, |a| a.position))
    }

    /// The name of the account's journal.
    #[must_use]
    pub fn journal(&self) -> String {
        journal::of_account(&self.account.name)
    }
}
