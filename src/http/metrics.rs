//! `/metrics`: Prometheus text.

use actix_web::HttpResponse;

use super::auth::Auditor;
use super::{Problem, Shared};
use crate::ledger::journal;
use crate::projections::generations;
use crate::telemetry::meter;

/// What was counted in this process, and how far behind the loops are now.
pub(super) async fn render(app: Shared, _: Auditor) -> Result<HttpResponse, Problem> {
    let client = app.projector.pool.get().await?;
    let depths = app.intake.depths();
    for source in app.projector.registry.sources.values() {
        meter::queue_depth(&source.name, depths.get(&source.journal).copied().unwrap_or(0));
    }
    let journals = journal::all(&client).await?;
    for checkpoint in generations::checkpoints(&client).await?.iter().filter(|c| c.state == "live") {
        let tail = journal::tail(&client, checkpoint.place.journal).await?;
        if let Some(journal) = journals.get(&checkpoint.place.journal) {
            meter::projector_lag(&journal.name, tail - checkpoint.position);
        }
    }
    app.metrics.run_upkeep();
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(app.metrics.render()))
}
