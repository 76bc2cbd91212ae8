//! One subscription compared: what its lines deserve, what LicenseSpring last showed, and the
//! calls between the two.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;

use crate::domain::entitlement::SourceContext;
use crate::domain::guard;
use crate::domain::license::{LicenseRecord, Observed};
use crate::domain::plan::entry::{Entry, Ground};
use crate::domain::plan::{Step, deserved, diff};
use crate::domain::state::State;
use crate::ledger::{read, rules};
use crate::postgres::DbError;
use crate::projections::{Place, licenses};
use crate::registry::Source;

/// What a comparison comes to.
pub(super) struct Compared {
    pub state: State,
    pub state_hash: String,
    pub held: Vec<LicenseRecord>,
    pub steps: Vec<Step>,
    /// Events that the state rests on.
    pub because: Vec<String>,
}

/// With what and when it is compared.
#[derive(Clone, Copy)]
pub(super) struct With<'a> {
    /// The account's journal in its live generation.
    pub account: Place,
    pub source: &'a Source,
    pub rules: &'a rules::Adopted,
    pub now: DateTime<Utc>,
}

/// Compares some subscriptions of one source.
pub(super) async fn compare(
    client: &impl GenericClient,
    with: With<'_>,
    states: Vec<(State, String)>,
) -> Result<Vec<Compared>, DbError> {
    let each = states.iter().map(|(state, _)| state);
    let held = licenses::of_states(client, with.account, &with.source.name, each).await?;
    let context = SourceContext { name: &with.source.name, live: with.source.settings.livemode };
    let compared = states.into_iter().zip(held).map(|((state, state_hash), held)| {
        let deserved = deserved(&state, context, &with.rules.rules, with.now);
        let steps = diff(&deserved, &held, &state);
        let positions: BTreeSet<i64> = state.provenance.values().map(|p| p.event).collect();
        let because = positions.into_iter().map(|p| format!("{}/{p}", with.source.name)).collect();
        Compared { state, state_hash, held, steps, because }
    });
    Ok(compared.collect())
}

impl Compared {
    /// A call of this subscription may or may not have been done.
    pub fn is_in_doubt(&self) -> bool {
        self.held.iter().any(|h| h.open.is_some())
    }

    pub fn observed(&self, order_id: &str) -> Option<&Observed> {
        self.held.iter().find(|h| h.order_id == order_id).and_then(|h| h.observed.as_ref())
    }

    /// Whether a step only does what was known a day ahead.
    pub async fn is_announced(
        &self,
        client: &impl GenericClient,
        with: With<'_>,
        step: &Step,
    ) -> Result<bool, DbError> {
        let cancel_at = self.state.snapshot.as_ref().and_then(|s| s.value.cancel_at);
        if cancel_at.is_none() || !guard::is_destructive(&step.action, self.observed(&step.order_id)) {
            return Ok(false);
        }
        let said_by: Vec<i64> = self.state.provenance.get("cancel_at").map(|p| p.event).into_iter().collect();
        let known = read::at(client, with.source.journal, &said_by).await?.first().map(|e| e.recorded_at);
        Ok(guard::is_announced(&step.reason, cancel_at, known, with.now))
    }

    /// A step as an entry of a plan.
    pub async fn entry(&self, client: &impl GenericClient, with: With<'_>, step: &Step) -> Result<Entry, DbError> {
        let announced = self.is_announced(client, with, step).await?;
        let ground = Ground {
            held: &self.held,
            because: &self.because,
            state_hash: &self.state_hash,
            rules_hash: &with.rules.hash,
        };
        Ok(Entry::of(step, ground, announced))
    }

    /// All of them.
    pub async fn entries(&self, client: &impl GenericClient, with: With<'_>) -> Result<Vec<Entry>, DbError> {
        let mut entries = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            entries.push(self.entry(client, with, step).await?);
        }
        Ok(entries)
    }
}
