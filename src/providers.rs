//! The payment providers: `wire` (the shapes), `verify` (who sent it), `translate` (what it
//! means), one folder each, all pure. [`PROVIDERS`] is the one list; a fifth provider is one
//! folder, one line here, and fixtures.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::domain::fact::Translation;

pub mod fastspring;
mod json;
mod out;
pub mod salesforce;
pub mod shopify;
mod signature;
pub mod stripe;
#[cfg(test)]
mod tests;

/// Every provider this build knows.
pub const PROVIDERS: [&dyn Provider; 4] =
    [&stripe::Stripe, &fastspring::FastSpring, &shopify::Shopify, &salesforce::Salesforce];

/// The type of an event that could not be read.
pub const UNREADABLE: &str = "unreadable";

/// The longest key that is stored as it came: what a database index takes without complaint.
pub const KEY_BYTES_MAX: usize = 255;

/// The provider with this slug (`stripe`, `fastspring`, …).
#[must_use]
pub fn by_slug(slug: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|p| p.slug() == slug)
}

/// A key that is safe to store, index and print: at most [`KEY_BYTES_MAX`] printable ASCII bytes
/// as they came, anything else as `sha256:<hex>`. One long id or one NUL would fail a whole batch.
#[must_use]
pub fn printable_key(key: &str) -> String {
    let printable = key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if printable && !key.is_empty() && key.len() <= KEY_BYTES_MAX { key.to_owned() } else { hashed_key(key.as_bytes()) }
}

/// `sha256:<hex>` of these bytes: the key of what has no readable one.
#[must_use]
pub fn hashed_key(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A request as it arrived: lower-case header names.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    /// The last path segment of `/webhooks/{source}/{url_token}`, where there is one.
    pub url_token: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// The first header of that (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What a source's configuration gives its provider.
#[derive(Debug, Clone, Default)]
pub struct SourceSettings {
    pub secrets: Vec<SecretString>,
    /// Secrets that nothing is accepted with any more: what they signed can still be checked.
    pub past_secrets: Vec<SecretString>,
    /// `true`: this source is live; test-mode events entitle nothing.
    pub livemode: bool,
    /// Shopify: the shop's own `*.myshopify.com`.
    pub shop_domain: Option<String>,
    /// Shopify: source names of orders that a subscription app charged, beside the usual ones.
    pub renewal_sources: Vec<String>,
    /// The last path segment that every delivery of this source must have been posted to.
    pub url_token: Option<SecretString>,
    /// Salesforce: the orgs that may post here.
    pub organization_ids: Vec<String>,
    /// Salesforce, by object: our name for a field → theirs.
    pub fields: BTreeMap<String, BTreeMap<String, String>>,
    /// Salesforce: the zone that dates without one are in.
    pub time_zone: Tz,
    /// Salesforce CPQ: an amendment says the whole quantity, not the difference.
    pub amendments_replace: bool,
    /// Salesforce: statuses of what a customer has no more; empty: the usual words.
    pub off_statuses: Vec<String>,
    /// Salesforce: a callout may show a secret in a header instead of signing with it.
    pub callout_secret_in_header: bool,
}

/// Why a delivery is refused. Nothing of it is kept but a line in the refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the signature header is missing")]
    MissingSignature,
    #[error("the signature header cannot be read")]
    MalformedSignature,
    #[error("no configured secret made this signature")]
    WrongSignature,
    #[error("the signed timestamp is more than {} s away from now", TOLERANCE_S)]
    StaleTimestamp,
    #[error("the source has no secret configured")]
    NoSecret,
    #[error("the last segment of the URL is not this source's token")]
    WrongUrlToken,
    #[error("the delivery is not of the configured shop")]
    WrongShop,
    #[error("the delivery is not of a configured organization")]
    WrongOrganization,
    #[error("the XML holds a document type declaration")]
    Dtd,
    #[error("the delivery may hold a session that cannot be cut out for sure; switch Send Session ID off")]
    SessionId,
}

