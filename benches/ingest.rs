#![allow(clippy::unwrap_used, clippy::float_arithmetic)] // a bench: figures are floats, and what fails stops it
//! HTTP to durable, against the database's own single-row inserts of the same bytes.
//!
//! One private cluster; for each number of connections, in turn, the service takes signed Stripe
//! deliveries over keep-alive connections, and `pgbench` inserts the same body with one prepared
//! statement a transaction. The ratio of the two, within one run, is the figure.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use subledger::providers::{SourceSettings, by_slug};
use support::{Bench, http, stripe_body};

/// Bytes of a body: what an invoice event weighs.
const BODY_BYTES: usize = 4_700;
const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];
const SECONDS: u64 = 5;
const ROUNDS: usize = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let bench = Bench::start().await;
    println!(
        "ingest: {BODY_BYTES}-byte signed Stripe bodies, {} cores, {SECONDS} s a cell, median of {ROUNDS} rounds",
        support::cores()
    );
    println!(
        "{:>11} {:>12} {:>9} {:>9} {:>14} {:>7}",
        "connections", "events/s", "p50 ms", "p99 ms", "pgbench rows/s", "ratio"
    );
    for connections in CONNECTIONS {
        let mut rounds: Vec<(f64, f64, f64, f64)> = Vec::new();
        for _ in 0..ROUNDS {
            let (rate, p50, p99) = deliveries(&bench, connections).await;
            let peer = bench.pgbench(connections, SECONDS, &stripe_body(0, BODY_BYTES));
            rounds.push((rate / peer, rate, p50, p99));
        }
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, rate, p50, p99) = rounds[ROUNDS / 2];
        println!("{connections:>11} {rate:>12.0} {p50:>9.2} {p99:>9.2} {:>14.0} {ratio:>7.2}", rate / ratio);
    }
    let stored = bench
        .count(
            "SELECT count(*) FROM ledger.events e JOIN ledger.journals j ON j.id = e.journal WHERE j.kind = 'source'",
        )
        .await;
    println!("events in the ledger at the end: {stored}");
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Events a second, p50 and p99 in ms.
async fn deliveries(bench: &Bench, connections: usize) -> (f64, f64, f64) {
    let settings = SourceSettings { secrets: vec![support::STRIPE_SECRET.into()], ..SourceSettings::default() };
    let provider = by_slug("stripe").unwrap();
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let address: Arc<str> = bench.address.as_str().into();
    let started = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (address, settings) = (address.clone(), settings.clone());
            tokio::spawn(async move {
                let mut connection = http::Connection::open(&address).await;
                let mut waits = Vec::new();
                while Instant::now() < until {
                    let body = stripe_body(NEXT.fetch_add(1, Ordering::Relaxed), BODY_BYTES);
                    let signed = provider.sign(body.as_bytes(), &settings, chrono::Utc::now());
                    let sent = Instant::now();
                    let status = connection.post("/webhooks/stripe-main", &signed, body.as_bytes()).await;
                    assert_eq!(status, 200);
                    waits.push(sent.elapsed());
                }
                waits
            })
        })
        .collect();
    let mut waits: Vec<Duration> = Vec::new();
    for task in tasks {
        waits.extend(task.await.unwrap());
    }
    let elapsed = started.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    (waits.len() as f64 / elapsed, at(0.50), at(0.99))
}
