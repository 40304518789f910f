//! Passwords: what is accepted, and their Argon2id hashes (rule K2).

use crate::app::App;
use crate::kernel::fields::Field;
use crate::kernel::{Error, Result, Secret, text};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::collections::HashSet;
use std::sync::LazyLock;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

const SHORTEST: usize = 8;
const LONGEST: usize = 256;
/// Of memory, in KiB, and how often it is gone over.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes that are computed at a time: each takes its memory and a core.
const AT_ONCE: usize = 2;

const TOO_SHORT: &str = "must be at least 8 characters";
const TOO_LONG: &str = "must not be greater than 256 characters";
const COMMON: &str = "The given password has appeared in a data leak. Please choose a different password.";

/// A password that may be chosen, as it was typed, but composed: keyboards differ in how they write accents.
#[derive(Clone, Debug)]
pub struct Password(Secret);

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    TooShort,
    TooLong,
    Common,
}

impl Password {
    /// Any characters at all, neither trimmed nor counted by kind; only what everybody tries first is refused.
    pub fn choose(typed: &str) -> Result<Self, Unfit> {
        let composed = Self(Secret::new(typed.nfc().collect::<String>()));
        match composed.0.reveal().chars().count() {
            length if length < SHORTEST => Err(Unfit::TooShort),
            length if length > LONGEST => Err(Unfit::TooLong),
            _ if is_common(composed.0.reveal()) => Err(Unfit::Common),
            _ => Ok(composed),
        }
    }

    pub fn read(field: &Field<'_>) -> Option<Self> {
        let typed = field.verbatim()?;
        match Self::choose(&typed) {
            Ok(password) => Some(password),
            Err(Unfit::TooShort) => field.wrong(TOO_SHORT),
            Err(Unfit::TooLong) => field.wrong(TOO_LONG),
            Err(Unfit::Common) => field.refused(COMMON),
        }
    }

    /// Computed on the blocking pool, a few at a time. Never inside a transaction: it takes as long as a disk sync and more.
    pub async fn hashed(&self, app: &App) -> Result<Hashed> {
        let hashers = app.rooms.of::<Hashers>();
        let _place = hashers.0.acquire().await.map_err(Error::internal)?;
        let (password, salt) = (self.clone(), app.random.bytes::<16>());
        tokio::task::spawn_blocking(move || hash(&password, &salt)).await.map_err(Error::internal)?
    }
}

/// The PHC string of a password.
#[derive(Clone, Debug)]
pub struct Hashed(Secret);

impl Hashed {
    pub(crate) fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

/// A password as somebody typed it to come in; it may be none that could be chosen.
#[derive(Clone, Debug)]
pub struct Typed(Secret);

impl Typed {
    pub fn new(typed: &str) -> Self {
        // What is longer than any password costs no more than one.
        let typed: String = typed.chars().take(LONGEST + 1).collect();
        Self(Secret::new(typed.nfc().collect::<String>()))
    }

    /// Whether this is the password behind a PHC string. Without one, an answer costs the same and is no (rule K2).
    pub async fn opens(&self, app: &App, stored: Option<&str>) -> Result<bool> {
        let hashers = app.rooms.of::<Hashers>();
        let _place = hashers.0.acquire().await.map_err(Error::internal)?;
        let (typed, known) = (self.clone(), stored.is_some());
        let stored = stored.map(str::to_owned);
        let verify = move || {
            // Made with the first attempt, whosever it is.
            let nobodys = NOBODYS.as_str();
            verify(&typed, stored.as_deref().unwrap_or(nobodys))
        };
        let matches = tokio::task::spawn_blocking(verify).await.map_err(Error::internal)??;
        Ok(matches && known)
    }
}

/// The hash of a password that nobody has.
static NOBODYS: LazyLock<String> = LazyLock::new(|| {
    let nobodys = hash(&Password(Secret::new("nobody's")), &[0; 16]);
    nobodys.map_or_else(|_| String::new(), |hashed| hashed.reveal().to_owned())
});

fn verify(typed: &Typed, stored: &str) -> Result<bool> {
    let stored = PasswordHash::new(stored).map_err(Error::internal)?;
    Ok(Argon2::default().verify_password(typed.0.reveal().as_bytes(), &stored).is_ok())
}

struct Hashers(Semaphore);

impl Default for Hashers {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

fn hash(password: &Password, salt: &[u8]) -> Result<Hashed> {
    let params = Params::new(MEMORY, PASSES, 1, None).map_err(Error::internal)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed = argon2.hash_password_with_salt(password.0.reveal().as_bytes(), salt);
    Ok(Hashed(Secret::new(hashed.map_err(Error::internal)?.to_string())))
}

/// How many digits and signs around a word leave it a common one.
const MOST_HUNG_ON: usize = 6;
const LONGEST_PIECE: usize = 4;

/// Words that stand behind most guessed passwords: folded, without the digits and signs that people hang on them.
static COMMON_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
});

