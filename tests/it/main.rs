//! One binary of tests over real parts: a private Postgres with a database per test, the real
//! binary, real HTTP, the sandbox over a socket.

// A test that cannot go on should stop; Clippy takes only functions marked as tests for tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod reference;
mod support;

mod adapters;
mod admin;
mod chains;
mod conformance;
mod crash;
mod door;
mod histories;
mod ledger;
mod life;
mod purchases;
mod reading;
mod salesforce;
mod schema;
mod smoke;
mod tidy;
mod torture;
