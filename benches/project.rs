#![allow(clippy::unwrap_used, clippy::float_arithmetic)] // a bench: figures are floats, and what fails stops it
//! Folding the ledger anew, against reading it: events a second of a rebuild, and rows a second
//! of `COPY (SELECT … FROM ledger.bodies) TO STDOUT` thrown away, within one run.

mod support;

use std::process::{Command, Stdio};
use std::time::Instant;

use chrono::Utc;
use subledger::ledger::append::{NewDelivery, NewEvent, append};
use subledger::ledger::journal;
use support::{Bench, stripe_body};

const BODY_BYTES: usize = 4_700;
const BATCH: usize = 500;
const ROUNDS: usize = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let events: usize = std::env::var("BENCH_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let bench = Bench::start().await;
    let client = bench.pool().get().await.unwrap();
    let stripe = journal::all(&client).await.unwrap().into_values().find(|j| j.name == "stripe-main").unwrap().id;
    let started = Instant::now();
    for from in (0..events).step_by(BATCH) {
        let deliveries: Vec<NewDelivery> = (from..(from + BATCH).min(events)).map(delivery).collect();
        append(&client, stripe, None, &deliveries).await.unwrap();
    }
    println!(
        "project: {events} events of {BODY_BYTES} bytes, {} cores; appended in {:.1} s",
        support::cores(),
        started.elapsed().as_secs_f64()
    );
    // The live projections first: nothing else is to run beside what is measured.
    let lag = "SELECT coalesce(sum((SELECT coalesce(max(position), 0) FROM ledger.events e WHERE e.journal = c.journal) - c.position), 0)::int8
               FROM control.checkpoints c JOIN control.generations g ON g.generation = c.generation WHERE g.state = 'live'";
    while bench.count(lag).await > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    println!("live projections caught up {:.1} s after the first append", started.elapsed().as_secs_f64());
    println!("{:>16} {:>14} {:>7}", "rebuild events/s", "COPY rows/s", "ratio");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let rows = copy(&bench, events);
        let folded = rebuild(&bench, events);
        rounds.push((folded / rows, folded, rows));
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, folded, rows) = rounds[ROUNDS / 2];
    println!("{folded:>16.0} {rows:>14.0} {ratio:>7.2}");
}

fn delivery(n: usize) -> NewDelivery {
    let id = format!("evt_bench_{n}");
    NewDelivery {
        parts: vec![stripe_body(n, BODY_BYTES).into_bytes()],
        events: vec![NewEvent {
            part: 0,
            dedupe_key: id.clone(),
            external_id: id,
            event_type: "invoice.paid".to_owned(),
            occurred_at: None,
            livemode: Some(true),
        }],
        ..NewDelivery::own("invoice.paid", "unused", &serde_json::Value::Null, Utc::now())
    }
}

fn copy(bench: &Bench, rows: usize) -> f64 {
    let url = bench.embedded.as_ref().unwrap().owner_url();
    let started = Instant::now();
    let done = Command::new("psql")
        .args(["-q", "-d", &url, "-c", "COPY (SELECT position, bytes FROM ledger.bodies) TO STDOUT (FORMAT binary)"])
        .stdout(Stdio::null())
        .status();
    assert!(done.unwrap().success());
    rows as f64 / started.elapsed().as_secs_f64()
}

fn rebuild(bench: &Bench, events: usize) -> f64 {
    let started = Instant::now();
    let output = bench.command().args(["rebuild", "--dry-run", "--json"]).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    events as f64 / started.elapsed().as_secs_f64()
}
