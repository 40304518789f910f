//! What the tests stand on: imitated providers, a webhook receiver, fresh databases, the built server as a process.
//!
//! Everything speaks real HTTP over loopback sockets and records what it saw. Waiting is always for an observed
//! fact with a deadline ([`wait`]); nothing sleeps and hopes.

pub mod browser;
pub mod fresh;
pub mod http;
pub mod meta;
pub mod meta_api;
pub mod meta_errors;
pub mod meta_webhook;
pub mod postgres;
pub mod process;
pub mod receiver;
pub mod script;
pub mod server;
pub mod smtp;
pub mod telegram;
pub mod telegram_api;
pub mod tempdir;
pub mod wait;
