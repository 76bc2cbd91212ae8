//! The guard at work: counts what was intended, holds what goes too far, and keeps what is held
//! in one plan of the account.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use tracing::warn;

use super::act::Call;
use super::compare::{Compared, With};
use super::{Halt, Reconciler, Turn};
use crate::control::plans;
use crate::domain::guard::{self, Counts, Fired};
use crate::domain::plan::Step;
use crate::postgres::{DbError, query_opt};
use crate::projections::{Place, destructive, generations, licenses};
use crate::projector::meaning::word_key;
use crate::registry::Source;
use crate::sql;

/// Dates that are named in the reason of a plan that a silent source holds.
const LAPSING_DATES: i64 = 5;

/// What the guard knows in one turn; read when first needed.
#[derive(Default)]
pub(super) struct Watch {
    counts: Option<Counts>,
    /// By source: whether it is silent.
    silent: BTreeMap<String, Option<Fired>>,
}

/// What may be done of a step.
pub(super) enum Passed {
    Whole(Call),
    /// The guard holds it; the half that takes nothing away goes on.
    Held {
        fired: Fired,
        harmless: Option<Call>,
    },
}

impl Reconciler {
    /// Judges a step. Nobody has approved it.
    pub(super) async fn judge(
        &self,
        turn: &mut Turn,
        client: &Client,
        with: With<'_>,
        compared: &Compared,
        step: &Step,
    ) -> Result<Passed, Halt> {
        let split = guard::split(&step.action, compared.observed(&step.order_id));
        if split.destructive.is_none() {
            return Ok(Passed::Whole(Call::harmless(step.clone())));
        }
        let announced = compared.is_announced(client, with, step).await?;
        let fired = match unread(client, with.source, compared).await? {
            Some(unread) => Some(unread),
            None => self.fired(turn, client, with.source, announced).await?,
        };
        let Some(fired) = fired else {
            return Ok(Passed::Whole(Call { destructive: true, announced, ..Call::harmless(step.clone()) }));
        };
        let harmless = split.harmless.map(|action| Call::harmless(Step { action, ..step.clone() }));
        Ok(Passed::Held { fired, harmless })
    }

    async fn fired(
        &self,
        turn: &mut Turn,
        client: &Client,
        source: &Source,
        announced: bool,
    ) -> Result<Option<Fired>, Halt> {
        if let Some(silence) = self.silence(turn, client, source).await? {
            return Ok(Some(silence));
        }
        if turn.held.is_some() && !announced {
            return Ok(Some(Fired::Joins));
        }
        let counts = match turn.watch.counts {
            Some(counts) => counts,
            None => destructive::count(client, turn.place, turn.now).await?,
        };
        turn.watch.counts = Some(counts);
        Ok(guard::judge(&self.settings.limits, &counts, announced))
    }

    /// A destructive call is intended: it counts at once.
    pub(super) fn counted(turn: &mut Turn, announced: bool) {
        if let Some(counts) = &mut turn.watch.counts {
            counts.add(announced);
        }
    }

    async fn silence(&self, turn: &mut Turn, client: &Client, source: &Source) -> Result<Option<Fired>, Halt> {
        let Some(hours) = self.settings.silence_hours.get(&source.name).copied() else { return Ok(None) };
        if let Some(known) = turn.watch.silent.get(&source.name) {
            return Ok(known.clone());
        }
        let heard = query_opt(client, sql!("schema/statements/heard.sql"), &[&source.journal]).await?;
        let fired = heard.and_then(|row| guard::silence(&source.name, row.get(0), hours, turn.now));
        turn.watch.silent.insert(source.name.clone(), fired.clone());
        Ok(fired)
    }

    /// Puts what waits of a subscription into the account's held plan, in the place of what
    /// waited of it before; nothing: it is taken out.
    pub(super) async fn hold(
        &self,
        turn: &mut Turn,
        with: With<'_>,
        compared: &Compared,
        waiting: &BTreeMap<String, Fired>,
    ) -> Result<(), Halt> {
        // What waits for an event to be read is nobody's to approve, and in nobody's way.
        let is_for_approval = |fired: &Fired| !matches!(fired, Fired::Unread { .. });
        let waiting: BTreeMap<&String, &Fired> = waiting.iter().filter(|(_, fired)| is_for_approval(fired)).collect();
        let mut client = self.projector.pool.get().await.map_err(DbError::from)?;
        let mut entries = Vec::new();
        for step in compared.steps.iter().filter(|s| waiting.contains_key(&s.order_id)) {
            entries.push(compared.entry(&client, with, step).await?);
        }
        let reason = match waiting.values().find(|f| ***f != Fired::Joins).or_else(|| waiting.values().next()) {
            Some(fired) => format!("{fired}{}", lapsing(&client, turn.place, fired).await?),
            None => String::new(),
        };
        let subscription = (with.source.name.as_str(), compared.state.subscription_id.as_str());
        let held = plans::hold(&mut client, &self.account.name, &reason, subscription, &entries).await?;
        if turn.held.is_none() && held.is_some() {
            warn!(
                account = self.account.name,
                plan = ?held,
                reason,
                "the guard holds destructive calls until somebody approves them; everything else goes on"
            );
        }
        turn.held = held;
        Ok(())
    }
}

/// An event that could not be read and speaks of the subscription.
async fn unread(client: &Client, source: &Source, compared: &Compared) -> Result<Option<Fired>, Halt> {
    let live = generations::live(client).await?;
    let Some(live) = live.get(&source.journal) else { return Ok(None) };
    let words: Vec<String> = compared.state.names().into_iter().map(word_key).collect();
    let statement = sql!("projections/events/unread.sql");
    let row = query_opt(client, statement, &[&live.generation, &source.journal, &words]).await?;
    let fired = row.map(|row| Fired::Unread { event: format!("{}/{}", source.name, row.get::<_, i64>(0)) });
    if let Some(fired) = &fired {
        warn!(source = source.name, subscription = compared.state.subscription_id, reason = %fired, "a stop is held");
    }
    Ok(fired)
}

/// What a silent source leads to by dates alone, without any call of ours.
async fn lapsing(client: &Client, place: Place, fired: &Fired) -> Result<String, DbError> {
    let Fired::Silence { source, .. } = fired else { return Ok(String::new()) };
    let dates = licenses::lapsing(client, place, source, LAPSING_DATES).await?;
    let dates: Vec<String> = dates.iter().map(|(date, licenses)| format!("{licenses} on {date}")).collect();
    Ok(if dates.is_empty() {
        "; none of its licenses lapses by date".to_owned()
    } else {
        format!("; by their own dates its licenses lapse: {}", dates.join(", "))
    })
}
