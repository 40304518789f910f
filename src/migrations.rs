//! The schema, in the order it grew. A released file never changes.

use skylight_db::Migration;

macro_rules! migrations {
    ($($name:literal),+ $(,)?) => {
        pub const ALL: &[Migration] = &[$(
            Migration { name: $name, sql: include_str!(concat!("../migrations/", $name, ".sql")) }
        ),+];
    };
}

migrations![
    "0001_ground",
    "0002_partners",
    "0003_plans",
    "0004_workspaces",
    "0005_events",
    "0006_jobs",
    "0007_contacts",
    "0008_channels",
    "0009_conversations",
    "0010_webhooks",
    "0011_contact_lists",
    "0012_people",
    "0013_tickets",
    "0014_groups",
    "0015_sessions",
    "0016_partner_webhook",
    "0017_audit",
    "0018_contact_type_blacklisted",
    "0019_brands",
    "0020_webhook_wishes",
    "0021_lane_health",
    "0022_search_at_once",
    "0023_bookings",
    "0024_booking_feeds",
    "0025_bookings_read_by_index",
    "0026_order",
    "0027_words_unplanned",
    "0028_words_apart",
    "0029_forks",
];
