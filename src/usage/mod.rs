//! What clients used, for their partner's invoices. The counters are kept as things happen (`plans::meter`); reading them
//! never scans messages. This room owns no table.

pub mod api;
mod store;

use crate::auth::PartnerScope;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Cursor, Instant, Listing, Month, Page, Result};
use crate::workspaces;
use serde::Serialize;
use skylight_db::Db;
use utoipa::ToSchema;

/// Which month is asked for; `text` is echoed.
#[derive(Debug, Clone)]
pub struct Period {
    pub text: String,
    /// None: the running month.
    pub month: Option<Month>,
}

impl Period {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let field = fields.at("period");
        let text = field.text(16).unwrap_or_else(|| "current".to_owned());
        if text == "current" {
            return Some(Self { text, month: None });
        }
        match Month::parse(&text) {
            Some(month) => Some(Self { text, month: Some(month) }),
            None => field.wrong("format is invalid"),
        }
    }

    /// The month, unless it is yet to come.
    fn month(&self, now: Instant) -> Result<Month> {
        let running = now.month();
        match self.month {
            Some(month) if month > running => {
                Err(crate::kernel::Error::field("period", "The period must not be in the future."))
            }
            Some(month) => Ok(month),
            None => Ok(running),
        }
    }
}

/// The query of a client's usage.
#[derive(Debug)]
pub struct OfOne(pub Period);

impl Input for OfOne {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Period::read(fields).map(Self)
    }
}

/// The query of all clients' usage.
#[derive(Debug)]
pub struct OfAll(pub Period, pub Page);

impl Input for OfAll {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let page = Page::read(fields, 50, 200);
        Some(Self(Period::read(fields)?, page))
    }
}

/// One client's month.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientUsage {
    #[schema(example = 101)]
    pub client_id: i64,
    /// As it was asked for.
    #[schema(example = "2026-02")]
    pub period: String,
    pub contacts: ContactUsage,
    pub messages: MessageUsage,
    pub campaigns: CampaignUsage,
    pub bookings: BookingUsage,
    #[schema(example = 512)]
    pub ai_agent_sessions: i64,
    #[schema(example = 5)]
    pub team_members: i64,
    #[schema(example = json!(["whatsapp", "telegram"]))]
    pub channels_connected: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ContactUsage {
    /// At the month's end, or now.
    #[schema(example = 3820)]
    pub total: i64,
    #[schema(example = 340)]
    pub created_this_period: i64,
    #[schema(example = 12)]
    pub blacklisted: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MessageUsage {
    #[schema(example = 8200)]
    pub sent: i64,
    #[schema(example = 4100)]
    pub received: i64,
    #[schema(example = 38)]
    pub failed: i64,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CampaignUsage {
    #[schema(example = 6)]
    pub total: i64,
    #[schema(example = 5)]
    pub sent: i64,
    #[schema(example = 1)]
    pub paused: i64,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub struct BookingUsage {
    #[schema(example = 91)]
    pub total: i64,
    #[schema(example = 74)]
    pub completed: i64,
    #[schema(example = 9)]
    pub cancelled: i64,
}

/// All clients' month: a summary over all of them, and a page of clients.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartnerUsage {
    #[schema(example = "2026-02")]
    pub period: String,
    pub summary: Summary,
    pub clients: Vec<ClientLine>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    #[schema(example = 14)]
    pub total_clients: i64,
    #[schema(example = 13)]
    pub active_clients: i64,
    #[schema(example = 98400)]
    pub total_messages_sent: i64,
    #[schema(example = 42900)]
    pub total_contacts: i64,
    #[schema(example = 6870)]
    pub total_ai_sessions: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ClientLine {
    #[schema(example = 101)]
    pub client_id: i64,
    #[schema(example = "Al-Madar Retail")]
    pub company_name: String,
    #[schema(example = "business")]
    pub plan: String,
    #[schema(example = 8200)]
    pub messages_sent: i64,
    #[schema(example = 3820)]
    pub contacts: i64,
    #[schema(example = 512)]
    pub ai_agent_sessions: i64,
}

/// One client's counters. A month before the workspace existed is zeros.
pub async fn of_client(db: &Db, partner: PartnerScope, id: i64, period: &Period, now: Instant) -> Result<ClientUsage> {
    let scope = workspaces::of_partner(db, partner, id).await?;
    let month = period.month(now)?;
    let row = store::month(db, scope, month).await?;
    // People and channels are not counted by month: of a month of the workspace's life they are told as they are now.
    let existed = month >= row.born.month();
    let channels_connected = if existed { store::channels_connected(db, scope).await? } else { Vec::new() };
    let counted_here = row.month == month.number();
    let this_month = |count: i64| if counted_here { count } else { 0 };
    Ok(ClientUsage {
        client_id: id,
        period: period.text.clone(),
        contacts: ContactUsage {
            total: row.contacts,
            created_this_period: this_month(row.contacts_created),
            blacklisted: row.blacklisted,
        },
        messages: MessageUsage {
            sent: this_month(row.messages_sent),
            received: this_month(row.messages_received),
            failed: this_month(row.messages_failed),
        },
        campaigns: CampaignUsage::default(),
        bookings: BookingUsage {
            total: this_month(row.bookings_created),
            completed: this_month(row.bookings_completed),
            cancelled: this_month(row.bookings_cancelled),
        },
        ai_agent_sessions: 0,
        team_members: if existed { row.team_members } else { 0 },
        channels_connected,
    })
}

/// All clients' counters, newest client first.
pub async fn of_all(
    db: &Db,
    partner: PartnerScope,
    period: &Period,
    page: Page,
    now: Instant,
) -> Result<(PartnerUsage, Listing<()>)> {
    let month = period.month(now)?;
    let summary = store::summary(db, partner, month).await?;
    let rows = store::page(db, partner, month, page).await?;
    let total = summary.total_clients;
    let part = Listing::of(page, rows, |client| Cursor::id(client.client_id), async { Ok(total) }).await?;
    let (clients, meta) = (part.items, part.meta);
    Ok((PartnerUsage { period: period.text.clone(), summary, clients }, Listing { items: Vec::new(), meta }))
}

/// Recounts what is counted as it happens; answers a sentence for every counter that differs.
pub async fn recount(db: &Db) -> Result<Vec<String>> {
    let rows = store::all_workspaces_differences(db).await?;
    let sentence = |(workspace, what, kept, counted): (i64, String, i64, i64)| {
        format!("workspace {workspace}: {what} is kept as {kept}, but there are {counted}")
    };
    Ok(rows.into_iter().map(sentence).collect())
}
