//! Hashes of canonical JSON: keys sorted, no white space, so that equal values have equal hashes.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Canonical text of a value. `serde_json::Value` keeps objects sorted by key.
#[must_use]
pub fn canonical(value: &impl Serialize) -> String {
    serde_json::to_value(value).map(|v| v.to_string()).unwrap_or_default()
}

/// Lower-case hex SHA-256 of the canonical text.
#[must_use]
pub fn of(value: &impl Serialize) -> String {
    of_bytes(canonical(value).as_bytes())
}

/// Lower-case hex SHA-256.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
