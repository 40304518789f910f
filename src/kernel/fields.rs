//! Reading input: every fault of a request in one answer, in Laravel's words, under dotted names.
//!
//! Types are checked here rather than by a derived deserializer, because that stops at the first wrong type and
//! callers must see them all.

use super::error::FieldErrors;
use super::{Country, Email, Error, Instant, Phone, Result, Timezone, text};
use serde_json::{Map, Value};
use std::cell::RefCell;

/// A body or query that a route reads. `None` only together with recorded faults.
pub trait Input: Sized {
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// Reads an input and turns every recorded fault into one 422.
pub fn read<T: Input>(values: &Value, source: Source) -> Result<T> {
    match examine(values, source)? {
        (Some(input), errors) if errors.is_empty() => Ok(input),
        (_, errors) => Err(Error::fields(errors)),
    }
}

/// Reads an input and hands over its faults, for a verb that knows of more.
pub fn examine<T: Input>(values: &Value, source: Source) -> Result<(Option<T>, FieldErrors)> {
    examine_by(values, source, None, T::read)
}

/// Reads with a function that knows more than the input says: the object that it changes. National phone numbers are
/// the country's.
pub fn examine_by<T>(
    values: &Value,
    source: Source,
    country: Option<Country>,
    reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<(Option<T>, FieldErrors)> {
    let shared = Shared { country, faults: RefCell::default() };
    let empty = Map::new();
    let map = match values {
        Value::Object(map) => map,
        Value::Null => &empty,
        _ => return Err(Error::field("body", "The body must be an object.")),
    };
    let input = reader(&mut Fields { map, prefix: String::new(), source, shared: &shared });
    Ok((input, shared.faults.into_inner()))
}

/// Query values arrive as text, so numbers and booleans are read from their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Body,
    Query,
}

/// What all fields of one reading share.
#[derive(Debug)]
struct Shared {
    country: Option<Country>,
    faults: RefCell<FieldErrors>,
}

/// The fields of one object.
#[derive(Debug)]
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    prefix: String,
    source: Source,
    shared: &'a Shared,
}

/// One field: its value if one was given (`null` and blank text are none), and where its faults are recorded.
#[derive(Debug)]
pub struct Field<'a> {
    path: String,
    value: Option<&'a Value>,
    present: bool,
    source: Source,
    shared: &'a Shared,
}

impl<'a> Fields<'a> {
    pub fn at(&self, name: &str) -> Field<'a> {
        let given = self.map.get(name);
        let value = given.filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            _ => true,
        });
        let path = format!("{}{name}", self.prefix);
        Field { path, value, present: given.is_some(), source: self.source, shared: self.shared }
    }

    /// The country that national phone numbers belong to: the calling workspace's.
    pub fn country(&self) -> Option<Country> {
        self.shared.country
    }

    /// Records a fault that concerns a field but was found elsewhere.
    pub fn fault(&self, name: &str, message: impl Into<String>) {
        self.shared.faults.borrow_mut().add(format!("{}{name}", self.prefix), message);
    }
}

impl<'a> Field<'a> {
    /// Whether the field stood in the input at all, be it null.
    pub fn is_present(&self) -> bool {
        self.present
    }

    pub fn is_given(&self) -> bool {
        self.value.is_some()
    }

    /// Records `The … field is required.` if there is no value.
    pub fn required(self) -> Self {
        if self.value.is_none() {
            self.fault(&format!("The {} field is required.", self.label()));
        }
        self
    }

    pub fn required_if(self, condition: bool) -> Self {
        if condition { self.required() } else { self }
    }

    /// May be left out, but not be null: `The … field is required.` if it stands there without a value.
    pub fn not_emptied(self) -> Self {
        let present = self.present;
        self.required_if(present)
    }

    /// Text of at most `max` characters, trimmed and composed.
    pub fn text(&self, max: usize) -> Option<String> {
        let text = self.value?.as_str().or_else(|| self.wrong("must be a string"))?;
        if text.contains('\0') {
            return self.wrong("format is invalid");
        }
        let cleaned = text::clean(text).or_else(|| self.wrong("format is invalid"))?;
        if cleaned.chars().count() > max {
            return self.wrong(&format!("must not be greater than {max} characters"));
        }
        Some(cleaned)
    }