impl Refusal {
    /// Every one there is.
    pub const ALL: [Self; 10] = [
        Self::MissingSignature,
        Self::MalformedSignature,
        Self::WrongSignature,
        Self::StaleTimestamp,
        Self::NoSecret,
        Self::WrongUrlToken,
        Self::WrongShop,
        Self::WrongOrganization,
        Self::Dtd,
        Self::SessionId,
    ];

    /// A coarse code for counting.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::MalformedSignature => "malformed_signature",
            Self::WrongSignature => "wrong_signature",
            Self::StaleTimestamp => "stale_timestamp",
            Self::NoSecret => "no_secret",
            Self::WrongUrlToken => "wrong_url_token",
            Self::WrongShop => "wrong_shop",
            Self::WrongOrganization => "wrong_organization",
            Self::Dtd => "dtd",
            Self::SessionId => "session_id",
        }
    }

    /// The HTTP status, unless the provider has its own: who is not who they should be gets
    /// 401, what must not even be read 400.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Dtd | Self::SessionId => 400,
            _ => 401,
        }
    }
}

/// How far a signed timestamp may be from our clock, either way. Stripe's own libraries use 300 s.
pub const TOLERANCE_S: i64 = 300;

/// One event found in a delivery's body. Hints only: what the event means is worked out later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHint {
    /// Where the event stands in the body. Ranges of one delivery rise and do not overlap.
    pub range: Range<usize>,
    /// The provider's dedupe key (Stripe `account:id@api_version`, FastSpring event id).
    pub dedupe_key: String,
    pub external_id: String,
    pub event_type: String,
    pub occurred_at: Option<DateTime<Utc>>,
    pub livemode: Option<bool>,
}

/// What to answer when all, or a part, of a delivery is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200 with the usual JSON.
    Json,
    /// 202 `text/plain`: the ids of the events that were stored, one a line.
    PartialIds(Vec<String>),
    /// 200 `text/xml` with exactly this body.
    Xml(&'static str),
}

/// The body does not hold what this provider sends; the reason in plain words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// The same small shape for every provider.
pub trait Provider: Send + Sync {
    /// `stripe`: in configuration, routes and fixtures.
    fn slug(&self) -> &'static str;
    /// Headers that are kept beside the event (lower case). Never credentials.
    fn kept_headers(&self) -> &'static [&'static str];
    /// Is it really from the provider? Constant time, over the raw bytes.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing of the request is stored.
    fn verify(&self, request: &Request<'_>, settings: &SourceSettings, now: DateTime<Utc>) -> Result<(), Refusal>;
    /// The HTTP status of a refusal (Stripe: always 400).
    fn refusal_status(&self, refusal: Refusal) -> u16 {
        refusal.status()
    }
    /// The bytes of a verified delivery that must never be stored: rising ranges, which are
    /// overwritten before anything else is done with the body.
    ///
    /// # Errors
    /// A [`Refusal`], when it cannot be told for sure which bytes they are.
    fn blank(&self, _request: &Request<'_>) -> Result<Vec<Range<usize>>, Refusal> {
        Ok(Vec::new())
    }
    /// Cuts a body into its events: 1..n ranges with hints.
    ///
    /// # Errors
    /// [`Unreadable`]: the delivery is kept as one event of type `unreadable`.
    fn split(&self, request: &Request<'_>) -> Result<Vec<EventHint>, Unreadable>;
    /// What to answer to a delivery that is stored.
    fn answer(&self, _request: &Request<'_>) -> Answer {
        Answer::Json
    }
    /// What one event means. `part` is the byte range that [`Provider::split`] gave.
    ///
    /// # Errors
    /// [`Unreadable`]: the event is quarantined with the reason.
    fn translate(
        &self,
        part: &[u8],
        headers: &[(String, String)],
        settings: &SourceSettings,
    ) -> Result<Translation, Unreadable>;
    /// Headers with which the provider would send this body, signed with the first secret
    /// (`subledger send`, tests).
    fn sign(&self, body: &[u8], settings: &SourceSettings, now: DateTime<Utc>) -> Vec<(String, String)>;
}
