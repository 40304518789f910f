//! What the search index knows of a contact: every three and every five characters that stand together in its text.
//!
//! Each gram carries the workspace in front: a search then reads only what its own workspace wrote (rule T7), however much
//! the others have. A text is in a contact only if all its grams are; that they stand together, the text itself tells. Three
//! characters are soon in as many contacts as there are thousands of them: longer texts are looked for by five.

use super::store::index::Waiting;
use skylight_db::Word;
use std::collections::BTreeSet;

const SHORT: usize = 3;
const LONG: usize = 5;
/// Of a long text.
const LOOKED_FOR: usize = 3;
/// Stands between the workspace and the characters.
const BORDER: char = '\u{E100}';
/// Where ASCII's punctuation goes: word indexes take letters and digits only.
const PUNCTUATION: u32 = 0xE000;

/// A contact as the index takes it.
#[derive(Debug)]
pub struct Indexed {
    pub workspace_id: i64,
    pub id: i64,
    /// Separated by spaces.
    pub grams: String,
}

impl From<Waiting> for Indexed {
    fn from(contact: Waiting) -> Self {
        let Waiting { workspace_id, id, search_text } = contact;
        // The end is filled up, so that the last characters begin grams too: one or two of them can be looked for.
        let mut text = encoded(&search_text);
        let long: Vec<String> = text.windows(LONG).map(|gram| word(workspace_id, gram)).collect();
        text.extend([punctuation('\n'); SHORT - 1]);
        let short = text.windows(SHORT).map(|gram| word(workspace_id, gram));
        let grams: BTreeSet<String> = short.chain(long).collect();
        Self { workspace_id, id, grams: grams.into_iter().collect::<Vec<_>>().join(" ") }
    }
}

/// What every contact holds that holds this text: the grams of it that are rarest in some contacts' texts. Few rare ones
/// leave hardly a contact too many, and common ones (of a mail provider, a country's prefix) cost the most.
pub fn looked_for(workspace_id: i64, text: &str, sample: &[String]) -> Vec<Word> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < SHORT {
        return vec![Word::BeginningWith(word(workspace_id, &encoded(text)))];
    }
    let length = if chars.len() < LONG { SHORT } else { LONG };
    let grams: BTreeSet<String> = chars.windows(length).map(|gram| gram.iter().collect()).collect();
    let mut grams: Vec<String> = grams.into_iter().collect();
    if grams.len() > LOOKED_FOR {
        grams.sort_by_cached_key(|gram| sample.iter().filter(|text| text.contains(gram.as_str())).count());
        grams.truncate(LOOKED_FOR);
    }
    grams.iter().map(|gram| Word::Whole(word(workspace_id, &encoded(gram)))).collect()
}

fn word(workspace_id: i64, gram: &[char]) -> String {
    format!("{workspace_id}{BORDER}{}", gram.iter().collect::<String>())
}

fn encoded(text: &str) -> Vec<char> {
    text.chars().map(|c| if c.is_ascii() && !c.is_ascii_alphanumeric() { punctuation(c) } else { c }).collect()
}

fn punctuation(c: char) -> char {
    char::from_u32(PUNCTUATION + u32::from(c)).unwrap_or(BORDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexed(search_text: &str) -> Vec<String> {
        let waiting = Waiting { workspace_id: 7, id: 1, search_text: search_text.into() };
        Indexed::from(waiting).grams.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_part_of_a_text_is_found_by_what_was_indexed_of_it() {
        let text = "سارة o'neil\ns@x.sa\n966501234567";
        let known = indexed(text);
        let chars: Vec<char> = text.chars().collect();
        for from in 0..chars.len() {
            for to in from + 1..=chars.len() {
                let part: String = chars[from..to].iter().collect();
                for word in looked_for(7, &part, &[]) {
                    let found = match &word {
                        Word::Whole(gram) => known.contains(gram),
                        Word::BeginningWith(start) => known.iter().any(|gram| gram.starts_with(start)),
                    };
                    assert!(found, "{part:?}: {word:?}");
                }
            }
        }
    }

    #[test]
    fn what_nearly_everybody_has_is_not_looked_for() {
        let sample: Vec<String> = (0..50).map(|n| format!("customer {n}\nc{n}@mail.example\n96650000{n:04}")).collect();
        let words = looked_for(7, "zaynab@mail.example", &sample);
        let of_her_own =
            ["zayna", "aynab", "ynab@", "nab@m", "ab@ma", "b@mai"].map(|gram| Word::Whole(word(7, &encoded(gram))));
        assert!(words.len() == LOOKED_FOR && words.iter().all(|word| of_her_own.contains(word)), "{words:?}");
    }

    #[test]
    fn workspaces_share_no_gram() {
        let others = indexed("sara").into_iter().map(Word::Whole).collect::<Vec<_>>();
        for workspace in [1, 70, 77] {
            assert!(looked_for(workspace, "sara", &[]).iter().all(|word| !others.contains(word)));
        }
    }
}
