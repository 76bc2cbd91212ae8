//! The sweep: everything LicenseSpring holds is read, and compared with what we left there. It
//! finds what was edited, switched or deleted by hand, foreign orders for our subscriptions, and
//! orders that are ours by name but not by our ledger. One that was cut short changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use deadpool_postgres::Client;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::act::pause_for;
use super::{Halt, Reconciler, Turn};
use crate::control::sweeps::{self, Due};
use crate::domain::account::{AccountEvent, Observation, SweepFinished};
use crate::domain::dates::rfc3339;
use crate::domain::license::{LicenseRecord, Observed};
use crate::domain::plan::entry::drift;
use crate::licensespring::{Answer, wire};
use crate::projections::generations::Live;
use crate::projections::{Place, licenses, subscriptions};

/// An incremental sweep begins so long before the last one did: clocks differ.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// Records of ours that are checked at once for having been seen.
const RECORDS_AT_ONCE: i64 = 1_000;
/// Findings that are listed; more are only counted.
const LISTED_MAX: usize = 1_000;

/// Pages read in one turn: what is due for customers goes first.
const PAGES_AT_ONCE: usize = 10;

/// What a walk found.
#[derive(Default)]
struct Walk {
    rows: i64,
    /// Our orders that were seen.
    seen: BTreeSet<String>,
    /// What is otherwise than it was last seen.
    drifted: Vec<(LicenseRecord, Option<Observed>)>,
    /// What is still not as we left it, and was reported before.
    still: i64,
    foreign: Vec<Value>,
    orphans: Vec<Value>,
    duplicates: Vec<Value>,
}

/// A sweep under way in this process; should it die, another begins it anew.
pub(super) struct Running {
    due: Due,
    walk: Walk,
    offset: usize,
}

impl Reconciler {
    /// Goes on with the sweep that waits, if there is one, for some pages.
    pub(super) async fn sweep(&self, turn: &mut Turn, client: &Client, live: &BTreeMap<i32, Live>) -> Result<(), Halt> {
        let mut running = match turn.sweeping.take() {
            Some(running) if sweeps::progress(client, &running.due, running.walk.rows).await? => running,
            _ => match sweeps::next(client, &self.account.name).await? {
                Some(due) => Running { due, walk: Walk::default(), offset: 0 },
                None => return Ok(()),
            },
        };
        match self.walk(turn, client, live, &mut running).await {
            Ok(true) => self.report(turn, client, running).await,
            Ok(false) => {
                // The pages may have taken long: it is still ours.
                sweeps::progress(client, &running.due, running.walk.rows).await?;
                turn.sweeping = Some(running);
                Ok(())
            }
            Err(Walked::Cut(answer)) => {
                let rows = running.walk.rows;
                let problem = format!("cut short after {rows} rows: {}", in_words(&answer));
                warn!(account = self.account.name, sweep = %running.due.id, problem, "a sweep changed nothing");
                sweeps::finish(client, running.due.id, rows, Some(&problem), None).await?;
                Err(pause_for(&answer))
            }
            Err(Walked::Halt(halt)) => Err(halt),
        }
    }

