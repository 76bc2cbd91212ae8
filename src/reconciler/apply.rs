//! Applying a saved plan: entry by entry, each only if it is still what was looked at.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use tracing::info;

use super::act::Call;
use super::compare::{Compared, With, compare};
use super::watch::Passed;
use super::{Halt, Reconciler, Turn};
use crate::control::plans::{self, Placed, Plan};
use crate::domain::account::Mode;
use crate::domain::guard::Fired;
use crate::domain::plan::entry::Entry;
use crate::postgres::DbError;
use crate::projections::generations::Live;
use crate::projections::{Place, subscriptions};

/// Entries worked off while the lease is held once.
const ENTRIES_MAX: i64 = 50;

impl Reconciler {
    /// Works off plans that were applied, and in continuous mode those that were approved.
    pub(super) async fn work_plans(
        &self,
        turn: &mut Turn,
        client: &Client,
        live: &BTreeMap<i32, Live>,
    ) -> Result<(), Halt> {
        let states: &[&str] = if turn.mode == Mode::Continuous { &["approved", "applying"] } else { &["applying"] };
        for plan in plans::list(client, None, Some(&self.account.name), Some(states)).await?.into_iter().rev() {
            plans::move_to(client, plan.id, &["approved"], "applying").await?;
            let entries = plans::entries(client, plan.id, ("", ""), ENTRIES_MAX, true).await?;
            let mut progress = Progress::default();
            for placed in &entries {
                let result = self.apply(turn, client, live, &plan, placed, &mut progress).await?;
                // In doubt: it is settled first, and this entry looked at again.
                let Some(result) = result else { return Ok(()) };
                plans::conclude(client, plan.id, placed, &result).await?;
            }
            if i64::try_from(entries.len()).is_ok_and(|n| n < ENTRIES_MAX)
                && plans::move_to(client, plan.id, &["applying"], "applied").await?
            {
                info!(account = self.account.name, plan = %plan.id, "a plan was applied");
            }
        }
        Ok(())
    }

    /// One entry; answers with what became of it, or with nothing while it is in doubt.
    async fn apply(
        &self,
        turn: &mut Turn,
        client: &Client,
        live: &BTreeMap<i32, Live>,
        plan: &Plan,
        placed: &Placed,
        progress: &mut Progress,
    ) -> Result<Option<String>, Halt> {
        let entry = &placed.entry;
        let Some(source) = self.projector.registry.sources.get(&entry.source) else {
            return Ok(Some("dropped: its source is not configured here".to_owned()));
        };
        let Some(live) = live.get(&source.journal).filter(|l| l.caught_up) else { return Ok(None) };
        let place = Place { generation: live.generation, journal: source.journal };
        self.projector.drain(turn.place).await?;
        let rules = turn.rules.clone();
        let with = With { account: turn.place, source, rules: &rules, now: turn.now };
        let Some(compared) = current(client, with, place, &entry.subscription_id).await? else {
            return Ok(Some("dropped: its subscription is not known any more".to_owned()));
        };
        if compared.is_in_doubt() {
            return Ok(None);
        }
        let now = compared.entries(client, with).await?;
        // What this plan itself has just done to the license is no surprise.
        let ours = progress.acted.as_deref() == Some(entry.order_id.as_str());
        if let Some(why) = moved(entry, &now, ours) {
            return Ok(Some(format!("dropped: {why}")));
        }
        let Some(step) = compared.steps.iter().zip(&now).find(|(_, n)| is_same(n, entry)).map(|(s, _)| s) else {
            return Ok(Some("dropped: not needed any more".to_owned()));
        };
        let call = Call {
            destructive: entry.destructive,
            announced: entry.announced,
            plan: Some(plan.id),
            approved: plan.approved,
            ..Call::harmless(step.clone())
        };
        if !plan.approved
            && let Passed::Held { fired, .. } = self.judge(turn, client, with, &compared, step).await?
        {
            let of = (entry.source.clone(), entry.subscription_id.clone());
            let waiting = progress.waiting.entry(of).or_default();
            waiting.insert(step.order_id.clone(), fired.clone());
            self.hold(turn, with, &compared, waiting).await?;
            return Ok(Some(format!("held: {fired}")));
        }
        let done = match self.act(turn, client, &call, &compared).await {
            Err(halt @ Halt::NotBefore(_)) => {
                if current(client, with, place, &entry.subscription_id).await?.is_some_and(|c| c.is_in_doubt()) {
                    let lost = "sent; its answer was lost, and it is looked up: see the calls of the license";
                    plans::conclude(client, plan.id, placed, lost).await?;
                }
                return Err(halt);
            }
            done => done?,
        };
        progress.acted = Some(entry.order_id.clone());
        Ok(Some(if done { "done" } else { "not done: see /v1/parked and the calls of the license" }.to_owned()))
    }
}

/// What this turn has done of a plan.
#[derive(Default)]
struct Progress {
    /// The order that was acted on last.
    acted: Option<String>,
    /// By source and subscription: what the guard holds of it.
    waiting: BTreeMap<(String, String), BTreeMap<String, Fired>>,
}

fn is_same(now: &Entry, planned: &Entry) -> bool {
    now.order_id == planned.order_id && now.action_hash == planned.action_hash
}

fn moved(entry: &Entry, now: &[Entry], acted: bool) -> Option<String> {
    if acted && let Some(same) = now.iter().find(|n| is_same(n, entry)) {
        let planned = Entry { observation_hash: same.observation_hash.clone(), ..entry.clone() };
        return planned.moved(now);
    }
    entry.moved(now)
}

/// A subscription as it stands, compared.
pub(super) async fn current(
    client: &Client,
    with: With<'_>,
    place: Place,
    subscription_id: &str,
) -> Result<Option<Compared>, DbError> {
    let held = subscriptions::load(client, place, &[subscription_id.to_owned()]).await?;
    let states = held.into_iter().map(|h| (h.state, h.state_hash)).collect();
    Ok(compare(client, with, states).await?.into_iter().next())
}
