//! The server's stories, told at the edge of its API, each on both engines.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on says where it stopped")]

mod world;

mod account;
mod bad_cases;
mod bad_frames;
mod bad_input;
mod browser;
mod cast;
mod channels;
mod contacts;
mod conversations;
mod coverage;
mod dashboard;
mod docs;
mod documented;
mod events;
mod examples;
mod framing;
mod groups;
mod idempotency;
mod invitations;
mod journey;
mod keys;
mod limits;
mod mail;
mod nodes;
mod notes;
mod openapi;
mod outages;
mod paging;
mod partners;
mod person;
mod process;
mod routes;
mod sequence;
mod sessions;
mod statements;
mod stored;
mod tags;
mod team;
mod tickets;
mod visits;
mod webhooks;
