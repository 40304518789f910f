//! What the bodies of requests are, for the document; `NewWebhook::read` and its like read them.

use crate::webhooks::{PayloadVersion, Signing};
use serde_json::{Map, Value};
use utoipa::ToSchema;

macro_rules! body {
    ($(#[$doc:meta])* $name:ident as $shown:ident { $($(#[$of:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, ToSchema)]
        #[schema(as = $shown)]
        pub struct $name {
            $($(#[$of])* pub $field: $type,)+
            /// At most 20 names and values that are sent with every delivery: a credential of the receiver, for example.
            /// They are stored sealed, and only the names are shown. Null removes them.
            #[schema(value_type = Option<Object>)]
            pub headers: Option<Map<String, Value>>,
            /// Deliveries per minute at most. Null: no limit.
            #[schema(minimum = 1, maximum = 60_000)]
            pub rate_limit: Option<u32>,
            /// `ed25519` adds a signature that `public_key` verifies. At first `hmac`.
            #[schema(nullable = false)]
            pub signing: Option<Signing>,
        }
    };
}

body! {
    /// What a new webhook is to be.
    CreateWebhook as NewWebhook {
        #[schema(min_length = 1, max_length = 255)]
        name: String,
        /// `https`, at most 2048 characters.
        #[schema(max_length = 2048, pattern = "^https?://")]
        url: String,
        /// Event names, or `*` for every event.
        #[schema(min_items = 1, max_items = 100)]
        events: Vec<String>,
        /// Default: true.
        is_active: Option<bool>,
        /// `2026-04`: `timestamp` in Unix seconds, `data` flat. Null: the documented form.
        payload_version: Option<PayloadVersion>,
    }
}

body! {
    /// What is to change of a webhook; what is left out stays.
    UpdateWebhook as WebhookChanges {
        #[schema(nullable = false, min_length = 1, max_length = 255)]
        name: Option<String>,
        /// `https`, at most 2048 characters.
        #[schema(nullable = false, max_length = 2048, pattern = "^https?://")]
        url: Option<String>,
        /// Event names, or `*` for every event.
        #[schema(nullable = false, min_items = 1, max_items = 100)]
        events: Option<Vec<String>>,
        /// Switching off gives up the deliveries that wait; switching on again does not bring them back.
        #[schema(nullable = false)]
        is_active: Option<bool>,
        /// `2026-04`: `timestamp` in Unix seconds, `data` flat. Null: the documented form. Deliveries that are queued
        /// already keep theirs.
        payload_version: Option<PayloadVersion>,
    }
}

body! {
    /// What a partner's endpoint is to be; what is left out stays.
    SetPartnerWebhook as PartnerWebhookBody {
        /// `https`, at most 2048 characters.
        #[schema(max_length = 2048, pattern = "^https?://")]
        url: String,
        /// Event names, or `*` for every event. At first that is `*`.
        #[schema(nullable = false, min_items = 1, max_items = 100)]
        events: Option<Vec<String>>,
        /// Switching off gives up the deliveries that wait. At first that is true.
        #[schema(nullable = false)]
        is_active: Option<bool>,
    }
}
