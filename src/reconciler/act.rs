//! One call: intent, send, outcome.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::Client;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::compare::Compared;
use super::{Halt, Reconciler, Turn};
use crate::domain::account::AccountEvent;
use crate::domain::license::{Action, CallResult, Intent, Observed, Outcome};
use crate::domain::plan::Step;
use crate::ledger::append::{AppendError, Appended, NewDelivery, append};
use crate::licensespring::{Answer, wire};
use crate::postgres::DbError;
use crate::projections::licenses;
use crate::telemetry::meter;

/// An intent older than this is not sent any more: somebody may have taken it for dead.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Pause of the whole account when its key is refused.
const UNAUTHORIZED_PAUSE: TimeDelta = TimeDelta::seconds(60);

/// A step, and under which eyes it is made.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub step: Step,
    pub destructive: bool,
    pub announced: bool,
    pub plan: Option<Uuid>,
    pub approved: bool,
}

impl Call {
    pub fn harmless(step: Step) -> Self {
        Self { step, destructive: false, announced: false, plan: None, approved: false }
    }
}

impl Reconciler {
    /// Makes one call. `true`: LicenseSpring did it.
    pub(super) async fn act(
        &self,
        turn: &mut Turn,
        client: &Client,
        call: &Call,
        compared: &Compared,
    ) -> Result<bool, Halt> {
        let intent = self.intent(turn, client, call, compared).await?;
        turn.budget.spend(client).await?;
        let started = Instant::now();
        let announced = AccountEvent::Intent(Box::new(intent.clone()));
        let key = format!("intent:{}:{}", intent.order_id, intent.n);
        if !self.append(turn, client, &key, &announced, true).await?.is_new {
            return Ok(false); // somebody else announced it: theirs to send
        }
        if call.destructive && !call.approved {
            Self::counted(turn, call.announced);
        }
        let answer = if started.elapsed() < SEND_WITHIN {
            self.send(turn, client, &intent.action).await?
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

    /// Sends an action; a reset of devices is one request each, every one paid for.
    async fn send(&self, turn: &mut Turn, client: &Client, action: &Action) -> Result<Answer, Halt> {
        let Action::ResetDevices { license_id } = action else { return Ok(self.client.act(action).await) };
        let devices = match self.client.active_devices(*license_id).await {
            Ok(devices) => devices,
            Err(answer) => return Ok(answer),
        };
        for device in devices {
            turn.budget.spend(client).await?;
            let answer = self.client.reset_device(device).await;
            if !matches!(answer, Answer::Done { .. }) {
                return Ok(answer);
            }
        }
        Ok(Answer::Done { status: 200, body: Value::Null })
    }

    async fn intent(&self, turn: &Turn, client: &Client, call: &Call, compared: &Compared) -> Result<Intent, Halt> {
        let step = &call.step;
        let held = licenses::load(client, turn.place, std::slice::from_ref(&step.order_id)).await?;
        let seen = held.first().and_then(|r| r.observed.as_ref());
        // What was already so before the call: the figure that must stay 0.
        let redundant = seen.is_some_and(|o| shows(&step.action, o));
        meter::redundant_call(&self.account.name, redundant);
        Ok(Intent {
            order_id: step.order_id.clone(),
            n: held.first().map_or(1, |r| r.intents + 1),
            line: step.line.clone(),
            order_generation: step.order_generation,
            action: step.action.clone(),
            reason: step.reason.clone(),
            because: compared.because.clone(),
            state_hash: compared.state_hash.clone(),
            rules_hash: turn.rules.hash.clone(),
            destructive: call.destructive,
            announced: call.announced,
            plan: call.plan,
            approved: call.approved,
        })
    }

    /// What an answer comes to. Without certainty nothing is written: the intent stays in doubt.
    async fn conclude(&self, turn: &mut Turn, client: &Client, intent: &Intent, answer: Answer) -> Result<bool, Halt> {
        let result = |result, status, message| Concluded { result, status, message, observed: None, by_lookup: false };
        match answer {
            Answer::Done { status, body } => {
                let Some(observed) = self.observe(turn, client, intent, &body).await? else { return Ok(false) };
                let done = Concluded { observed: Some(observed), ..result(CallResult::Done, Some(status), None) };
                turn.budget.answered(client).await?;
                self.outcome(turn, client, intent, done).await?;
                Ok(true)
            }
            Answer::Refused { status, message } => self.refused(turn, client, intent, status, message).await,
            Answer::Throttled { wait } => {
                self.outcome(turn, client, intent, result(CallResult::NotDone, Some(429), None)).await?;
                Err(Halt::NotBefore(Some(later(wait))))
            }
            Answer::Unauthorized { status } => {
                error!(account = self.account.name, status, "LicenseSpring does not accept the API key");
                self.outcome(turn, client, intent, result(CallResult::NotDone, Some(status), None)).await?;
                Err(Halt::NotBefore(Some(Utc::now() + UNAUTHORIZED_PAUSE)))
            }
            Answer::Unsent(why) => {
                self.outcome(turn, client, intent, result(CallResult::NotDone, None, Some(why))).await?;
                Err(Halt::NotBefore(None))
            }
            Answer::Ambiguous(why) => {
                warn!(
                    account = self.account.name,
                    order_id = intent.order_id,
                    why,
                    "a call is in doubt; it is looked up before anything else is done"
                );
                Err(Halt::NotBefore(None))
            }
        }
    }

    /// A refusal is checked against what is there: a repeated create may have worked before.
    async fn refused(
        &self,
        turn: &mut Turn,
        client: &Client,
        intent: &Intent,
        status: u16,
        message: String,
    ) -> Result<bool, Halt> {
        let found = self.look_up(turn, client, &intent.action, &intent.order_id).await?;
        let done = found.shows(&intent.action);
        // An order of ours may be there and not be shown yet: only a first attempt that was
        // never in doubt is refused for what it says.
        if !done && matches!(intent.action, Action::CreateOrder { .. }) && intent.n > 1 {
            turn.looks.refused(&intent.order_id, intent.n, status, message);
            return Ok(false);
        }
        if !done {
            warn!(
                account = self.account.name,
                order_id = intent.order_id,
                status,
                message,
                "LicenseSpring refuses this call; it is parked"
            );
        }
        let result = if done { CallResult::Done } else { CallResult::Rejected };
        let concluded = Concluded {
            result,
            status: Some(status),
            message: Some(message),
            observed: found.observed,
            by_lookup: true,
        };
        self.outcome(turn, client, intent, concluded).await?;
        Ok(done)
    }

    /// The license as it is after a call that was answered well: from the answer itself where
    /// it is whole, else read back.
    async fn observe(
        &self,
        turn: &mut Turn,
        client: &Client,
        intent: &Intent,
        body: &Value,
    ) -> Result<Option<Observed>, Halt> {
        let created = match &intent.action {
            Action::Update { .. } if let Some(observed) = wire::observed(body) => return Ok(Some(observed)),
            Action::CreateOrder { .. } => wire::created_licenses(body).first().copied(),
            action => action.license_id(),
        };
        let Some(license_id) = created else {
            return Ok(self.look_up(turn, client, &intent.action, &intent.order_id).await?.observed);
        };
        turn.budget.spend(client).await?;
        self.client.license(license_id).await.map_err(|answer| pause_for(&answer))
    }

    pub(super) async fn outcome(
        &self,
        turn: &mut Turn,
        client: &Client,
        intent: &Intent,
        concluded: Concluded,
    ) -> Result<(), Halt> {
        let key = format!("outcome:{}:{}", intent.order_id, intent.n);
        let outcome = Outcome {
            order_id: intent.order_id.clone(),
            n: intent.n,
            result: concluded.result,
            http_status: concluded.status,
            message: concluded.message,
            observed: concluded.observed,
            by_lookup: concluded.by_lookup,
        };
        // It tells what happened, and must be kept wherever the tail is.
        self.append(turn, client, &key, &AccountEvent::Outcome(Box::new(outcome)), false).await?;
        self.projector.drain(turn.place).await?;
        Ok(())
    }

    /// Appends an event of the account. With `decided` it is refused if anything was said since
    /// the turn began: what was decided from less does not count.
    pub(super) async fn append(
        &self,
        turn: &mut Turn,
        client: &Client,
        key: &str,
        event: &AccountEvent,
        decided: bool,
    ) -> Result<Appended, Halt> {
        let body = serde_json::to_value(event).map_err(|e| DbError::Corrupt(e.to_string()))?;
        let delivery = NewDelivery::own(event.event_type(), key, &body, Utc::now());
        let expect = decided.then_some(turn.tail);
        let answers = append(client, turn.place.journal, expect, &[delivery]).await.map_err(|e| match e {
            AppendError::TailMoved => Halt::Moved,
            AppendError::Database(e) => Halt::Database(e),
        })?;
        let appended = answers.first().copied().ok_or_else(|| DbError::Corrupt("no answer to an append".to_owned()))?;
        // Somebody else's word in between leaves the tail where it was: the next intent is then
        // refused, and everything read anew.
        if appended.position == turn.tail + 1 {
            turn.tail = appended.position;
        }
        Ok(appended)
    }
}

/// What became of a call, and how that is known.
pub(super) struct Concluded {
    pub result: CallResult,
    pub status: Option<u16>,
    pub message: Option<String>,
    pub observed: Option<Observed>,
    pub by_lookup: bool,
}

fn later(wait: Duration) -> DateTime<Utc> {
    Utc::now() + TimeDelta::from_std(wait).unwrap_or(UNAUTHORIZED_PAUSE)
}

/// A reading that did not work: how long to leave the account alone.
pub(super) fn pause_for(answer: &Answer) -> Halt {
    Halt::NotBefore(match answer {
        Answer::Throttled { wait } => Some(later(*wait)),
        Answer::Unauthorized { .. } => Some(Utc::now() + UNAUTHORIZED_PAUSE),
        _ => None,
    })
}

/// Whether an observation shows that an action was done.
pub(super) fn shows(action: &Action, observed: &Observed) -> bool {
    match action {
        Action::CreateOrder { .. } => true,
        Action::Enable { .. } => observed.enabled,
        Action::Disable { .. } => !observed.enabled,
        Action::ResetDevices { .. } => false,
        Action::SetFeatures { features, .. } => *features == observed.features,
        Action::Update { changes, .. } => {
            let is_set = |(field, value): (&String, &Value)| observed.managed(field).as_ref() == Some(value);
            changes.as_object().is_some_and(|changes| changes.iter().all(is_set))
        }
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
