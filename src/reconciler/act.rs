//! One call: intent, send, outcome.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Halt, Reconciler, Turn};
use crate::domain::license::{AccountEvent, Action, CallResult, Intent, Observed, Outcome};
use crate::domain::plan::Step;
use crate::ledger::append::{AppendError, Appended, NewDelivery, append};
use crate::licensespring::{Answer, wire};
use crate::postgres::DbError;
use crate::projections::licenses;
use crate::projections::subscriptions::Dirty;
use crate::telemetry::meter;

/// An intent older than this is not sent any more: somebody may have taken it for dead.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Pause of the whole account when its key is refused.
const UNAUTHORIZED_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// Pause when LicenseSpring cannot be reached, or answers with trouble.
const TROUBLE_PAUSE: TimeDelta = TimeDelta::seconds(1);

impl Reconciler {
    /// Makes one call. `true`: LicenseSpring did it.
    pub(super) async fn act(
        &self,
        turn: &mut Turn,
        client: &deadpool_postgres::Client,
        step: &Step,
        dirty: &Dirty,
    ) -> Result<bool, Halt> {
        let intent = self.intent(turn, client, step, dirty).await?;
        turn.budget.spend().await;
        let started = Instant::now();
        if !self.announce_intent(turn, client, &intent).await? {
            return Ok(false); // somebody else announced it: theirs to send
        }
        let answer = if started.elapsed() < SEND_WITHIN {
            self.client.act(&intent.action).await
        } else {
            Answer::Unsent("the intent took too long to be written".to_owned())
        };
        meter::call(&self.account.name, intent.action.name(), !matches!(answer, Answer::Done { .. }));
        info!(
            account = self.account.name,
            order_id = intent.order_id,
            n = intent.n,
            action = intent.action.name(),
            reason = intent.reason,
            answer = name(&answer),
            "call"
        );
        self.conclude(turn, client, &intent, answer).await
    }

    async fn intent(
        &self,
        turn: &Turn,
        client: &deadpool_postgres::Client,
        step: &Step,
        dirty: &Dirty,
    ) -> Result<Intent, Halt> {
        let held = licenses::load(client, turn.place, std::slice::from_ref(&step.order_id)).await?;
        let seen = held.first().and_then(|r| r.observed.as_ref());
        // What was already so before the call: the figure that must stay 0.
        let redundant = !matches!(step.action, Action::CreateOrder { .. })
            && seen.is_some_and(|o| shows(&step.action, o))
            || matches!(step.action, Action::CreateOrder { .. }) && seen.is_some();
        meter::redundant_call(&self.account.name, redundant);
        let source = &step.line.source;
        let because = dirty.state.provenance.values().map(|p| p.event).collect::<std::collections::BTreeSet<i64>>();
        Ok(Intent {
            order_id: step.order_id.clone(),
            n: held.first().map_or(1, |r| r.intents + 1),
            line: step.line.clone(),
            order_generation: step.order_generation,
            action: step.action.clone(),
            reason: step.reason.clone(),
            because: because.into_iter().map(|position| format!("{source}/{position}")).collect(),
            state_hash: dirty.state_hash.clone(),
            rules_hash: turn.rules.hash.clone(),
        })
    }

    /// Appends the intent at the tail it was decided at. `true`: it is ours to send.
    async fn announce_intent(
        &self,
        turn: &mut Turn,
        client: &deadpool_postgres::Client,
        intent: &Intent,
    ) -> Result<bool, Halt> {
        let key = format!("intent:{}:{}", intent.order_id, intent.n);
        let appended = self.append(turn, client, "intent", &key, &AccountEvent::Intent(intent.clone())).await?;
        Ok(appended.is_new)
    }

    /// What an answer comes to. Without certainty nothing is written: the intent stays in doubt.
    async fn conclude(
        &self,
        turn: &mut Turn,
        client: &deadpool_postgres::Client,
        intent: &Intent,
        answer: Answer,
    ) -> Result<bool, Halt> {
        let soon = |pause: TimeDelta| Utc::now() + pause;
        match answer {
            Answer::Done { status, body } => {
                let observed = self.observe(turn, &intent.action, &body).await?;
                let Some(observed) = observed else { return Ok(false) };
                self.outcome(turn, client, intent, CallResult::Done, Some(status), None, Some(observed), false).await?;
                Ok(true)
            }
            Answer::Refused { status, message } => self.refused(turn, client, intent, status, message).await,
            Answer::Throttled { wait } => {
                self.outcome(turn, client, intent, CallResult::NotDone, Some(429), None, None, false).await?;
                Err(Halt::NotBefore(later(wait)))
            }
            Answer::Unauthorized { status } => {
                error!(account = self.account.name, status, "LicenseSpring does not accept the API key");
                self.outcome(turn, client, intent, CallResult::NotDone, Some(status), None, None, false).await?;
                Err(Halt::NotBefore(soon(UNAUTHORIZED_PAUSE)))
            }
            Answer::Unsent(why) => {
                self.outcome(turn, client, intent, CallResult::NotDone, None, Some(why), None, false).await?;
                Err(Halt::NotBefore(soon(TROUBLE_PAUSE)))
            }
            Answer::Ambiguous(why) => {
                warn!(
                    account = self.account.name,
                    order_id = intent.order_id,
                    why,
                    "a call is in doubt; it is looked up before anything else is done"
                );
                Err(Halt::NotBefore(soon(TROUBLE_PAUSE)))
            }
        }
    }

