//! What the search index knows of a contact: every three and every five characters that stand together in its text.
//!
//! Each gram carries the workspace in front: a search then reads only what its own workspace wrote (rule T7), however much
//! the others have. A text is in a contact only if all its grams are; that they stand together, the text itself tells. Three
//! characters are soon in as many contacts as there are thousands of them: longer texts are looked for by five.
//!
//! A text of one character more than a gram is where its two grams are, unless what they share stands there several times in
//! different company: `abcd` is not in `xabc bcdy`. Such a *fork*, `bc`, is indexed, too. So the index alone finds up to six
//! characters of letters and digits, but for the few contacts with that fork.

use super::store::index::Waiting;
use skylight_db::Word;
use std::collections::BTreeSet;

const SHORT: usize = 3;
const LONG: usize = 5;
/// Two grams that share all but a character each.
const FORKED_SHORT: usize = SHORT + 1;
const FORKED_LONG: usize = LONG + 1;
/// Of a long text.
const LOOKED_FOR: usize = 3;
/// Stands between the workspace and the characters of a gram, or of a fork.
const BORDER: char = '\u{E100}';
const FORK: char = '\u{E101}';
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
        let mut grams: BTreeSet<String> = text.windows(LONG).map(|gram| word(workspace_id, BORDER, gram)).collect();
        for shared in [SHORT - 1, LONG - 1] {
            grams.extend(forks(&text, shared).into_iter().map(|fork| word(workspace_id, FORK, fork)));
        }
        text.extend([punctuation('\n'); SHORT - 1]);
        grams.extend(text.windows(SHORT).map(|gram| word(workspace_id, BORDER, gram)));
        Self { workspace_id, id, grams: grams.into_iter().collect::<Vec<_>>().join(" ") }
    }
}

/// What every contact holds that holds this text: the grams of it that are rarest in some contacts' texts. Few rare ones
/// leave hardly a contact too many, and common ones (of a mail provider, a country's prefix) cost the most.
pub fn looked_for(workspace_id: i64, text: &str, sample: &[String]) -> Vec<Word> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < SHORT {
        return vec![Word::BeginningWith(word(workspace_id, BORDER, &encoded(text)))];
    }
    let length = if chars.len() < LONG { SHORT } else { LONG };
    let grams: BTreeSet<String> = chars.windows(length).map(|gram| gram.iter().collect()).collect();
    let mut grams: Vec<String> = grams.into_iter().collect();
    if grams.len() > LOOKED_FOR {
        grams.sort_by_cached_key(|gram| sample.iter().filter(|text| text.contains(gram.as_str())).count());
        grams.truncate(LOOKED_FOR);
    }
    grams.iter().map(|gram| Word::Whole(word(workspace_id, BORDER, &encoded(gram)))).collect()
}

/// How the index tells who has a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Who has this gram.
    By(Word),
    /// Who has these grams, surely if they have no such fork.
    Unless(Vec<Word>, Word),
    /// Their texts tell.
    Not,
}

/// Only of letters and digits: what stands for punctuation could stand in a name, too.
pub fn told(workspace_id: i64, text: &str) -> Told {
    let chars = encoded(text);
    let is_plain = chars.iter().copied().all(is_plain);
    let whole = |gram: &[char]| Word::Whole(word(workspace_id, BORDER, gram));
    match chars.len() {
        SHORT | LONG if is_plain => Told::By(whole(&chars)),
        length @ (FORKED_SHORT | FORKED_LONG) if is_plain => {
            let grams = chars.windows(length - 1).map(whole).collect();
            Told::Unless(grams, Word::Whole(word(workspace_id, FORK, &chars[1..length - 1])))
        }
        _ => Told::Not,
    }
}

