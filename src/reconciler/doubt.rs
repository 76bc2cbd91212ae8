//! Intents without an outcome: the process died, or the answer did not say. Wait, read, decide.

use chrono::TimeDelta;

use super::act::shows;
use super::{Halt, Reconciler, Turn};
use crate::domain::license::{Action, CallResult, LicenseRecord};
use crate::projections::licenses;

/// An intent is left alone this long: whoever wrote it may still be waiting for the answer.
/// A slower request can do no harm: updates and switches are repeated by value, and a create
/// is repeated under the same order id, which LicenseSpring takes once.
const DOUBT_WAIT: TimeDelta = TimeDelta::seconds(1);
/// Doubts settled in one turn.
const DOUBTS_MAX: i64 = 20;

impl Reconciler {
    /// Reads what every doubtful intent is about, and writes the outcome that it shows.
    pub(super) async fn settle_doubts(&self, turn: &mut Turn, client: &deadpool_postgres::Client) -> Result<(), Halt> {
        let before = turn.now - DOUBT_WAIT;
        for record in licenses::open(client, turn.place, before, DOUBTS_MAX).await? {
            self.settle(turn, client, &record).await?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        turn: &mut Turn,
        client: &deadpool_postgres::Client,
        record: &LicenseRecord,
    ) -> Result<(), Halt> {
        let Some(open) = &record.open else { return Ok(()) };
        let found = self.look_up(turn, &open.intent).await?;
        let gone = found.is_none() && !matches!(open.intent.action, Action::CreateOrder { .. });
        let result = match &found {
            Some(observed) if shows(&open.intent.action, observed) => CallResult::Done,
            None if gone => CallResult::Rejected,
            _ => CallResult::NotDone,
        };
        let message = gone.then(|| "the license does not exist any more".to_owned());
        self.outcome(turn, client, &open.intent, result, None, message, found, true).await
    }
}
