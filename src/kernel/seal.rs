//! Sealing of secrets that must be read back: provider tokens, signing secrets (rule K3).
//!
//! A sealed text is `v1.<base64 of nonce and ciphertext>`. Every workspace has a data key of its own, sealed by a
//! master key; deleting the workspace destroys it. What a text was sealed for (table, column, workspace) is
//! authenticated with it, so a sealed value copied elsewhere does not open.

use super::{Error, Random, Result, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::Zeroizing;

const VERSION: &str = "v1.";
const NONCE: usize = 24;

/// The installation's master keys: the first seals, all open.
#[derive(Clone)]
pub struct MasterKeys(Vec<DataKey>);

/// A key that seals the secrets of one workspace.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl MasterKeys {
    /// Reads 64 hexadecimal digits a key, the newest first.
    pub fn parse(keys: &[&str]) -> Result<Self, String> {
        let parsed: Option<Vec<_>> = keys.iter().map(|key| DataKey::from_hex(key.trim())).collect();
        match parsed {
            Some(keys) if !keys.is_empty() => Ok(Self(keys)),
            _ => Err("a master key is 64 hexadecimal digits (32 bytes)".to_owned()),
        }
    }

    pub fn make_hex(random: &dyn Random) -> Secret {
        Secret::new(super::secret::hex(&random.bytes::<32>()))
    }

    /// A new data key, and its sealed form for storing.
    pub fn new_data_key(&self, context: &str, random: &dyn Random) -> Result<(DataKey, String)> {
        let key = DataKey(Zeroizing::new(random.bytes()));
        let sealed = self.0[0].seal_bytes(context, &key.0[..], random)?;
        Ok((key, sealed))
    }

    pub fn open_data_key(&self, context: &str, sealed: &str) -> Result<DataKey> {
        let opened = self.0.iter().find_map(|master| master.open_bytes(context, sealed));
        let bytes = opened.ok_or_else(|| Error::internal("no master key opens this data key"))?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::internal("a data key has 32 bytes"))?;
        Ok(DataKey(Zeroizing::new(bytes)))
    }

    /// Whether one of the keys opens the stored probe: a node with other keys must not start.
    pub fn opens(&self, context: &str, sealed: &str) -> bool {
        self.0.iter().any(|master| master.open_bytes(context, sealed).is_some())
    }
}

impl DataKey {
    fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = Zeroizing::new([0u8; 32]);
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub fn seal(&self, context: &str, plain: &str, random: &dyn Random) -> Result<String> {
        self.seal_bytes(context, plain.as_bytes(), random)
    }

    pub fn open(&self, context: &str, sealed: &str) -> Result<Secret> {
        let bytes = self.open_bytes(context, sealed).ok_or_else(|| Error::internal("a sealed value does not open"))?;
        let text = std::str::from_utf8(&bytes).map_err(Error::internal)?;
        Ok(Secret::new(text))
    }

    /// Of a digest that is stored: without the key, what was digested cannot be guessed from it.
    pub fn mac(&self, digest: &[u8; 32]) -> [u8; 32] {
        super::secret::hmac(&self.0[..], digest)
    }

    fn seal_bytes(&self, context: &str, plain: &[u8], random: &dyn Random) -> Result<String> {
        let nonce: [u8; NONCE] = random.bytes();
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::internal("sealing failed"))?;
        Ok(format!("{VERSION}{}", BASE64.encode([&nonce[..], &sealed].concat())))
    }

    fn open_bytes(&self, context: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = BASE64.decode(sealed.strip_prefix(VERSION)?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&chacha20poly1305::Key::from(*self.0))
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys({} keys)", self.0.len())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SystemRandom;

    #[test]
    fn a_sealed_value_opens_only_where_it_was_sealed() {
        let hex = MasterKeys::make_hex(&SystemRandom);
        let masters = MasterKeys::parse(&[hex.reveal()]).unwrap();
        let (key, stored) = masters.new_data_key("workspace:1", &SystemRandom).unwrap();
        let sealed = key.seal("channel.credentials:1:7", "token", &SystemRandom).unwrap();

        let again = masters.open_data_key("workspace:1", &stored).unwrap();
        assert_eq!(again.open("channel.credentials:1:7", &sealed).unwrap().reveal(), "token");
        assert!(again.open("channel.credentials:2:7", &sealed).is_err());
        assert!(masters.open_data_key("workspace:2", &stored).is_err());
        let other = MasterKeys::parse(&[MasterKeys::make_hex(&SystemRandom).reveal()]).unwrap();
        assert!(other.open_data_key("workspace:1", &stored).is_err());
    }
}
