#![allow(clippy::unwrap_used, clippy::float_arithmetic)] // a bench: figures are floats, and what fails stops it
//! HTTP to durable, against the database's own single-row inserts of the same bytes.
//!
//! One private cluster; for each number of connections, in turn, the service takes signed Stripe
//! deliveries over keep-alive connections, and `pgbench` inserts the same bytes with one prepared
//! statement a transaction. The ratio of the two, within one run, is the figure.
//!
//! Bodies and signatures are made before the clock starts; sending them and reading the answers
//! is on the same cores, as pgbench itself is. The projector follows while the service takes
//! deliveries in, and is waited for before pgbench runs, which has the machine to itself.

mod support;

use std::time::{Duration, Instant};

use support::peers::Pgbench;
use support::{Bench, ROUNDS, bodies, http, median};

const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];
const SECONDS: u64 = 4;
/// Subscriptions enough for so many events, however few the ledger holds at first.
const EVENTS_MIN: usize = 800_000;
/// More than can be acknowledged a second: so many are made beforehand.
const PER_SECOND_MAX: usize = 25_000;

#[tokio::main]
async fn main() {
    let events = support::events(0);
    let story = bodies::Story::of(events.max(EVENTS_MIN));
    let mut bench = Bench::prepare().await;
    bench.fill(events).await;
    let sample = bodies::body(0, story);
    let pgbench = Pgbench::prepare(&bench, &sample, events).await;
    bench.serve().await;
    bench.level().await;
    bench
        .introduce(
            "INGEST: signed Stripe deliveries over HTTP, acknowledged when durable, against pgbench",
            "  (pgbench -M prepared: INSERT of one row with the same bytes a transaction, as many clients as connections)",
        )
        .await;
    if let Err(why) = &pgbench {
        println!("{why}");
    }
    println!("connections   events/s    p50 ms    p99 ms   projected after s   pgbench rows/s   ratio");
    let mut sent = events;
    for connections in CONNECTIONS {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let made = if connections == 1 { PER_SECOND_MAX / 10 } else { PER_SECOND_MAX } * SECONDS as usize;
            let requests = support::requests(sent, sent + made, story);
            sent += made;
            let address = bench.address.clone();
            let load = move || http::send(&address, connections, Duration::from_secs(SECONDS), requests);
            let load = tokio::task::spawn_blocking(load).await.unwrap();
            let acknowledged = Instant::now();
            bench.level().await;
            let after = acknowledged.elapsed().as_secs_f64();
            let peer = pgbench.as_ref().map_or(f64::NAN, |p| p.run(&bench, connections, SECONDS, &sample));
            let rate = load.per_second();
            rounds.push([rate / peer, rate, load.percentile_ms(50), load.percentile_ms(99), after, peer]);
        }
        let [ratio, rate, p50, p99, after, peer] = median(rounds);
        println!("{connections:>11} {rate:>10.0} {p50:>9.2} {p99:>9.2} {after:>19.1} {peer:>16.0} {ratio:>7.2}");
    }
    let stored = bench.count("SELECT count(*) FROM ledger.events").await;
    println!("\nevents in the ledger at the end: {stored}");
    bench.conclude();
}
