//! HTTP: the whole route table on one screen.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web;

use crate::config::Config;
use crate::intake::Intake;
use crate::projector::Projector;
use crate::reconciler::Settings;

mod act;
mod auth;
mod config;
mod customers;
mod error;
mod events;
mod evidence;
mod health;
mod joins;
mod journals;
mod licenses;
mod lists;
mod metrics;
mod overrides;
mod parked;
mod plans;
mod quarantine;
mod rebuilds;
mod reconciler;
mod repeat;
mod subscriptions;
mod sweeps;
mod timeline;
mod tokens;
mod view;
mod webhooks;

pub use auth::authenticate;
pub use error::Problem;
pub use repeat::once;
pub use webhooks::TOO_LARGE;

/// Largest body of an admin's act: a catalog of ten thousand rules is about 1 MiB.
const ADMIN_BODY_BYTES_MAX: usize = 8 << 20;

/// What the handlers work with.
pub struct App {
    pub projector: Projector,
    pub intake: Intake,
    /// Renders what was counted.
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// What this instance was told: limits, whose word about an address is believed, and the rules
    /// of its file, for adoption.
    pub config: Config,
    /// How each account is reconciled, by its name.
    pub reconcilers: BTreeMap<String, Settings>,
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
        .app_data(web::JsonConfig::default().error_handler(|e, _| Problem::bad_request(e.to_string()).into()))
        .app_data(web::PayloadConfig::new(ADMIN_BODY_BYTES_MAX))
        .app_data(web::PathConfig::default().error_handler(|e, _| Problem::not_found(e.to_string()).into()))
        // Unauthenticated: process, readiness, and the providers with their own signatures.
        .route("/healthz", web::get().to(health::healthz))
        .route("/healthz", web::head().to(health::healthz))
        .route("/readyz", web::get().to(health::readyz))
        .route("/readyz", web::head().to(health::readyz))
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
        .route("/metrics", web::get().to(metrics::render))
        .route("/v1/customers", web::get().to(customers::list))
        .route("/v1/customers/{source}/{customer}", web::get().to(customers::one))
        .route("/v1/customers/{source}/{customer}/timeline", web::get().to(timeline::show))
        .route("/v1/quarantine", web::get().to(lists::quarantine))
        .route("/v1/unmapped", web::get().to(lists::unmapped))
        .route("/v1/unlinked", web::get().to(lists::unlinked))
        .route("/v1/refusals", web::get().to(lists::refusals))
        .route("/v1/parked", web::get().to(parked::list))
        .route("/v1/drift", web::get().to(sweeps::drifted))
        // Admins
        .route("/v1/admin/config", web::get().to(config::show))
        .route("/v1/admin/config", web::put().to(config::adopt))
        .route("/v1/admin/config/history", web::get().to(config::history))
        .route("/v1/admin/rebuilds", web::post().to(rebuilds::start))
        .route("/v1/admin/rebuilds", web::get().to(rebuilds::list))
        .route("/v1/admin/rebuilds/{id}", web::get().to(rebuilds::one))
        .route("/v1/admin/rebuilds/{id}/events", web::get().to(rebuilds::events))
        .route("/v1/admin/rebuilds/{id}/diff", web::get().to(rebuilds::diff))
        .route("/v1/admin/rebuilds/{id}/promote", web::post().to(rebuilds::promote))
        .route("/v1/admin/rebuilds/{id}/cancel", web::post().to(rebuilds::cancel))
        .route("/v1/admin/rebuilds/{id}/rollback", web::post().to(rebuilds::rollback))
        .route("/v1/admin/quarantine/{id:.+}/retry", web::post().to(quarantine::again))
        .route("/v1/admin/customer-joins", web::get().to(joins::list))
        .route("/v1/admin/customer-joins", web::post().to(joins::create))
        .route("/v1/admin/customer-joins/{id}", web::delete().to(joins::delete))
        .route("/v1/admin/tokens", web::get().to(tokens::list))
        .route("/v1/admin/tokens", web::post().to(tokens::create))
        .route("/v1/admin/tokens/{id}", web::delete().to(tokens::revoke))
        .route("/v1/admin/plans", web::post().to(plans::propose))
        .route("/v1/admin/plans", web::get().to(plans::list))
        .route("/v1/admin/plans/{id}", web::get().to(plans::one))
        .route("/v1/admin/plans/{id}/apply", web::post().to(plans::apply))
        .route("/v1/admin/plans/{id}/approve", web::post().to(plans::approve))
        .route("/v1/admin/plans/{id}/reject", web::post().to(plans::reject))
        .route("/v1/admin/reconciler", web::get().to(reconciler::status))
        .route("/v1/admin/reconciler", web::post().to(reconciler::change))
        .route("/v1/admin/overrides", web::post().to(overrides::grant))
        .route("/v1/admin/overrides", web::get().to(overrides::list))
        .route("/v1/admin/overrides/{id}", web::delete().to(overrides::withdraw))
        .route("/v1/admin/sweeps", web::post().to(sweeps::ask))
        .route("/v1/admin/sweeps", web::get().to(sweeps::list))
        .route("/v1/admin/sweeps/{id}", web::get().to(sweeps::one))
        .route("/v1/admin/parked/{id}/retry", web::post().to(parked::retry))
        .default_service(web::route().to(error::not_found));
}