/// Whether a password is a common word, with what is commonly added to one: another case, digits and signs around it,
/// signs in the place of letters; or one short piece over and over, or a row of neighbours.
fn is_common(password: &str) -> bool {
    let folded = text::fold(password);
    let bare = folded.trim_matches(|c: char| !c.is_alphabetic());
    let in_letters = |text: &str| text.chars().map(letter).collect::<String>();
    let hung_on = |word: &str| folded.chars().count() - word.chars().count() <= MOST_HUNG_ON;
    let is_word = |text: &str| COMMON_WORDS.contains(text) && hung_on(text);
    is_row(&folded)
        || pieces(&folded).is_some_and(|piece| piece.len() <= LONGEST_PIECE)
        || [&folded, bare, &in_letters(&folded), &in_letters(bare)].into_iter().any(is_word)
}

/// The piece that a text repeats, if it is nothing else.
fn pieces(text: &str) -> Option<&str> {
    let ends = text.char_indices().map(|(at, _)| at).skip(1);
    ends.map(|end| &text[..end])
        .find(|piece| text.len().is_multiple_of(piece.len()) && text == piece.repeat(text.len() / piece.len()))
}

/// `12345678`, `hgfedcba`: every character is the one after, or before, the last.
fn is_row(text: &str) -> bool {
    let codes: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    [1, -1].iter().any(|step| codes.windows(2).all(|pair| pair[1] - pair[0] == *step))
}

/// The letter that a sign or digit stands for in a word.
fn letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for common in [
            "password",
            "Password1",
            "P@ssw0rd!",
            "passw0rd123",
            "12345678",
            "123456789",
            "87654321",
            "qwertyuiop",
            "QWERTY123!",
            "11111111",
            "abcabcabc",
            "abcd1234",
            "1q2w3e4r5t",
            "iloveyou2",
            "Admin123!",
            "welcome2026",
            "Sunshine99",
            "٠١٢٣٤٥٦٧",
            "letmein!!",
            "football1",
            "zxcvbnm1",
            "changeme123",
            "Riyadh2026",
            "!!Nakheel!!",
        ] {
            assert_eq!(Password::choose(common).err(), Some(Unfit::Common), "{common}");
        }
        for good in [
            "correct horse battery staple",
            "kfz-Xq8!",
            "نخلة في الصحراء",
            "        x",
            "passionfruit tea",
            "9f3b2c7d",
            "admin 9384756102",
        ] {
            assert!(Password::choose(good).is_ok(), "{good}");
        }
        assert_eq!(Password::choose("kfz-Xq8").err(), Some(Unfit::TooShort));
        assert_eq!(Password::choose(&"kfz ".repeat(65)).err(), Some(Unfit::TooLong));
    }

    #[test]
    fn a_hash_names_its_cost_and_hides_its_password() {
        let password = Password::choose("kfz-Xq8! رمز").unwrap_or_else(|unfit| panic!("{unfit:?}"));
        let hashed = hash(&password, &[7; 16]).unwrap();
        assert!(hashed.reveal().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hashed.reveal());
        assert_eq!(format!("{password:?} {hashed:?}"), "Password([redacted]) Hashed([redacted])");
        for (typed, opens) in [("kfz-Xq8! رمز", true), ("kfz-Xq8! رمز ", false), ("", false)] {
            assert_eq!(verify(&Typed::new(typed), hashed.reveal()).unwrap(), opens, "{typed}");
        }
        assert!(!verify(&Typed::new("kfz-Xq8! رمز"), &NOBODYS).unwrap());
    }
}
