//! A FastSpring subscription as a [`Snapshot`].
//! <https://developer.fastspring.com/reference/webhooks-overview>
//!
//! What the dates do in real posts decides how they are read: `autoRenew` is always true and
//! says nothing; `next` still lies in the future after a deactivation; `nextChargeDate` may be
//! absent; a non-null `end` on an active subscription is a planned end.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Utc};

use super::wire::{date, reference};
use crate::domain::dates::Interval;
use crate::domain::fact::{EntityKind, INTEGRATION_KEYS, Item, ProductRef, Snapshot, Status};
use crate::providers::json::Value;
use crate::providers::{Unreadable, json};

/// The longest interval that is believed, in its own unit.
const INTERVAL_LENGTH_MAX: u32 = 1_000;

/// Is this object a snapshot, or only a mention with a few fields?
pub fn is_snapshot(data: &Value<'_>) -> bool {
    json::at(data, "state").is_some() || json::at(data, "active").is_some()
}

/// What the event says of the snapshot it carries.
pub struct Said {
    pub live: bool,
    pub at: DateTime<Utc>,
    /// The event is the end (`subscription.deactivated`), whatever its snapshot says.
    pub ends: bool,
}

/// Reads a subscription object.
pub fn snapshot(data: &Value<'_>, said: &Said) -> Result<Snapshot, Unreadable> {
    let dates = Dates::read(data);
    let provider_status = json::text_at(data, "state").unwrap_or_default();
    let status = if said.ends { Status::Canceled } else { status(data, &provider_status) };
    let canceled = provider_status == "canceled" && status == Status::Active;
    let paid_through = match status {
        Status::Canceled => None,
        _ if canceled => dates.end_of_period(),
        // The charge that failed was due at the earlier of the two; the other is the next try.
        Status::PastDue => [dates.next, dates.next_charge].into_iter().flatten().min(),
        // A fixed term ends with its last period, after which there is no next.
        _ => [dates.next_charge.or(dates.next), dates.end].into_iter().flatten().min(),
    };
    let (items, items_complete) = items(data, paid_through)?;
    Ok(Snapshot {
        status,
        provider_status,
        // A deactivated subscription is over, but FastSpring nowhere says that it can never return.
        terminal: false,
        livemode: said.live,
        customer_id: reference(EntityKind::Customer, data.get("account")).map(|account| account.id),
        trial_end: paid_through.filter(|_| status == Status::Trialing),
        cancel_at: paid_through.filter(|_| canceled),
        ended_at: (status == Status::Canceled).then(|| dates.ended_at(said.at)),
        pause_collection: None,
        items,
        items_complete,
        paid_through,
        named_only: !json::at(data, "product").is_some_and(Value::is_object),
        interval: interval(data).filter(|_| status != Status::Canceled),
        ..Snapshot::default()
    })
}

fn status(data: &Value<'_>, state: &str) -> Status {
    let active = json::at(data, "active").and_then(Value::as_bool);
    match state {
        "trial" => Status::Trialing,
        "active" => Status::Active,
        "overdue" => Status::PastDue,
        // Still running until the end of the period; `active` says when that is behind us.
        "canceled" if active == Some(false) => Status::Canceled,
        "canceled" => Status::Active,
        "deactivated" => Status::Canceled,
        // A pause begins at the next rebill date. Until then it only means that none will come.
        "paused" if json::at(data, "isPauseScheduled") == Some(&Value::Bool(true)) => Status::Active,
        "paused" => Status::Paused,
        "" if active == Some(true) => Status::Active,
        _ => Status::Unknown,
    }
}

struct Dates {
    next: Option<DateTime<Utc>>,
    next_charge: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    deactivation: Option<DateTime<Utc>>,
}

impl Dates {
    fn read(data: &Value<'_>) -> Self {
        Self {
            next: date(data, "next"),
            next_charge: date(data, "nextChargeDate"),
            end: date(data, "end"),
            deactivation: date(data, "deactivationDate"),
        }
    }

    /// When a canceled subscription stops: `next`, or the end of the day of `deactivationDate`,
    /// which is usually the day before.
    fn end_of_period(&self) -> Option<DateTime<Utc>> {
        let day_after = self.deactivation.and_then(|day| day.checked_add_days(Days::new(1)));
        day_after.max(self.next).or(self.next_charge).or(self.end)
    }

    /// What is over was over when the event said so: a later `end` was a plan.
    fn ended_at(&self, said_at: DateTime<Utc>) -> DateTime<Utc> {
        self.end.or(self.deactivation).map_or(said_at, |end| end.min(said_at))
    }
}

/// How long a rebill lasts that is told without its subscription.
fn interval(data: &Value<'_>) -> Option<Interval> {
    let length = json::at(data, "intervalLength").and_then(json::whole)?;
    let length = u32::try_from(length).ok().filter(|length| (1..=INTERVAL_LENGTH_MAX).contains(length))?;
    Some(match json::text_at(data, "intervalUnit")?.to_ascii_lowercase().as_str() {
        "day" => Interval::Days(length),
        "week" => Interval::Days(length.checked_mul(7)?),
        "month" => Interval::Months(length),
        "year" => Interval::Months(length.checked_mul(12)?),
        _ => return None,
    })
}

/// The product, and its add-ons. A mention without a product proves nothing about it.
fn items(data: &Value<'_>, paid_through: Option<DateTime<Utc>>) -> Result<(Vec<Item>, bool), Unreadable> {
    let product = product(data);
    if product.keys.is_empty() {
        return Ok((Vec::new(), false));
    }
    let mut items = vec![item("main".to_owned(), product, json::count(data, "quantity")?, paid_through)];
    for addon in json::list(data, "addons") {
        let product = self::product(addon);
        let Some(path) = product.keys.get("path").cloned() else { continue };
        items.push(item(path, product, json::count(addon, "quantity")?, paid_through));
    }
    items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    items.dedup_by(|a, b| a.item_id == b.item_id);
    Ok((items, true))
}

fn item(item_id: String, product: ProductRef, quantity: Option<i64>, paid_through: Option<DateTime<Utc>>) -> Item {
    Item {
        item_id,
        product,
        quantity: quantity.or(Some(1)),
        period_start: None,
        period_end: paid_through,
        metered: false,
        one_off: false,
    }
}

/// What names a product, wherever it is part of something else: of a subscription, an add-on, an
/// order's item.
pub fn product(data: &Value<'_>) -> ProductRef {
    let path = json::at(data, "product").and_then(|product| json::id_in(product, &["product", "id", "path"]));
    let sku = json::text_at(data, "sku").or_else(|| json::text_at(data, "product/sku"));
    let named = [("path", path), ("sku", sku)];
    let sources = ["product/attributes", "attributes"];
    let attributes: BTreeMap<_, _> =
        sources.iter().flat_map(|path| json::picked(json::at(data, path), &INTEGRATION_KEYS)).collect();
    let keys = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    ProductRef { keys, attributes }
}
