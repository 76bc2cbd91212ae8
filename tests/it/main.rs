//! One binary of tests over real parts: a private Postgres with a database per test, the real
//! binary, real HTTP, the sandbox over a socket.

mod reference;
mod support;

mod histories;
mod life;
mod smoke;
