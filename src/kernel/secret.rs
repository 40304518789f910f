//! Text that must never be shown: no `Display`, no `Serialize`, redacted `Debug`, wiped when dropped (rule K4).

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Lends the text to the one who needs it. Never to a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares digests, so that time tells nothing about the text (rule K5).
    pub fn matches(&self, presented: &str) -> bool {
        digest(&self.0).ct_eq(&digest(presented)).into()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// SHA-256 of a token: what is stored and looked up instead of the token.
pub fn digest(text: &str) -> [u8; 32] {
    digest_of(text.as_bytes())
}

/// SHA-256 of bytes.
pub fn digest_of(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// HMAC-SHA-256.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    hmac_of(key, &[message])
}

/// HMAC-SHA-256 over parts, as if they were joined.
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub fn hmac_of(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    use hmac::{KeyInit, Mac};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).expect("any key length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether two byte strings are equal, in constant time for equal lengths.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
