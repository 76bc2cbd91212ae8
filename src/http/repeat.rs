//! `Idempotency-Key`: a repeat of an admin's act answers as the first did, and is no second act.
//! A middleware, so that every act there will be has it.

use actix_web::body::{BoxBody, EitherBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpMessage, HttpResponse, ResponseError};
use chrono::Utc;
use futures_util::StreamExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ADMIN_BODY_BYTES_MAX, Problem, Shared};
use crate::control::idempotency::{self, Claim};
use crate::control::{Role, Token};

const KEY: &str = "idempotency-key";
/// Says of an answer that it is the one of before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
const KEY_CHARS_MAX: usize = 255;
/// What a token's secret is called in the answer that shows it once; it is not kept.
const SECRET: &str = "token";

/// Takes acts with a key; everything else passes.
///
/// # Errors
/// What the handlers say.
pub async fn once<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let is_act = request.path().starts_with("/v1/admin/") && request.method() != Method::GET;
    let token = request.extensions().get::<Token>().filter(|t| t.role == Role::Admin).cloned();
    let key = request.headers().get(KEY).cloned();
    let (true, Some(token), Some(key)) = (is_act, token, key) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let begun = match begin(&mut request, &token, &key).await {
        Ok(begun) => begun,
        Err(problem) => return Ok(request.into_response(problem.error_response()).map_into_right_body()),
    };
    match begun {
        Begun::Replay(answer) => Ok(request.into_response(answer).map_into_right_body()),
        Begun::First(act) => {
            let answered = next.call(request).await;
            act.conclude(answered).await
        }
    }
}

/// An act with a key of its own.
struct Act {
    app: Shared,
    token: Token,
    key: String,
}

enum Begun {
    First(Act),
    Replay(HttpResponse),
}

async fn begin(request: &mut ServiceRequest, token: &Token, key: &HeaderValue) -> Result<Begun, Problem> {
    let key = key.to_str().ok().filter(|k| !k.is_empty() && k.len() <= KEY_CHARS_MAX);
    let wrong = || Problem::field("Idempotency-Key", format!("must be 1 to {KEY_CHARS_MAX} printable characters"));
    let key = key.ok_or_else(wrong)?.to_owned();
    let app = request.app_data::<Shared>().cloned();
    let app = app.ok_or_else(|| Problem::unavailable("the service is not ready"))?;
    let body = body(request).await?;
    let mut hash = Sha256::new();
    for part in [request.method().as_str().as_bytes(), request.uri().to_string().as_bytes(), &body] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    request.set_payload(Payload::from(body));
    let client = app.projector.pool.get().await?;
    match idempotency::claim(&client, token.id, &key, &hash.finalize(), Utc::now()).await? {
        Claim::First => Ok(Begun::First(Act { app: app.clone(), token: token.clone(), key })),
        Claim::Done { status, answer } => Ok(Begun::Replay(replay(status, answer))),
        Claim::Begun => Err(conflict(
            "the act of this key was begun, and its end is not known yet: look before you repeat it under another key",
        )),
        Claim::Other => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Unprocessable content",
            "this Idempotency-Key was used for another request",
        )),
    }
}

fn conflict(detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "Conflict", detail)
}

async fn body(request: &mut ServiceRequest) -> Result<Bytes, Problem> {
    let mut payload = request.take_payload();
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::bad_request("the body was cut off"))?;
        if body.len() + chunk.len() > ADMIN_BODY_BYTES_MAX {
            let detail = format!("at most {ADMIN_BODY_BYTES_MAX} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large", detail));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn replay(status: u16, answer: String) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    HttpResponse::build(status).content_type(kind).insert_header((REPLAYED, "true")).body(answer)
}

impl Act {
    /// Keeps the answer of what was done; else the key is given back.
    async fn conclude<B: MessageBody + 'static>(
        self,
        answered: Result<ServiceResponse<B>, actix_web::Error>,
    ) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
        let response = match answered {
            Ok(response) => response,
            Err(e) => {
                self.release().await;
                return Err(e);
            }
        };
        let status = response.status();
        // What was refused, or could not be written, was not done.
        if status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE {
            self.release().await;
            return Ok(response.map_into_left_body());
        }
        let (request, response) = response.into_parts();
        let (response, body) = response.into_parts();
        let bytes = to_bytes(body).await.unwrap_or_default();
        self.keep(status, &bytes).await;
        let response = response.set_body(BoxBody::new(bytes));
        Ok(ServiceResponse::new(request, response).map_into_right_body())
    }

    async fn release(&self) {
        if let Ok(client) = self.app.projector.pool.get().await {
            // If it cannot be given back, a repeat is told that the end is not known.
            let _ = idempotency::release(&client, self.token.id, &self.key).await;
        }
    }

    async fn keep(&self, status: StatusCode, bytes: &[u8]) {
        let mut answer: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        if let Some(secret) = answer.get_mut(SECRET) {
            *secret = json!(null);
        }
        if let Ok(client) = self.app.projector.pool.get().await {
            let text = answer.to_string();
            let _ = idempotency::keep(&client, self.token.id, &self.key, status.as_u16(), &text).await;
        }
    }
}
