//! Conversations and their messages: what comes in, what goes out, and how far it came.
//! Tables: `conversation`, `message`, `contact_address`, `early_status`.

pub mod api;
mod inbound;
mod progress;
mod sending;
mod store;
mod told;

pub use inbound::ProcessInbound;
pub use sending::SendMessages;
pub use told::MessageEvent;

use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::channels;
use crate::contacts::{self, ChannelType};
use crate::jobs::{self, LaneKey, NewJob};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Cursor, Error, Instant, Listing, Page, Result};
use crate::plans::meter;
use serde::Serialize;
use skylight_db::{Db, Read};
use std::time::Duration;
use utoipa::ToSchema;

/// A message as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    #[schema(example = 9001)]
    pub id: i64,
    #[schema(example = 42)]
    pub contact_id: i64,
    /// `inbound` or `outbound`.
    #[schema(example = "outbound")]
    pub direction: String,
    #[schema(example = "whatsapp")]
    pub channel: String,
    #[schema(example = 1)]
    pub channel_id: i64,
    /// `text`, or what the content is a placeholder for.
    #[schema(example = "text")]
    pub kind: String,
    #[schema(example = "Your table is booked for 19:30.")]
    pub content: String,
    /// `pending`, `sent`, `delivered`, `read`, `failed`; inbound ones are `received`.
    #[schema(example = "delivered")]
    pub status: String,
    pub error: Option<MessageError>,
    pub sent_at: Option<Instant>,
    pub delivered_at: Option<Instant>,
    pub read_at: Option<Instant>,
    pub failed_at: Option<Instant>,
    pub created_at: Instant,
}

/// What the provider said against a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageError {
    /// `auth`, `rate_channel`, `rate_pair`, `window_closed`, `recipient_unreachable`, `invalid_request`, `policy`,
    /// `transient`, `outcome_unknown`, `unknown`.
    #[schema(example = "window_closed")]
    pub class: String,
    /// The provider's own code.
    #[schema(example = "131047")]
    pub code: String,
    #[schema(example = "Re-engagement message")]
    pub message: String,
}

/// A conversation: one per contact.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conversation {
    #[schema(example = 42)]
    pub contact_id: i64,
    #[schema(example = "Sarah Johnson")]
    pub contact_name: String,
    #[schema(example = "whatsapp")]
    pub channel: String,
    #[schema(example = "Is the blue one back in stock?")]
    pub last_message: String,
    pub last_message_at: Instant,
    #[schema(example = 2)]
    pub unread_count: i64,
    /// Until when free text may be sent, where the channel has such a window.
    pub window_expires_at: Option<Instant>,
}

/// Which conversations are asked for.
#[derive(Debug)]
pub struct Filter {
    pub page: Page,
    pub channel: Option<ChannelType>,
    pub contact_id: Option<i64>,
    /// Whether something waits to be read.
    pub unread: Option<bool>,
}

impl Input for Filter {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            page: Page::read(fields, 15, 100),
            channel: fields.at("channel").one_of(ChannelType::WORDS),
            contact_id: fields.at("contact_id").id(),
            unread: fields.at("unread").boolean(),
        })
    }
}

/// Conversations, the most recent first.
pub async fn list(db: &Db, scope: WorkspaceScope, filter: Filter) -> Result<Listing<Conversation>> {
    let rows = store::conversations(db, scope, &filter).await?;
    let place = |row: &Conversation| Cursor { key: row.last_message_at.micros(), id: row.contact_id };
    let total = async { Ok(store::count_conversations(db, scope, &filter).await?) };
    Listing::of(filter.page, rows, place, total).await
}

/// Messages with a contact, the newest first.
pub async fn history(
    db: &Db,
    scope: WorkspaceScope,
    contact: i64,
    direction: Option<&'static str>,
    page: Page,
) -> Result<Listing<Message>> {
    contacts::summary(db, scope, contact).await?;
    let rows = store::messages(db, scope, contact, direction, page).await?;
    let messages: Vec<Message> = rows.into_iter().map(Message::from).collect();
    let total = async { Ok(store::count_messages(db, scope, contact, direction).await?) };
    Listing::of(page, messages, |message| Cursor::id(message.id), total).await
}

/// Whether anything was said with a contact yet.
pub async fn has_messages(read: impl Read, scope: WorkspaceScope, contact: i64) -> Result<bool> {
    Ok(store::has_conversation(read, scope, contact).await?)
}

pub async fn message(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Message> {
    let row = store::message(read, scope, id).await?.ok_or_else(|| Error::no_such("Message"))?;
    Ok(row.into())
}

/// How far a conversation is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadState {
    #[schema(example = 42)]
    pub contact_id: i64,
    /// Messages of the contact that are still unread.
    #[schema(example = 0)]
    pub unread_count: i64,
    /// The message through which everything is read; null as long as nothing was marked.
    #[schema(example = 9001)]
    pub read_through: Option<i64>,
}

/// How far to mark a conversation as read.
#[derive(Clone, Copy, Debug, ToSchema)]
pub struct MarkRead {
    /// The newest message that was seen. Default: the newest there is.
    #[schema(example = 9001)]
    pub up_to: Option<i64>,
}

impl Input for MarkRead {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { up_to: fields.at("up_to").id() })
    }
}

