//! FastSpring. <https://developer.fastspring.com/reference/webhooks-overview>
//!
//! One delivery holds 1..n events of different types, in no order.

use chrono::{DateTime, Utc};

use super::{EventHint, Provider, Refusal, Request, SourceSettings, Unreadable, signature};
use crate::domain::fact::Translation;

mod orders;
mod purchases;
mod snapshot;
#[cfg(test)]
mod tests;
mod translate;
mod types;
mod verify;
mod wire;

/// FastSpring.
pub struct FastSpring;

impl Provider for FastSpring {
    fn slug(&self) -> &'static str {
        "fastspring"
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[verify::HEADER, "content-type"]
    }

    fn verify(&self, request: &Request<'_>, settings: &SourceSettings, _now: DateTime<Utc>) -> Result<(), Refusal> {
        verify::verify(request, settings)
    }

    fn split(&self, request: &Request<'_>) -> Result<Vec<EventHint>, Unreadable> {
        wire::split(request.body)
    }

    fn translate(
        &self,
        part: &[u8],
        _headers: &[(String, String)],
        _settings: &SourceSettings,
    ) -> Result<Translation, Unreadable> {
        translate::translate(part)
    }

    fn sign(&self, body: &[u8], settings: &SourceSettings, _now: DateTime<Utc>) -> Vec<(String, String)> {
        verify::sign(body, signature::first(settings))
    }
}
