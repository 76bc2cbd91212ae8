//! The shapes of LicenseSpring's answers, read tolerantly: ids as numbers or strings, dates in
//! three forms, errors in four.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use crate::domain::license::Observed;

/// Longest message kept of an answer.
const MESSAGE_CHARS_MAX: usize = 300;

/// An id as a number or as text. Never a float: ids are beyond 1.6e15.
#[must_use]
pub fn id(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|s| s.parse().ok()))
}

/// `2026-12-23`, `2026-12-23 00:00:00` or `2026-12-23T00:00:00Z`.
#[must_use]
fn date(value: &Value) -> Option<NaiveDate> {
    let text = value.as_str()?;
    text.get(..10).and_then(|d| d.parse().ok())
}

/// A license object (`GET /licenses/{id}/`, list rows) as an observation of the managed fields.
#[must_use]
pub fn observed(license: &Value) -> Option<Observed> {
    let text = |v: &Value| v.as_str().map(ToOwned::to_owned);
    Some(Observed {
        license_id: id(&license["id"])?,
        enabled: license["enabled"].as_bool()?,
        valid_until: date(&license["validity_period"]),
        is_trial: license["is_trial"].as_bool().unwrap_or(false),
        license_type: text(&license["license_type"]),
        product_code: text(&license["product"]["short_code"]),
        max_activations: license["max_activations"].as_i64(),
        floating_users: license["floating_users"].as_i64(),
        max_license_users: license["max_license_users"].as_i64(),
        features: features(&license["product_features"]),
    })
}

/// Codes of the features of a license, sorted.
fn features(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().into_iter().flatten();
    let codes = rows.filter_map(|r| r["product_feature"]["code"].as_str().or_else(|| r["code"].as_str()));
    let codes: std::collections::BTreeSet<String> = codes.map(ToOwned::to_owned).collect();
    codes.into_iter().collect()
}

/// The license ids in the answer to `create_order`, where it shows them.
#[must_use]
pub fn created_licenses(order: &Value) -> Vec<i64> {
    let items = order["order_items"].as_array().into_iter().flatten();
    items.flat_map(|i| i["licenses"].as_array().into_iter().flatten()).filter_map(|l| id(&l["id"])).collect()
}

/// What an error body says, in short: `{detail}`, `{field: […]}`, `{status, code, message}`,
/// `{errors: [{message, value}]}`, or nothing readable. Words with an `@` are left out: they
/// may be somebody's address.
#[must_use]
pub fn message(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return "(not JSON)".to_owned() };
    let text = match (&value["code"], &value["message"], &value["detail"], &value["errors"]) {
        (Value::String(code), Value::String(message), _, _) => format!("{code}: {message}"),
        (_, _, Value::String(detail), _) => detail.clone(),
        (_, _, _, Value::Array(errors)) => {
            errors.iter().filter_map(|e| e["message"].as_str()).collect::<Vec<_>>().join("; ")
        }
        _ => value.to_string(),
    };
    let words = text.split_whitespace().map(|w| if w.contains('@') { "(address)" } else { w });
    words.collect::<Vec<_>>().join(" ").chars().take(MESSAGE_CHARS_MAX).collect()
}

/// `Retry-After` in seconds or as an HTTP date, in seconds from `now`.
#[must_use]
pub fn retry_after_s(header: &str, now: DateTime<Utc>) -> Option<u64> {
    if let Ok(seconds) = header.trim().parse::<u64>() {
        return Some(seconds);
    }
    let at = DateTime::parse_from_rfc2822(header.trim()).ok()?;
    u64::try_from((at.with_timezone(&Utc) - now).num_seconds()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_license_is_read_in_every_documented_form() {
        for (id, date) in [
            (json!(1_700_000_000_000_003_i64), "2026-12-23"),
            (json!("1700000000000003"), "2026-12-23T00:00:00Z"),
            (json!(1_700_000_000_000_003_i64), "2026-12-23 00:00:00"),
        ] {
            let license = json!({"id": id, "enabled": true, "validity_period": date, "is_trial": false, "product": {"short_code": "PRO"}});
            let seen = observed(&license).unwrap();
            assert_eq!(seen.license_id, 1_700_000_000_000_003);
            assert_eq!(seen.valid_until.unwrap().to_string(), "2026-12-23");
        }
    }

    #[test]
    fn an_error_is_read_in_all_four_shapes_and_shows_no_address() {
        for (body, said) in [
            (r#"{"detail":"Not found."}"#, "Not found."),
            (r#"{"status":409,"code":"order_id_exists","message":"taken"}"#, "order_id_exists: taken"),
            (r#"{"errors":[{"message":"bad a@b.c here","value":1}]}"#, "bad (address) here"),
            (r#"{"items":["required"]}"#, r#"{"items":["required"]}"#),
            ("<html>", "(not JSON)"),
        ] {
            assert_eq!(message(body.as_bytes()), said);
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: DateTime<Utc> = "2026-01-05T12:00:00Z".parse().unwrap();
        assert_eq!(retry_after_s("7", now), Some(7));
        assert_eq!(retry_after_s("Mon, 05 Jan 2026 12:00:30 GMT", now), Some(30));
        assert_eq!(retry_after_s("soon", now), None);
    }
}
