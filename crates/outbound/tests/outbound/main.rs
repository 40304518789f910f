//! The crate against real sockets on loopback.

mod addresses;
mod blocked;
mod pool;
mod sending;
mod support;
mod tls;