    /// A refusal is checked against what is there: a repeated create may have worked before.
    async fn refused(
        &self,
        turn: &mut Turn,
        client: &deadpool_postgres::Client,
        intent: &Intent,
        status: u16,
        message: String,
    ) -> Result<bool, Halt> {
        let found = self.look_up(turn, intent).await?;
        let done = found.as_ref().is_some_and(|o| shows(&intent.action, o));
        let result = if done { CallResult::Done } else { CallResult::Rejected };
        if !done {
            warn!(
                account = self.account.name,
                order_id = intent.order_id,
                status,
                message,
                "LicenseSpring refuses this call; it is parked"
            );
        }
        self.outcome(turn, client, intent, result, Some(status), Some(message), found, true).await?;
        Ok(done)
    }

    /// The license as it is after a call that was answered well: from the answer itself where
    /// it is whole, else read back.
    async fn observe(&self, turn: &mut Turn, action: &Action, body: &Value) -> Result<Option<Observed>, Halt> {
        let license_id = match action {
            Action::Update { license_id, .. } => match wire::observed(body) {
                Some(observed) => return Ok(Some(observed)),
                None => Some(*license_id),
            },
            Action::CreateOrder { .. } => wire::created_licenses(body).first().copied(),
            Action::Enable { license_id } | Action::Disable { license_id } | Action::ResetDevices { license_id } => {
                Some(*license_id)
            }
        };
        turn.budget.spend().await;
        let seen = match (license_id, action) {
            (Some(id), _) => self.client.license(id).await,
            (None, Action::CreateOrder { body }) => {
                self.client.license_of_order(body["id"].as_str().unwrap_or_default()).await
            }
            (None, _) => Ok(None),
        };
        seen.map_err(|answer| pause_for(&answer))
    }

    /// Reads what an intent is about.
    pub(super) async fn look_up(&self, turn: &mut Turn, intent: &Intent) -> Result<Option<Observed>, Halt> {
        turn.budget.spend().await;
        let seen = match &intent.action {
            Action::CreateOrder { .. } => self.client.license_of_order(&intent.order_id).await,
            Action::Update { license_id, .. }
            | Action::Enable { license_id }
            | Action::Disable { license_id }
            | Action::ResetDevices { license_id } => self.client.license(*license_id).await,
        };
        seen.map_err(|answer| pause_for(&answer))
    }

    #[allow(clippy::too_many_arguments)] // one straight line from an answer to an event
    pub(super) async fn outcome(
        &self,
        turn: &mut Turn,
        client: &deadpool_postgres::Client,
        intent: &Intent,
        result: CallResult,
        http_status: Option<u16>,
        message: Option<String>,
        observed: Option<Observed>,
        by_lookup: bool,
    ) -> Result<(), Halt> {
        let key = format!("outcome:{}:{}", intent.order_id, intent.n);
        let outcome = Outcome {
            order_id: intent.order_id.clone(),
            n: intent.n,
            result,
            http_status,
            message,
            observed,
            by_lookup,
        };
        self.append(turn, client, "outcome", &key, &AccountEvent::Outcome(outcome)).await?;
        self.projector.drain(turn.place).await?;
        Ok(())
    }

    async fn append(
        &self,
        turn: &mut Turn,
        client: &deadpool_postgres::Client,
        event_type: &str,
        key: &str,
        event: &AccountEvent,
    ) -> Result<Appended, Halt> {
        let body = serde_json::to_value(event).map_err(|e| DbError::Corrupt(e.to_string()))?;
        // An outcome tells what happened and must be kept wherever the tail is; an intent decides.
        let expect = matches!(event, AccountEvent::Intent(_)).then_some(turn.tail);
        let delivery = NewDelivery::own(event_type, key, &body, Utc::now());
        let answers = append(client, turn.place.journal, expect, &[delivery]).await.map_err(|e| match e {
            AppendError::TailMoved => Halt::Moved,
            AppendError::Database(e) => Halt::Database(e),
        })?;
        let appended = answers.first().copied().ok_or_else(|| DbError::Corrupt("no answer to an append".to_owned()))?;
        turn.tail = turn.tail.max(appended.position);
        Ok(appended)
    }
}

fn later(wait: Duration) -> DateTime<Utc> {
    Utc::now() + TimeDelta::from_std(wait).unwrap_or(UNAUTHORIZED_PAUSE)
}

/// A reading that did not work: how long to leave the account alone.
fn pause_for(answer: &Answer) -> Halt {
    Halt::NotBefore(match answer {
        Answer::Throttled { wait } => later(*wait),
        Answer::Unauthorized { .. } => Utc::now() + UNAUTHORIZED_PAUSE,
        _ => Utc::now() + TROUBLE_PAUSE,
    })
}

/// Whether an observation shows that an action was done.
pub(super) fn shows(action: &Action, observed: &Observed) -> bool {
    match action {
        Action::CreateOrder { .. } => true,
        Action::Enable { .. } => observed.enabled,
        Action::Disable { .. } => !observed.enabled,
        Action::ResetDevices { .. } => false,
        Action::Update { changes, .. } => {
            changes.as_object().is_some_and(|changes| changes.iter().all(|(field, value)| same(field, value, observed)))
        }
    }
}

fn same(field: &str, value: &Value, observed: &Observed) -> bool {
    match field {
        "validity_period" => wire::date(value) == observed.valid_until,
        "is_trial" => value.as_bool() == Some(observed.is_trial),
        "max_activations" => value.as_i64() == observed.max_activations,
        "floating_users" => value.as_i64() == observed.floating_users,
        "max_license_users" => value.as_i64() == observed.max_license_users,
        _ => false,
    }
}

fn name(answer: &Answer) -> &'static str {
    match answer {
        Answer::Done { .. } => "done",
        Answer::Refused { .. } => "refused",
        Answer::Unauthorized { .. } => "unauthorized",
        Answer::Throttled { .. } => "throttled",
        Answer::Unsent(_) => "unsent",
        Answer::Ambiguous(_) => "ambiguous",
    }
}
