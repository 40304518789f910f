//! Enumerations that are words everywhere: in the API, in the database, in documents.

/// Makes an enumeration with `WORDS` for reading and `as_str` for writing, bound and read by its word.
///
/// ```text
/// words! {
///     /// How urgent it is.
///     pub enum Urgency { Low = "low", High = "high" }
/// }
/// ```
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($variant:ident = $word:tt),+ $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, utoipa::ToSchema)]
        $(#[$doc])*
        pub enum $name {
            $(#[serde(rename = $word)] $variant),+
        }

        impl $name {
            pub const WORDS: &[(&str, Self)] = &[$(($word, Self::$variant)),+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl skylight_db::Param for $name {
            fn value(&self) -> skylight_db::Value<'_> {
                skylight_db::Value::Text(self.as_str())
            }
        }

        impl skylight_db::Column for $name {
            fn from_cell(cell: skylight_db::Cell<'_>) -> Result<Self, String> {
                let found = Self::WORDS.iter().find(|(word, _)| cell == skylight_db::Cell::Text(word));
                found.map(|(_, value)| *value).ok_or_else(|| format!("not a {}: {cell:?}", stringify!($name)))
            }
        }
    };
}
