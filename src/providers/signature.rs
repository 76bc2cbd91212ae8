//! HMAC-SHA256 for all providers that sign with it. Every configured secret is tried, so that a
//! secret can be rolled without losing a delivery; every comparison is constant time.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

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
