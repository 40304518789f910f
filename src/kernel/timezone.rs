//! IANA time zones, from the bundled data alone so that every node agrees.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Serialize;
use skylight_db::{Cell, Column, Param, Value};
use std::sync::LazyLock;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timezone(String);

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl Timezone {
    /// Only names of the data, in their own spelling.
    pub fn parse(name: &str) -> Option<Self> {
        let zone = ZONES.get(name).ok()?;
        zone.iana_name().filter(|canonical| *canonical == name || name == "UTC").map(|_| Self(name.to_owned()))
    }

    pub fn utc() -> Self {
        Self("UTC".to_owned())
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    pub fn rules(&self) -> TimeZone {
        ZONES.get(&self.0).unwrap_or(TimeZone::UTC)
    }
}

impl Param for Timezone {
    fn value(&self) -> Value<'_> {
        Value::Text(&self.0)
    }
}

impl Column for Timezone {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        String::from_cell(cell).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_data_are_zones() {
        for good in ["Asia/Riyadh", "Europe/London", "UTC", "America/Argentina/Buenos_Aires"] {
            assert!(Timezone::parse(good).is_some(), "{good}");
        }
        for bad in ["Mars/Base", "", "+03:00", "asia/riyadh", "../etc/passwd"] {
            assert!(Timezone::parse(bad).is_none(), "{bad}");
        }
    }
}
