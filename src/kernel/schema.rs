//! How the kernel's values look in the OpenAPI document.

use super::{Country, Email, Instant, Phone, Timezone};
use serde_json::json;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! text_schema {
    ($type:ty, $example:literal, $description:literal $(, $format:expr)?) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let object = ObjectBuilder::new().schema_type(Type::String).description(Some($description));
                let object = object.examples([json!($example)]);
                $(let object = object.format(Some($format));)?
                object.into()
            }
        }
        impl ToSchema for $type {}
    };
}

text_schema!(
    Instant,
    "2026-03-04T12:00:00.000000Z",
    "ISO 8601, UTC, six fractional digits",
    SchemaFormat::KnownFormat(KnownFormat::DateTime)
);
text_schema!(Phone, "+966501234567", "E.164; spaces, dashes, Arabic-Indic digits and a leading 00 are understood");
text_schema!(Email, "sara@almadar.sa", "E-mail address", SchemaFormat::KnownFormat(KnownFormat::Email));
text_schema!(Timezone, "Asia/Riyadh", "IANA time zone");

impl PartialSchema for Country {
    fn schema() -> RefOr<Schema> {
        let of = |kind: Type, example: serde_json::Value| ObjectBuilder::new().schema_type(kind).examples([example]);
        ObjectBuilder::new()
            .property("id", of(Type::Integer, json!(194)))
            .property("name", of(Type::String, json!("Saudi Arabia")))
            .property("code", of(Type::String, json!("SA")))
            .required("id")
            .required("name")
            .required("code")
            .into()
    }
}
impl ToSchema for Country {}
