//! Links behind which somebody chooses a password, once (rules L1, L2): what they are for, and how one is made. Whose they
//! are stands in the rooms of those people.

use crate::app::Unit;
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Instant, Secret, secret};
use crate::words;
use std::time::Duration;

words! {
    /// Why somebody chooses a password.
    pub enum Purpose { Invitation = "invite", Reset = "reset" }
}

impl Purpose {
    /// How long a link opens.
    fn life(self) -> Duration {
        match self {
            Self::Invitation => Duration::from_secs(7 * 24 * 60 * 60),
            Self::Reset => Duration::from_secs(30 * 60),
        }
    }

    /// Which of somebody's older links a new one voids; without a purpose, all of them.
    pub fn voids(self) -> Option<Self> {
        match self {
            Self::Invitation => None,
            Self::Reset => Some(Self::Reset),
        }
    }
}

/// A link that is nobody's yet.
#[derive(Debug)]
pub struct NewLink {
    pub purpose: Purpose,
    pub url: Secret,
    /// All that is kept of its token.
    pub hash: [u8; 32],
    pub expires_at: Instant,
}

impl NewLink {
    /// `page` is the path of the page that it opens.
    pub fn make(unit: &Unit, purpose: Purpose, kind: TokenKind, page: &str) -> Self {
        let token = token::make(kind, &*unit.app().random);
        Self {
            purpose,
            url: Secret::new(unit.app().config.public(&format!("{page}?token={}", token.reveal()))),
            hash: secret::digest(token.reveal()),
            expires_at: unit.now().after(purpose.life()),
        }
    }
}
