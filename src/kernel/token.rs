//! Keys that callers present and links that people open: a readable prefix, random characters, and six that check the
//! rest, so that a mistype fails before any lookup. Only the SHA-256 of the whole is stored (rule K1).

use super::{Random, Secret, secret};

const CHECK: usize = 6;

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Workspace,
    Partner,
    /// A page where somebody who was invited chooses a password.
    Invitation,
    /// Likewise, for a partner's people.
    PartnerInvitation,
    /// A page where somebody who forgot theirs chooses a new password.
    Reset,
    /// Likewise, one of a partner's people.
    PartnerReset,
    /// A page where a partner enters a client's workspace.
    Visit,
    /// A browser that is signed in to a workspace.
    Session,
    /// A browser that is signed in as a partner.
    PartnerSession,
    /// The second partner API, for one of a partner's people.
    PartnerToken,
    /// A calendar of bookings.
    Calendar,
}

impl TokenKind {
    const ALL: [Self; 11] = [
        Self::Workspace,
        Self::Partner,
        Self::Invitation,
        Self::PartnerInvitation,
        Self::Reset,
        Self::PartnerReset,
        Self::Visit,
        Self::Session,
        Self::PartnerSession,
        Self::PartnerToken,
        Self::Calendar,
    ];

    pub fn prefix(self) -> &'static str {
        match self {
            Self::Workspace => "sk_live_",
            Self::Partner => "pk_live_",
            Self::Invitation => "inv_",
            Self::PartnerInvitation => "pin_",
            Self::Reset => "rst_",
            Self::PartnerReset => "prs_",
            Self::Visit => "ipt_",
            Self::Session => "ses_",
            Self::PartnerSession => "pse_",
            Self::PartnerToken => "ptk_",
            Self::Calendar => "cal_",
        }
    }

    /// How many random characters it has. The documented length of keys and of links to a client leaves them 34 (202 bits);
    /// the others have 256 bits.
    fn random(self) -> usize {
        match self {
            Self::Workspace | Self::Partner | Self::Visit => 34,
            _ => 43,
        }
    }
}

pub fn make(kind: TokenKind, random: &dyn Random) -> Secret {
    let body = format!("{}{}", kind.prefix(), random.alphanumeric(kind.random()));
    let check = check(&body);
    Secret::new(body + &check)
}

/// Which kind of key this text can be; nothing if its form or its check is wrong.
pub fn kind_of(text: &str) -> Option<TokenKind> {
    let kind = TokenKind::ALL.into_iter().find(|k| text.starts_with(k.prefix()))?;
    let random = &text[kind.prefix().len()..];
    if random.len() != kind.random() + CHECK || !random.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let (body, last) = text.split_at(text.len() - CHECK);
    (check(body) == last).then_some(kind)
}

/// How a key is shown in a list: its prefix and last four characters.
pub fn hint(token: &str) -> String {
    let prefix = token.get(..8).unwrap_or_default();
    let last = token.get(token.len().saturating_sub(4)..).unwrap_or_default();
    format!("{prefix}…{last}")
}

fn check(body: &str) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digest = secret::digest(body);
    digest[..CHECK].iter().map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SystemRandom;

    #[test]
    fn a_mistyped_key_is_recognised_without_a_lookup() {
        let key = make(TokenKind::Workspace, &SystemRandom);
        let text = key.reveal();
        assert_eq!(text.len(), "sk_live_".len() + 40);
        assert_eq!(kind_of(text), Some(TokenKind::Workspace));
        let swapped = if text.ends_with('a') { 'b' } else { 'a' };
        let mistyped = format!("{}{swapped}", &text[..text.len() - 1]);
        assert_eq!(kind_of(&mistyped), None);
        assert_eq!(kind_of("sk_live_short"), None);
        assert_eq!(kind_of(&text.replace("sk_live_", "pk_live_")), None);
        let link = make(TokenKind::Invitation, &SystemRandom);
        assert_eq!(kind_of(link.reveal()), Some(TokenKind::Invitation));
        assert_eq!(kind_of(&link.reveal().replace("inv_", "sk_live_")), None);
    }
}
