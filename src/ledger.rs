//! The ledger: what was said, in the order in which it was committed. Written through one SQL
//! function, never changed.

pub mod append;
pub mod joins;
pub mod journal;
pub mod read;
pub mod rules;
