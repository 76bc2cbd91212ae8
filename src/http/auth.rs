//! Who asks: a bearer token with a role. The token is looked at before anything else of the
//! request is, so that a stranger learns nothing from how a question is answered.

use std::future::{Ready, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError};

use super::{Problem, Shared};
use crate::control::{self, Role, Token};

/// Longest token that is looked up.
const TOKEN_CHARS_MAX: usize = 200;
/// What nobody needs a token for; providers have their own signatures.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/webhooks/"];

/// An auditor, or an admin.
pub(super) struct Auditor(#[allow(dead_code)] pub Token);
/// An admin.
pub(super) struct Admin(pub Token);

/// Finds the token of a request, as a middleware; the extractors below ask for its role. A path
/// that slips past here has no token, and is refused by them.
///
/// # Errors
/// What the handlers say.
pub async fn authenticate<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    if !OPEN.iter().any(|open| request.path().starts_with(open)) {
        match identify(request.request()).await {
            Ok(token) => {
                request.extensions_mut().insert(token);
            }
            Err(problem) => return Ok(request.into_response(problem.error_response()).map_into_right_body()),
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

impl FromRequest for Auditor {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_role(request, Role::Auditor).map(Self))
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_role(request, Role::Admin).map(Self))
    }
}

fn of_role(request: &HttpRequest, wanted: Role) -> Result<Token, Problem> {
    let token = request.extensions().get::<Token>().cloned().ok_or_else(nobody)?;
    if token.role < wanted {
        return Err(Problem::forbidden(format!("this needs the role {}", wanted.as_str())));
    }
    Ok(token)
}

fn nobody() -> Problem {
    Problem::unauthorized("a bearer token is needed: `subledger token create`")
}

async fn identify(request: &HttpRequest) -> Result<Token, Problem> {
    let secret = bearer(request).ok_or_else(nobody)?;
    let app = request.app_data::<Shared>().ok_or_else(|| Problem::unavailable("the service is not ready"))?;
    let client = app.projector.pool.get().await?;
    let token = control::find(&client, &secret).await?;
    token.ok_or_else(|| Problem::unauthorized("this token is not known, was revoked, or has expired"))
}

fn bearer(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = header.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty() && secret.len() <= TOKEN_CHARS_MAX)
        .then(|| secret.to_owned())
}
