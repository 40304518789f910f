//! Who stands in the lists: people with names of which about ten share each family name, whatever their number; numbers and
//! addresses of their own; every twentieth with a tag.

use crate::Result;
use crate::common::load::get;
use crate::common::machine::Server;
use crate::common::place::{Place, exec, new_client, new_partner};
use skylight::app::App;
use skylight::auth::WorkspaceScope;
use skylight::contacts::indexing;
use skylight::kernel::text;
use skylight_db::{Read, Value, args};
use skylight_test_support::http::HttpClient;
use std::time::{Duration, Instant};

/// One kind of request.
pub struct Stage {
    pub name: &'static str,
    /// Whether it is held to the targets.
    pub judged: bool,
    /// The path for a person.
    path: fn(&People, usize) -> String,
}

pub const STAGES: &[Stage] = &[
    Stage { name: "point read", judged: false, path: |people, n| format!("/{}", people.first + people.nth(n)) },
    Stage { name: "first page", judged: true, path: |_, _| "?per_page=15".into() },
    Stage { name: "page 5,000 of 2", judged: true, path: |_, _| "?per_page=2&page=5000".into() },
    Stage { name: "page 5,000 of 15", judged: true, path: |_, _| "?per_page=15&page=5000".into() },
    Stage { name: "the page in the middle", judged: true, path: |people, _| format!("?page={}", people.size / 30) },
    Stage {
        name: "search: part of a name",
        judged: true,
        path: |people, n| search(&part(&people.family(people.any(n)), 1)),
    },
    Stage {
        name: "search: part of an Arabic name",
        judged: true,
        path: |people, n| search(&part(&people.arabic(people.any(n)), 0)),
    },
    Stage {
        name: "search: five characters of a name",
        judged: true,
        path: |people, n| search(&people.family(people.any(n)).chars().take(5).collect::<String>()),
    },
    Stage {
        name: "search: three characters (counts them all)",
        judged: false,
        path: |people, n| search(&people.family(people.any(n)).chars().take(3).collect::<String>()),
    },
    Stage {
        name: "search: part of a number",
        judged: true,
        path: |people, n| search(&people.phone(people.any(n))[6..]),
    },
    Stage { name: "search: an address", judged: true, path: |people, n| search(&people.email(people.any(n))) },
    Stage { name: "search: nobody", judged: true, path: |_, _| search("xqzwv") },
    Stage { name: "tag, a twentieth of all", judged: true, path: |_, _| "?tag=vip".into() },
    Stage { name: "type", judged: true, path: |_, _| "?type=telegram".into() },
    Stage { name: "blacklisted", judged: true, path: |_, _| "?blacklisted=true".into() },
    Stage { name: "by cursor, from the beginning", judged: true, path: |_, _| "?cursor=".into() },
    Stage {
        name: "search: a name of every 64th (counts them all)",
        judged: false,
        path: |_, n| search(FIRST[n % FIRST.len()]),
    },
    Stage {
        name: "the same by cursor (counts nothing)",
        judged: true,
        path: |_, n| format!("{}&cursor=", search(FIRST[n % FIRST.len()])),
    },
];

const FIRST: [&str; 64] = [
    "Ahmad", "Mona", "Khalid", "Huda", "Sara", "Omar", "Layla", "Yusuf", "Noura", "Fahad", "Reem", "Tariq", "Salma",
    "Hassan", "Dina", "Majid", "Amal", "Ziad", "Rana", "Bilal", "Maha", "Nabil", "Hala", "Jamal", "Abeer", "Walid",
    "Samar", "Faisal", "Lina", "Adel", "Rasha", "Ghassan", "Emma", "Liam", "Olivia", "Noah", "Ava", "Ethan", "Mia",
    "Lucas", "Zoe", "Mason", "Ella", "Logan", "Chloe", "Jack", "Grace", "Henry", "Ruby", "Oscar", "Alice", "Felix",
    "Clara", "Hugo", "Ines", "Pablo", "Lucia", "Diego", "Elena", "Marco", "Giulia", "Jonas", "Greta", "Anton",
];

