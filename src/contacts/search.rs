//! Which contacts a list shows, and how a search finds them however they are written.

use super::grams::Told;
use super::{ChannelType, grams};
use crate::auth::WorkspaceScope;
use crate::kernel::{Email, Phone, phone, text};
use skylight_db::Words;

/// Which contacts a list shows; the default takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub search: Option<Search>,
    pub channel_type: Option<ChannelType>,
    pub blacklisted: Option<bool>,
    /// A tag's exact title.
    pub tag: Option<String>,
}

impl Filter {
    /// Whether nothing but a tag narrows the list.
    pub fn is_only_a_tag(&self) -> bool {
        self.tag.is_some() && Self { tag: None, ..self.clone() } == Self::default()
    }
}

/// What is looked for in names, e-mail addresses and phone numbers: texts, any of which must stand in the stored search text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search(Vec<String>);

impl Search {
    /// Nothing if the text has nothing to look for.
    pub fn of(text: &str) -> Option<Self> {
        let folded = text::fold(text);
        let number = significant_digits(&folded).filter(|digits| *digits != folded);
        // What holds the text as it stands, `00123`, holds the number in it as well.
        let also = number.as_deref().is_none_or(|number| !folded.contains(number)).then_some(folded);
        let texts: Vec<String> = number.into_iter().chain(also).filter(|text| !text.is_empty()).collect();
        (!texts.is_empty()).then_some(Self(texts))
    }

    pub(super) fn texts(&self) -> &[String] {
        &self.0
    }

    /// What the search index is asked where it knows who has the text; nothing for texts that it knows too little of. To look
    /// at some of the newest is faster than to find out who of all needs it: `is_counted` if all are wanted.
    pub(super) fn told(&self, words: Words, scope: WorkspaceScope, is_counted: bool) -> Option<Asked> {
        let told: Vec<Told> = self.0.iter().map(|text| grams::told(scope.id(), text)).collect();
        if let [Told::Unless(grams, fork)] = &told[..] {
            let (told, looked_at) = words.split(grams, fork);
            return Some(match is_counted {
                true => Asked { told: Some(told), looked_at: Some(looked_at) },
                false => Asked { told: None, looked_at: Some(words.query(std::slice::from_ref(grams))) },
            });
        }
        let gram = |told| if let Told::By(gram) = told { Some(vec![gram]) } else { None };
        let grams: Option<Vec<_>> = told.into_iter().map(gram).collect();
        Some(Asked { told: Some(words.query(&grams?)), looked_at: None })
    }

    /// What it is asked of any texts. Some contacts' texts tell what is rare.
    pub(super) fn looked_at(&self, words: Words, scope: WorkspaceScope, sample: &[String]) -> Asked {
        let sets: Vec<_> = self.0.iter().map(|text| grams::looked_for(scope.id(), text, sample)).collect();
        Asked { told: None, looked_at: Some(words.query(&sets)) }
    }
}

/// What the search index is asked; nobody is an answer to both.
#[derive(Debug)]
pub struct Asked {
    /// Who is found.
    pub told: Option<String>,
    /// Whose text must be looked at: they have the rarest grams of it.
    pub looked_at: Option<String>,
}

/// What searches look at: everything folded, the number as bare digits.
pub(super) fn text_of(name: &str, email: Option<&Email>, phone: Option<&Phone>) -> String {
    let email = email.map(|email| text::fold(email.as_str())).unwrap_or_default();
    format!("{}\n{email}\n{}", text::fold(name), phone.map(Phone::digits).unwrap_or_default())
}

/// The digits of a (part of a) phone number without what is dialled before a national or international one: `050 123`,
/// `0096650…`, `+966 (0)50…` and `+966 50…` all stand inside `96650123…`. Nothing if other things than a number are looked for.
fn significant_digits(folded: &str) -> Option<String> {
    let mut digits = String::new();
    for c in phone::without_trunk_zero(folded).trim_start_matches('+').chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' | '.' | '(' | ')' | '/' | '\u{2010}'..='\u{2014}' => {}
            _ => return None,
        }
    }
    let significant = digits.trim_start_matches('0');
    (!significant.is_empty()).then(|| significant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(search: &str) -> Vec<String> {
        Search::of(search).unwrap().0
    }

    #[test]
    fn numbers_are_found_in_every_notation() {
        for search in ["050 123 4567", "٠٥٠-١٢٣-٤٥٦٧", "(050) 123.4567", "501234567"] {
            assert_eq!(texts(search)[0], "501234567", "{search}");
        }
        for search in ["+966 (0)50 123 4567", "00966 (٠) 50-123-4567", "966(0)501234567"] {
            assert_eq!(texts(search)[0], "966501234567", "{search}");
        }
        assert_eq!(texts("(0)50 123")[0], "50123", "a national number");
        assert_eq!(texts("0012345"), ["12345"], "once is enough");
        for search in ["+966 50 123 4567", "00966501234567", "\u{202A}+966501234567\u{202C}", "＋966501234567"] {
            assert_eq!(texts(search)[0], "966501234567", "{search}");
        }
        let phone = Phone::parse("+966501234567", None);
        assert_eq!(text_of("Sara", None, phone.as_ref()), "sara\n\n966501234567");
    }

    #[test]
    fn other_searches_are_one_literal_text() {
        assert_eq!(texts("أحمد"), ["احمد"]);
        assert_eq!(texts("50% o_f!"), ["50% o_f!"]);
        assert_eq!(texts("501"), ["501"]);
        assert_eq!(texts("000"), ["000"]);
        assert_eq!(texts("room 12"), ["room 12"]);
        assert_eq!(Search::of("ـ"), None, "what folds to nothing is in every text");
    }
}
