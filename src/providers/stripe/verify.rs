//! Is it from Stripe? `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…]`.
//! <https://docs.stripe.com/webhooks#verify-manually>
//!
//! Signed are `t` as received, a dot, and the raw body; the key is the endpoint secret as it is,
//! with its `whsec_`. While a secret is rolled the header holds one `v1` per active secret.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use subtle::{Choice, ConstantTimeEq};

use crate::providers::signature::{hmac_sha256, usable};
use crate::providers::{Refusal, Request, SourceSettings, TOLERANCE_S};

pub const HEADER: &str = "stripe-signature";

/// Accepts when any configured secret made any of the `v1` signatures, not long ago.
pub fn verify(request: &Request<'_>, settings: &SourceSettings, now: DateTime<Utc>) -> Result<(), Refusal> {
    let secrets = usable(&settings.secrets);
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let header = request.header(HEADER).filter(|header| !header.trim().is_empty());
    let header = parse(header.ok_or(Refusal::MissingSignature)?).ok_or(Refusal::MalformedSignature)?;

    let mut matches = Choice::from(0);
    for secret in secrets {
        let Some(expected) = expected(secret, header.t, request.body) else { continue };
        for given in &header.v1 {
            matches |= expected.as_bytes().ct_eq(given.as_bytes());
        }
    }
    if !bool::from(matches) {
        return Err(Refusal::WrongSignature);
    }
    // Only after the signature: an unsigned timestamp says nothing. Both ways: our clock may be wrong.
    if now.timestamp().abs_diff(header.seconds) > TOLERANCE_S.unsigned_abs() {
        return Err(Refusal::StaleTimestamp);
    }
    Ok(())
}

/// The header Stripe would send with this body at `now`.
pub fn sign(body: &[u8], secret: SecretString, now: DateTime<Utc>) -> Vec<(String, String)> {
    let t = now.timestamp().to_string();
    let signature = expected(&secret, &t, body).unwrap_or_default();
    vec![(HEADER.to_owned(), format!("t={t},v1={signature}"))]
}

/// Lower-case hex, compared as text: upper case is no signature of Stripe's.
fn expected(secret: &SecretString, t: &str, body: &[u8]) -> Option<String> {
    hmac_sha256(secret, &[t.as_bytes(), b".", body]).map(hex::encode)
}

struct Header<'a> {
    /// As received: it is part of what is signed.
    t: &'a str,
    seconds: i64,
    v1: Vec<&'a str>,
}

/// Takes `t` and every `v1`; other schemes are ignored, or an attacker could ask for a weaker one.
fn parse(header: &str) -> Option<Header<'_>> {
    let (mut t, mut v1) = (None, Vec::new());
    for (scheme, value) in header.split(',').filter_map(|element| element.trim().split_once('=')) {
        match scheme {
            "t" if t.is_some_and(|first| first != value) => return None,
            "t" => t = Some(value),
            "v1" => v1.push(value),
            _ => {}
        }
    }
    let t = t.filter(|t| t.bytes().all(|byte| byte.is_ascii_digit()))?;
    let seconds = t.parse().ok()?;
    (!v1.is_empty()).then_some(Header { t, seconds, v1 })
}
