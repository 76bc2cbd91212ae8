//! `Asset`: one row for every product that a customer has.
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_asset.htm>
//!
//! A message shows the record as it was when it was sent, so the record's own stamp is the only
//! clock. Without one it is kept and has no effect.

use std::collections::BTreeMap;

use super::fields::{self, Said, said};
use super::ids;
use super::record::Record;
use crate::domain::fact::{CustomerFacts, Entity, FactBody, Item, ProductRef, Snapshot, Status, Translation};
use crate::providers::out::{Out, rank};
use crate::providers::{SourceSettings, Unreadable, json, printable_key};

pub const OBJECT: &str = "Asset";

/// Statuses of what a customer has no more. The list is each org's own; these are its usual words.
const OFF: [&str; 8] =
    ["obsolete", "canceled", "cancelled", "terminated", "expired", "inactive", "returned", "uninstalled"];

/// The facts of one asset.
pub fn translate(record: &Record, settings: &SourceSettings) -> Result<Translation, Unreadable> {
    let said = |ours| said(record, settings, ours);
    let Some(at) = said("modified").value().and_then(fields::instant) else { return Ok(Translation::default()) };
    let customer = customer(record, settings);
    let (after, known) = snapshot(record, settings, at)?;
    let after = Snapshot { customer_id: customer.as_ref().map(|customer| customer.id.clone()), ..after };
    let subscription = Entity::subscription(record.id.as_str());
    let rank = if after.status == Status::Canceled { rank::ENDS } else { rank::CHANGES };
    let mut out = Out::new(printable_key(&record.event_id), String::new(), record.content());
    out.link(Some(&subscription), customer.as_ref());
    // A message and a callout of one change may show different fields: the fuller one stands.
    out.fact(&subscription, at, known, rank, FactBody::Subscription { after: Box::new(after), before: None });
    let email = said("email").value().map(str::to_owned);
    if let (Some(customer), Some(_)) = (&customer, &email) {
        out.fact(customer, at, 0, rank::NOTES, FactBody::Customer(CustomerFacts { email, ..CustomerFacts::default() }));
    }
    Ok(out.finish())
}

/// The account; an asset without one belongs to a contact.
fn customer(record: &Record, settings: &SourceSettings) -> Option<Entity> {
    let named = ["account", "contact"].into_iter().find_map(|ours| said(record, settings, ours).value());
    named.map(|id| Entity::customer(ids::long(id).unwrap_or_else(|| printable_key(id))))
}

/// The record as a snapshot, and how many of the fields that decide it are known.
fn snapshot(
    record: &Record,
    settings: &SourceSettings,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<(Snapshot, i64), Unreadable> {
    let said = |ours| said(record, settings, ours);
    let quantity = quantity(said("quantity"))?;
    let paid_through = said("end_date").value().map(fields::end).transpose()?;
    let provider_status = said("status").value().unwrap_or_default().to_owned();
    let is_off = OFF.contains(&provider_status.to_ascii_lowercase().as_str());
    let owner = if said("account") == Said::Unknown { said("contact") } else { said("account") };
    let product = if said("product_code") == Said::Unknown { said("product") } else { said("product_code") };
    let needed = [said("status"), said("quantity"), said("end_date"), owner, product];
    let known = needed.iter().filter(|said| **said != Said::Unknown).count();
    let status = match known == needed.len() {
        _ if record.is_deleted || is_off || quantity == Some(0) => Status::Canceled,
        true => Status::Active,
        // Nobody knows whether the field is null or was never sent: nothing is granted on it.
        false => Status::Unknown,
    };
    let items = item(record, settings, quantity)?;
    let snapshot = Snapshot {
        status,
        provider_status,
        livemode: settings.livemode && !record.is_sandbox,
        ended_at: (status == Status::Canceled).then(|| paid_through.map_or(at, |end| end.min(at))),
        items_complete: items.is_some(),
        items: items.into_iter().collect(),
        paid_through,
        ..Snapshot::default()
    };
    Ok((snapshot, i64::try_from(known).unwrap_or(0)))
}

/// Salesforce counts in doubles: `5.0` is five; a fraction is for a person to look at.
fn quantity(said: Said<'_>) -> Result<Option<i64>, Unreadable> {
    let Said::Value(text) = said else { return Ok(None) };
    let digits =
        text.split_once('.').map_or(text, |(whole, zeros)| if zeros.bytes().all(|b| b == b'0') { whole } else { text });
    match digits.parse::<i64>() {
        Ok(quantity) if quantity >= 0 => Ok(Some(quantity)),
        _ => Err(json::unreadable("a quantity is not a whole number from 0 up")),
    }
}

fn item(record: &Record, settings: &SourceSettings, quantity: Option<i64>) -> Result<Option<Item>, Unreadable> {
    let said = |ours| said(record, settings, ours).value();
    let product = said("product").map(|id| ids::long(id).unwrap_or_else(|| printable_key(id)));
    let named = [("product_code", said("product_code").map(str::to_owned)), ("product", product)];
    let keys: BTreeMap<String, String> =
        named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    if keys.is_empty() {
        return Ok(None);
    }
    Ok(Some(Item {
        item_id: "main".to_owned(),
        product: ProductRef { keys, attributes: BTreeMap::new() },
        quantity,
        period_start: said("start_date").map(fields::start).transpose()?,
        period_end: said("end_date").map(fields::end).transpose()?,
        metered: false,
        one_off: false,
    }))
}
