//! `POST /webhooks/{source}`: the providers' door.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Utc;
use futures_util::StreamExt;
use serde_json::json;

use super::{Problem, Shared};
use crate::intake::refusals::Refused;
use crate::intake::{IntakeError, Receipt, Room};
use crate::providers::{Answer, Request};
use crate::registry::Source;
use crate::telemetry::meter;

/// Why a delivery is turned away before its provider is asked.
pub const TOO_LARGE: &str = "too_large";
/// Where proxies write who asked them, each behind the ones before.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Longest a body may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Takes a delivery in; answers after it is committed.
pub(super) async fn receive(app: Shared, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Problem> {
    let name = request.match_info().get("source").unwrap_or_default();
    let source =
        app.projector.registry.sources.get(name).ok_or_else(|| Problem::not_found("there is no such source"))?;
    let declared = declared_length(&request);
    if declared.is_some_and(|n| n > app.config.server.max_body_bytes) {
        return Err(refuse(&app, source, &request, TOO_LARGE, too_large(&app), declared));
    }
    let mut room = app.intake.room();
    let body = match tokio::time::timeout(BODY_WAIT_MAX, read(payload, app.config.server.max_body_bytes, &mut room))
        .await
    {
        Ok(Ok(body)) => body,
        Ok(Err(Unread::TooLarge)) => return Err(refuse(&app, source, &request, TOO_LARGE, too_large(&app), None)),
        Ok(Err(Unread::NoRoom(e))) => return Err(unavailable(e)),
        Ok(Err(Unread::Broken)) => return Err(Problem::bad_request("the body was cut off")),
        Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "Request timeout", "the body took too long")),
    };
    let headers = headers(&request);
    let asked = Request { headers: &headers, body: &body, url_token: request.match_info().get("url_token") };
    match app.intake.receive(source, &asked, room, Utc::now()).await {
        Ok(receipt) => Ok(acknowledge(source, &asked, &receipt)),
        Err(IntakeError::Refused(refusal)) => {
            let status =
                StatusCode::from_u16(source.provider.refusal_status(refusal)).unwrap_or(StatusCode::UNAUTHORIZED);
            let problem = Problem::new(status, "Delivery refused", refusal.to_string());
            Err(refuse(&app, source, &request, refusal.code(), problem, Some(body.len())))
        }
        Err(e) => Err(unavailable(e)),
    }
}

/// As the provider wants to hear it.
fn acknowledge(source: &Source, request: &Request<'_>, receipt: &Receipt) -> HttpResponse {
    let stored = receipt.appended.iter().filter(|a| a.is_new).count();
    meter::delivery(&source.name, stored, receipt.appended.len() - stored);
    match source.provider.answer(request) {
        Answer::Json => HttpResponse::Ok().json(answer(source, receipt)),
        Answer::PartialIds(ids) => HttpResponse::Accepted().content_type("text/plain").body(ids.join("\n")),
        Answer::Xml(body) => HttpResponse::Ok().content_type("text/xml; charset=utf-8").body(body),
    }
}

fn answer(source: &Source, receipt: &Receipt) -> serde_json::Value {
    let stored = receipt.appended.iter().filter(|a| a.is_new).count();
    json!({
        "received": receipt.appended.len(),
        "stored": stored,
        "duplicates": receipt.appended.len() - stored,
        "events": receipt.appended.iter().map(|a| format!("{}/{}", source.name, a.position)).collect::<Vec<_>>(),
    })
}

fn declared_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

enum Unread {
    TooLarge,
    NoRoom(IntakeError),
    Broken,
}

/// The body as it comes, never more than `max` bytes of it, nor more than there is room for.
async fn read(mut payload: web::Payload, max: usize, room: &mut Room) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if body.len() + chunk.len() > max {
            return Err(Unread::TooLarge);
        }
        room.grow_to(body.len() + chunk.len()).map_err(Unread::NoRoom)?;
        body.extend_from_slice(&chunk);
    }
    body.shrink_to_fit(); // there is room for what came, not for what a growing buffer set aside
    Ok(body)
}

/// Header values that are not text are of no provider we know.
fn headers(request: &HttpRequest) -> Vec<(String, String)> {
    let headers = request.headers().iter();
    headers.filter_map(|(n, v)| v.to_str().ok().map(|v| (n.as_str().to_ascii_lowercase(), v.to_owned()))).collect()
}

fn too_large(app: &Shared) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "Payload too large",
        format!("at most {} bytes", app.config.server.max_body_bytes),
    )
}

fn unavailable(error: IntakeError) -> Problem {
    match error {
        IntakeError::Overloaded => Problem::unavailable("too many deliveries are waiting; send it again"),
        _ => Problem::unavailable("the delivery could not be stored; send it again"),
    }
}

/// Who sent it: the last address that none of the trusted proxies has. What stands before it in
/// `X-Forwarded-For` was written by somebody we do not know.
fn remote(app: &Shared, request: &HttpRequest) -> Option<IpAddr> {
    let trusted = |address: &IpAddr| app.config.server.trusted_proxies.iter().any(|n| n.contains(*address));
    let mut address = request.peer_addr()?.ip();
    let headers = request.headers().get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = headers.flat_map(|value| value.split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        match hop.parse() {
            Ok(before) if trusted(&address) => address = before,
            _ => break,
        }
    }
    Some(address)
}

fn refuse(
    app: &Shared,
    source: &Source,
    request: &HttpRequest,
    code: &'static str,
    problem: Problem,
    bytes: Option<usize>,
) -> Problem {
    meter::refusal(&source.name, code);
    app.intake.refusals.note(Refused {
        at: Utc::now(),
        source: source.name.clone(),
        code,
        detail: problem.detail.clone(),
        remote: remote(app, request).map(|address| address.to_string()),
        body_bytes: bytes.and_then(|n| i64::try_from(n).ok()),
    });
    problem
}
