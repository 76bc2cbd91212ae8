//! The core: what a license should be, given what the providers said. Pure: nothing here
//! awaits, reads a clock, runs SQL or speaks HTTP; time is an argument.
//!
//! Words, the same in Rust, SQL, URLs, logs and pages:
//! **delivery** one HTTP request as it arrived · **event** one thing a delivery says ·
//! **source** a configured endpoint of one provider account · **journal** the append-only log
//! of one source, of one LicenseSpring account, or of the system · **position** an event's
//! number in its journal, from 1, without gaps · **fact** what an event means, in
//! provider-neutral words · **item** one product line of a subscription as the provider has it
//! · **line** what a license is for · **coverage** the time that has been paid for ·
//! **entitlement** the license a line deserves at an instant · **license** what LicenseSpring
//! holds · **plan** the calls that would make licenses equal entitlements · **generation** one
//! complete build of the projections.

pub mod account;
pub mod breaker;
pub mod chains;
pub mod coverage;
pub mod dates;
pub mod entitlement;
pub mod fact;
pub mod guard;
pub mod hash;
pub mod instant;
pub mod joins;
pub mod license;
pub mod overrides;
pub mod plan;
pub mod rows;
pub mod rules;
pub mod state;
pub mod terms;
#[cfg(test)]
mod tests;

/// Raised whenever the fold's meaning changes; rows of another version are stale.
pub const FOLD_VERSION: i32 = 8;
