//! HTTP: the whole route table on one screen.

use std::sync::Arc;

use actix_web::web;

use crate::domain::rules::Rules;
use crate::intake::Intake;
use crate::projector::Projector;

mod auth;
mod config;
mod error;
mod events;
mod health;
mod journals;
mod licenses;
mod lists;
mod subscriptions;
mod view;
mod webhooks;

pub use error::Problem;

/// What the handlers work with.
pub struct App {
    pub projector: Projector,
    pub intake: Intake,
    pub max_body_bytes: usize,
    /// The rules of this instance's file, for adoption.
    pub file_rules: Rules,
}

/// Handlers share it.
pub type Shared = web::Data<App>;

/// Wraps the state for [`routes`].
#[must_use]
pub fn shared(app: App) -> Shared {
    web::Data::from(Arc::new(app))
}

/// The route table.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::QueryConfig::default().error_handler(|e, _| Problem::bad_request(e.to_string()).into()))
        .app_data(web::PathConfig::default().error_handler(|e, _| Problem::not_found(e.to_string()).into()))
        // Unauthenticated: process, readiness, and the providers with their own signatures.
        .route("/healthz", web::get().to(health::healthz))
        .route("/readyz", web::get().to(health::readyz))
        .route("/webhooks/{source}", web::post().to(webhooks::receive))
        .route("/webhooks/{source}/{url_token}", web::post().to(webhooks::receive))
        // Auditors
        .route("/v1/journals", web::get().to(journals::list))
        .route("/v1/journals/{journal}", web::get().to(journals::one))
        .route("/v1/events", web::get().to(events::list))
        .route("/v1/events/{journal}/{position}", web::get().to(events::one))
        .route("/v1/events/{journal}/{position}/body", web::get().to(events::body))
        .route("/v1/subscriptions", web::get().to(subscriptions::list))
        .route("/v1/subscriptions/{source}/{subscription}", web::get().to(subscriptions::one))
        .route("/v1/licenses", web::get().to(licenses::list))
        .route("/v1/licenses/{order_id}", web::get().to(licenses::one))
        .route("/v1/licenses/{order_id}/why", web::get().to(licenses::why))
        .route("/v1/refusals", web::get().to(lists::refusals))
        .route("/v1/parked", web::get().to(lists::parked))
        // Admins
        .route("/v1/admin/config", web::get().to(config::show))
        .route("/v1/admin/config", web::put().to(config::adopt))
        .default_service(web::route().to(error::not_found));
}
