//! IANA time zones, from the bundled data alone so that every node agrees.

use super::Instant;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Serialize;
use sha2::{Digest, Sha256};
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

/// A word for the data's rules of these years: other data have another.
pub fn version() -> String {
    // 2025 to 2037.
    let (begin, end) = (Timestamp::constant(1_735_689_600, 0), Timestamp::constant(2_114_380_800, 0));
    let mut digest = Sha256::new();
    for name in &*NAMES {
        digest.update(name.as_bytes());
        let rules = Timezone(name.clone()).rules();
        digest.update(rules.to_offset(begin).seconds().to_be_bytes());
        for change in rules.following(begin).take_while(|change| change.timestamp() < end) {
            digest.update(change.timestamp().as_second().to_be_bytes());
            digest.update(change.offset().seconds().to_be_bytes());
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
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
