//! One binary of tests over real parts: a private Postgres with a database per test, the real
//! binary, real HTTP, the sandbox over a socket.

// A test that cannot go on should stop; Clippy takes only functions marked as tests for tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod reference;
mod support;

mod actions;
mod acts;
mod adapters;
mod admin;
mod chains;
mod conformance;
mod crash;
mod door;
mod doubts;
mod guard;
mod histories;
mod joins;
mod ledger;
mod life;
mod overrides;
mod plans;
mod purchases;
mod python_client;
mod reading;
mod rules;
mod salesforce;
mod schema;
mod scopes;
mod smoke;
mod suite;
mod sweeps;
mod threshold;
mod tidy;
mod torture;
