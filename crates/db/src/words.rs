//! Word indexes: which rows hold certain words. FTS5 on SQLite, a `tsvector` under a GIN index on PostgreSQL. The words are
//! made by whoever asks; neither engine's language tools come into play.

use crate::db::Engine;

/// How this engine is asked for words.
#[derive(Clone, Copy, Debug)]
pub struct Words(pub(crate) Engine);

/// A word to look for. Letters and digits of any script, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Whole(String),
    BeginningWith(String),
}

impl Words {
    /// The value to store for words that argument `$n` holds, separated by spaces.
    pub fn stored(self, n: usize) -> String {
        match self.0 {
            Engine::Sqlite => format!("${n}"),
            // Longer than what PostgreSQL keeps within a row, by a word that nobody looks for: the words lie elsewhere then, and
            // what a search reads of the row itself is small enough to stay in memory.
            Engine::Postgres => format!("array_to_tsvector(string_to_array(${n}, ' ') || repeat('~', 1900))"),
        }
    }

    /// What follows `FROM` to read, of the index `index`, the rows whose `column` holds what argument `$n` asks for (see
    /// [`Words::query`]), the greatest `rowid` first. Who wants them in this order and not all reads no further than needed.
    pub fn found(self, index: &str, column: &str, n: usize) -> String {
        let rows = self.rows(index, column, n);
        match self.0 {
            Engine::Sqlite => format!("({rows}) AS {index}"),
            Engine::Postgres => format!("({rows} OFFSET 0) AS {index}"),
        }
    }

    /// Likewise, each with the row of `table` that `of_row` says: up to and with a condition, so that others follow by `AND`.
    pub fn joined(self, index: &str, column: &str, n: usize, table: &str, of_row: &str) -> String {
        self.0.each_with(index, &self.rows(index, column, n), table, of_row)
    }

    fn rows(self, index: &str, column: &str, n: usize) -> String {
        match self.0 {
            // Walks in the order that is asked for.
            Engine::Sqlite => format!("SELECT rowid FROM {index} WHERE {index} MATCH ${n}"),
            Engine::Postgres => format!(
                "SELECT rowid FROM {index} WHERE {column} @@ CAST(CAST(${n} AS TEXT) AS tsquery) ORDER BY rowid DESC"
            ),
        }
    }

    /// Whether a text holds the one that is bound to a name, as it stands.
    pub fn holding(self, text: &str, name: &str) -> String {
        match self.0 {
            Engine::Sqlite => format!("instr({text}, {name}) > 0"),
            Engine::Postgres => format!("strpos({text}, {name}) > 0"),
        }
    }

    /// Asks for rows that hold all words of any of these sets.
    pub fn query(self, sets: &[Vec<Word>]) -> String {
        let (and, or) = match self.0 {
            Engine::Sqlite => (" AND ", " OR "),
            Engine::Postgres => (" & ", " | "),
        };
        let set = |words: &Vec<Word>| {
            let words: Vec<_> = words.iter().map(|word| self.quoted(word)).collect();
            format!("({})", words.join(and))
        };
        sets.iter().map(set).collect::<Vec<_>>().join(or)
    }

    /// Asks for rows that hold all these words and not that one; and for those that hold that one, too.
    pub fn split(self, words: &[Word], other: &Word) -> (String, String) {
        let (all, other) = (self.query(&[words.to_vec()]), self.quoted(other));
        match self.0 {
            Engine::Sqlite => (format!("{all} NOT {other}"), format!("{all} AND {other}")),
            Engine::Postgres => (format!("{all} & !{other}"), format!("{all} & {other}")),
        }
    }

    fn quoted(self, word: &Word) -> String {
        let (Word::Whole(text) | Word::BeginningWith(text)) = word;
        let text: String = text.chars().filter(|c| !c.is_ascii() || c.is_ascii_alphanumeric()).collect();
        match (self.0, word) {
            (Engine::Sqlite, Word::Whole(_)) => format!("\"{text}\""),
            (Engine::Sqlite, Word::BeginningWith(_)) => format!("\"{text}\" *"),
            (Engine::Postgres, Word::Whole(_)) => format!("'{text}'"),
            (Engine::Postgres, Word::BeginningWith(_)) => format!("'{text}':*"),
        }
    }
}
