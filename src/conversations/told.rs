//! What the events of messages say.

use crate::contacts::{ChannelType, ContactSummary};
use crate::kernel::{Instant, Phone};
use serde::Serialize;
use utoipa::ToSchema;

/// What `message.received` and `message.sent` say.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageEvent<'a> {
    pub message: ToldMessage<'a>,
    pub contact: Correspondent<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ToldMessage<'a> {
    #[schema(example = 9001)]
    pub id: i64,
    /// `inbound` or `outbound`.
    #[schema(example = "inbound")]
    pub direction: &'a str,
    #[schema(example = "whatsapp")]
    pub channel: &'a str,
    /// `text`, or what the content is a placeholder for.
    #[schema(example = "text")]
    pub kind: &'a str,
    #[schema(example = "A table for four at eight, please.")]
    pub content: &'a str,
    /// `received` or `sent`.
    #[schema(example = "received")]
    pub status: &'a str,
    pub sent_at: Option<Instant>,
    pub created_at: Instant,
}

/// Who wrote, or was written to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Correspondent<'a> {
    #[schema(example = 42)]
    pub id: i64,
    #[schema(example = "Sarah Johnson")]
    pub name: &'a str,
    #[schema(value_type = Option<Phone>)]
    pub phone: Option<&'a Phone>,
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
}

impl<'a> Correspondent<'a> {
    pub fn of(contact: &'a ContactSummary) -> Self {
        let ContactSummary { id, name, phone, channel_type, .. } = contact;
        Self { id: *id, name, phone: phone.as_ref(), channel_type: *channel_type }
    }
}
