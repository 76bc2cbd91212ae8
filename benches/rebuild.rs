#![allow(clippy::unwrap_used, clippy::float_arithmetic)] // a bench: figures are floats, and what fails stops it
//! A rebuild, against reading: `subledger rebuild --dry-run` folds every event into a new
//! generation, compares it with the live one and drops it; `COPY … TO '/dev/null'` on the server
//! reads the same events.

mod support;

use std::time::Instant;

use support::{Bench, ROUNDS, median, peers};

#[tokio::main]
async fn main() {
    let events = support::events(200_000);
    let mut bench = Bench::prepare().await;
    bench.fill(events).await;
    // A live generation to compare with, and then nobody else at work.
    bench.serve().await;
    bench.level().await;
    bench.end_service();
    bench
        .introduce(
            "REBUILD: `subledger rebuild --dry-run`, process start and comparison included, against reading the ledger",
            "  (COPY of every event with its bytes, and of the bytes alone, to /dev/null on the server)",
        )
        .await;
    println!("rebuilt events/s   COPY events+bodies rows/s   ratio   COPY bodies rows/s   ratio");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (rows, bodies) = peers::copy(&bench).await;
        let rebuilt = rebuild(&bench, events);
        rounds.push([rebuilt / rows, rebuilt, rows, bodies, rebuilt / bodies]);
    }
    let [ratio, rebuilt, rows, bodies, ratio_bodies] = median(rounds);
    println!("{rebuilt:>16.0} {rows:>27.0} {ratio:>7.2} {bodies:>20.0} {ratio_bodies:>7.2}");
    bench.conclude();
}

/// Events a second; it fails if what was rebuilt is not what is live.
fn rebuild(bench: &Bench, events: usize) -> f64 {
    let started = Instant::now();
    let output = bench.command().args(["rebuild", "--dry-run", "--json"]).output().unwrap();
    let took = started.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    events as f64 / took.as_secs_f64()
}
