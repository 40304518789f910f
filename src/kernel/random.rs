//! Randomness, injected so that tests can replay it.

use rand::TryRng;

pub trait Random: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator (rule K1).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness no key is safe to make; there is nothing better to do than stop this request.
        #[expect(clippy::expect_used, reason = "the generator of a running system does not fail")]
        rand::rngs::SysRng.try_fill_bytes(bytes).expect("the system's random generator answers");
    }
}

impl dyn Random + '_ {
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub fn uuid(&self) -> uuid::Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// Letters and digits, each equally likely.
    pub fn alphanumeric(&self, length: usize) -> String {
        self.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    /// `length` characters of `alphabet` (at most 128 of them), each equally likely.
    pub fn pick(&self, alphabet: &[u8], length: usize) -> String {
        let fair = 256 - 256 % alphabet.len();
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let bytes: [u8; 64] = self.bytes();
            let fair_bytes = bytes.iter().map(|b| usize::from(*b)).filter(|b| *b < fair);
            text.extend(fair_bytes.take(length - text.len()).map(|b| char::from(alphabet[b % alphabet.len()])));
        }
        text
    }

    /// A number in `0..below`, for jitter.
    pub fn below(&self, below: u64) -> u64 {
        u64::from_le_bytes(self.bytes()) % below.max(1)
    }
}