/// So many characters that stand several times in a text, before and after them what does not stand there together.
fn forks(text: &[char], length: usize) -> BTreeSet<&[char]> {
    let plain = |at: Option<&char>| at.copied().filter(|c| is_plain(*c));
    let places = text.windows(length).enumerate().filter(|(_, shared)| shared.iter().copied().all(is_plain));
    let mut places: Vec<_> = places
        .map(|(at, shared)| {
            (shared, plain(at.checked_sub(1).and_then(|at| text.get(at))), plain(text.get(at + length)))
        })
        .collect();
    places.sort_unstable();
    let is_fork = |places: &&[(&[char], Option<char>, Option<char>)]| {
        let goes_on = |before: char, after: char| places.contains(&(places[0].0, Some(before), Some(after)));
        let before = || places.iter().filter_map(|(_, before, _)| *before);
        let mut after = places.iter().filter_map(|(_, _, after)| *after);
        places.len() > 1 && after.any(|after| before().any(|before| !goes_on(before, after)))
    };
    places.chunk_by(|one, other| one.0 == other.0).filter(is_fork).map(|places| places[0].0).collect()
}

fn word(workspace_id: i64, border: char, gram: &[char]) -> String {
    format!("{workspace_id}{border}{}", gram.iter().collect::<String>())
}

fn encoded(text: &str) -> Vec<char> {
    text.chars().map(|c| if c.is_ascii() && !c.is_ascii_alphanumeric() { punctuation(c) } else { c }).collect()
}

fn punctuation(c: char) -> char {
    char::from_u32(PUNCTUATION + u32::from(c)).unwrap_or(BORDER)
}

/// Whether an encoded character stands for itself.
fn is_plain(c: char) -> bool {
    !('\u{E000}'..='\u{F8FF}').contains(&c)
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

    /// Who is told to have a text, and who is told to be looked at.
    fn judged(text: &str, known: &[String]) -> (bool, bool) {
        let has = |word: &Word| matches!(word, Word::Whole(gram) if known.contains(gram));
        match told(7, text) {
            Told::By(gram) => (has(&gram), false),
            Told::Unless(grams, fork) => {
                let has_all = grams.iter().all(has);
                (has_all && !has(&fork), has_all && has(&fork))
            }
            Told::Not => (false, true),
        }
    }

    #[test]
    fn the_index_tells_nothing_wrong_of_any_text() {
        let mut dice = 7_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (dice >> 33) % sides
        };
        let (mut told_of, mut looked_at) = (0, 0);
        for _ in 0..2_000 {
            // Few letters, so that everything stands together with everything.
            let mut draw = |length: u64| {
                (0..length).map(|_| ['a', 'b', 'ع', '1', '-'][usize::try_from(roll(5)).unwrap()]).collect::<String>()
            };
            let (text, looked_for) = (draw(24), [draw(3), draw(4), draw(5), draw(6)]);
            let known = indexed(&text);
            let parts = (0..12).flat_map(|from| (3..=6).map(move |size| (from, size)));
            let parts = parts.map(|(from, size)| text.chars().skip(from).take(size).collect::<String>());
            for part in parts.chain(looked_for) {
                let (is_told, is_looked_at) = judged(&part, &known);
                assert!(is_looked_at || is_told == text.contains(&part), "{part:?} in {text:?}");
                told_of += usize::from(is_told);
                looked_at += usize::from(is_looked_at);
            }
        }
        assert!(told_of > 10_000 && looked_at > 10_000, "{told_of} {looked_at}");
    }

    #[test]
    fn hardly_anybody_is_looked_at_for_letters_and_digits() {
        let known = indexed("sara haddad\nsara.haddad@mail.example\n966501234567");
        for text in ["sar", "sara", "hadda", "haddad", "5012", "966501"] {
            assert_eq!(judged(text, &known), (true, false), "{text}");
        }
        assert_eq!(judged("adda", &indexed("add dda")), (false, true));
        assert_eq!(
            ["s@x", "a b", "sara h", "s\u{E040}x", "haddad."].map(|text| told(7, text)),
            [const { Told::Not }; 5]
        );
    }

    #[test]
    fn what_nearly_everybody_has_is_not_looked_for() {
        let sample: Vec<String> = (0..50).map(|n| format!("customer {n}\nc{n}@mail.example\n96650000{n:04}")).collect();
        let words = looked_for(7, "zaynab@mail.example", &sample);
        let of_her_own = ["zayna", "aynab", "ynab@", "nab@m", "ab@ma", "b@mai"]
            .map(|gram| Word::Whole(word(7, BORDER, &encoded(gram))));
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