/// Marks messages of a contact as read: those through a message, or all that are there when this begins. What arrives
/// meanwhile stays unread, and what was read once does not become unread again.
pub async fn mark_read(unit: &mut Unit, scope: WorkspaceScope, contact: i64, mark: MarkRead) -> Result<ReadState> {
    contacts::summary(&mut unit.tx, scope, contact).await?;
    let up_to = match mark.up_to {
        Some(id) if store::has_message_with(&mut unit.tx, scope, contact, id).await? => Some(id),
        Some(_) => return Err(Error::field("up_to", "The selected up to is invalid.")),
        None => store::newest_message(&mut unit.tx, scope, contact).await?,
    };
    if let Some(up_to) = up_to {
        store::lock_conversation(&mut unit.tx, scope, contact).await?;
        store::mark_read(&mut unit.tx, scope, contact, up_to).await?;
    }
    let state = store::read_state(&mut unit.tx, scope, contact).await?;
    Ok(state.unwrap_or(ReadState { contact_id: contact, unread_count: 0, read_through: None }))
}

/// A message to be sent.
#[derive(Debug, ToSchema)]
pub struct NewMessage {
    #[schema(example = 42)]
    pub contact_id: i64,
    #[schema(min_length = 1, max_length = 4096, example = "Your table is booked for 19:30.")]
    pub content: String,
    /// The contact's channel type; anything else is refused.
    pub channel: Option<ChannelType>,
    /// A certain account of that type. Default: the one the conversation is held on.
    pub channel_id: Option<i64>,
}

/// The longest text every channel takes.
const LONGEST: usize = 4096;

impl Input for NewMessage {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let contact_id = fields.at("contact_id").required().id();
        let content = fields.at("content").required().text(LONGEST);
        let channel = fields.at("channel").one_of(ChannelType::WORDS);
        let channel_id = fields.at("channel_id").id();
        Some(Self { contact_id: contact_id?, content: content?, channel, channel_id })
    }
}

/// Whom and what a message names, of which some may be wrong.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    contact_id: Option<i64>,
    channel: Option<ChannelType>,
    channel_id: Option<i64>,
}

impl Named {
    pub fn read(fields: &Fields<'_>) -> Option<Self> {
        Some(Self {
            contact_id: fields.at("contact_id").id(),
            channel: fields.at("channel").one_of(ChannelType::WORDS),
            channel_id: fields.at("channel_id").id(),
        })
    }
}

/// Whether it is all there; every fault of it.
pub async fn check_named(db: &Db, scope: WorkspaceScope, named: Named) -> Result<()> {
    let contact = match named.contact_id {
        Some(id) => Some(recipient(db, scope, id, named.channel).await),
        None => None,
    };
    let channel = async {
        let Some(id) = named.channel_id else { return Ok(()) };
        let kind = match &contact {
            Some(Ok(contact)) => contact.channel_type,
            _ => return channels::check(db, scope, id).await,
        };
        channels::for_sending(db, scope, kind.as_str(), Some(id), None).await.map(|_| ())
    }
    .await;
    match contact {
        Some(Err(fault)) => Err(fault.beside(async { channel }).await),
        _ => channel,
    }
}

/// Writes a message down and queues it. It goes out in the background, once, in the order of its conversation.
pub async fn send(unit: &mut Unit, scope: WorkspaceScope, new: NewMessage) -> Result<Message> {
    let contact = recipient(&mut unit.tx, scope, new.contact_id, new.channel).await?;
    let preferred = store::conversation_channel(&mut unit.tx, scope, new.contact_id).await?;
    let kind = contact.channel_type.as_str();
    let (channel, provider) = channels::for_sending(&mut unit.tx, scope, kind, new.channel_id, preferred).await?;
    let known = store::address(&mut unit.tx, scope, channel, new.contact_id).await?;
    let derived = || contact.phone.as_ref().and_then(|phone| provider.address_of(phone));
    let address = known.or_else(derived).ok_or_else(|| {
        Error::field("contact_id", "This contact has not written on this channel yet, so it has no address to send to.")
    })?;
    let now = unit.now();
    let row =
        store::NewOutbound { contact: new.contact_id, channel, kind, content: &new.content, address: &address, now };
    let id = store::insert_outbound(&mut unit.tx, scope, &row).await?;
    // Lanes first, then the contact's rows, the meter last: every writer takes its locks in this order, so none waits in a
    // circle, and the meter, which all of a workspace share, is held for the shortest time.
    let lane = LaneKey { kind: sending::LANE, key: channel, workspace: Some(scope) };
    jobs::enqueue(unit, lane, &[NewJob { subject: id, group: new.contact_id }]).await?;
    contacts::touch_last_message(unit, scope, new.contact_id, now).await?;
    let touch =
        store::Touch { contact: new.contact_id, channel, kind, text: &new.content, at: now, window: None, unread: 0 };
    store::touch_conversation(&mut unit.tx, scope, &touch).await?;
    meter::take_message(unit, scope).await?;
    message(&mut unit.tx, scope, id).await
}

/// Removes parked statuses that nobody will ask for: those of messages that were sent by other systems.
pub async fn forget_early_statuses(app: &App) -> Result<u64> {
    let before = app.now().before(Duration::from_secs(24 * 60 * 60));
    let mut unit = app.begin().await?;
    let removed = store::all_workspaces_forget_early(&mut unit.tx, before).await?;
    unit.commit().await?;
    Ok(removed)
}

/// The contact, if it may be written to.
async fn recipient(
    read: impl Read,
    scope: WorkspaceScope,
    contact_id: i64,
    channel: Option<ChannelType>,
) -> Result<contacts::ContactSummary> {
    let found = contacts::summary(read, scope, contact_id).await;
    let contact = found.map_err(|error| match error.public().status {
        404 => Error::field("contact_id", "The selected contact id is invalid."),
        _ => error,
    })?;
    if contact.blacklisted {
        return Err(Error::field("contact_id", "The contact is blacklisted."));
    }
    if channel.is_some_and(|channel| channel != contact.channel_type) {
        return Err(Error::field("channel", "The channel must be the contact's own."));
    }
    Ok(contact)
}
