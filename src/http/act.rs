//! What every admin act needs: a reason, an account, and a key that makes a repeat harmless.

use actix_web::HttpRequest;
use serde::Deserialize;
use uuid::Uuid;

use super::{Problem, Shared};
use crate::reconciler::planning::Desk;

/// Longest `Idempotency-Key`.
const KEY_CHARS_MAX: usize = 100;

/// A body that says why, and for which account where there are several.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Act {
    #[serde(default)]
    pub reason: String,
    pub licensespring: Option<String>,
}

/// Reads a body that may be empty. Who asks is checked before what is asked.
pub(super) fn body<T: for<'de> Deserialize<'de> + Default>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes).map_err(|e| Problem::bad_request(format!("the body cannot be read: {e}")))
}

/// A reason is required: it becomes part of the record.
pub(super) fn reason(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    if text.is_empty() { Err(Problem::field("reason", "say why: it becomes part of the record")) } else { Ok(text) }
}

/// The dedupe key of an act: the caller's, or one of its own.
pub(super) fn key(request: &HttpRequest, act: &str) -> String {
    let given = request.headers().get("Idempotency-Key").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let usable = !given.is_empty() && given.len() <= KEY_CHARS_MAX && given.bytes().all(|b| b.is_ascii_graphic());
    if usable { format!("{act}:{given}") } else { format!("{act}:{}", Uuid::now_v7()) }
}

/// The accounts that are meant: the one that is named, else all.
pub(super) fn desks<'a>(app: &'a Shared, named: Option<&str>) -> Result<Vec<Desk<'a>>, Problem> {
    let registry = &app.projector.registry;
    let desks: Vec<Desk<'a>> = registry
        .accounts
        .values()
        .filter(|account| named.is_none_or(|name| account.name == name))
        .filter_map(|account| {
            let settings = app.reconcilers.get(&account.name)?;
            Some(Desk { projector: &app.projector, account, settings })
        })
        .collect();
    match (desks.is_empty(), named) {
        (true, Some(name)) => Err(Problem::field("licensespring", format!("there is no account {name:?}"))),
        (true, None) => Err(Problem::not_found("no LicenseSpring account is configured here")),
        (false, _) => Ok(desks),
    }
}

/// The one account that is meant.
pub(super) fn desk<'a>(app: &'a Shared, named: Option<&str>) -> Result<Desk<'a>, Problem> {
    let mut desks = desks(app, named)?;
    match (desks.len(), desks.pop()) {
        (1, Some(desk)) => Ok(desk),
        _ => Err(Problem::field("licensespring", "say which account: there are several")),
    }
}
