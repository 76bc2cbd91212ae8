//! The account's call budget: a token bucket in a row. A call is paid for before it is made, so
//! that neither a restart nor a change of instance can overspend; and after trouble the account
//! is left alone for as long as the row says.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::GenericClient;
use rand::Rng;

use crate::domain::breaker;
use crate::postgres::{DbError, execute, query_opt};
use crate::sql;

/// One call, in thousandths.
const CALL_MILLI: i64 = 1_000;
/// Most calls saved up for a burst: LicenseSpring cuts at 50 a second per key whatever the plan.
const BURST_CALLS: i64 = 20;

#[derive(Debug, Clone)]
pub struct Budget {
    account: String,
    tokens_milli: i64,
    refilled_at: DateTime<Utc>,
    pub not_before: DateTime<Utc>,
    pub failures: i32,
    per_minute: i64,
    now: DateTime<Utc>,
}

/// Locks the account's row until the transaction ends. `false`: somebody else has it.
pub(super) async fn lease(client: &impl GenericClient, account: &str) -> Result<bool, DbError> {
    Ok(query_opt(client, sql!("schema/statements/reconciler_take.sql"), &[&account]).await?.is_some())
}

impl Budget {
    /// What the account has left now. `None`: it was never opened.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn load(client: &impl GenericClient, account: &str, per_minute: u32) -> Result<Option<Self>, DbError> {
        let Some(row) = query_opt(client, sql!("schema/statements/budget_load.sql"), &[&account]).await? else {
            return Ok(None);
        };
        let mut budget = Self {
            account: account.to_owned(),
            tokens_milli: row.get("tokens_milli"),
            refilled_at: row.get("refilled_at"),
            not_before: row.get("not_before"),
            failures: row.get("failures"),
            per_minute: i64::from(per_minute),
            now: row.get("now"),
        };
        budget.refill(budget.now);
        Ok(Some(budget))
    }

    async fn save(&self, client: &impl GenericClient) -> Result<(), DbError> {
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&self.account, &self.tokens_milli, &self.refilled_at, &self.not_before, &self.failures];
        execute(client, sql!("schema/statements/budget_save.sql"), &params).await?;
        Ok(())
    }

    /// Whole calls that could be made at once.
    #[must_use]
    pub fn calls_left(&self) -> i64 {
        self.tokens_milli / CALL_MILLI
    }

    /// The account is to be left alone for now.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.now < self.not_before
    }

    /// The account said when it can be asked again.
    pub(super) async fn close_until(&mut self, client: &impl GenericClient, at: DateTime<Utc>) -> Result<(), DbError> {
        self.not_before = at;
        self.save(client).await
    }

    /// It did not answer as it should: left alone for longer each time.
    pub(super) async fn failed(&mut self, client: &impl GenericClient) -> Result<(), DbError> {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Utc::now() + breaker::pause(self.failures, rand::rng().random_range(0..1_000));
        self.save(client).await
    }

    /// It answered.
    pub(super) async fn answered(&mut self, client: &impl GenericClient) -> Result<(), DbError> {
        if self.failures == 0 {
            return Ok(());
        }
        self.failures = 0;
        self.save(client).await
    }

    /// Pays for one call; waits until there is enough to pay with.
    pub(super) async fn spend(&mut self, client: &impl GenericClient) -> Result<(), DbError> {
        self.refill(Utc::now());
        while self.tokens_milli < CALL_MILLI {
            let missing = CALL_MILLI - self.tokens_milli;
            let wait_ms = (missing * 60 / self.per_minute.max(1)).max(1);
            tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(1))).await;
            self.refill(Utc::now());
        }
        self.tokens_milli -= CALL_MILLI;
        self.save(client).await
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
