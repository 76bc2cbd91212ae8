//! Is it from FastSpring? `X-FS-Signature`: base64 of HMAC-SHA256 over the raw body.
//! <https://developer.fastspring.com/docs/message-security>
//!
//! Nothing else is signed: no time, no URL. FastSpring rolls secrets without overlap, so a
//! source may have several. It sends no header where the seller set no secret; such posts, and
//! sources without a secret, are refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use crate::providers::signature::{base64_mac, hmac_sha256, made_by_any, usable};
use crate::providers::{Refusal, Request, SourceSettings};

pub const HEADER: &str = "x-fs-signature";

/// Accepts when any configured secret signed these bytes.
pub fn verify(request: &Request<'_>, settings: &SourceSettings) -> Result<(), Refusal> {
    let secrets = usable(&settings.secrets);
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let given = base64_mac(request.header(HEADER))?;
    if made_by_any(&secrets, &given, &[request.body]) { Ok(()) } else { Err(Refusal::WrongSignature) }
}

/// The header FastSpring would send with this body.
pub fn sign(body: &[u8], secret: SecretString) -> Vec<(String, String)> {
    let signature = hmac_sha256(&secret, &[body]).map(|mac| STANDARD.encode(mac));
    vec![(HEADER.to_owned(), signature.unwrap_or_default())]
}
