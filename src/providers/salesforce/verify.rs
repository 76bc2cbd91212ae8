//! Is it from the org? Messages: the token in the URL, and the org's id.
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_security.htm>
//! Callouts: `X-Ledger-Signature` over the raw body, and the org's id:
//!
//! * A, for Flows: `sha256=<HMAC-SHA256 in hex or base64>` over the body;
//! * B, for Apex: `t=<unix seconds>,v1=<hex>` over `t`, a dot and the body.
//!
//! * C, only where the source says so: a secret itself, as `Authorization: Bearer …` or
//!   `X-Api-Key`, for those who can do no better.
//!
//! The org's id is no secret. It is what saves production from a sandbox that was copied from it
//! together with its endpoint.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{Form, callout, soap};
use crate::providers::signature::{first, hmac_sha256, is_token, made_by_any, usable};
use crate::providers::{Refusal, Request, SourceSettings, TOLERANCE_S};

pub const HEADER: &str = "x-ledger-signature";

/// Accepts what comes from a configured org, by whichever way.
pub fn verify(request: &Request<'_>, settings: &SourceSettings, now: DateTime<Utc>) -> Result<(), Refusal> {
    match Form::of(request) {
        Form::Message => message(request, settings),
        Form::Callout => signed(request, settings, now),
    }
}

fn message(request: &Request<'_>, settings: &SourceSettings) -> Result<(), Refusal> {
    let token = settings.url_token.as_ref().ok_or(Refusal::NoSecret)?;
    if !is_token(request.url_token, token) {
        return Err(Refusal::WrongUrlToken);
    }
    let Ok(text) = std::str::from_utf8(request.body) else { return Ok(()) };
    if soap::has_dtd(text) {
        return Err(Refusal::Dtd);
    }
    // What is no XML names no org; it will be kept as unreadable.
    let Ok(document) = soap::parse(text) else { return Ok(()) };
    let known = soap::organizations(&document).all(|given| is_configured(settings, given));
    if known { Ok(()) } else { Err(Refusal::WrongOrganization) }
}

fn is_configured(settings: &SourceSettings, given: &str) -> bool {
    settings.organization_ids.iter().any(|id| callout::same_organization(id, given))
}

/// A signature says more than the token, which is therefore not asked for; a wrong one is wrong.
fn signed(request: &Request<'_>, settings: &SourceSettings, now: DateTime<Utc>) -> Result<(), Refusal> {
    if let (Some(token), Some(_)) = (&settings.url_token, request.url_token)
        && !is_token(request.url_token, token)
    {
        return Err(Refusal::WrongUrlToken);
    }
    let secrets = usable(&settings.secrets);
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let header = request.header(HEADER).map(str::trim).filter(|header| !header.is_empty());
    match header {
        None if settings.callout_secret_in_header => shown(request, &secrets)?,
        header => check(header.ok_or(Refusal::MissingSignature)?, request, &secrets, now)?,
    }
    let Ok(text) = std::str::from_utf8(request.body) else { return Ok(()) };
    let known = |given: &Option<String>| given.as_deref().is_some_and(|given| is_configured(settings, given));
    if callout::organizations(text).iter().all(known) { Ok(()) } else { Err(Refusal::WrongOrganization) }
}

/// Form C. Neither header is ever kept.
fn shown(request: &Request<'_>, secrets: &[&SecretString]) -> Result<(), Refusal> {
    let bearer = request.header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let given = bearer.or_else(|| request.header("x-api-key").map(str::trim)).ok_or(Refusal::MissingSignature)?;
    // Each is compared: how long it takes says nothing.
    let same = secrets.iter().filter(|secret| is_token(Some(given), secret)).count();
    if same > 0 { Ok(()) } else { Err(Refusal::WrongSignature) }
}

/// Forms A and B.
fn check(header: &str, request: &Request<'_>, secrets: &[&SecretString], now: DateTime<Utc>) -> Result<(), Refusal> {
    let signature = Signature::parse(header).ok_or(Refusal::MalformedSignature)?;
    let made = match &signature {
        Signature::Body(mac) => made_by_any(secrets, mac, &[request.body]),
        Signature::Timed { t, mac, .. } => made_by_any(secrets, mac, &[t.as_bytes(), b".", request.body]),
    };
    if !made {
        return Err(Refusal::WrongSignature);
    }
    if let Signature::Timed { seconds, .. } = signature
        && now.timestamp().abs_diff(seconds) > TOLERANCE_S.unsigned_abs()
    {
        return Err(Refusal::StaleTimestamp);
    }
    Ok(())
}

enum Signature<'a> {
    Body([u8; 32]),
    Timed {
        /// As received: it is part of what is signed.
        t: &'a str,
        seconds: i64,
        mac: [u8; 32],
    },
}

impl<'a> Signature<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let Some(timed) = header.strip_prefix("t=") else {
            return mac(header.strip_prefix("sha256=").unwrap_or(header)).map(Self::Body);
        };
        let (t, v1) = timed.split_once(",v1=")?;
        let seconds = t.parse().ok().filter(|_| t.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Self::Timed { t, seconds, mac: lower_hex(v1)? })
    }
}

/// Lower-case hex, or base64.
fn mac(text: &str) -> Option<[u8; 32]> {
    lower_hex(text).or_else(|| STANDARD.decode(text).ok()?.try_into().ok())
}

fn lower_hex(text: &str) -> Option<[u8; 32]> {
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    hex::decode(text).ok().filter(|_| is_lower)?.try_into().ok()
}

/// The headers with which it would come: form B for JSON; a message has nothing to sign.
pub fn sign(body: &[u8], settings: &SourceSettings, now: DateTime<Utc>) -> Vec<(String, String)> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request { headers: &[], body, url_token: None };
    if Form::of(&request) == Form::Message {
        return vec![header("content-type", "text/xml; charset=UTF-8"), header("soapaction", "\"\"")];
    }
    let t = now.timestamp().to_string();
    let mac = hmac_sha256(&first(settings), &[t.as_bytes(), b".", body]).map(hex::encode).unwrap_or_default();
    vec![header(HEADER, &format!("t={t},v1={mac}")), header("content-type", "application/json")]
}
