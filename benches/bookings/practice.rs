//! A workspace whose resources are booked: what is to come through the API, the past in the database.

use crate::common::Result;
use crate::common::machine::Server;
use crate::common::place;
use serde_json::{Value as Json, json};
use skylight::app::App;
use skylight::auth::{PartnerScope, WorkspaceScope};
use skylight_db::{Param, Value};
use skylight_test_support::http::HttpClient;

const RESOURCES: usize = 20;
const DAY: i64 = 86_400;

pub struct Practice {
    pub key: String,
    kind: Json,
    booking: Json,
    /// The first and the last day.
    days: [String; 2],
    free: usize,
    past: i64,
}

impl Practice {
    pub async fn settle(app: &App, server: &Server, partner: PartnerScope, past: i64, bookings: usize) -> Result<Self> {
        let (scope, key) = place::new_client(app, partner, &format!("Practice {past}")).await?;
        let now = app.now().seconds();
        let day = |days: i64| skylight::kernel::Instant::from_seconds(now + days * DAY).to_string()[..10].to_owned();
        let mut practice = Self { key, kind: Json::Null, booking: Json::Null, days: [day(2), day(32)], free: 0, past };
        let contact =
            practice.post(server, "contacts", json!({"name": "Sara", "phone": "+966501234567", "type": "whatsapp"}));
        let contact = contact.await["id"].clone();
        let kind = json!({"name": "Consultation", "duration_minutes": 30, "auto_complete": false});
        practice.kind = practice.post(server, "bookings/types", kind).await["id"].clone();
        let mut resources = Vec::new();
        for n in 0..RESOURCES {
            let part = |weekday: usize| json!({"weekday": weekday, "from": "09:00", "to": "17:00"});
            let hours: Json = (1..=5).map(part).collect();
            // Half of them where clocks change.
            let zone = if n % 2 == 0 { "Asia/Riyadh" } else { "Europe/Berlin" };
            let body = json!({"name": format!("Dr. {n}"), "type": "staff", "timezone": zone, "hours": hours});
            resources.push(practice.post(server, "bookings/resources", body).await["id"].clone());
        }
        let slots = practice.slots(server).await;
        for n in 0..bookings {
            let slot = &slots[n * slots.len() / bookings];
            let body = json!({
                "contact_id": contact, "booking_type_id": practice.kind, "resource_id": slot["resource_id"],
                "starts_at": slot["starts_at"],
            });
            practice.booking = practice.post(server, "bookings", body).await["id"].clone();
        }
        practice.remember(app, scope, past).await?;
        practice.free = practice.slots(server).await.len();
        match practice.free == slots.len() - bookings {
            true => Ok(practice),
            false => Err(format!("{} of {} slots are free", practice.free, slots.len()).into()),
        }
    }

    async fn post(&self, server: &Server, path: &str, body: Json) -> Json {
        let url = server.url(&format!("/api/v1/{path}"));
        HttpClient::new().post(url).bearer(&self.key).json(&body).send().await.expect(201)["data"].clone()
    }

    async fn slots(&self, server: &Server) -> Vec<Json> {
        let answer = HttpClient::new().get(server.url(&self.month())).bearer(&self.key).send().await.expect(200);
        answer["data"].as_array().cloned().unwrap_or_default()
    }

    /// Bookings that nobody ever completed, with the places they took, one every ten minutes.
    async fn remember(&self, app: &App, scope: WorkspaceScope, past: i64) -> Result<()> {
        let (kind, now) = (self.kind.as_i64().unwrap_or_default(), app.now());
        place::exec(
            app,
            "INSERT INTO booking (workspace_id, contact_id, booking_type_id, resource_id, title, starts_at, ends_at, timezone,
                 local_starts_at, status, created_at, updated_at)
             WITH RECURSIVE number (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM number WHERE n < CAST($3 AS BIGINT))
             SELECT $1, (SELECT MIN(id) FROM contact WHERE workspace_id = $1), $2,
                 (SELECT MIN(id) FROM booking_resource WHERE workspace_id = $1) + n % 20, 'Consultation', $4 - n * 600000000,
                 $4 - n * 600000000 + 300000000, 'UTC', '2026-01-01T10:00:00', 'confirmed', $4, $4 FROM number",
            &[scope.value(), Value::Int(kind), Value::Int(past), now.value()],
        )
        .await?;
        place::exec(
            app,
            "INSERT INTO booking_seat (workspace_id, booking_id, resource_id, seat, starts_at, ends_at)
             SELECT workspace_id, id, resource_id, 1, starts_at, ends_at FROM booking
             WHERE workspace_id = $1 AND ends_at < $2",
            &[scope.value(), now.value()],
        )
        .await
    }

    pub fn month(&self) -> String {
        let [first, last] = &self.days;
        format!("/api/v1/bookings/availability?booking_type_id={}&date={first}&to={last}", self.kind)
    }

    pub fn booking(&self) -> String {
        format!("/api/v1/bookings/{}", self.booking)
    }

    pub fn told(&self) -> String {
        format!("{} past ones, {} slots of {RESOURCES} resources are free", self.past, self.free)
    }
}
