//! A record of a sale as a row of its account, whichever object it is of.
//!
//! A message shows the record as it was when it was sent, so the record's own stamp is the only
//! clock. Without one it is kept and has no effect.

use std::collections::BTreeMap;

use chrono::{DateTime, Timelike, Utc};

use super::callout::Change;
use super::fields::{Reading, Said};
use super::ids;
use super::objects::Kind;
use crate::domain::fact::{CustomerFacts, Entity, EntityKind, FactBody, ProductRef, Translation};
use crate::domain::rows::{Force, ROW_UNORDERED, Row};
use crate::providers::out::{Out, rank};
use crate::providers::{Unreadable, printable_key};

/// Statuses of what a customer has no more. The list is each org's own; these are its usual words.
const OFF: [&str; 8] =
    ["obsolete", "canceled", "cancelled", "terminated", "expired", "inactive", "returned", "uninstalled"];
/// The category of contracts and orders that are in force, and of those that are over.
const ACTIVATED: &str = "activated";
const OVER: [&str; 4] = ["terminated", "expired", "canceled", "cancelled"];
const DRAFT: [&str; 4] = ["draft", "inapproval", "inapprovalprocess", "in approval process"];
/// Runs on until it is ended.
const EVERGREEN: &str = "evergreen";

/// Callouts are ordered within their second by when they say that it happened; more than a day
/// after it counts as a day.
const WITHIN_MAX: i64 = 86_400_000;
/// What does not say when it happened: a deletion comes after the change whose stamp it repeats.
const DELETED: i64 = WITHIN_MAX + 1;
const RESTORED: i64 = WITHIN_MAX + 2;

/// The facts of one record.
pub fn translate(reading: Reading<'_>) -> Result<Translation, Unreadable> {
    let Some((at, within)) = clock(reading) else { return Ok(without_clock()) };
    let row = row(reading)?;
    let missing = (!row.missing.is_empty()).then(|| {
        format!(
            "{} not sent, and decisive: add it to what is sent, or name it in the configuration",
            row.missing.join(", ")
        )
    });
    let entity = Entity::new(EntityKind::Row, row.row_id.as_str());
    let rank = match row.force {
        _ if change(reading) == Change::Undelete => rank::OPENS,
        Force::Off | Force::Deleted => rank::ENDS,
        Force::On | Force::Pending => rank::CHANGES,
    };
    let mut out = Out::new(printable_key(&reading.record.event_id), String::new(), reading.record.content());
    link(&mut out, &entity, &row, reading.record.is_deleted);
    let customer = row.account.clone().or_else(|| row.contact.clone()).map(Entity::customer);
    out.fact(&entity, at, within, rank, FactBody::Row(Box::new(row)));
    let email = reading.value("email").map(str::to_owned);
    if let (Some(customer), Some(_)) = (customer, &email) {
        let said = CustomerFacts { email, ..CustomerFacts::default() };
        out.fact(&customer, at, reading.fullness(), rank::NOTES, FactBody::Customer(said));
    }
    Ok(Translation { missing, ..out.finish() })
}

fn without_clock() -> Translation {
    let missing =
        "the record has no SystemModstamp, so nobody knows whether it is news: add that field to what is sent";
    Translation { missing: Some(missing.to_owned()), ..Translation::default() }
}

/// The record's own stamp, and the order within it. A trigger that runs after a deletion still has
/// the stamp of the change before it, so there the callout's own instant counts, if it is later;
/// to the second, as stamps are, or it would come after changes that followed it.
fn clock(reading: Reading<'_>) -> Option<(DateTime<Utc>, i64)> {
    let (own, said) = (reading.modified(), reading.record.occurred_at);
    let at = match change(reading) {
        Change::Update => own?,
        Change::Delete | Change::Undelete => own.max(said.and_then(|said| said.with_nanosecond(0)))?,
    };
    let unsaid = match change(reading) {
        Change::Update => ROW_UNORDERED,
        Change::Delete => DELETED,
        Change::Undelete => RESTORED,
    };
    let after = said.map(|said| said.signed_duration_since(at).num_milliseconds()).filter(|ms| *ms >= 0);
    Some((at, after.map_or(unsaid, |ms| ms.min(WITHIN_MAX - 1) + 1)))
}

fn change(reading: Reading<'_>) -> Change {
    if reading.record.is_deleted { Change::Delete } else { reading.record.change }
}

/// A row is in its account's book, or in that of what it is a line of; one that names neither is
/// in its own, and waits there.
fn link(out: &mut Out, entity: &Entity, row: &Row, is_deleted: bool) {
    let book = |id: &String| Entity::new(EntityKind::Book, id.as_str());
    let parent = row.parent.as_ref().map(|id| Entity::new(EntityKind::Row, id.as_str()));
    out.link(Some(entity), parent.as_ref());
    let owner = row.account.as_ref().or(row.contact.as_ref());
    let own = owner.map(book).or_else(|| (parent.is_none() && !is_deleted).then(|| book(&row.row_id)));
    out.link(Some(entity), own.as_ref());
    for customer in [&row.account, &row.contact].into_iter().flatten() {
        out.link(own.as_ref(), Some(&Entity::customer(customer.as_str())));
    }
}

