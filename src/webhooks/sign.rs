//! Secrets and signatures.
//!
//! A secret is `whsec_` and 64 base64 characters. The documented signature keys its HMAC with the whole string, as
//! receivers store what they were shown; the Standard Webhooks signature with the 48 bytes behind the prefix, as the
//! published libraries do.

use super::Owner;
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Random, Result, Secret, secret};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";

/// Makes a secret.
pub fn make(random: &dyn Random) -> Secret {
    let bytes = Zeroizing::new(random.bytes::<48>());
    Secret::new(format!("{PREFIX}{}", STANDARD_NO_PAD.encode(&bytes[..])))
}

/// Which of a webhook's sealed columns: each opens only where it was sealed (rule K3).
#[derive(Clone, Copy, Debug)]
pub enum Slot {
    Current,
    Previous,
    /// What the owner wants to see on deliveries: it may be a credential.
    Headers,
}

impl Slot {
    pub fn seal(
        self,
        key: &DataKey,
        owner: Owner,
        webhook: i64,
        plain: &Secret,
        random: &dyn Random,
    ) -> Result<String> {
        key.seal(&self.context(owner, webhook), plain.reveal(), random)
    }

    pub fn open(self, key: &DataKey, owner: Owner, webhook: i64, sealed: &str) -> Result<Secret> {
        key.open(&self.context(owner, webhook), sealed)
    }

    pub fn context(self, owner: Owner, webhook: i64) -> String {
        let column = match self {
            Self::Current => "secret",
            Self::Previous => "previous_secret",
            Self::Headers => "headers",
        };
        format!("webhook.{column}:{}:{webhook}", owner.context())
    }
}

/// Signs with one secret.
pub struct Signer {
    whole: Secret,
    decoded: Zeroizing<Vec<u8>>,
}

impl Signer {
    pub fn new(whole: Secret) -> Result<Self> {
        let text = whole.reveal().strip_prefix(PREFIX);
        let decoded = text.and_then(|text| STANDARD_NO_PAD.decode(text).ok());
        let decoded = decoded.ok_or_else(|| Error::internal("a webhook secret has another form"))?;
        Ok(Self { whole, decoded: Zeroizing::new(decoded) })
    }

    /// `X-SkyLight-Signature`, over the raw body.
    pub fn documented(&self, body: &[u8]) -> String {
        format!("sha256={}", self.bare(body))
    }

    /// `x-360dialog-signature`: the same without its prefix.
    pub fn bare(&self, body: &[u8]) -> String {
        secret::hex(&secret::hmac(self.whole.reveal().as_bytes(), body))
    }

    /// One entry of `webhook-signature`, over id, timestamp and raw body.
    pub fn standard(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let mac = secret::hmac_of(&self.decoded, &parts);
        format!("v1,{}", STANDARD.encode(mac))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SystemRandom;

    #[test]
    fn a_secret_has_the_documented_form_and_decodes() {
        let secret = make(&SystemRandom);
        let text = secret.reveal();
        assert_eq!(text.len(), "whsec_".len() + 64);
        assert!(text[6..].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/'));
        assert_eq!(Signer::new(secret).unwrap().decoded.len(), 48);
        assert!(Signer::new(Secret::new("whsec_!")).is_err());
    }

    /// Computed by Python's `hmac` in the way both documents prescribe.
    #[test]
    fn signatures_are_those_of_the_published_libraries() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signer = Signer::new(Secret::new(secret)).unwrap();
        let body = "{\"test\":\"مرحبا 👋\"}".as_bytes();
        assert_eq!(signer.documented(body), "sha256=c730bf3ccefba5df6a3da1c799b5c614530d7e426d184baed3a2862caf45c90e");
        assert_eq!(signer.standard("msg_1", "1614265330", body), "v1,FdbQe6dxMq+d27FLGmInch0pAAe2+YOqCXhe/20gUwM=");
    }
}
