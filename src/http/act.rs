//! What every admin act needs: a reason, an account, and a key that makes a repeat harmless.

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Problem, Shared};
use crate::reconciler::planning::Desk;

/// Longest `Idempotency-Key`.
const KEY_CHARS_MAX: usize = 100;

/// A body that says why.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Reason {
    #[serde(default)]
    pub reason: String,
}

/// The same, and for which account where there are several.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Act {
    #[serde(default)]
    pub reason: String,
    pub licensespring: Option<String>,
}

/// The body of an act: a JSON object, or nothing, which is an empty one. Comes after whoever asks in
/// the list of a handler's arguments: who is checked before what. (The web library's own wants a
/// content type, and has words of its own for what is wrong.)
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest for Body<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move { Ok(Self(read(&bytes.await?)?)) })
    }
}

fn read<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Problem> {
    match bytes.trim_ascii_start().first() {
        None => return Ok(T::default()),
        Some(b'{') => {}
        Some(_) => return Err(Problem::bad_request("the body must be a JSON object")),
    }
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut text).map_err(|e| {
        let (field, why) = (e.path().to_string(), e.inner());
        match why.is_data() && field != "." {
            true => Problem::field(&field, why.to_string()),
            false => Problem::bad_request(format!("the body cannot be read: {why}")),
        }
    })?;
    text.end().map_err(|e| Problem::bad_request(format!("the body cannot be read: {e}")))?;
    Ok(read)
}

/// A reason is required: it becomes part of the record.
pub(super) fn reason(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    if text.is_empty() { Err(Problem::field("reason", "say why: it becomes part of the record")) } else { Ok(text) }
}

/// The same, in the body, or in the query of those who cannot send one.
pub(super) fn reason_in<'a>(body: &'a Reason, query: &'a Reason) -> Result<&'a str, Problem> {
    reason(if body.reason.is_empty() { &query.reason } else { &body.reason })
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
