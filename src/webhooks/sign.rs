//! Secrets and signatures.
//!
//! A secret is `whsec_` and 64 base64 characters. The documented signature keys its HMAC with the whole string, as
//! receivers store what they were shown; the Standard Webhooks signature with the 48 bytes behind the prefix, as the
//! published libraries do.
//!
//! Endpoints that ask for it are signed for with Ed25519 besides, as Standard Webhooks write it: whoever verifies needs
//! the public key alone. The private key is `whsk_` and its 64 bytes (seed and public key), the public one `whpk_` and
//! its 32.

use super::Owner;
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Random, Result, Secret, secret};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

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
    PrivateKey,
    PreviousPrivateKey,
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

    fn context(self, owner: Owner, webhook: i64) -> String {
        let column = match self {
            Self::Current => "secret",
            Self::Previous => "previous_secret",
            Self::Headers => "headers",
            Self::PrivateKey => "private_key",
            Self::PreviousPrivateKey => "previous_private_key",
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

/// A pair of keys as it is stored: the private one to be sealed, the public one to be shown.
#[derive(Debug)]
pub struct KeyPair {
    pub private: Secret,
    pub public: String,
}

impl KeyPair {
    pub fn make(random: &dyn Random) -> Result<Self> {
        let seed = Zeroizing::new(random.bytes::<32>());
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed[..]).map_err(|_| no_key())?;
        let public = pair.public_key().as_ref();
        let whole = Zeroizing::new([&seed[..], public].concat());
        let private = Secret::new(format!("{PRIVATE}{}", STANDARD.encode(&whole[..])));
        Ok(Self { private, public: format!("{PUBLIC}{}", STANDARD.encode(public)) })
    }
}

fn no_key() -> Error {
    Error::internal("a private key has another form")
}

/// Signs with one private key.
pub struct KeySigner(Ed25519KeyPair);

impl KeySigner {
    pub fn new(private: &Secret) -> Result<Self> {
        let text = private.reveal().strip_prefix(PRIVATE).ok_or_else(no_key)?;
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| no_key())?);
        let (seed, public) = bytes.split_at_checked(32).ok_or_else(no_key)?;
        Ed25519KeyPair::from_seed_and_public_key(seed, public).map(Self).map_err(|_| no_key())
    }

    /// One entry of `webhook-signature`, over id, timestamp and raw body.
    pub fn standard(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        format!("v1a,{}", STANDARD.encode(self.0.sign(&message)))
    }
}

impl std::fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySigner([redacted])")
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

    /// The third vector of RFC 8032, section 7.1, and a message signed by Python's `cryptography`.
    #[test]
    fn keys_sign_as_the_standard_says() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let seed = bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        let public = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        let signer =
            KeySigner::new(&Secret::new(format!("whsk_{}", STANDARD.encode([seed, public].concat())))).unwrap();
        let expected = bytes(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
        assert_eq!(signer.0.sign(&bytes("af82")).as_ref(), expected);
        let body = "{\"test\":\"مرحبا 👋\"}".as_bytes();
        assert_eq!(
            signer.standard("msg_1", "1614265330", body),
            "v1a,fPQBJGdpo42A4MGt6+IaRPviJNgYSBGcQG+UV0yoimaxrmTbCFknSmsXr9SJNZfeNwGfmMDU5EjAtqVQ/Oj4Cg=="
        );

        let made = KeyPair::make(&SystemRandom).unwrap();
        assert!(made.public.starts_with("whpk_") && made.public.len() == 49);
        assert!(KeySigner::new(&made.private).is_ok());
        assert!(KeySigner::new(&Secret::new("whsk_AAAA")).is_err());
    }
}
