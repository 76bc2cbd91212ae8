//! Is it from FastSpring? `X-FS-Signature`: base64 of HMAC-SHA256 over the raw body.
//! <https://developer.fastspring.com/docs/message-security>
//!
//! Nothing else is signed: no time, no URL. FastSpring rolls secrets without overlap, so a
//! source may have several. It sends no header where the seller set no secret; such posts, and
//! sources without a secret, are refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use subtle::{Choice, ConstantTimeEq};

use crate::providers::signature::{hmac_sha256, usable};
use crate::providers::{Refusal, Request, SourceSettings};

pub const HEADER: &str = "x-fs-signature";

/// Accepts when any configured secret signed these bytes.
pub fn verify(request: &Request<'_>, settings: &SourceSettings) -> Result<(), Refusal> {
    let secrets = usable(&settings.secrets);
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let header = request.header(HEADER).map(str::trim).filter(|header| !header.is_empty());
    let given = STANDARD.decode(header.ok_or(Refusal::MissingSignature)?).map_err(|_| Refusal::MalformedSignature)?;
    // The hex form of a digest is base64 too, of other bytes and another length.
    let given: [u8; 32] = given.try_into().map_err(|_| Refusal::MalformedSignature)?;

    let mut matches = Choice::from(0);
    for secret in secrets {
        let Some(expected) = hmac_sha256(secret, &[request.body]) else { continue };
        matches |= expected.ct_eq(&given);
    }
    if bool::from(matches) { Ok(()) } else { Err(Refusal::WrongSignature) }
}

/// The header FastSpring would send with this body.
pub fn sign(body: &[u8], secret: &SecretString) -> Vec<(String, String)> {
    let signature = hmac_sha256(secret, &[body]).map(|mac| STANDARD.encode(mac));
    vec![(HEADER.to_owned(), signature.unwrap_or_default())]
}
