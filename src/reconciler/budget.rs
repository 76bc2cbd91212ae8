//! The account's call budget: a token bucket in the row whose lock makes the reconciler active,
//! so that a change of instance cannot overspend it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::GenericClient;

use crate::postgres::{DbError, execute, query_opt};
use crate::sql;

/// One call, in thousandths.
const CALL_MILLI: i64 = 1_000;
/// Most calls saved up for a burst: LicenseSpring cuts at 50 a second per key whatever the plan.
const BURST_CALLS: i64 = 20;

#[derive(Debug, Clone)]
pub(crate) struct Budget {
    tokens_milli: i64,
    refilled_at: DateTime<Utc>,
    not_before: DateTime<Utc>,
    per_minute: i64,
    now: DateTime<Utc>,
}

impl Budget {
    /// Locks the account's row until the transaction ends. `None`: somebody else has it.
    pub(super) async fn take(
        client: &impl GenericClient,
        account: &str,
        per_minute: u32,
    ) -> Result<Option<Self>, DbError> {
        let Some(row) = query_opt(client, sql!("schema/statements/reconciler_take.sql"), &[&account]).await? else {
            return Ok(None);
        };
        let mut budget = Self {
            tokens_milli: row.get("tokens_milli"),
            refilled_at: row.get("refilled_at"),
            not_before: row.get("not_before"),
            per_minute: i64::from(per_minute),
            now: row.get("now"),
        };
        budget.refill(budget.now);
        Ok(Some(budget))
    }

    /// Gives the row back.
    pub(super) async fn leave(&self, client: &impl GenericClient, account: &str) -> Result<(), DbError> {
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&account, &self.tokens_milli, &self.refilled_at, &self.not_before];
        execute(client, sql!("schema/statements/reconciler_leave.sql"), &params).await?;
        Ok(())
    }

    /// The account asked for a pause that is not over.
    pub(super) fn is_closed(&self) -> bool {
        self.now < self.not_before
    }

    pub(super) fn close_until(&mut self, at: DateTime<Utc>) {
        self.not_before = at;
    }

    /// Spends one call; waits until there is one to spend.
    pub(super) async fn spend(&mut self) {
        self.refill(Utc::now());
        while self.tokens_milli < CALL_MILLI {
            let missing = CALL_MILLI - self.tokens_milli;
            let wait_ms = (missing * 60 / self.per_minute.max(1)).max(1);
            tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(1))).await;
            self.refill(Utc::now());
        }
        self.tokens_milli -= CALL_MILLI;
    }

    fn refill(&mut self, now: DateTime<Utc>) {
        let elapsed_ms = (now - self.refilled_at).clamp(TimeDelta::zero(), TimeDelta::minutes(1)).num_milliseconds();
        let earned = elapsed_ms * self.per_minute / 60;
        if earned > 0 {
            let most = (self.per_minute / 30).clamp(1, BURST_CALLS) * CALL_MILLI;
            self.tokens_milli = (self.tokens_milli + earned).min(most);
            self.refilled_at = self.refilled_at.max(now);
        }
    }
}
