//! subledger: an event-sourced subscription ledger.
//!
//! Payment providers post webhooks; every one is kept, byte for byte, as an immutable event in
//! Postgres; the events are folded into the subscription state of each customer; and
//! LicenseSpring is made to agree with that state with the fewest calls that can.
//!
//! ```text
//! provider ───▶ intake: verify ▶ split ▶ append ──────────────▶ ledger        (immutable)
//! ledger ─────▶ projector: translate ▶ fold ▶ save + checkpoint ─▶ projections  (droppable)
//! projections ▶ reconciler: entitlement ▶ diff ▶ intent ▶ LicenseSpring ▶ outcome ─▶ ledger
//! ```
//!
//! **A Stripe webhook arrives.** [`http`] reads the body up to a limit and hands it to
//! [`intake`], which asks [`providers`] whether the signature is good and how many events the
//! body holds, and queues it. A flusher takes whatever is queued and calls the append function
//! of [`ledger`]; only when that answers is the provider told 2xx. The [`projector`] is woken,
//! reads the new positions, has [`providers`] translate the bytes into facts, folds them with
//! [`domain`] and saves rows and checkpoint in one transaction ([`projections`]). The row is
//! now dirty; after the coalescing window the [`reconciler`] asks [`domain`] what license the
//! state deserves, compares it with what [`licensespring`] last showed, appends an intent,
//! sends the one call that is needed, and appends the outcome.
//!
//! **A license drifts.** Every answer of LicenseSpring is a whole observation and an event of
//! the account's journal. When it differs from what we left there, the difference is reported,
//! and repaired only where the policy says so.
//!
//! Levels, lowest first; a module imports from lower levels, never from a neighbour
//! (`tests/it/tidy.rs` checks it).

// 0: pure. No await, clock, SQL or HTTP.
pub mod domain;

// 1: the outside, each part alone.
pub mod config;
pub mod licensespring;
pub mod parallel;
pub mod postgres;
pub mod providers;
pub mod telemetry;

// 2: what is kept, and what is made of it.
pub mod control;
pub mod ledger;
pub mod projections;
pub mod registry;

// 3: the loops.
pub mod intake;
pub mod projector;
pub mod reconciler;

// 4: reading it.
pub mod http;

// 5: one file a verb.
pub mod cli;

// Beside the stack: LicenseSpring's server side, imitated. Used by `cli` and by tests alone.
pub mod sandbox;
