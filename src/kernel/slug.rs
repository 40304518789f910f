//! URL-safe names: ASCII words joined by `-` (other scripts are transliterated).

use super::Random;

/// `Al-Madar Retail` → `al-madar-retail`; a name without any word becomes `fallback`.
pub fn words(name: &str, fallback: &str) -> String {
    let slug = slug::slugify(name);
    let short: String = slug.chars().take(60).collect();
    let short = short.trim_matches('-');
    if short.is_empty() { fallback.to_owned() } else { short.to_owned() }
}

/// The words and four characters digit-letter-digit-letter: `gulf-logistics-9k2p`.
pub fn with_suffix(name: &str, random: &dyn Random) -> String {
    let digits = random.pick(b"23456789", 2);
    let letters = random.pick(b"abcdefghjkmnpqrstuvwxyz", 2);
    format!("{}-{}{}{}{}", words(name, "client"), &digits[..1], &letters[..1], &digits[1..], &letters[1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SystemRandom;

    #[test]
    fn slugs_have_words_and_a_suffix() {
        let slug = with_suffix("Gulf Logistics", &SystemRandom);
        let suffix = slug.strip_prefix("gulf-logistics-").unwrap().as_bytes();
        assert!(suffix[0].is_ascii_digit() && suffix[1].is_ascii_lowercase());
        assert!(suffix[2].is_ascii_digit() && suffix[3].is_ascii_lowercase() && suffix.len() == 4);
        assert!(words("شركة نخيل", "client").is_ascii());
        assert_eq!(words("!!!", "client"), "client");
    }
}
