//! The languages that people are spoken to in, and the tables of what is said: `texts!` takes every text in each of them, so
//! that a text without its translation does not compile.

/// English or Arabic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Arabic,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Arabic];

    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Arabic => "ar",
        }
    }

    /// The direction it is written in, as HTML says it.
    pub fn dir(self) -> &'static str {
        match self {
            Self::English => "ltr",
            Self::Arabic => "rtl",
        }
    }

    /// In itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Arabic => "العربية",
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::English => Self::Arabic,
            Self::Arabic => Self::English,
        }
    }

    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The language that was asked for by name, else the one the browser likes best; English if it knows neither.
    pub fn chosen(asked: Option<&str>, accepted: &str) -> Self {
        asked.and_then(Self::named).unwrap_or_else(|| Self::liked(accepted))
    }

    /// Reads `Accept-Language`.
    fn liked(accepted: &str) -> Self {
        let mut best = (Self::English, 0.0);
        for choice in accepted.split(',') {
            let mut parts = choice.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
            let Some(language) = tag.split('-').next().and_then(Self::named) else { continue };
            if let Some(weight) = weight.filter(|weight| *weight > best.1) {
                best = (language, weight);
            }
        }
        best.0
    }
}

/// Makes a struct of texts with one value for each language: `Words::of(language)`.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($key:ident = $english:literal, $arabic:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            $(pub $key: &'static str,)+
        }

        impl $name {
            pub fn of(language: $crate::kernel::Language) -> &'static Self {
                static ENGLISH: $name = $name { $($key: $english,)+ };
                static ARABIC: $name = $name { $($key: $arabic,)+ };
                match language {
                    $crate::kernel::Language::English => &ENGLISH,
                    $crate::kernel::Language::Arabic => &ARABIC,
                }
            }

            #[cfg(test)]
            pub const ALL: &[(&'static str, &'static str, &'static str)] =
                &[$((stringify!($key), $english, $arabic),)+];
        }
    };
}
pub(crate) use texts;

/// Every text is there in each language, and is in that language.
#[cfg(test)]
pub(crate) fn check(words: &[(&str, &str, &str)]) {
    for (key, english, arabic) in words {
        let has_letters = |text: &str, of: fn(char) -> bool| text.chars().any(of);
        let is_arabic = |c: char| ('\u{600}'..='\u{6ff}').contains(&c);
        assert!(!english.trim().is_empty() && !has_letters(english, is_arabic), "{key}: {english}");
        let is_sign = english.chars().all(|c| !c.is_alphabetic());
        assert!(!arabic.trim().is_empty() && (is_sign || has_letters(arabic, is_arabic)), "{key}: {arabic}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_spoken_to_as_they_asked() {
        for (asked, accepted, code) in [
            (None, "", "en"),
            (None, "ar", "ar"),
            (None, "ar-SA,ar;q=0.9,en;q=0.8", "ar"),
            (None, "en-GB,en;q=0.9,ar;q=0.8", "en"),
            (None, "fr,ar;q=0.5,en;q=0.4", "ar"),
            (None, "en;q=0.2, AR;q=0.7", "ar"),
            (None, "de, *;q=0.1", "en"),
            (None, "ar;q=x", "en"),
            (None, "ar;q=0", "en"),
            (Some("ar"), "en", "ar"),
            (Some("en"), "ar", "en"),
            (Some("tlh"), "ar", "ar"),
        ] {
            assert_eq!(Language::chosen(asked, accepted).code(), code, "{asked:?} {accepted}");
        }
    }
}