fn row(reading: Reading<'_>) -> Result<Row, Unreadable> {
    let Reading { record, settings, kind } = reading;
    let id = |ours: &str| reading.value(ours).map(|id| ids::long(id).unwrap_or_else(|| printable_key(id)));
    let is_evergreen = reading.value("subscription_type").is_some_and(|kind| kind.eq_ignore_ascii_case(EVERGREEN));
    let quantity = reading.quantity()?;
    let product = [("product_code", reading.value("product_code").map(str::to_owned)), ("product", id("product"))];
    let keys: BTreeMap<String, String> =
        product.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let mut row = Row {
        row_id: record.id.clone(),
        kind: record.object.clone(),
        force: force(reading, quantity),
        provider_status: status_word(reading).unwrap_or_default().to_owned(),
        livemode: settings.livemode && !record.is_sandbox,
        account: id("account"),
        contact: id("contact"),
        parent: id("parent"),
        needs_parent: kind.is_line(),
        is_header: kind.is_header(),
        product: ProductRef { keys, attributes: BTreeMap::new() },
        quantity,
        start: reading.start("start_date")?,
        end: if is_evergreen { None } else { end(reading)? },
        cut: reading.end("terminated_date")?,
        evergreen: is_evergreen,
        revises: id("revises"),
        replaces: settings.amendments_replace && kind == Kind::Quoted,
        missing: Vec::new(),
    };
    if row.force == Force::On {
        row.missing = missing(reading, &row);
    }
    Ok(row)
}

fn end(reading: Reading<'_>) -> Result<Option<DateTime<Utc>>, Unreadable> {
    match reading.end("end_date")? {
        Some(end) => Ok(Some(end)),
        None => reading.end_by_term(),
    }
}

/// What is shown as the status: of contracts and orders the label, which is the org's own.
fn status_word<'a>(reading: Reading<'a>) -> Option<&'a str> {
    let label = reading.record.get("Status").flatten().filter(|_| reading.kind.is_header());
    label.or_else(|| reading.value("status"))
}

fn force(reading: Reading<'_>, quantity: Option<i64>) -> Force {
    let is = |name: &str| reading.record.get(name).flatten() == Some("true");
    let word = reading.value("status").unwrap_or_default().to_ascii_lowercase();
    let own_words = &reading.settings.off_statuses;
    let is_off = if own_words.is_empty() {
        OFF.contains(&&*word)
    } else {
        own_words.iter().any(|off| off.eq_ignore_ascii_case(&word))
    };
    match reading.kind {
        _ if reading.record.is_deleted => Force::Deleted,
        Kind::Contract | Kind::Order if OVER.contains(&&*word) => Force::Off,
        Kind::Contract | Kind::Order if DRAFT.contains(&&*word) => Force::Pending,
        Kind::Contract | Kind::Order => Force::On,
        Kind::Opportunity if (is("IsClosed") && is("IsWon")) || !tells_if_won(reading) => Force::On,
        Kind::Opportunity => Force::Pending,
        Kind::OrderItem | Kind::OpportunityLineItem => Force::On,
        _ if is_off || (quantity == Some(0) && !reading.kind.may_take_away()) => Force::Off,
        _ => Force::On,
    }
}

/// A flag is never null: where it is absent, it is not sent.
fn tells_if_won(reading: Reading<'_>) -> bool {
    ["IsClosed", "IsWon"].iter().all(|name| reading.record.get(name).is_some())
}

/// The fields that decide and are not known, by their object.
fn missing(reading: Reading<'_>, row: &Row) -> Vec<String> {
    let mut missing: Vec<&str> = Vec::new();
    let is_known = |ours: &&str| reading.said(ours) != Said::Unknown;
    missing.extend(reading.kind.needs().iter().filter(|ours| !is_known(ours)));
    if row.account.is_none() && row.contact.is_none() && row.parent.is_none() {
        missing.push("account");
    }
    if row.product.keys.is_empty() && !row.is_header {
        missing.push("product_code");
    }
    let status = reading.value("status").unwrap_or_default();
    let has_category = matches!(reading.kind, Kind::Contract | Kind::Order);
    if has_category && !status.eq_ignore_ascii_case(ACTIVATED) && !missing.contains(&"status") {
        missing.push("status"); // null, or a label of the org's own without its category
    }
    if reading.kind == Kind::Opportunity && !tells_if_won(reading) {
        missing.extend(["IsClosed", "IsWon"]);
    }
    missing.into_iter().map(|ours| format!("{}.{ours}", reading.record.object)).collect()
}
