//! The server's stories, told at the edge of its API, each on both engines.

mod world;

mod bad_input;
mod channels;
mod contacts;
mod journey;
mod partners;
mod process;
mod routes;
mod statements;
mod webhooks;
