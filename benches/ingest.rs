#![allow(clippy::unwrap_used, clippy::float_arithmetic)] // a bench: figures are floats, and what fails stops it
//! HTTP to durable, against the database's own single-row inserts of the same bytes.
//!
//! One private cluster; for each number of connections, in turn, the service takes signed Stripe
//! deliveries over keep-alive connections, and `pgbench` inserts the same bytes with one prepared
//! statement a transaction. The ratio of the two, within one run, is the figure.
//!
//! Bodies and signatures are made before the clock starts; sending them and reading the answers
//! is on the same cores, as pgbench itself is. Deliveries are taken in twice: by an instance that
//! finds the checkpoints held, as if another one were projecting, and by one that projects
//! meanwhile. It has projected everything before pgbench runs, which has the machine to itself.

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
    println!("              taken in                      ratio to   taken in and projected                ratio to");
    println!(
        "connections   events/s   p50 ms   p99 ms   pgbench   events/s   projected after s   pgbench   pgbench rows/s"
    );
    let mut sent = events;
    for connections in support::connections(&CONNECTIONS) {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let held = bench.hold_checkpoints().await;
            let alone = load(&bench, connections, &mut sent, story).await;
            held.batch_execute("ROLLBACK").await.unwrap();
            bench.level().await;
            let beside = load(&bench, connections, &mut sent, story).await;
            let acknowledged = Instant::now();
            bench.level().await;
            let after = acknowledged.elapsed().as_secs_f64();
            let peer = pgbench.as_ref().map_or(f64::NAN, |p| p.run(&bench, connections, SECONDS, &sample));
            let [rate, both] = [alone.per_second(), beside.per_second()];
            let [p50, p99] = [50, 99].map(|percent| alone.percentile_ms(percent));
            rounds.push([rate / peer, rate, p50, p99, both, after, both / peer, peer]);
        }
        let [ratio, rate, p50, p99, both, after, ratio_both, peer] = median(rounds);
        println!(
            "{connections:>11} {rate:>10.0} {p50:>8.2} {p99:>8.2} {ratio:>9.2} {both:>10.0} {after:>19.1} {ratio_both:>9.2} {peer:>16.0}"
        );
    }
    let stored = bench.count("SELECT count(*) FROM ledger.events").await;
    println!("\nevents in the ledger at the end: {stored}");
    bench.conclude();
}

/// Sends what was not sent before.
async fn load(bench: &Bench, connections: usize, sent: &mut usize, story: bodies::Story) -> http::Load {
    let made = if connections == 1 { PER_SECOND_MAX / 10 } else { PER_SECOND_MAX } * SECONDS as usize;
    let requests = support::requests(*sent, *sent + made, story);
    *sent += made;
    let address = bench.address.clone();
    let sending = move || http::send(&address, connections, Duration::from_secs(SECONDS), requests);
    tokio::task::spawn_blocking(sending).await.unwrap()
}
