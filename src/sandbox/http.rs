//! The two servers, and the connections that end without an answer.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Extensions, Server};
use actix_web::http::{StatusCode, header};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::stream::{self, Stream};

use super::answer::{Answer, Body};
use super::call::Request;
use super::faults::WAIT_MAX;
use super::shared::{Delivery, Shared};

/// The largest body of an API call; an order of a thousand licenses is well below.
const API_BODY_MAX: usize = 4 * 1024 * 1024;
/// The largest body of a control call: a seed may be long.
const CONTROL_BODY_MAX: usize = 16 * 1024 * 1024;
/// Pieces of a body under switch S31, and the pause before each: a second in all.
const PIECES: usize = 10;
const PIECE_PAUSE: Duration = Duration::from_millis(100);
/// One worker, because one lock decides the order of everything anyway.
const WORKERS: usize = 1;

/// A second handle on the connection of a request, which can close it without an answer.
struct Connection(std::net::TcpStream);

pub(super) fn serve_api(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Server> {
    let shared = web::Data::from(shared);
    let app = move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(API_BODY_MAX))
            .default_service(web::to(api))
    };
    let server = HttpServer::new(app).on_connect(keep_connection);
    Ok(server.workers(WORKERS).disable_signals().listen(listener)?.run())
}

pub(super) fn serve_control(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Server> {
    let shared = web::Data::from(shared);
    let app = move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(CONTROL_BODY_MAX))
            .default_service(web::to(control))
    };
    Ok(HttpServer::new(app).workers(WORKERS).disable_signals().listen(listener)?.run())
}

fn keep_connection(connection: &dyn std::any::Any, extensions: &mut Extensions) {
    let stream = connection.downcast_ref::<TcpStream>();
    if let Some(Ok(handle)) = stream.map(|stream| stream.as_fd().try_clone_to_owned()) {
        extensions.insert(Connection(handle.into()));
    }
}

async fn api(http: HttpRequest, body: Result<web::Bytes, actix_web::Error>, shared: web::Data<Shared>) -> HttpResponse {
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            let status = error.as_response_error().status_code().as_u16();
            return respond(shared.unread(&request(&http, &web::Bytes::new()), status, &error.to_string()), false);
        }
    };
    match shared.api(&request(&http, &body)) {
        Delivery::Send { answer, delay, trickle } => {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            respond(answer, trickle)
        }
        Delivery::Close => close(&http),
        Delivery::Hang => {
            tokio::time::sleep(WAIT_MAX).await;
            close(&http)
        }
    }
}

async fn control(
    http: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    match body {
        Ok(body) => respond(shared.control(&request(&http, &body)), false),
        Err(error) => error.error_response(),
    }
}

/// Closes the connection under the server's hands: what the server writes now goes nowhere, and
/// the client sees the connection end without an answer.
fn close(http: &HttpRequest) -> HttpResponse {
    if let Some(Connection(stream)) = http.conn_data::<Connection>()
        && let Err(error) = stream.shutdown(Shutdown::Both)
    {
        tracing::debug!(%error, "the client had left already");
    }
    HttpResponse::InternalServerError().force_close().finish()
}

fn request(http: &HttpRequest, body: &web::Bytes) -> Request {
    let text = |name| http.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = web::Query::<Vec<(String, String)>>::from_query(http.query_string());
    Request {
        method: http.method().as_str().to_owned(),
        path: http.path().to_owned(),
        raw_query: http.query_string().to_owned(),
        query: query.map(web::Query::into_inner).unwrap_or_default(),
        body: body.to_vec(),
        content_type: text(header::CONTENT_TYPE).unwrap_or_default(),
        authorization: text(header::AUTHORIZATION),
        date: text(header::DATE),
        host: http.connection_info().host().to_owned(),
        peer: http.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip()),
    }
}

fn respond(answer: Answer, trickle: bool) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for header in answer.headers {
        response.insert_header(header);
    }
    let (kind, text) = match answer.body {
        Body::Json(value) => ("application/json", value.to_string()),
        Body::JsonText(text) => ("application/json", text),
        Body::Problem(value) => ("application/problem+json", value.to_string()),
        Body::Html(text) => ("text/html", text),
        Body::Empty => return response.finish(),
    };
    response.content_type(kind);
    if trickle { response.streaming(in_pieces(text.into())) } else { response.body(text) }
}

/// A body that takes its time: a pause before each piece.
fn in_pieces(body: web::Bytes) -> impl Stream<Item = Result<web::Bytes, Infallible>> {
    let piece = body.len().div_ceil(PIECES).max(1);
    stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(PIECE_PAUSE).await;
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok(next), rest))
    })
}
