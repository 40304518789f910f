//! Skylight: a customer-messaging platform in one binary. This is the map of the house; `ARCHITECTURE.md` tells why.
//!
//! | floor | rooms |
//! |---|---|
//! | ground | [`kernel`] values, [`config`], [`app`] what a verb may use, [`migrations`] |
//! | 1 | [`events`] the log, [`audit`] who did what, [`jobs`] durable queue, [`auth`] credentials to callers |
//! | 2 | [`plans`], [`partners`], [`workspaces`], [`mail`], [`team`] |
//! | 3 | [`contacts`] |
//! | 4 | [`channels`], [`conversations`] |
//! | 5 | [`bookings`], [`tickets`] |
//! | readers | [`webhooks`], [`usage`] |
//! | faces | [`http`], [`hub`], [`dashboard`], [`demo`], [`cli`] |
//!
//! A room imports from floors below it. Rules stand in a room's `mod.rs` as plain functions ("verbs"), SQL in its
//! `store.rs`, routes in its `api.rs`, background work in its `jobs.rs`. `tests/tidy.rs` keeps this.

pub mod app;
pub mod audit;
pub mod auth;
pub mod bookings;
pub mod channels;
pub mod cli;
pub mod config;
pub mod contacts;
pub mod conversations;
pub mod dashboard;
pub mod demo;
pub mod events;
pub mod http;
pub mod hub;
pub mod jobs;
pub mod kernel;
pub mod mail;
pub mod migrations;
pub mod partners;
pub mod plans;
pub mod routes;
pub mod team;
pub mod tickets;
pub mod usage;
pub mod webhooks;
pub mod workspaces;
