//! Intents without an outcome: the process died, or the answer did not say. Wait, read, decide;
//! never by the words of an error. What was found not to be done is looked at again minutes
//! later: a slow request may have been done after the look.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::Client;
use tracing::warn;

use super::act::{Concluded, pause_for, shows};
use super::{Halt, Reconciler, Turn};
use crate::domain::account::{AccountEvent, Observation};
use crate::domain::license::{Action, CallResult, LicenseRecord, Observed};
use crate::projections::licenses;

/// An intent is left alone this long: whoever wrote it may still be waiting for the answer.
const DOUBT_WAIT: TimeDelta = TimeDelta::seconds(1);
/// Lists may lag behind: a new order is looked for at these ages, and not found at the last.
const CREATE_LOOKS: [TimeDelta; 4] =
    [TimeDelta::seconds(1), TimeDelta::seconds(2), TimeDelta::milliseconds(3_500), TimeDelta::milliseconds(5_500)];
/// Doubts settled in one turn.
const DOUBTS_MAX: i64 = 20;

/// Looks of this process at creates in doubt, by order id and number: a restart looks again
/// from the start.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<(String, i64), Looked>);

#[derive(Debug, Default, Clone)]
struct Looked {
    times: usize,
    /// It was refused, with this status and message.
    refused: Option<(u16, String)>,
}

impl Looks {
    /// A create was refused that may have been done before: it is looked for some times more.
    pub fn refused(&mut self, order_id: &str, n: i64, status: u16, message: String) {
        let looked = self.0.entry((order_id.to_owned(), n)).or_default();
        looked.refused = Some((status, message));
    }
}

/// What a look-up found.
pub(super) struct Found {
    pub observed: Option<Observed>,
    /// No device of the license is active.
    devices_free: bool,
}

impl Found {
    pub fn shows(&self, action: &Action) -> bool {
        match action {
            Action::ResetDevices { .. } => self.devices_free,
            action => self.observed.as_ref().is_some_and(|o| shows(action, o)),
        }
    }
}

impl Reconciler {
    /// Reads what every doubtful intent is about, and writes the outcome that it shows.
    pub(super) async fn settle_doubts(&self, turn: &mut Turn, client: &Client) -> Result<(), Halt> {
        let open = licenses::open(client, turn.place, turn.now - DOUBT_WAIT, DOUBTS_MAX).await?;
        turn.looks.0.retain(|(order, n), _| {
            open.iter().any(|r| r.order_id == *order && r.open.as_ref().is_some_and(|o| o.intent.n == *n))
        });
        for record in open {
            self.settle(turn, client, &record).await?;
        }
        for record in licenses::recheck(client, turn.place, turn.now, DOUBTS_MAX).await? {
            self.look_once_more(turn, client, &record).await?;
        }
        Ok(())
    }

    async fn settle(&self, turn: &mut Turn, client: &Client, record: &LicenseRecord) -> Result<(), Halt> {
        let Some(open) = &record.open else { return Ok(()) };
        let intent = &open.intent;
        let is_create = matches!(intent.action, Action::CreateOrder { .. });
        let key = (record.order_id.clone(), intent.n);
        let looked = turn.looks.0.get(&key).cloned().unwrap_or_default();
        if is_create && !is_due(open.recorded_at, looked.times, turn.now) {
            return Ok(());
        }
        let found = self.look_up(turn, client, &intent.action, &record.order_id).await?;
        // It answers: a call that always fails holds up its own subscription, not the account.
        turn.budget.answered(client).await?;
        let done = found.shows(&intent.action);
        if is_create && !done && looked.times + 1 < CREATE_LOOKS.len() {
            turn.looks.0.insert(key, Looked { times: looked.times + 1, ..looked });
            return Ok(());
        }
        turn.looks.0.remove(&key);
        let refused = match looked.refused {
            _ if done => None,
            None if found.observed.is_none() && !is_create => {
                Some((None, "the license does not exist any more".to_owned()))
            }
            refused => refused.map(|(status, message)| (Some(status), message)),
        };
        let result = match (done, &refused) {
            (true, _) => CallResult::Done,
            (false, Some(_)) => CallResult::Rejected,
            (false, None) => CallResult::NotDone,
        };
        let (status, message) = refused.map_or((None, None), |(status, message)| (status, Some(message)));
        let concluded = Concluded { result, status, message, observed: found.observed, by_lookup: true };
        self.outcome(turn, client, intent, concluded).await
    }

    /// A request that was given up may have been done since: then what it left is taken in, and
    /// the subscription compared again. What else was changed meanwhile is drift like any other.
    async fn look_once_more(&self, turn: &mut Turn, client: &Client, record: &LicenseRecord) -> Result<(), Halt> {
        turn.budget.spend(client).await?;
        let mut found = self.client.licenses_of_order(&record.order_id).await.map_err(|answer| pause_for(&answer))?;
        if let Some(known) = record.observed.as_ref().map(|o| o.license_id) {
            if !found.iter().any(|o| o.license_id == known) {
                turn.budget.spend(client).await?;
                found.extend(self.client.license(known).await.map_err(|answer| pause_for(&answer))?);
            }
            found.sort_by_key(|o| o.license_id != known);
        }
        if found.len() > 1 {
            warn!(
                account = self.account.name,
                order_id = record.order_id,
                licenses = found.len(),
                "an order has more than one license: a request that was given up was done after all"
            );
        }
        let observation = Observation {
            order_id: record.order_id.clone(),
            observed: found.into_iter().next(),
            repair: self.settings.repair,
            sweep: None,
        };
        let key = format!("recheck:{}:{}", record.order_id, record.intents);
        self.append(turn, client, &key, &AccountEvent::Observation(observation), false).await?;
        self.projector.drain(turn.place).await?;
        Ok(())
    }

    /// Reads what an action is about.
    pub(super) async fn look_up(
        &self,
        turn: &mut Turn,
        client: &Client,
        action: &Action,
        order_id: &str,
    ) -> Result<Found, Halt> {
        turn.budget.spend(client).await?;
        let observed = match action.license_id() {
            Some(id) => self.client.license(id).await,
            None => self.client.licenses_of_order(order_id).await.map(|found| found.into_iter().next()),
        };
        let observed = observed.map_err(|answer| pause_for(&answer))?;
        let mut devices_free = false;
        if let (Action::ResetDevices { license_id }, Some(_)) = (action, &observed) {
            turn.budget.spend(client).await?;
            let devices = self.client.active_devices(*license_id).await.map_err(|answer| pause_for(&answer))?;
            devices_free = devices.is_empty();
        }
        Ok(Found { observed, devices_free })
    }
}

fn is_due(since: DateTime<Utc>, looked: usize, now: DateTime<Utc>) -> bool {
    CREATE_LOOKS.get(looked).is_none_or(|age| now - since >= *age)
}
