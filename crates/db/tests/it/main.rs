//! The promises of the crate, each told on SQLite and on PostgreSQL: `name::sqlite` and `name::postgres`.
//!
//! PostgreSQL is the server that `SKYLIGHT_TEST_POSTGRES` names; every test has a database of its own there. Nothing
//! waits by sleeping: futures are polled by hand up to the point a story is about.

#[macro_use]
mod place;

mod batches;
mod cancelled;
mod disk;
mod errors;
mod migrations;
mod outages;
mod rollback;
mod statements;
mod values;
mod words;
mod writers;
