//! `known_at`: how much of each journal counts as known. Asked for as an instant, or as the vector of
//! positions that an answer returned; the same question has the same answer for good.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::Client;

use super::{Problem, Shared, view};
use crate::domain::license::LicenseRecord;
use crate::domain::state::State;
use crate::ledger::append::append;
use crate::ledger::rules::{self, Adopted};
use crate::ledger::{journal, read};
use crate::postgres::query_opt;
use crate::projections::{Place, generations};
use crate::projector::database_now;
use crate::registry::Source;
use crate::sql;

/// Longest that an answer waits for the projector to read as far as was asked.
const PROJECTED_WAIT_MAX: Duration = Duration::from_secs(5);
const PROJECTED_TICK: Duration = Duration::from_millis(20);
/// Longest from an event's number to its commit: a little more than a statement may take.
const APPEND_MAX: TimeDelta = TimeDelta::seconds(90);
/// The journal of adopted rules.
const SYSTEM: &str = "system";

/// Journal → position.
pub(super) type Vector = BTreeMap<String, i64>;

/// The vector of an answer.
pub(super) fn vector_of(source: &Source, position: i64, adopted: &Adopted, account: Option<i64>) -> Vector {
    let own = [(source.name.clone(), position), (SYSTEM.to_owned(), adopted.position)];
    let account = account.map(|position| (journal::of_account(&source.account), position));
    own.into_iter().chain(account).collect()
}

/// What counts as known, of one source and what goes with it.
pub(super) struct Known {
    /// Position in the source's journal.
    pub position: i64,
    /// The rules that count.
    pub adopted: Adopted,
    /// Position in the journal of the source's account. `None`: all there is.
    account: Option<i64>,
}

impl Known {
    /// What `known_at` asks for; absent: everything that is projected.
    pub(super) async fn find(
        client: &Client,
        app: &Shared,
        source: &Source,
        asked: Option<&str>,
    ) -> Result<Self, Problem> {
        let registry = &app.projector.registry;
        let place = view::live(client, source.journal).await?;
        let Some(text) = view::present(asked) else {
            let position = generations::position(client, place).await?;
            return Ok(Self { position, adopted: rules::adopted(client, registry.system).await?, account: None });
        };
        let vector = vector(text);
        let (position, instant) = match &vector {
            Some(vector) => named(client, source, vector).await?,
            None => {
                let instant = instant(text)?;
                (position_then(client, source.journal, instant).await?, Some(instant))
            }
        };
        until_projected(client, place, position).await?;
        let also = |journal: &str| vector.as_ref().and_then(|v| v.get(journal).copied());
        let then = async |journal: i32, named: Option<i64>| match (named, instant) {
            (Some(position), _) => Ok(position),
            (None, Some(instant)) => position_then(client, journal, instant).await,
            (None, None) => Ok(0), // nothing of the source was known then
        };
        let adopted = then(registry.system, also(SYSTEM)).await?;
        let account = match registry.accounts.get(&source.account) {
            Some(account) => {
                let position = then(account.journal, also(&journal::of_account(&account.name))).await?;
                until_projected(client, view::live(client, account.journal).await?, position).await?;
                Some(position)
            }
            None => None,
        };
        Ok(Self { position, adopted: rules::adopted_up_to(client, registry.system, adopted).await?, account })
    }

    /// The licenses as they were known, and the vector that asks for all of it again.
    pub(super) async fn licenses(
        &self,
        client: &Client,
        app: &Shared,
        source: &Source,
        state: &State,
    ) -> Result<(Vec<LicenseRecord>, Vector), Problem> {
        let vector = |account| vector_of(source, self.position, &self.adopted, account);
        let Some(account) = app.projector.registry.accounts.get(&source.account) else {
            return Ok((Vec::new(), vector(None)));
        };
        let place = view::live(client, account.journal).await?;
        let (position, held) = match self.account {
            Some(position) => (position, view::records_up_to(client, place, source, state, position).await?),
            None => {
                let position = generations::position(client, place).await?;
                let held = view::records(client, app, source, state).await?;
                // What is read while the account moves on is of no position: then it is read from the log.
                match generations::position(client, place).await? == position {
                    true => (position, held),
                    false => (position, view::records_up_to(client, place, source, state, position).await?),
                }
            }
        };
        Ok((held, vector(Some(position))))
    }
}

/// `{"stripe-main":1042}`, or `stripe-main/1042,system/3`.
fn vector(text: &str) -> Option<Vector> {
    let pair = |pair: &str| {
        let (journal, position) = pair.trim().rsplit_once('/')?;
        Some((journal.to_owned(), position.parse().ok()?))
    };
    serde_json::from_str(text).ok().or_else(|| text.split(',').map(pair).collect())
}

/// The position of the source that a vector names, and when it was recorded.
async fn named(client: &Client, source: &Source, vector: &Vector) -> Result<(i64, Option<DateTime<Utc>>), Problem> {
    let missing = || Problem::field("known_at", format!("names no position of {}", source.name));
    let position = *vector.get(&source.name).ok_or_else(missing)?;
    let event = read::at(client, source.journal, &[position]).await?;
    if position != 0 && event.is_empty() {
        return Err(Problem::field("known_at", format!("the journal has no position {position} yet")));
    }
    Ok((position, event.first().map(|e| e.recorded_at)))
}

fn instant(text: &str) -> Result<DateTime<Utc>, Problem> {
    let wrong =
        || Problem::field("known_at", "must be an instant, or a position vector such as {\"stripe-main\":1042}");
    view::instant("known_at", Some(text)).ok().flatten().ok_or_else(wrong)
}

/// The last position that a journal had at an instant.
async fn position_then(client: &Client, journal: i32, instant: DateTime<Utc>) -> Result<i64, Problem> {
    if instant > database_now(client).await? - APPEND_MAX {
        // What was numbered before that instant may not be committed yet: an append of nothing
        // has to wait for it.
        append(client, journal, None, &[]).await?;
    }
    let row = query_opt(client, sql!("schema/statements/position_at.sql"), &[&journal, &instant]).await?;
    Ok(row.map_or(0, |r| r.get(0)))
}

/// What is asked for as known must be folded, or the same question would have two answers.
async fn until_projected(client: &Client, place: Place, position: i64) -> Result<(), Problem> {
    let started = Instant::now();
    while generations::position(client, place).await? < position {
        if started.elapsed() > PROJECTED_WAIT_MAX {
            return Err(Problem::unavailable("the projections have not read that far yet"));
        }
        tokio::time::sleep(PROJECTED_TICK).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_read_as_it_was_answered_and_as_events_are_named() {
        let two = || Some(Vector::from([("stripe-main".to_owned(), 1042), ("system".to_owned(), 3)]));
        let one = Some(Vector::from([("stripe-main".to_owned(), 2)]));
        for (text, read) in [
            (r#"{"stripe-main":1042,"system":3}"#, two()),
            ("stripe-main/1042,system/3", two()),
            ("stripe-main/1042, system/3", two()),
            ("stripe-main/2", one),
            ("stripe-main/", None),
            ("stripe-main/2,", None),
            (r#"{"stripe-main":"2"}"#, None),
            ("2026-11-25T10:00:00Z", None),
        ] {
            assert_eq!(vector(text), read, "{text}");
        }
    }
}
