//! HTTP: the whole route table on one screen.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Resource, Responder, Route, web};

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
mod known;
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

/// A path with all its methods: any other is told which there are.
fn at<const N: usize>(path: &str, methods: [(Method, Route); N]) -> Resource {
    let allowed: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    let allowed = allowed.join(", ");
    let resource = methods.into_iter().fold(web::resource(path), |resource, (_, route)| resource.route(route));
    resource.default_service(web::to(move || error::wrong_method(allowed.clone())))
}

/// The functions of a table of routes, one a method.
macro_rules! methods {
    ($($name:ident $method:ident),*) => {$(
        fn $name<F, Args>(handler: F) -> (Method, Route)
        where
            F: Handler<Args, Output: Responder + 'static>,
            Args: FromRequest + 'static,
        {
            (Method::$method, web::method(Method::$method).to(handler))
        }
    )*};
}
methods!(get GET, head HEAD, post POST, put PUT, delete DELETE);

/// The route table.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::QueryConfig::default().error_handler(|e, _| error::unreadable_query(&e).into()))
        .app_data(web::PayloadConfig::new(ADMIN_BODY_BYTES_MAX))
        .app_data(web::PathConfig::default().error_handler(|_, _| Problem::not_found("this is no id of ours").into()))
        // Unauthenticated: process, readiness, and the providers with their own signatures.
        .service(at("/healthz", [get(health::healthz), head(health::healthz)]))
        .service(at("/readyz", [get(health::readyz), head(health::readyz)]))
        .service(at("/webhooks/{source}", [post(webhooks::receive)]))
        .service(at("/webhooks/{source}/{url_token}", [post(webhooks::receive)]))
        // Auditors
        .service(at("/v1/journals", [get(journals::list)]))
        .service(at("/v1/journals/{journal}", [get(journals::one)]))
        .service(at("/v1/events", [get(events::list)]))
        .service(at("/v1/events/{journal}/{position}", [get(events::one)]))
        .service(at("/v1/events/{journal}/{position}/body", [get(events::body)]))
        .service(at("/v1/subscriptions", [get(subscriptions::list)]))
        .service(at("/v1/subscriptions/{source}/{subscription}", [get(subscriptions::one)]))
        .service(at("/v1/licenses", [get(licenses::list)]))
        .service(at("/v1/licenses/{order_id}", [get(licenses::one)]))
        .service(at("/v1/licenses/{order_id}/why", [get(licenses::why)]))
        .service(at("/metrics", [get(metrics::render)]))
        .service(at("/v1/customers", [get(customers::list)]))
        .service(at("/v1/customers/{source}/{customer}", [get(customers::one)]))
        .service(at("/v1/customers/{source}/{customer}/timeline", [get(timeline::show)]))
        .service(at("/v1/quarantine", [get(lists::quarantine)]))
        .service(at("/v1/unmapped", [get(lists::unmapped)]))
        .service(at("/v1/incomplete", [get(lists::incomplete)]))
        .service(at("/v1/unlinked", [get(lists::unlinked)]))
        .service(at("/v1/refusals", [get(lists::refusals)]))
        .service(at("/v1/parked", [get(parked::list)]))
        .service(at("/v1/drift", [get(sweeps::drifted)]))
        // Admins
        .service(at("/v1/admin/config", [get(config::show), put(config::adopt)]))
        .service(at("/v1/admin/config/history", [get(config::history)]))
        .service(at("/v1/admin/rebuilds", [post(rebuilds::start), get(rebuilds::list)]))
        .service(at("/v1/admin/rebuilds/{id}", [get(rebuilds::one)]))
        .service(at("/v1/admin/rebuilds/{id}/events", [get(rebuilds::events)]))
        .service(at("/v1/admin/rebuilds/{id}/diff", [get(rebuilds::diff)]))
        .service(at("/v1/admin/rebuilds/{id}/promote", [post(rebuilds::promote)]))
        .service(at("/v1/admin/rebuilds/{id}/cancel", [post(rebuilds::cancel)]))
        .service(at("/v1/admin/rebuilds/{id}/rollback", [post(rebuilds::rollback)]))
        .service(at("/v1/admin/quarantine/{id:.+}/retry", [post(quarantine::again)]))
        .service(at("/v1/admin/customer-joins", [get(joins::list), post(joins::create)]))
        .service(at("/v1/admin/customer-joins/{id}", [delete(joins::delete)]))
        .service(at("/v1/admin/tokens", [get(tokens::list), post(tokens::create)]))
        .service(at("/v1/admin/tokens/{id}", [delete(tokens::revoke)]))
        .service(at("/v1/admin/plans", [post(plans::propose), get(plans::list)]))
        .service(at("/v1/admin/plans/{id}", [get(plans::one)]))
        .service(at("/v1/admin/plans/{id}/apply", [post(plans::apply)]))
        .service(at("/v1/admin/plans/{id}/approve", [post(plans::approve)]))
        .service(at("/v1/admin/plans/{id}/reject", [post(plans::reject)]))
        .service(at("/v1/admin/reconciler", [get(reconciler::status), post(reconciler::change)]))
        .service(at("/v1/admin/overrides", [post(overrides::grant), get(overrides::list)]))
        .service(at("/v1/admin/overrides/{id}", [delete(overrides::withdraw)]))
        .service(at("/v1/admin/sweeps", [post(sweeps::ask), get(sweeps::list)]))
        .service(at("/v1/admin/sweeps/{id}", [get(sweeps::one)]))
        .service(at("/v1/admin/parked/{id}/retry", [post(parked::retry)]))
        .default_service(web::route().to(error::not_found));
}
