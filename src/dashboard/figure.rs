//! Small parts that several pages show.

use super::{day_and_time, number};
use crate::auth::sessions::Visit;
use crate::kernel::Timezone;

/// A number with its limit.
#[derive(Debug)]
pub struct Figure {
    pub id: &'static str,
    pub label: &'static str,
    pub used: i64,
    /// Below zero is unlimited.
    pub max: i64,
    /// What is said when there is nothing yet.
    pub empty: &'static str,
}

impl Figure {
    pub fn used_text(&self) -> String {
        number(self.used)
    }

    pub fn max_text(&self) -> String {
        number(self.max)
    }

    /// The bar's end: a limit of nothing is full from the start.
    pub fn full(&self) -> i64 {
        self.max.max(1)
    }
}

/// A partner's visit, in a list.
#[derive(Debug)]
pub struct ShownVisit {
    pub name: String,
    pub since: String,
    pub until: String,
    /// The path of the form that ends it.
    pub end: String,
}

impl ShownVisit {
    pub fn of(visit: &Visit, name: &str, zone: &Timezone, end: String) -> Self {
        let [since, until] = [visit.started_at, visit.expires_at].map(|at| day_and_time(at, zone));
        Self { name: name.to_owned(), since, until, end }
    }
}
