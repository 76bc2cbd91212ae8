//! Who asks: a bearer token with a role, as an extractor of the handlers.

use std::future::Future;
use std::pin::Pin;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, dev::Payload};

use super::{Problem, Shared};
use crate::control::{self, Role, Token};

/// Longest token that is looked up.
const TOKEN_CHARS_MAX: usize = 200;

/// An auditor, or an admin.
pub(super) struct Auditor(#[allow(dead_code)] pub Token);
/// An admin.
pub(super) struct Admin(pub Token);

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl FromRequest for Auditor {
    type Error = Problem;
    type Future = Extracted<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { identify(&request, Role::Auditor).await.map(Self) })
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Extracted<Self>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { identify(&request, Role::Admin).await.map(Self) })
    }
}

async fn identify(request: &HttpRequest, wanted: Role) -> Result<Token, Problem> {
    let secret =
        bearer(request).ok_or_else(|| Problem::unauthorized("a bearer token is needed: `subledger token create`"))?;
    let app = request.app_data::<Shared>().ok_or_else(|| Problem::unavailable("the service is not ready"))?;
    let client = app.projector.pool.get().await?;
    let token = control::find(&client, &secret).await?;
    let token = token.ok_or_else(|| Problem::unauthorized("this token is not known, was revoked, or has expired"))?;
    if token.role < wanted {
        return Err(Problem::forbidden(format!("this needs the role {}", wanted.as_str())));
    }
    Ok(token)
}

fn bearer(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = header.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty() && secret.len() <= TOKEN_CHARS_MAX)
        .then(|| secret.to_owned())
}