    /// Reads some pages on. `true`: that was all.
    async fn walk(
        &self,
        turn: &mut Turn,
        client: &Client,
        live: &BTreeMap<i32, Live>,
        running: &mut Running,
    ) -> Result<bool, Walked> {
        let mut query = vec![("order_by", "created_at".to_owned())];
        if running.due.kind == "incremental"
            && let Some((since, _)) = sweeps::last(client, &self.account.name, None).await?
        {
            query.push(("updated_at__gte", rfc3339(since - OVERLAP)));
        }
        let mut pages = self.client.pages("api/v1/licenses/", query).starting_at(running.offset);
        for _ in 0..PAGES_AT_ONCE {
            turn.budget.spend(client).await?;
            let Some(rows) = pages.next().await.map_err(Walked::Cut)? else {
                if running.due.kind == "full" {
                    self.look_for_the_missing(turn, client, &mut running.walk).await?;
                }
                return Ok(true);
            };
            running.offset += rows.len();
            self.look_at(turn, client, live, &rows, &mut running.walk).await?;
            if pages.is_done() && running.due.kind == "full" {
                self.look_for_the_missing(turn, client, &mut running.walk).await?;
            }
            if pages.is_done() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One page, against our records of these orders.
    async fn look_at(
        &self,
        turn: &Turn,
        client: &Client,
        live: &BTreeMap<i32, Live>,
        rows: &[Value],
        walk: &mut Walk,
    ) -> Result<(), Walked> {
        walk.rows += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let orders: Vec<String> =
            rows.iter().filter_map(|r| r["order_store_id"].as_str()).map(ToOwned::to_owned).collect();
        let records: BTreeMap<String, LicenseRecord> =
            licenses::load(client, turn.place, &orders).await?.into_iter().map(|r| (r.order_id.clone(), r)).collect();
        for row in rows {
            let order = row["order_store_id"].as_str().unwrap_or_default();
            match (records.get(order), wire::observed(row)) {
                (Some(record), Some(seen)) => ours(record, seen, self.settings.repair, walk),
                (None, _) if self.registered(order) => walk.orphans.push(shown(row)),
                (None, _) => {
                    if self.is_for_a_subscription(client, live, row).await? {
                        walk.foreign.push(shown(row));
                    }
                }
                (Some(_), None) => {}
            }
        }
        Ok(())
    }

    /// An order id that only we would give: its source is one of ours.
    fn registered(&self, order: &str) -> bool {
        order
            .split_once(':')
            .is_some_and(|(source, _)| self.projector.registry.sources_of(&self.account.name).any(|s| s.name == source))
    }

    /// Whether a license that is not ours was made for a subscription that is.
    async fn is_for_a_subscription(
        &self,
        client: &Client,
        live: &BTreeMap<i32, Live>,
        row: &Value,
    ) -> Result<bool, Walked> {
        let Some(id) = row["subscription_id"].as_str().filter(|id| !id.is_empty()) else { return Ok(false) };
        for source in self.projector.registry.sources_of(&self.account.name) {
            let Some(live) = live.get(&source.journal) else { continue };
            let place = Place { generation: live.generation, journal: source.journal };
            if !subscriptions::load(client, place, &[id.to_owned()]).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a full walk did not show is asked for by its id: not in a list is not absent.
    async fn look_for_the_missing(&self, turn: &mut Turn, client: &Client, walk: &mut Walk) -> Result<(), Walked> {
        let mut after = String::new();
        loop {
            let page = licenses::page(client, turn.place, &after, RECORDS_AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.order_id);
            for record in page {
                if walk.seen.contains(&record.order_id) {
                    continue;
                }
                walk.still += i64::from(record.gone);
                if record.gone || record.open.is_some() {
                    continue;
                }
                let Some(held) = &record.observed else { continue };
                turn.budget.spend(client).await?;
                match self.client.license(held.license_id).await.map_err(Walked::Cut)? {
                    None => walk.drifted.push((record, None)),
                    Some(seen) => ours(&record, seen, self.settings.repair, walk),
                }
            }
        }
    }

    /// Everything was seen: what differs becomes known, and with `drift = "repair"` wanted again.
    async fn report(&self, turn: &mut Turn, client: &Client, running: Running) -> Result<(), Halt> {
        let Running { due, walk, .. } = running;
        // What was decided meanwhile is not drift: the records are read again.
        self.projector.drain(turn.place).await?;
        let drifted: Vec<Value> =
            walk.drifted.iter().take(LISTED_MAX).map(|(r, seen)| told(r, seen.as_ref())).collect();
        for (record, seen) in &walk.drifted {
            let repair = self.settings.repair && seen.is_some();
            let observation =
                Observation { order_id: record.order_id.clone(), observed: seen.clone(), repair, sweep: Some(due.id) };
            let key = format!("sweep:{}:{}", due.id, record.order_id);
            self.append(turn, client, &key, &AccountEvent::Observation(observation), false).await?;
        }
        let count = i64::try_from(walk.drifted.len()).unwrap_or(i64::MAX);
        let finished = SweepFinished {
            sweep: due.id,
            rows: walk.rows,
            drifted: count,
            who: due.who.clone(),
            reason: due.reason.clone(),
        };
        let key = format!("sweep_finished:{}", due.id);
        self.append(turn, client, &key, &AccountEvent::SweepFinished(finished), false).await?;
        self.projector.drain(turn.place).await?;
        let findings = json!({
            "licenses": walk.rows,
            "drifted": count,
            "still_drifted": walk.still,
            "drift": drifted,
            "foreign": listed(walk.foreign),
            "orphans": listed(walk.orphans),
            "duplicates": listed(walk.duplicates),
        });
        sweeps::finish(client, due.id, walk.rows, None, Some(&findings)).await?;
        info!(account = self.account.name, sweep = %due.id, rows = walk.rows, drifted = count, "a sweep is done");
        Ok(())
    }
}

/// Why a walk ended early.
enum Walked {
    /// LicenseSpring did not answer as it should.
    Cut(Answer),
    Halt(Halt),
}

impl<E: Into<Halt>> From<E> for Walked {
    fn from(e: E) -> Self {
        Self::Halt(e.into())
    }
}

/// A license of ours as it was seen.
fn ours(record: &LicenseRecord, seen: Observed, repair: bool, walk: &mut Walk) {
    let first = walk.seen.insert(record.order_id.clone());
    // In doubt: a call is under way, and its own look-up decides.
    let (None, Some(held)) = (&record.open, &record.observed) else { return };
    if held.license_id != seen.license_id {
        walk.duplicates.push(json!({"order_id": record.order_id, "license_id": seen.license_id}));
        if first {
            walk.seen.remove(&record.order_id); // the one we know may still come
        }
        return;
    }
    // Back as we left it, or otherwise than we last saw it.
    let known = record.seen.as_ref().unwrap_or(held);
    if *known != seen || record.gone || (repair && *held != seen) {
        walk.drifted.push((record.clone(), Some(seen)));
    } else if record.seen.is_some() {
        walk.still += 1;
    }
}

fn told(record: &LicenseRecord, seen: Option<&Observed>) -> Value {
    let changes = record.observed.as_ref().zip(seen).map(|(left, seen)| drift(left, seen)).unwrap_or_default();
    let what = match seen {
        None => "deleted",
        Some(seen) if record.observed.as_ref().is_some_and(|o| o.enabled && !seen.enabled) => "disabled_by_hand",
        Some(_) if changes.is_empty() => "as_left_again",
        Some(_) => "edited_by_hand",
    };
    json!({"order_id": record.order_id, "kind": what, "changes": changes})
}

/// A license that is not in our ledger; nothing about its customer, and no key.
fn shown(row: &Value) -> Value {
    json!({
        "license_id": wire::id(&row["id"]),
        "order_id": row["order_store_id"],
        "subscription_id": row["subscription_id"],
        "product_code": row["product"]["short_code"],
        "enabled": row["enabled"],
    })
}

fn listed(mut found: Vec<Value>) -> Value {
    let count = found.len();
    found.truncate(LISTED_MAX);
    json!({"count": count, "listed": found})
}

fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Done { .. } => "an answer that cannot be read".to_owned(),
        Answer::Refused { status, message } => format!("status {status}: {message}"),
        Answer::Unauthorized { status } => format!("the API key is not accepted ({status})"),
        Answer::Throttled { .. } => "too many requests".to_owned(),
        Answer::Unsent(why) | Answer::Ambiguous(why) => why.clone(),
    }
}
