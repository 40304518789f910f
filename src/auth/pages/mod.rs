//! Pages of keys: a workspace's, and a partner's. They call the verbs that the API calls.

pub mod keys;
pub mod partner_keys;

use super::IssuedKey;
use crate::http::Form;
use crate::kernel::text;

/// What is wrong with a form.
struct Fault {
    what: &'static str,
    which: Vec<String>,
}

impl Fault {
    fn of(what: &'static str) -> Self {
        Self { what, which: Vec::new() }
    }
}

const LONGEST_NAME: usize = 255;

/// A key's name, as the API would take it.
fn name(form: &Form) -> Option<String> {
    let name = text::clean(form.text("name"))?;
    (!name.contains('\0') && name.chars().count() <= LONGEST_NAME).then_some(name)
}

fn shown(issued: &IssuedKey) -> Option<String> {
    Some(issued.key.reveal().to_owned())
}
