//! What can go wrong, in the terms a caller must decide by: is it worth another try, and may there be another try at
//! all?

/// Why a call failed.
///
/// No text names an address or a network, so that an error may be shown to the tenant whose URL it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The guard refuses every address of the host. S4 wants this text and not a word more.
    #[error("blocked address")]
    Blocked,
    #[error("could not connect: {0}")]
    Connect(ConnectFault),
    /// The handshake failed; nothing of the request was sent.
    #[error("TLS: {0}")]
    Tls(String),
    #[error("timed out")]
    Timeout { sent: bool },
    /// The connection broke, or what came back was not HTTP.
    #[error("the connection broke")]
    Broken { sent: bool },
    /// The response is larger than `Limits::read` and the caller asked for all or nothing.
    #[error("the response is too large")]
    TooLarge,
    /// The request cannot be sent as it stands: a mistake of the caller.
    #[error("bad request: {0}")]
    Invalid(&'static str),
}

/// What kept a connection from being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFault {
    #[error("the name does not resolve")]
    Dns,
    #[error("connection refused")]
    Refused,
    #[error("the host cannot be reached")]
    Unreachable,
}

impl Error {
    /// Whether the request may have reached the peer. If so, its outcome is unclear and it must not be repeated unless
    /// repeating it is harmless. Always true when in doubt.
    #[must_use]
    pub fn sent(&self) -> bool {
        match self {
            Self::Timeout { sent } | Self::Broken { sent } => *sent,
            Self::TooLarge => true,
            Self::Blocked | Self::Connect(_) | Self::Tls(_) | Self::Invalid(_) => false,
        }
    }

    /// A word for logs, metrics and stored attempts. These never change.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Connect(ConnectFault::Dns) => "dns",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Broken { .. } => "broken",
            Self::TooLarge => "too_large",
            Self::Invalid(_) => "invalid",
        }
    }
}
