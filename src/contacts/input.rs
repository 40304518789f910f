//! What callers say about contacts, read and checked: every fault of it at once.

use super::{ChannelType, Contact, ContactStatus, Filter, Inbound, Search};
use crate::kernel::{Email, Fields, Input, Instant, Page, Phone, text};
use utoipa::ToSchema;

const LONGEST_NAME: usize = 255;
pub(super) const LONGEST_TAG: usize = 100;
pub(super) const MOST_TAGS: usize = 50;

/// A contact to be.
#[derive(Clone, Debug, ToSchema)]
pub struct NewContact {
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// Required for WhatsApp and Telegram. A national number is read as one of the workspace's country.
    pub phone: Option<Phone>,
    pub email: Option<Email>,
    #[schema(rename = "type")]
    pub channel_type: ChannelType,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    pub tags: Vec<String>,
}

impl Input for NewContact {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").required().text(LONGEST_NAME);
        let channel_type = fields.at("type").required().one_of(ChannelType::WORDS);
        let needs_phone = channel_type.is_some_and(ChannelType::needs_phone);
        let phone = fields.at("phone").required_if(needs_phone).phone(fields.country());
        let email = fields.at("email").email();
        let tags = tags(fields).unwrap_or_default();
        Some(Self { name: name?, phone, email, channel_type: channel_type?, tags })
    }
}

impl NewContact {
    /// Somebody who wrote first. Providers let people call themselves anything, or nothing.
    pub(super) fn inbound(from: &Inbound) -> Self {
        let shown: String = from.name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        let number = || from.phone.as_ref().map(Phone::to_string);
        let name = text::clean(&shown).or_else(number).unwrap_or_else(|| "Unknown".to_owned());
        Self { name, phone: from.phone.clone(), email: None, channel_type: from.channel_type, tags: Vec::new() }
    }

    pub(super) fn into_contact(self, id: i64, now: Instant) -> Contact {
        let Self { name, phone, email, channel_type, tags } = self;
        Contact {
            id,
            name,
            email,
            phone,
            channel_type,
            status: ContactStatus::Active,
            blacklisted: false,
            tags,
            last_message_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The two fields that no two contacts share; for saying that a number is taken beside other faults.
#[derive(Clone, Debug)]
pub struct PhoneOfType {
    pub channel_type: ChannelType,
    pub phone: Phone,
}

impl PhoneOfType {
    /// Of a new contact, or of one that has its type.
    pub fn read(fields: &Fields<'_>, contact: Option<&Contact>) -> Option<Self> {
        let channel_type = match contact {
            Some(contact) => contact.channel_type,
            None => fields.at("type").one_of(ChannelType::WORDS)?,
        };
        Some(Self { channel_type, phone: fields.at("phone").phone(fields.country())? })
    }
}

/// A change of some fields of a contact. Read against that contact, because not every field of every contact may go.
#[derive(Clone, Debug, Default, ToSchema)]
pub struct ContactChange {
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    name: Option<String>,
    /// `null` removes it, where the channel does not need one.
    #[schema(value_type = Option<Phone>)]
    phone: Option<Option<Phone>>,
    /// `null` removes it.
    #[schema(value_type = Option<Email>)]
    email: Option<Option<Email>>,
    #[schema(nullable = false)]
    status: Option<ContactStatus>,
    /// Replaces all tags.
    #[schema(max_items = 50)]
    tags: Option<Vec<String>>,
}

impl ContactChange {
    pub(super) fn of_tags(tags: Vec<String>) -> Self {
        Self { tags: Some(tags), ..Self::default() }
    }

    pub fn read(fields: &mut Fields<'_>, contact: &Contact) -> Option<Self> {
        let name = fields.at("name").not_emptied().text(LONGEST_NAME);
        let channel_type = fields.at("type");
        if channel_type.one_of(ChannelType::WORDS).is_some_and(|asked| asked != contact.channel_type) {
            channel_type.wrong::<()>("cannot be changed");
        }
        let phone = fields.at("phone");
        let has_phone = phone.is_present();
        let keeps_phone = has_phone && contact.phone.is_some() && contact.channel_type.needs_phone();
        let phone = phone.required_if(keeps_phone).phone(fields.country());
        let email = fields.at("email");
        let email = email.is_present().then(|| email.email());
        let status = fields.at("status").not_emptied().one_of(ContactStatus::WORDS);
        let tags = fields.at("tags").is_present().then(|| tags(fields).unwrap_or_default());
        Some(Self { name, phone: has_phone.then_some(phone), email, status, tags })
    }

    pub(super) fn applied_to(self, mut contact: Contact) -> Contact {
        if let Some(name) = self.name {
            contact.name = name;
        }
        if let Some(phone) = self.phone {
            contact.phone = phone;
        }
        if let Some(email) = self.email {
            contact.email = email;
        }
        if let Some(status) = self.status {
            contact.status = status;
        }
        if let Some(tags) = self.tags {
            contact.tags = tags;
        }
        contact
    }
}

/// Distinct titles in their order. What is stored between them must not stand inside.
pub(super) fn tags(fields: &Fields<'_>) -> Option<Vec<String>> {
    let tags = fields.at("tags").texts(MOST_TAGS, LONGEST_TAG)?;
    if tags.iter().any(|tag| tag.contains(char::is_control)) {
        return fields.at("tags").wrong("format is invalid");
    }
    Some(tags)
}

/// Whether a contact shall be blacklisted; nothing said is the other state.
#[derive(Clone, Copy, Debug, ToSchema)]
pub struct Blacklisting {
    pub blacklisted: Option<bool>,
}

impl Input for Blacklisting {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { blacklisted: fields.at("blacklisted").boolean() })
    }
}

/// The query of a list.
#[derive(Clone, Debug)]
pub struct ContactQuery {
    pub filter: Filter,
    pub page: Page,
}

impl Input for ContactQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let filter = Filter {
            search: fields.at("search").text(LONGEST_NAME).as_deref().and_then(Search::of),
            channel_type: fields.at("type").one_of(ChannelType::WORDS),
            blacklisted: fields.at("blacklisted").boolean(),
            tag: fields.at("tag").text(LONGEST_TAG),
        };
        Some(Self { filter, page: Page::read(fields, 15, 100) })
    }
}