    /// Text as it was typed, neither trimmed nor composed: a password.
    pub fn verbatim(&self) -> Option<String> {
        let text = self.value?.as_str().or_else(|| self.wrong("must be a string"))?;
        if text.contains('\0') { self.wrong("format is invalid") } else { Some(text.to_owned()) }
    }

    pub fn integer(&self) -> Option<i64> {
        let number = match self.value? {
            Value::String(text) if self.source == Source::Query => text.trim().parse().ok(),
            value => value.as_i64(),
        };
        number.or_else(|| self.wrong("must be an integer"))
    }

    pub fn integer_between(&self, min: i64, max: i64) -> Option<i64> {
        match self.integer()? {
            n if n < min => self.wrong(&format!("must be at least {min}")),
            n if n > max => self.wrong(&format!("must not be greater than {max}")),
            n => Some(n),
        }
    }

    pub fn boolean(&self) -> Option<bool> {
        match (self.value?, self.source) {
            (Value::Bool(b), _) => Some(*b),
            (Value::String(t), Source::Query) if t == "true" || t == "1" => Some(true),
            (Value::String(t), Source::Query) if t == "false" || t == "0" => Some(false),
            _ => {
                self.fault(&format!("The {} field must be true or false.", self.label()));
                None
            }
        }
    }

