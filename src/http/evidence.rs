//! What stands around an event: whether its signature still checks, and the calls it led to.

use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use serde_json::{Value, json};

use super::{Problem, Shared, licenses, view};
use crate::ledger::read::{self, StoredEvent};
use crate::projections::licenses::of_subscriptions;
use crate::providers::{Request, SourceSettings};
use crate::registry::Source;

/// The verdict on the delivery of a stored event, as it can be had from what is kept: the bytes,
/// the headers, and every secret this instance is configured with, past ones included. Judged at
/// the instant of receipt, for a signature with a time in it is stale today.
///
/// `is_cut`: something in the delivery was blanked before it was stored.
pub(super) async fn signature(
    client: &Client,
    source: &Source,
    event: &StoredEvent,
    is_cut: bool,
) -> Result<Value, Problem> {
    let Some(body) = read::body(client, event.journal, event.carrier).await? else {
        return Ok(verdict("not_checkable", "the bytes were erased"));
    };
    if is_cut {
        return Ok(verdict(
            "not_checkable",
            "what must not be stored was blanked; it was checked before, at its receipt",
        ));
    }
    Ok(match checks(source, &event.headers, &body, event.received_at) {
        true => verdict("valid", "a secret of this source signed these bytes and headers"),
        false if source.settings.url_token.is_some() => {
            verdict("not_checkable", "a token in the URL, which is never stored, was part of the proof")
        }
        false => verdict(
            "not_checkable",
            "no secret configured here signed them; one that was replaced can be listed under past_secrets",
        ),
    })
}

fn verdict(verdict: &str, why: &str) -> Value {
    json!({"verdict": verdict, "why": why})
}

fn checks(source: &Source, headers: &[(String, String)], body: &[u8], received_at: DateTime<Utc>) -> bool {
    let secrets = source.settings.secrets.iter().chain(&source.settings.past_secrets).cloned().collect();
    let settings = SourceSettings { secrets, ..source.settings.clone() };
    let request = Request { headers, body, url_token: None };
    source.provider.verify(&request, &settings, received_at).is_ok()
}

/// The calls that rest on an event: intents that name it, with their outcomes, oldest first.
pub(super) async fn calls(
    client: &Client,
    app: &Shared,
    source: &Source,
    subscription: &str,
    event: &str,
) -> Result<Vec<Value>, Problem> {
    let Some(account) = app.projector.registry.accounts.get(&source.account) else { return Ok(Vec::new()) };
    let place = view::live(client, account.journal).await?;
    let mut caused = Vec::new();
    for record in of_subscriptions(client, place, &source.name, &[subscription.to_owned()]).await? {
        let calls = licenses::calls(client, place, account, &record.order_id).await?;
        let names_it = |call: &&Value| {
            call["said"]["because"].as_array().is_some_and(|because| because.iter().any(|b| b == event))
        };
        let numbers: Vec<Value> = calls.iter().filter(names_it).map(|call| call["said"]["n"].clone()).collect();
        caused.extend(calls.into_iter().filter(|call| numbers.contains(&call["said"]["n"])));
    }
    Ok(caused)
}
