//! Calls of every kind to every route, drawn by a seeded dice: right ones and wrong ones, to new things, to earlier ones, to
//! somebody else's and to none.

use crate::bad_cases::{bad_bodies, put, remove, with_query, wrong_values};
use crate::cast::{self, Owner};
use crate::documented::{self, Field};
use crate::world::{Actor, World};
use serde_json::{Value, json};
use skylight::http::Route;
use skylight_test_support::http::HttpResponse;
use std::collections::BTreeMap;

/// Numbers that follow from their seed alone.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below this one (the mixing function is splitmix64's).
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(most).unwrap()).unwrap()
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// What a call says in both worlds: equal but for ids, and for the address of the world's receiver.
type Both<T> = [T; 2];

#[derive(Clone)]
enum Body {
    None,
    Json(Both<Value>),
    Bytes(Vec<u8>, &'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    WhoMay,
    SomebodyElse,
    Nobody,
}

/// One call, as it is made in both worlds.
#[derive(Clone)]
pub struct Call<'r> {
    pub route: &'r Route,
    /// With its query.
    path: Both<String>,
    by: By,
    key: Option<String>,
    body: Body,
}

impl Call<'_> {
    fn caller<'a>(&self, owner: &'a Owner<'_>, nobody: &'a Actor) -> &'a Actor {
        match self.by {
            By::WhoMay => owner.caller(self.route),
            By::SomebodyElse if self.route.who != skylight::http::Who::Workspace => &owner.workspace,
            By::SomebodyElse => &owner.partner,
            By::Nobody => nobody,
        }
    }

    pub async fn send(&self, world: &World, owner: &Owner<'_>, side: usize) -> HttpResponse {
        let nobody = world.visitor();
        let caller = self.caller(owner, &nobody);
        let url = format!("{}{}", world.base, self.path[side]);
        let mut request = world.http.request(self.route.method.as_str(), url);
        if let Some((header, key)) = &caller.credential {
            request = request.header(*header, key.as_str());
        }
        if let Some(key) = &self.key {
            request = request.header("Idempotency-Key", key.as_str());
        }
        match &self.body {
            Body::None => request,
            Body::Json(both) => request.json(&both[side]),
            Body::Bytes(bytes, kind) => request.header("Content-Type", *kind).bytes(bytes.clone()),
        }
        .send()
        .await
    }

    /// For people.
    pub fn shown(&self, side: usize) -> String {
        let body = match &self.body {
            Body::None => String::new(),
            Body::Json(both) => both[side].to_string(),
            Body::Bytes(bytes, kind) => format!("{} ({kind})", String::from_utf8_lossy(bytes)),
        };
        let by = match self.by {
            By::WhoMay => "",
            By::SomebodyElse => " by another kind of key",
            By::Nobody => " without a key",
        };
        let key = self.key.as_ref().map_or_else(String::new, |key| format!(" Idempotency-Key: {key}"));
        format!("{} {}{by}{key}\n{body}", self.route.method, self.path[side])
    }
}

/// Values for texts in queries and bodies: of several scripts, with what patterns and quotes could trip over.
const WORDS: &[&str] = &[
    "sarah",
    "Sar",
    "966",
    "050",
    "ا",
    "أحمد",
    "%",
    "_",
    "'",
    "\"",
    "\\",
    "é",
    "🌴",
    "a b",
    "vip",
    "current",
    "2026-01",
    "business",
    "contact.created",
    "ﷺ",
    "e\u{301}",
    "\u{200f}x",
];
const BAD_IDS: &[&str] =
    &["0", "-1", "007", "abc", "1.0", "9223372036854775807", "9223372036854775808", "999999999", "%31", "1%00"];

