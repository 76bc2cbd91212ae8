//! Shopify. <https://shopify.dev/docs/apps/build/webhooks>
//!
//! One delivery holds one event: the resource itself, at the root. What happened, to which shop,
//! when, and under which id is in headers that are not signed; [`verify`] holds them against the
//! body and the configuration.

use chrono::{DateTime, Utc};

use super::{EventHint, Provider, Refusal, Request, SourceSettings, Unreadable};
use crate::domain::fact::Translation;

mod contracts;
mod orders;
#[cfg(test)]
mod tests;
mod topic;
mod translate;
mod verify;
mod wire;

/// Shopify.
pub struct Shopify;

impl Provider for Shopify {
    fn slug(&self) -> &'static str {
        "shopify"
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &wire::KEPT
    }

    fn verify(&self, request: &Request<'_>, settings: &SourceSettings, _now: DateTime<Utc>) -> Result<(), Refusal> {
        verify::verify(request, settings)
    }

    fn split(&self, request: &Request<'_>) -> Result<Vec<EventHint>, Unreadable> {
        wire::split(request)
    }

    fn translate(
        &self,
        part: &[u8],
        headers: &[(String, String)],
        settings: &SourceSettings,
    ) -> Result<Translation, Unreadable> {
        translate::translate(part, headers, settings)
    }

    fn sign(&self, body: &[u8], settings: &SourceSettings, now: DateTime<Utc>) -> Vec<(String, String)> {
        verify::sign(body, settings, now)
    }
}
