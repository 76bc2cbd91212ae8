#![allow(clippy::unwrap_used, clippy::float_arithmetic)] // a bench: figures are floats, and what fails stops it
//! Projecting live, against reading: the service finds a full ledger and empty projections, and
//! follows until it is level; `COPY … TO '/dev/null'` on the server reads the same events.

mod support;

use std::time::Instant;

use support::{Bench, ROUNDS, median, peers};

#[tokio::main]
async fn main() {
    let events = support::events(50_000);
    let mut bench = Bench::prepare().await;
    bench.fill(events).await;
    bench
        .introduce(
            "PROJECT: the service follows a ledger from its first event, against reading it",
            "  (COPY of every event with its bytes, and of the bytes alone, to /dev/null on the server)",
        )
        .await;
    println!("projected events/s   COPY events+bodies rows/s   ratio   COPY bodies rows/s   ratio");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (rows, bodies) = peers::copy(&bench).await;
        bench.serve().await;
        let started = Instant::now();
        bench.level().await;
        let projected = events as f64 / started.elapsed().as_secs_f64();
        rounds.push([projected / rows, projected, rows, bodies, projected / bodies]);
        bench.end_service();
        bench.forget_projections().await;
    }
    let [ratio, projected, rows, bodies, ratio_bodies] = median(rounds);
    println!("{projected:>18.0} {rows:>27.0} {ratio:>7.2} {bodies:>20.0} {ratio_bodies:>7.2}");
    bench.conclude();
}