/// Draws calls about the things of one owner, who has a twin in the other world.
pub struct Generator<'a> {
    worlds: &'a [World; 2],
    owners: &'a [Owner<'a>],
    strangers: &'a [Owner<'a>],
    /// Paths of things that were made, by the pattern of what they stand in.
    made: BTreeMap<&'static str, Vec<Both<String>>>,
    cursors: BTreeMap<&'static str, Both<String>>,
    /// The last right body of each operation.
    bodies: BTreeMap<&'static str, Both<Value>>,
    last: Option<Call<'a>>,
    /// The last one that names and phone numbers were made with.
    pub number: u32,
}

impl<'a> Generator<'a> {
    pub fn new(worlds: &'a [World; 2], owners: &'a [Owner<'a>], strangers: &'a [Owner<'a>], number: u32) -> Self {
        let (made, cursors, bodies) = Default::default();
        Self { worlds, owners, strangers, made, cursors, bodies, last: None, number }
    }

    pub async fn next(&mut self, dice: &mut Dice, route: &'a Route) -> Call<'a> {
        if let Some(last) = self.last.take().filter(|last| last.route.writes() && dice.percent(10)) {
            return last; // Again, as somebody does who heard no answer.
        }
        let path = self.path(dice, route).await;
        let query = if dice.percent(60) { self.query(dice, route) } else { [String::new(), String::new()] };
        let path = [0, 1].map(|side: usize| match query[side].strip_prefix('?') {
            Some(query) => with_query(&path[side], query),
            None => path[side].clone(),
        });
        let body = self.body(dice, route).await;
        let by = match dice.below(100) {
            0..3 => By::SomebodyElse,
            3..6 => By::Nobody,
            _ => By::WhoMay,
        };
        let key = (route.writes() && dice.percent(15)).then(|| format!("key-{}", dice.below(6)));
        let call = Call { route, path, by, key, body };
        self.last = Some(call.clone());
        call
    }

    /// Remembers what a call made, and where a list goes on.
    pub fn learn(&mut self, call: &Call<'_>, answers: &[HttpResponse]) {
        let bodies: Vec<Value> = answers.iter().map(|a| serde_json::from_slice(&a.body).unwrap_or_default()).collect();
        if let [Some(here), Some(there)] = [0, 1].map(|side: usize| bodies[side]["meta"]["next_cursor"].as_str()) {
            self.cursors.insert(call.route.path, [here.to_owned(), there.to_owned()]);
        }
        if let ([Some(here), Some(there)], 201) =
            ([0, 1].map(|side: usize| bodies[side]["data"]["id"].as_i64()), answers[0].status)
        {
            let path = [format!("{}/{here}", call.path[0]), format!("{}/{there}", call.path[1])];
            self.made.entry(call.route.path).or_default().push(path);
        }
    }

    /// The same work in both worlds, with the same numbers.
    async fn twice<T>(&mut self, mut work: impl AsyncFnMut(usize) -> T) -> Both<T> {
        let (here, _) = cast::counting_from(self.number, work(0)).await;
        let (there, last) = cast::counting_from(self.number, work(1)).await;
        self.number = last;
        [here, there]
    }

    async fn path(&mut self, dice: &mut Dice, route: &'a Route) -> Both<String> {
        let Some((place, rest)) = route.path.rsplit_once("/{") else {
            // It needs a query.
            if route.operation == "booking_availability" && dice.percent(80) {
                return self.fresh(self.owners, route).await;
            }
            return [route.path.to_owned(), route.path.to_owned()];
        };
        let verb = rest.split_once('}').map_or("", |(_, verb)| verb);
        let known = self.made.get(place).cloned().unwrap_or_default();
        match dice.below(100) {
            0..35 if !known.is_empty() => dice.one_of(&known).clone().map(|thing| thing + verb),
            35..42 => {
                let id = dice.one_of(BAD_IDS);
                let path = self.fresh(self.owners, route).await;
                path.map(|path| {
                    let thing = path.strip_suffix(verb).unwrap_or(&path);
                    format!("{}/{id}{verb}", thing.rsplit_once('/').map_or("", |(place, _)| place))
                })
            }
            42..48 => self.fresh(self.strangers, route).await,
            _ => {
                let path = self.fresh(self.owners, route).await;
                let thing = path.each_ref().map(|path| path.strip_suffix(verb).unwrap_or(path).to_owned());
                self.made.entry(place).or_default().push(thing);
                path
            }
        }
    }

    async fn fresh(&mut self, owners: &'a [Owner<'a>], route: &'a Route) -> Both<String> {
        self.twice(async |side| owners[side].path(route).await).await
    }

    fn query(&self, dice: &mut Dice, route: &Route) -> Both<String> {
        let mut pairs = Vec::new();
        for parameter in &route.parameters {
            if !dice.percent(35) {
                continue;
            }
            let encoded = |text: &&str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let value = match (parameter.name, parameter.kind) {
                ("cursor", _) => {
                    let known = self.cursors.get(route.path).filter(|_| dice.percent(70));
                    known.cloned().unwrap_or_else(|| [String::new(), String::new()])
                }
                (_, kind) => {
                    let words: Vec<_> = match kind {
                        "integer" => vec!["1", "2", "3", "7", "100", "0", "x"],
                        "boolean" => vec!["true", "false", "1", "maybe"],
                        kind if kind.contains('|') && dice.percent(90) => kind.split('|').map(str::trim).collect(),
                        _ => WORDS.to_vec(),
                    };
                    let word = encoded(dice.one_of(&words));
                    [word.clone(), word]
                }
            };
            pairs.push([0, 1].map(|side: usize| format!("{}={}", parameter.name, value[side])));
        }
        let joined = |side: usize| pairs.iter().map(|pair| pair[side].as_str()).collect::<Vec<_>>().join("&");
        [0, 1].map(|side| if pairs.is_empty() { String::new() } else { format!("?{}", joined(side)) })
    }

    async fn body(&mut self, dice: &mut Dice, route: &'a Route) -> Body {
        if route.request.is_none() {
            let empty = route.writes() && dice.percent(15);
            return if empty { Body::Json([json!({}), json!({})]) } else { Body::None };
        }
        match dice.below(100) {
            0..3 => return Body::None,
            3..6 => return Body::Bytes(dice.one_of(&bad_bodies()).bytes.clone(), "application/json"),
            6..8 => return Body::Bytes(b"{}".to_vec(), "text/plain"),
            _ => {}
        }
        let again = self.bodies.get(route.operation).filter(|_| dice.percent(12)).cloned();
        let mut both = match again {
            Some(both) => both,
            None => self.right(route).await,
        };
        let fields: Vec<Field> = documented::fields(route, &both[0]);
        let field = dice.one_of(&fields);
        let there = both.iter().all(|body| documented::can_hold(body, field));
        let chosen = dice.below(100);
        let change =
            |value: &Value, both: &mut Both<Value>| both.iter_mut().for_each(|body| put(body, field, value.clone()));
        match chosen {
            0..25 if there => change(dice.one_of(&wrong_values(field)), &mut both),
            25..32 if there => both.iter_mut().for_each(|body| remove(body, field)),
            32..38 if there => change(&Value::Null, &mut both),
            38..60 if there && field.kind == "string" => change(&json!(dice.one_of(WORDS)), &mut both),
            _ => {}
        }
        Body::Json(both)
    }

    async fn right(&mut self, route: &'a Route) -> Both<Value> {
        let (owners, worlds) = (self.owners, self.worlds);
        let both = self.twice(async |side| {
            let mut body = owners[side].body(route).await.unwrap_or_default();
            // Deliveries go to the world's own receiver.
            for name in ["url", "webhook_url"] {
                if body.get(name).is_some() {
                    body[name] = worlds[side].receiver.url("/crm").into();
                }
            }
            body
        });
        let both = both.await;
        self.bodies.insert(route.operation, both.clone());
        both
    }
}
