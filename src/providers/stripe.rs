//! Stripe. <https://docs.stripe.com/webhooks>
//!
//! One delivery holds one event. Snapshot events (`"object":"event"`) carry the object as it
//! stood; thin events (`"object":"v2.core.event"`) carry no data and are kept, not interpreted.

use chrono::{DateTime, Utc};

use super::{EventHint, Provider, Refusal, Request, SourceSettings, Unreadable, json, printable_key, signature};
use crate::domain::fact::Translation;

mod catalog;
mod checkout;
mod notices;
mod payments;
mod previous;
mod snapshot;
#[cfg(test)]
mod tests;
mod translate;
mod types;
mod verify;
mod wire;

/// Stripe.
pub struct Stripe;

impl Provider for Stripe {
    fn slug(&self) -> &'static str {
        "stripe"
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[verify::HEADER, "content-type"]
    }

    fn verify(&self, request: &Request<'_>, settings: &SourceSettings, now: DateTime<Utc>) -> Result<(), Refusal> {
        verify::verify(request, settings, now)
    }

    /// Stripe's own libraries answer 400 to a bad signature.
    fn refusal_status(&self, _refusal: Refusal) -> u16 {
        400
    }

    /// The whole body is one event. Stripe may render one event for two destinations in two API
    /// versions, and two connected accounts are two worlds: hence the parts of the key.
    fn split(&self, request: &Request<'_>) -> Result<Vec<EventHint>, Unreadable> {
        let head: wire::Head<'_> = json::object(json::utf8(request.body)?)?;
        let (Some(id), Some(kind)) = (head.id(), head.kind()) else {
            return Err(json::unreadable("a JSON object, but no event: it has no id or no type"));
        };
        let key = format!("{}:{}@{}", head.account().unwrap_or_default(), id, head.api_version().unwrap_or_default());
        Ok(vec![EventHint {
            range: 0..request.body.len(),
            dedupe_key: printable_key(&key),
            external_id: printable_key(id),
            event_type: printable_key(kind),
            occurred_at: head.created(),
            livemode: head.livemode.as_bool(),
        }])
    }

    fn translate(
        &self,
        part: &[u8],
        _headers: &[(String, String)],
        _settings: &SourceSettings,
    ) -> Result<Translation, Unreadable> {
        translate::translate(part)
    }

    fn sign(&self, body: &[u8], settings: &SourceSettings, now: DateTime<Utc>) -> Vec<(String, String)> {
        verify::sign(body, signature::first(settings), now)
    }
}
