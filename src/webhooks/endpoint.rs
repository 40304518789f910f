//! What the deliveries of one webhook share, and the requests they become.

use super::payload::{self, Dialect};
use super::settings::Signing;
use super::sign::{KeySigner, Signer, Slot};
use super::store::{self, DueRow, EndpointRow};
use super::{Owner, custom_headers};
use crate::app::App;
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Instant, Result};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use skylight_outbound::Request;
use url::Url;

/// What a webhook's deliveries share.
#[derive(Debug)]
pub struct Endpoint {
    owner: Owner,
    dialect: Dialect,
    url: Url,
    /// What its owner wants to see on every delivery.
    headers: HeaderMap,
    is_active: bool,
    /// Plans apply at use: without webhooks in it, deliveries wait.
    pub in_plan: bool,
    /// Deliveries wait until they are told to go on.
    pub is_paused: bool,
    /// Deliveries a minute at most.
    pub rate_limit: Option<u32>,
    dropped_through: Instant,
    signer: Signer,
    /// The secret before, and until when it signs too.
    previous: Option<(Signer, Instant)>,
    /// Where a public key verifies: the key, and the one before for as long as the secret before.
    keys: Vec<(KeySigner, Option<Instant>)>,
}

impl Endpoint {
    /// The webhook as it is now; none once it is deleted.
    pub async fn read(app: &App, owner: Owner, webhook: i64) -> Result<Option<Self>> {
        let Some(row) = store::endpoint(&app.db, owner, webhook).await? else { return Ok(None) };
        let key = owner.data_key(app).await?;
        Self::opened(&key, owner, webhook, row, app.now()).map(Some)
    }

    fn opened(key: &DataKey, owner: Owner, webhook: i64, row: EndpointRow, now: Instant) -> Result<Self> {
        let signer = Signer::new(Slot::Current.open(key, owner, webhook, &row.secret)?)?;
        let previous = match (row.previous_secret, row.previous_until) {
            (Some(sealed), Some(until)) if until > now => {
                Some((Signer::new(Slot::Previous.open(key, owner, webhook, &sealed)?)?, until))
            }
            _ => None,
        };
        let mut keys = Vec::new();
        if row.signing == Signing::Ed25519 {
            let until = row.previous_until.filter(|until| *until > now);
            let previous = row.previous_private_key.as_ref().filter(|_| until.is_some());
            let sealed =
                [(Slot::PrivateKey, row.private_key.as_ref(), None), (Slot::PreviousPrivateKey, previous, until)];
            for (slot, sealed, until) in sealed {
                let Some(sealed) = sealed else { continue };
                keys.push((KeySigner::new(&slot.open(key, owner, webhook, sealed)?)?, until));
            }
        }
        let headers = match row.headers {
            Some(sealed) => custom_headers::of_json(Slot::Headers.open(key, owner, webhook, &sealed)?.reveal()),
            None => HeaderMap::new(),
        };
        Ok(Self {
            owner,
            dialect: Dialect::of(&row.dialect),
            url: Url::parse(&row.url).map_err(Error::internal)?,
            headers,
            is_active: row.is_active,
            in_plan: row.in_plan,
            is_paused: row.paused_at.is_some(),
            rate_limit: row.rate_limit,
            dropped_through: row.dropped_through,
            signer,
            previous,
            keys,
        })
    }

    /// Whether a delivery is still to be sent. A test is, even while the webhook is switched off.
    pub fn wants(&self, due: &DueRow) -> bool {
        due.queued_at > self.dropped_through && (self.is_active || due.event == payload::TEST)
    }

    /// The list of the Standard Webhooks: what is new first.
    fn standard_signatures(&self, due: &DueRow, timestamp: &str, body: &[u8], now: Instant) -> String {
        let id = &due.delivery_id;
        let mut list = vec![self.signer.standard(id, timestamp, body)];
        if let Some((previous, until)) = &self.previous
            && *until > now
        {
            list.push(previous.standard(id, timestamp, body));
        }
        for (key, until) in &self.keys {
            if until.is_none_or(|until| until > now) {
                list.push(key.standard(id, timestamp, body));
            }
        }
        list.join(" ")
    }

    /// The `number`th attempt of a delivery.
    pub fn request(&self, due: &DueRow, number: i64, now: Instant) -> Request {
        let body = payload::body(self.dialect, self.owner, due);
        let timestamp = now.seconds().to_string();
        let mut texts = vec![
            ("webhook-id", due.delivery_id.clone()),
            ("webhook-signature", self.standard_signatures(due, &timestamp, &body, now)),
            ("webhook-timestamp", timestamp.clone()),
        ];
        match self.dialect {
            Dialect::Product => texts.extend([
                ("x-skylight-event", due.event.clone()),
                ("x-skylight-delivery", due.delivery_id.clone()),
                ("x-skylight-timestamp", timestamp),
                ("x-skylight-signature", self.signer.documented(&body)),
                ("x-skylight-attempt", number.to_string()),
            ]),
            Dialect::Hub => texts.push(("x-360dialog-signature", self.signer.bare(&body))),
        }
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("Webhooks/1.0"));
        for (name, text) in texts {
            // All of them are names and numbers of ours.
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Request { method: Method::POST, url: self.url.clone(), headers, body }
    }
}
