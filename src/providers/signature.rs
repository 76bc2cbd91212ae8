//! HMAC-SHA256 for all providers that sign with it, and tokens in URLs. Every configured secret
//! is tried, so that a secret can be rolled without losing a delivery; every comparison is
//! constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Refusal, SourceSettings};

/// HMAC-SHA256 over these parts, one after the other.
///
/// `None` never happens: HMAC takes keys of any length. It is not unwrapped all the same.
pub fn hmac_sha256(secret: &SecretString, parts: &[&[u8]]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// The secrets that can sign. An empty one can be guessed by anybody, so it counts as absent.
pub fn usable(secrets: &[SecretString]) -> Vec<&SecretString> {
    secrets.iter().filter(|secret| !secret.expose_secret().is_empty()).collect()
}

/// The secret to sign with. Without one, an empty secret, which no source accepts.
pub fn first(settings: &SourceSettings) -> SecretString {
    settings.secrets.first().cloned().unwrap_or_default()
}

/// A header that is nothing but the MAC in base64.
pub fn base64_mac(header: Option<&str>) -> Result<[u8; 32], Refusal> {
    let header = header.map(str::trim).filter(|header| !header.is_empty()).ok_or(Refusal::MissingSignature)?;
    let given = STANDARD.decode(header).map_err(|_| Refusal::MalformedSignature)?;
    // The hex form of a digest is base64 too, of other bytes and another length.
    given.try_into().map_err(|_| Refusal::MalformedSignature)
}

/// Whether any of the secrets made this MAC over these parts.
pub fn made_by_any(secrets: &[&SecretString], given: &[u8; 32], parts: &[&[u8]]) -> bool {
    let mut matches = Choice::from(0);
    for secret in secrets {
        let Some(expected) = hmac_sha256(secret, parts) else { continue };
        matches |= expected.ct_eq(given);
    }
    matches.into()
}

/// Whether the last segment of the URL is the token. Digests are compared, so that not even
/// the token's length shows.
pub fn is_token(given: Option<&str>, token: &SecretString) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    let (given, expected) = (given.unwrap_or_default(), token.expose_secret());
    !expected.is_empty() && bool::from(digest(given).ct_eq(&digest(expected)))
}
