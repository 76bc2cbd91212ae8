//! Postgres: the private cluster of an instance that has no other database.

pub mod embedded;
