//! What is made of the ledger: derived rows, droppable, one twin here for each folder of
//! `projections/`. Rows belong to a generation; [`generations`] says which one is live.

pub mod accounts;
pub mod books;
pub mod destructive;
pub mod events;
pub mod exchange;
pub mod generations;
pub mod licenses;
pub mod links;
pub mod overrides;
pub mod subscriptions;

/// Where a row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub generation: i32,
    pub journal: i32,
}
