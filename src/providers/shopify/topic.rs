//! Topics, and what a body of each must look like.
//! <https://shopify.dev/docs/api/webhooks?reference=toml>
//!
//! The topic header is not signed, so a genuine body could be sent again under another topic: it
//! is kept, and says nothing. Only keys that tell the shapes apart are asked for; an unknown topic
//! may have any.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::providers::{Unreadable, printable_key};

/// The root of a body, its values unread.
pub type Root<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Keys that must be there, and keys that must not.
type Shape = (&'static [&'static str], &'static [&'static str]);

const CONTRACT: Shape = (&["revision_id", "status", "billing_policy"], &["line_items"]);
const ATTEMPT: Shape = (&["subscription_contract_id", "idempotency_key"], &["cycle_index"]);
const CYCLE: Shape = (&["subscription_contract_id", "cycle_index"], &["idempotency_key"]);
const ORDER: Shape = (&["id", "line_items", "financial_status"], &["revision_id", "refund_line_items"]);

/// The shape of a topic's bodies, where the topic is known.
fn shape(topic: &str) -> Option<Shape> {
    let (family, act) = topic.split_once('/')?;
    Some(match (family, act) {
        ("subscription_contracts", _) => CONTRACT,
        ("subscription_billing_attempts", _) => ATTEMPT,
        ("subscription_billing_cycles" | "subscription_billing_cycle_edits", _) => CYCLE,
        ("orders", "edited") => (&["order_edit"], &[]),
        ("orders", "delete") => (&["id"], &[]), // and nothing else
        ("orders", _) => ORDER,
        ("refunds", _) => (&["id", "order_id", "refund_line_items"], &["line_items"]),
        ("disputes", _) => (&["id", "order_id", "type", "status"], &["line_items", "refund_line_items"]),
        ("customers", "data_request") => (&["shop_domain", "customer", "data_request"], &[]),
        ("customers", "redact") => (&["shop_domain", "customer"], &["data_request"]),
        ("shop", "redact") => (&["shop_domain"], &["customer"]),
        ("customer_payment_methods", _) => (&["token", "customer_id", "instrument_type"], &[]),
        ("app_subscriptions", _) => (&["app_subscription"], &[]),
        ("app", "scopes_update") => (&["previous", "current"], &[]),
        _ => return None,
    })
}

/// Whether this can be a body of that topic; if not, why.
pub fn check(topic: &str, root: &Root<'_>) -> Result<(), Unreadable> {
    let Some((wanted, unwanted)) = shape(topic) else { return Ok(()) };
    let why =
        |what: String| Err(Unreadable(format!("the body does not fit its topic, {}: {what}", printable_key(topic))));
    if let Some(key) = wanted.iter().find(|key| !root.contains_key(**key)) {
        return why(format!("it has no {key}"));
    }
    if let Some(key) = unwanted.iter().find(|key| root.contains_key(**key)) {
        return why(format!("it has a {key}"));
    }
    // The body of a failed attempt must not pass for a payment.
    if topic == "subscription_billing_attempts/success" && says(root, "error_code") {
        return why("it has an error_code".to_owned());
    }
    if topic == "orders/delete" && root.len() > 1 {
        return why("it has more than an id".to_owned());
    }
    Ok(())
}

fn fits(topic: &str, root: &Root<'_>) -> bool {
    check(topic, root).is_ok()
}

fn says(root: &Root<'_>, key: &str) -> bool {
    root.get(key).is_some_and(|value| value.get() != "null")
}

/// One topic of every shape.
const USUAL: [&str; 15] = [
    "subscription_contracts/update",
    "subscription_billing_attempts/success",
    "subscription_billing_attempts/failure",
    "subscription_billing_cycles/skip",
    "orders/updated",
    "orders/edited",
    "refunds/create",
    "disputes/update",
    "customers/data_request",
    "customers/redact",
    "shop/redact",
    "customer_payment_methods/update",
    "app_subscriptions/update",
    "app/scopes_update",
    "orders/delete",
];

/// A topic that fits, for bodies that are sent by hand.
pub fn guess(root: &Root<'_>) -> &'static str {
    USUAL.into_iter().find(|topic| fits(topic, root)).unwrap_or("app/uninstalled")
}
