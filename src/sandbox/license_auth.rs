//! Who may call the License API: a signed date. Nothing else of the request is signed.
//! <https://docs.licensespring.com/license-api/license-api-authorization/request-signature>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::answer::Answer;
use super::call::Request;

/// A date further away than this is refused.
const CLOCK_SKEW_MAX_MINUTES: i64 = 15;

/// Refuses a request that is not signed with `shared_key` for `api_key` at about this time. A date
/// that fits the real clock is as good as one that fits the movable clock: clients have either.
pub(super) fn authorize(
    request: &Request,
    api_key: &str,
    shared_key: &str,
    clocks: [DateTime<Utc>; 2],
) -> Result<(), Answer> {
    let (Some(date), Some(authorization)) = (&request.date, &request.authorization) else {
        return Err(Answer::code(400, "missing_headers", "The Date and Authorization headers are required."));
    };
    let parameter = |name| parameter(authorization, name);
    let (Some(algorithm), Some(signature), Some(key)) =
        (parameter("algorithm"), parameter("signature"), parameter("apikey"))
    else {
        let message = "The Authorization header needs algorithm, headers, signature and apikey.";
        return Err(Answer::code(400, "authorization_missing_params", message));
    };
    if !algorithm.eq_ignore_ascii_case("hmac-sha256") {
        return Err(Answer::code(400, "hmac_required", "The algorithm must be hmac-sha256."));
    }
    if key != api_key {
        return Err(Answer::code(400, "invalid_api_key", "The API key is not known."));
    }
    let at = DateTime::parse_from_rfc2822(date)
        .map_err(|_| Answer::code(400, "authorization_invalid_headers", "The Date header is not an HTTP date."))?;
    let skew = TimeDelta::minutes(CLOCK_SKEW_MAX_MINUTES);
    if !clocks.iter().any(|now| (now.with_timezone(&Utc) - at.with_timezone(&Utc)).abs() <= skew) {
        return Err(Answer::code(400, "date_header_diff", "The Date header is too far from the server's clock."));
    }
    if is_signed(date, &signature, shared_key) {
        return Ok(());
    }
    Err(Answer::code(400, "signature_mismatch", "The signature does not fit the Date header."))
}

/// A parameter of the header, its name in any case, with or without blanks around the commas.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(',').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn is_signed(date: &str, signature: &str, shared_key: &str) -> bool {
    let Ok(given) = STANDARD.decode(signature) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(shared_key.as_bytes()) else {
        return false;
    };
    mac.update(b"licenseSpring\ndate: ");
    mac.update(date.as_bytes());
    mac.verify_slice(&given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_signed;

    #[test]
    fn the_documented_vectors_are_signed_and_their_neighbours_are_not() {
        let key = "kw4qSnpSwXzgiv5yxYpZZmFEd9QAeiKTQ6OuyMja";
        let (date, signature) = ("Tue, 07 Jun 2011 20:51:35 GMT", "UDysfR6MndUZReo07Y9r+vErn8vSxrnQ5ulit18iJ/Q=");
        assert!(is_signed(date, signature, key));
        assert!(!is_signed("Tue, 07 Jun 2011 20:51:36 GMT", signature, key));
        assert!(!is_signed(date, signature, "another key"));
        assert!(!is_signed(date, "not base64", key));
        let (date, signature) = ("Mon, 05 Jan 2026 12:00:00 GMT", "xSRDyrMK9++yqwBugxHOzA1nd0upYoG3K+p0Z7RS3rE=");
        assert!(is_signed(date, signature, "sim-shared-secret"));
    }
}
