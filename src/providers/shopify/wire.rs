//! The shapes of Shopify's deliveries.
//! <https://shopify.dev/docs/apps/build/webhooks/delivery-structure>

use chrono::{DateTime, Utc};

use super::topic::Root;
use crate::domain::fact::{Entity, EntityKind};
use crate::providers::json::Value;
use crate::providers::out::entity;
use crate::providers::{EventHint, Request, Unreadable, hashed_key, json, printable_key};

pub const HMAC: &str = "x-shopify-hmac-sha256";
pub const TOPIC: &str = "x-shopify-topic";
pub const SHOP: &str = "x-shopify-shop-domain";
pub const API_VERSION: &str = "x-shopify-api-version";
pub const WEBHOOK_ID: &str = "x-shopify-webhook-id";
pub const TRIGGERED_AT: &str = "x-shopify-triggered-at";
pub const TEST: &str = "x-shopify-test";

/// Without them a body does not say what happened.
pub const KEPT: [&str; 11] = [
    HMAC,
    TOPIC,
    SHOP,
    API_VERSION,
    WEBHOOK_ID,
    "x-shopify-event-id",
    TRIGGERED_AT,
    TEST,
    "x-shopify-name",
    "x-shopify-sub-topic",
    "content-type",
];

/// The whole body is one event. A retry has the same webhook id; two subscriptions to one topic
/// have two, and may not share a key: both are kept, and equal content counts once.
pub fn split(request: &Request<'_>) -> Result<Vec<EventHint>, Unreadable> {
    let root: Root<'_> = json::object(json::utf8(request.body)?)?;
    let topic = filled(request.header(TOPIC)).ok_or_else(|| json::unreadable("a delivery without a topic"))?;
    let id = filled(request.header(WEBHOOK_ID));
    let unnamed = || hashed_key(&[topic.as_bytes(), &[0], request.body].concat());
    Ok(vec![EventHint {
        range: 0..request.body.len(),
        dedupe_key: id.map_or_else(unnamed, |id| printable_key(&format!("{topic}:{id}"))),
        external_id: id.map_or_else(unnamed, printable_key),
        event_type: printable_key(topic),
        occurred_at: filled(request.header(TRIGGERED_AT)).and_then(instant),
        livemode: livemode(request.header(TEST), root.get("test").map(|raw| raw.get())),
    }])
}

fn livemode(header: Option<&str>, test: Option<&str>) -> Option<bool> {
    match (header.map(str::trim), test) {
        (Some("true"), _) | (_, Some("true")) => Some(false),
        (Some("false"), _) | (_, Some("false")) => Some(true),
        _ => None,
    }
}

pub fn filled(header: Option<&str>) -> Option<&str> {
    header.map(str::trim).filter(|header| !header.is_empty())
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

/// One event, read whole: the body, and what the kept headers say of it.
pub struct Event<'a> {
    pub topic: String,
    /// Fit to be stored.
    pub id: String,
    pub api_version: String,
    pub triggered_at: Option<DateTime<Utc>>,
    /// The delivery, or the order in it, is a test.
    pub is_test: bool,
    /// Family of the topic, and bytes: the same state told again, under another webhook id or
    /// another topic of its family, is the same. (No header is signed.)
    pub content: String,
    pub body: Value<'a>,
}

/// The clock of what an event says.
#[derive(Clone, Copy)]
pub struct Clock {
    pub at: DateTime<Utc>,
    /// The object says it itself. Else it is the delivery's, which a resend does not keep.
    pub is_own: bool,
}

impl<'a> Event<'a> {
    pub fn read(part: &'a [u8], headers: &[(String, String)]) -> Result<Self, Unreadable> {
        let body = json::value(json::utf8(part)?)?;
        let header = |name| filled(Request { headers, body: part, url_token: None }.header(name));
        let topic = header(TOPIC).ok_or_else(|| json::unreadable("a delivery without a topic"))?;
        let family = topic.split_once('/').map_or(topic, |(family, _)| family);
        let content = hashed_key(&[family.as_bytes(), &[0], part].concat());
        Ok(Self {
            id: header(WEBHOOK_ID).map_or_else(|| content.clone(), printable_key),
            api_version: header(API_VERSION).map(printable_key).unwrap_or_default(),
            triggered_at: header(TRIGGERED_AT).and_then(instant),
            is_test: header(TEST) == Some("true") || json::at(&body, "test") == Some(&Value::Bool(true)),
            topic: topic.to_owned(),
            content,
            body,
        })
    }

    /// The object's own clock, under the first of these keys, else the delivery's.
    pub fn at(&self, keys: &[&str]) -> Result<Clock, Unreadable> {
        let own = keys.iter().find_map(|key| json::instant_at(&self.body, key));
        let clock = own.or(self.triggered_at).map(|at| Clock { at, is_own: own.is_some() });
        clock.ok_or_else(|| json::unreadable("neither the body nor X-Shopify-Triggered-At has a time"))
    }

    /// What comes first inside one second of `updated_at`, by when each delivery was triggered.
    pub fn within(&self) -> i64 {
        self.triggered_at.map_or(0, |at| at.timestamp_micros())
    }
}

/// What `key` (`order_id`) refers to. Ids exceed 2^53 and are text here; what comes as a float has
/// lost its end, and is read from the other spelling (`admin_graphql_api_order_id`).
pub fn reference(kind: EntityKind, holder: &Value<'_>, key: &str) -> Option<Entity> {
    let global = format!("admin_graphql_api_{key}");
    let id = [key, &global].into_iter().find_map(|key| json::first_id(holder, &[key]));
    entity(
        kind,
        id.map(|id| id.strip_prefix("gid://").and_then(|gid| gid.rsplit('/').next()).unwrap_or(&id).to_owned()),
    )
}