const CONSONANTS: [&str; 20] =
    ["b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "r", "s", "t", "w", "y", "z", "sh", "kh", "gh", "th"];
const VOWELS: [&str; 7] = ["a", "i", "u", "e", "o", "aa", "ee"];
const ENDS: [&str; 6] = ["", "n", "r", "m", "d", "l"];
const LETTERS: [char; 28] = [
    'ا', 'ب', 'ت', 'ث', 'ج', 'ح', 'خ', 'د', 'ذ', 'ر', 'ز', 'س', 'ش', 'ص', 'ض', 'ط', 'ظ', 'ع', 'غ', 'ف', 'ق', 'ك', 'ل',
    'م', 'ن', 'ه', 'و', 'ي',
];

/// People written by one statement.
const ROWS: usize = 500;

pub struct People {
    pub size: usize,
    first: i64,
    key: String,
    pub place: Place,
    app: App,
    took: (Duration, parking_lot::Mutex<Duration>),
}

impl People {
    pub async fn settle(postgres: bool, size: usize) -> Result<Self> {
        let place = Place::make(postgres).await;
        let app = place.open().await?;
        let (partner, _) = new_partner(&app).await?;
        let (scope, key) = new_client(&app, partner, "Client").await?;
        let took = (Duration::ZERO, parking_lot::Mutex::default());
        let mut people = Self { size, first: 1, key, place, app, took };
        let began = Instant::now();
        people.write(scope).await?;
        people.took.0 = began.elapsed();
        Ok(people)
    }

    async fn write(&self, scope: WorkspaceScope) -> Result<()> {
        for from in (0..self.size).step_by(ROWS) {
            self.add(scope, from).await?;
        }
        self.tag_a_twentieth(scope).await?;
        let counted = "UPDATE meter SET contacts = (SELECT COUNT(*) FROM contact WHERE contact.workspace_id = meter.workspace_id)";
        exec(&self.app, counted, args![]).await
    }

    /// The people from a number on, by one statement.
    async fn add(&self, scope: WorkspaceScope, from: usize) -> Result<()> {
        let texts: Vec<_> = (from..from + ROWS)
            .map(|n| {
                let (name, email, phone) = (self.name(n), self.email(n), self.phone(n));
                let found_by = format!("{}\n{email}\n{}", text::fold(&name), &phone[1..]);
                (name, email, phone, if n % 50 == 7 { "telegram" } else { "whatsapp" }, n % 100 == 13, found_by)
            })
            .collect();
        let now = self.app.now();
        let (mut rows, mut values) = (Vec::new(), args![scope, now].to_vec());
        for (name, email, phone, kind, blacklisted, found_by) in &texts {
            let [name_at, email_at, phone_at, kind_at, blacklisted_at, text_at] =
                [1, 2, 3, 4, 5, 6].map(|n| values.len() + n);
            rows.push(format!(
                "($1, ${name_at}, ${email_at}, ${phone_at}, ${kind_at}, 'active', ${blacklisted_at}, ${text_at}, $2, $2)"
            ));
            let [name, email, phone, kind, found_by] = [name, email, phone, *kind, found_by].map(Value::Text);
            values.extend([name, email, phone, kind, Value::Bool(*blacklisted), found_by]);
        }
        let sql = "INSERT INTO contact (workspace_id, name, email, phone, type, status, blacklisted, search_text, created_at, updated_at)";
        exec(&self.app, &format!("{sql} VALUES {}", rows.join(", ")), &values).await
    }

    async fn tag_a_twentieth(&self, scope: WorkspaceScope) -> Result<()> {
        let mut tx = self.app.db.begin().await?;
        let sql = "INSERT INTO tag (workspace_id, title, created_at) VALUES ($1, 'vip', $2) RETURNING id";
        let tag: i64 = tx.one(sql, args![scope, self.app.now()]).await?;
        tx.commit().await?;
        // Every row counts itself on its tag: in one transaction they would be ever slower.
        for from in (0..i64::try_from(self.size)?).step_by(10_000) {
            let given = "INSERT INTO contact_tag (workspace_id, contact_id, tag_id, position)
                         SELECT workspace_id, id, CAST($2 AS BIGINT), 0 FROM contact
                         WHERE workspace_id = $1 AND id > $3 AND id <= $3 + 10000 AND id % 20 = 0";
            exec(&self.app, given, args![scope, tag, from]).await?;
        }
        Ok(())
    }

    /// Lets the search index know everybody, faster than the server would beside its requests.
    pub async fn until_indexed(&self) -> Result<()> {
        let began = Instant::now();
        while self.app.db.one::<bool>("SELECT EXISTS (SELECT 1 FROM contact_unindexed)", args![]).await? {
            tokio::try_join!(indexing::index_some(&self.app), indexing::index_some(&self.app))?;
        }
        while indexing::tidy_some(&self.app).await? {}
        *self.took.1.lock() = began.elapsed();
        self.place.tidy_up().await
    }

    pub fn told(&self) -> String {
        format!("written in {:.1?}, indexed in {:.1?} more", self.took.0, self.took.1.lock())
    }

    pub fn ask(&self, request: &mut Vec<u8>, stage: &Stage, serial: usize) {
        let path = format_args!("/api/v1/contacts{}", (stage.path)(self, serial));
        get(request, path, ["authorization: Bearer ", &self.key]);
    }

    /// A search that finds nobody would be fast.
    pub async fn check(&self, server: &Server, stage: &Stage) -> Result<()> {
        let url = server.url(&format!("/api/v1/contacts{}", (stage.path)(self, 5)));
        let answer = HttpClient::new().get(url).bearer(&self.key).send().await.expect(200);
        let total = &answer["meta"]["total"];
        let shown = answer["data"].as_array().map_or(0, Vec::len);
        println!("  {}: shows {shown} of {total}", stage.name);
        let empty = stage.name.contains("nobody") || stage.name.contains("5,000 of 15");
        match stage.name.contains(':') && shown == 0 && !empty {
            true => Err(format!("{} finds nobody: {answer}", stage.name).into()),
            false => Ok(()),
        }
    }

    fn nth(&self, serial: usize) -> i64 {
        i64::try_from(self.any(serial)).unwrap_or_default()
    }

    /// Any of them, without a pattern that a cache could follow.
    fn any(&self, serial: usize) -> usize {
        (serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16) % self.size
    }

    fn name(&self, n: usize) -> String {
        match n % 2 {
            0 => format!("{} {}", FIRST[n / 2 % FIRST.len()], self.family(n)),
            _ => format!("{} {}", FIRST[n / 2 % FIRST.len()], self.arabic(n)),
        }
    }

    /// About ten people share it.
    fn family(&self, n: usize) -> String {
        let mut rest = self.family_number(n & !1);
        let mut one_of = |words: &[&'static str]| {
            let word = words[rest % words.len()];
            rest /= words.len();
            word
        };
        let mut name = String::new();
        for _ in 0..3 {
            name.extend([one_of(&CONSONANTS), one_of(&VOWELS), one_of(&ENDS)]);
        }
        name
    }

    fn arabic(&self, n: usize) -> String {
        let rest = self.family_number(n | 1);
        (0..7).map(|place| LETTERS[rest / LETTERS.len().pow(place) % LETTERS.len()]).collect()
    }

    fn family_number(&self, n: usize) -> usize {
        (n % (self.size / 10).max(2)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
    }

    fn email(&self, n: usize) -> String {
        format!("{}{n}@mail.example", self.family(n))
    }

    fn phone(&self, n: usize) -> String {
        format!("+9665{:08}", n.wrapping_mul(48_271) % 100_000_000)
    }
}

/// Six characters of a name.
fn part(name: &str, from: usize) -> String {
    name.chars().skip(from).take(6).collect()
}

fn search(text: &str) -> String {
    format!("?search={}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())
}
