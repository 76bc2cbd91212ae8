//! One binary of tests over real parts: a private Postgres with a database per test, the real
//! binary, real HTTP, the sandbox over a socket.

mod support;

mod adapters;
mod crash;
mod smoke;
