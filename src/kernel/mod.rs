//! Values that cannot be wrong, and the few words every room shares. Knows nothing of messaging.

pub mod cache;
pub mod clock;
pub mod country;
pub mod email;
pub mod error;
pub mod fields;
pub mod instant;
pub mod json;
pub mod language;
pub mod page;
pub mod phone;
pub mod random;
pub mod seal;
pub mod secret;
pub mod slug;
pub mod text;
pub mod timezone;
pub mod token;
pub mod words;

pub use clock::{Clock, SystemClock};
pub use country::Country;
pub use email::Email;
pub use error::{Error, Problem, Result};
pub use fields::{Fields, Input};
pub use instant::{Instant, Month};
pub use language::Language;
pub use page::{Cursor, Listing, Page};
pub use phone::Phone;
pub use random::{Random, SystemRandom};
pub use secret::Secret;
pub use timezone::Timezone;

mod schema;