    /// One of a fixed set of words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.value?.as_str();
        let found = text.and_then(|text| words.iter().find(|(word, _)| *word == text.trim()));
        found.map(|(_, value)| *value).or_else(|| self.selected_is_invalid())
    }

    pub fn email(&self) -> Option<Email> {
        let text = self.text(254)?;
        Email::parse(&text).or_else(|| self.wrong("must be a valid email address"))
    }

    pub fn phone(&self, country: Option<Country>) -> Option<Phone> {
        let text = self.text(64)?;
        Phone::parse(&text, country).or_else(|| self.wrong("must be a valid phone number"))
    }

    pub fn timezone(&self) -> Option<Timezone> {
        let text = self.text(64)?;
        Timezone::parse(&text).or_else(|| self.wrong("must be a valid timezone"))
    }

    pub fn country(&self) -> Option<Country> {
        let id = self.integer()?;
        Country::find(id).or_else(|| self.selected_is_invalid())
    }

    /// A moment, or a day: its first moment, and the first one after it.
    pub fn span(&self) -> Option<(Instant, Instant)> {
        let text = self.text(40)?;
        Instant::parse_span(&text).or_else(|| self.wrong("must be a valid date"))
    }

    /// An id of ours; whether it exists is for the verb to say.
    pub fn id(&self) -> Option<i64> {
        let id = self.integer()?;
        if id < 1 { self.selected_is_invalid() } else { Some(id) }
    }

    /// Distinct texts that are known; one that is not is at fault under its place: `events.2`.
    pub fn choices(&self, max_items: usize, known: impl Fn(&str) -> bool) -> Option<Vec<String>> {
        self.texts_where(max_items, 255, known, |item| item.selected_is_invalid())
    }

    /// Distinct texts of a form; one that has another is at fault under its place.
    pub fn matching(&self, max_items: usize, max: usize, fits: impl Fn(&str) -> bool) -> Option<Vec<String>> {
        self.texts_where(max_items, max, fits, |item| item.wrong("format is invalid"))
    }

    fn texts_where(
        &self,
        max_items: usize,
        max: usize,
        fits: impl Fn(&str) -> bool,
        fault: impl Fn(&Self) -> Option<()>,
    ) -> Option<Vec<String>> {
        let mut texts: Vec<String> = Vec::new();
        for item in self.items(max_items)?.map(Self::required) {
            let Some(text) = item.text(max) else { continue };
            if !fits(&text) {
                fault(&item);
            }
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        Some(texts)
    }

    /// Distinct texts, in order.
    pub fn texts(&self, max_items: usize, max: usize) -> Option<Vec<String>> {
        self.texts_where(max_items, max, |_| true, |_| None)
    }

    /// Ids of ours, each at its place; whether they exist is for the verb to say.
    pub fn ids(&self, max_items: usize) -> Option<Vec<i64>> {
        Some(self.items(max_items)?.filter_map(|item| item.required().id()).collect())
    }

    /// Likewise, those that are ids, each with its place.
    pub fn placed_ids(&self, max_items: usize) -> Option<Vec<(usize, i64)>> {
        Some(self.items(max_items)?.enumerate().filter_map(|(place, item)| Some((place, item.id()?))).collect())
    }

    /// The objects of an array, each at its place; what is none is at fault.
    pub fn objects(&self, max_items: usize) -> Option<Vec<Fields<'a>>> {
        Some(self.items(max_items)?.filter_map(|item| item.object()).collect())
    }

    /// The items of an array, each a field under its place: `tags.2`.
    fn items(&self, max_items: usize) -> Option<impl Iterator<Item = Field<'a>>> {
        let items = self.value?.as_array().or_else(|| self.wrong("must be an array"))?;
        if items.len() > max_items {
            return self.wrong(&format!("must not have more than {max_items} items"));
        }
        let field = |(index, item)| Field {
            path: format!("{}.{index}", self.path),
            value: Some(item),
            present: true,
            source: self.source,
            shared: self.shared,
        };
        Some(items.iter().enumerate().map(field))
    }

    /// The fields of a nested object.
    pub fn object(&self) -> Option<Fields<'a>> {
        let map = self.value?.as_object().or_else(|| self.wrong("must be an object"))?;
        let prefix = format!("{}.", self.path);
        Some(Fields { map, prefix, source: self.source, shared: self.shared })
    }

    /// The members of an object whose names the caller chose.
    pub fn members(&self, most: usize) -> Option<Map<String, Value>> {
        let map = self.value?.as_object().or_else(|| self.wrong("must be an object"))?;
        if map.len() > most {
            return self.wrong(&format!("must not have more than {most} members"));
        }
        Some(map.clone())
    }

    pub fn selected_is_invalid<T>(&self) -> Option<T> {
        self.fault(&format!("The selected {} is invalid.", self.label()));
        None
    }

    /// Records `The <field> <what>.`
    pub fn wrong<T>(&self, what: &str) -> Option<T> {
        self.fault(&format!("The {} {what}.", self.label()));
        None
    }

    /// Records a sentence of one's own.
    pub fn refused<T>(&self, sentence: &str) -> Option<T> {
        self.fault(sentence);
        None
    }

    fn fault(&self, message: &str) {
        self.shared.faults.borrow_mut().add(self.path.clone(), message);
    }

    /// The last segment of the path that is a word, as Laravel prints it.
    fn label(&self) -> String {
        let segment = self.path.rsplit('.').find(|s| s.parse::<usize>().is_err()).unwrap_or(&self.path);
        segment.replace('_', " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug)]
    struct Sample {
        name: String,
        age: Option<i64>,
    }

    impl Input for Sample {
        fn read(fields: &mut Fields<'_>) -> Option<Self> {
            let name = fields.at("name").required().text(5);
            let age = fields.at("age").integer_between(1, 150);
            let admin = fields.at("admin").object();
            if let Some(admin) = &admin {
                admin.at("email").required().email();
            }
            fields.at("tags").texts(2, 3);
            Some(Self { name: name?, age })
        }
    }

    #[test]
    fn every_fault_is_reported_at_once_under_dotted_names() {
        let body = json!({"name": "too long", "age": "x", "admin": {"email": "no"}, "tags": ["ok", 1]});
        let error = read::<Sample>(&body, Source::Body).unwrap_err();
        let problem = error.public();
        let found: Vec<_> = problem.errors.iter().map(|(f, m)| (f.as_str(), m[0].as_str())).collect();
        assert_eq!(
            found,
            [
                ("name", "The name must not be greater than 5 characters."),
                ("age", "The age must be an integer."),
                ("admin.email", "The email must be a valid email address."),
                ("tags.1", "The tags must be a string."),
            ]
        );
    }

    #[test]
    fn good_input_is_read_and_blank_is_nothing() {
        let sample: Sample = read(&json!({"name": " Ann ", "age": null, "other": 1}), Source::Body).unwrap();
        assert_eq!((sample.name.as_str(), sample.age), ("Ann", None));
        assert!(read::<Sample>(&json!({"name": "  "}), Source::Body).is_err());
        assert!(read::<Sample>(&json!([1]), Source::Body).is_err());
        assert_eq!(read::<Sample>(&json!({"name": "a", "age": "7"}), Source::Query).unwrap().age, Some(7));
        assert!(read::<Sample>(&json!({"name": "a", "age": "7"}), Source::Body).is_err());
    }
}
