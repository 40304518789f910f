//! Text as people write it: cleaned for storing, folded for searching.

use unicode_normalization::UnicodeNormalization;

/// Trims and composes (NFC). Empty becomes nothing, as the API's clients expect.
pub fn clean(text: &str) -> Option<String> {
    let composed: String = text.nfc().collect();
    let trimmed = composed.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// Marks that change nothing a reader sees, but break comparisons: directional marks and zero-width characters.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{061C}')
}

/// The form that searches compare: case, accents, and for Arabic the hamza forms of alef, taa marbuta, alef maqsura,
/// tatweel and vowel marks make no difference; Arabic-Indic digits read as digits.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd() {
        match c {
            '\u{0640}' => {} // tatweel
            c if is_mark(c) || is_invisible(c) => {}
            'ٱ' => folded.push('ا'),
            // Lines separate the fields that a search looks through.
            '\n' | '\r' => folded.push(' '),
            'ة' => folded.push('ه'),
            'ى' | 'ی' => folded.push('ي'),
            'ک' => folded.push('ك'),
            // Small letters that a capital one stands for as well as for another.
            'ς' => folded.push('σ'),
            'ß' | 'ẞ' => folded.push_str("ss"),
            c => match digit(c) {
                Some(digit) => folded.push(digit),
                None => folded.extend(c.to_lowercase()),
            },
        }
    }
    folded
}

/// Combining marks left by the decomposition: accents, hamza above and below, and the Arabic vowel signs.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0610}'..='\u{061A}' | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{06D6}'..='\u{06ED}')
}

/// Western digit for an Arabic-Indic or Persian one.
pub fn digit(c: char) -> Option<char> {
    let zero = match c {
        '٠'..='٩' => '٠',
        '۰'..='۹' => '۰',
        _ => return None,
    };
    char::from_digit(u32::from(c) - u32::from(zero), 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_ignores_what_arabic_writers_vary() {
        for (stored, asked) in [
            ("أحمد", "احمد"),
            ("إِيمان", "ايمان"),
            ("آمنة", "امنه"),
            ("مُحَمَّد", "محمد"),
            ("مـحـمـد", "محمد"),
            ("ليلى", "ليلي"),
            ("José", "JOSE"),
            ("Οδυσσεύς", "ΟΔΥΣΣΕΎΣ"),
            ("Strauß", "STRAUSS"),
            ("Sara\nHaddad", "sara haddad"),
            ("٠٥٠١", "0501"),
        ] {
            assert_eq!(fold(stored), fold(asked), "{stored} {asked}");
        }
        assert_ne!(fold("محمد"), fold("محمود"));
    }

    #[test]
    fn cleaning_trims_and_composes() {
        assert_eq!(clean("  Jose\u{0301} \u{200F}").as_deref(), Some("José"));
        assert_eq!(clean(" \u{00A0}\t"), None);
    }
}
