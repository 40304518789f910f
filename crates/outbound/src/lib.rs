//! HTTP to addresses that strangers chose.
//!
//! Webhooks, media links, logos and domain checks go to addresses a tenant or a provider can influence. This crate is
//! the only place that opens sockets for them, so that its rules hold without anybody having to remember them:
//!
//! - [`check_url`] judges a URL's form when it is saved.
//! - [`Guard`] judges addresses. A [`Client`] is built for one guard, and every connection it makes, to a name or to a
//!   literal address, passes it: resolve once, drop what is refused, connect to what was checked.
//! - [`Client::send`] follows no redirects, reads no proxy settings, keeps no cookies, decompresses nothing, and holds
//!   to [`Limits`].
//! - [`Error`] says whether the request may have reached the peer ([`Error::sent`]), because a call whose outcome is
//!   unclear must not be made again.
//!
//! Fixed hosts from the operator's own configuration use the same client under [`Guard::operator`].

mod address;
mod body;
mod client;
mod dial;
mod error;
mod guard;
mod headers;
mod resolve;
mod stream;
mod tls;

pub use address::{MAX_URL_LENGTH, UrlError, UrlRules, check_url};
pub use client::{Client, ClientBuilder, Limits, Request, Response};
pub use error::{ConnectFault, Error};
pub use guard::{Guard, is_public};
pub use headers::{HeaderValueError, clean_header_value, forbidden_custom_header};
pub use resolve::{Addresses, Resolve, SystemResolver};
pub use tls::BuildError;
