//! Working in what providers posted: contacts, conversations, messages, statuses. Everything of one stored body happens in
//! one transaction, and the same body again changes nothing: the unique index on the provider's message id decides.

use super::told::{Correspondent, MessageEvent, ToldMessage};
use super::{progress, store};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::channels::provider::{Incoming, IncomingMessage};
use crate::channels::{self, Account, StoredInbound};
use crate::contacts::{self, ChannelType, Inbound};
use crate::events;
use crate::jobs::{Job, Kind, Lane, Opened, Verdict};
use crate::kernel::{Error, Phone, Result};
use crate::plans::meter::{self, Counts};
use std::collections::HashMap;
use std::sync::Arc;

/// A body in common words.
#[derive(Debug)]
pub struct Read {
    elements: Vec<Incoming>,
    /// How many of them are worked in already.
    taken: usize,
}

impl Read {
    /// What is not worked in yet, at most so much.
    fn next(&self, most: usize) -> &[Incoming] {
        let rest = self.elements.get(self.taken..).unwrap_or_default();
        &rest[..rest.len().min(most)]
    }
}

/// Elements worked in by one transaction: on the embedded database everybody else's writes wait for it.
const MOST_AT_ONCE: usize = 100;

/// Reads stored bodies and works them in, in the order they came.
#[derive(Debug)]
pub struct ProcessInbound;

impl Kind for ProcessInbound {
    const NAME: &'static str = channels::INBOUND_LANE;
    /// Bodies reach 4 MB, so few are held at a time.
    const CONCURRENCY: usize = 8;
    const STRICT: bool = false;
    type Shared = Arc<Account>;
    type Item = StoredInbound;
    type Done = Read;

    /// Also while the workspace is suspended: what customers write is stored, not lost.
    async fn open(&self, app: &App, lane: &Lane) -> Result<Opened<Arc<Account>>> {
        let Some(workspace) = lane.workspace_id else { return Ok(Opened::Gone) };
        let scope = WorkspaceScope::of_background_work(workspace);
        Ok(channels::by_id(app, scope, lane.key).await?.map_or(Opened::Gone, Opened::Ready))
    }

    async fn load(&self, app: &App, account: &Arc<Account>, jobs: &[Job]) -> Result<Vec<Option<StoredInbound>>> {
        let ids: Vec<i64> = jobs.iter().map(|job| job.subject).collect();
        let stored = channels::bodies(app, account.scope, &ids).await?;
        let mut stored: HashMap<i64, StoredInbound> = stored.into_iter().map(|body| (body.id, body)).collect();
        Ok(ids.iter().map(|id| stored.remove(id)).collect())
    }

    async fn perform(&self, _: &App, account: &Arc<Account>, _: Job, stored: StoredInbound) -> Read {
        let elements = account.provider.parse(account, &stored.body, stored.received_at);
        Read { elements, taken: stored.taken }
    }

    async fn settle(
        &self,
        unit: &mut Unit,
        account: &Arc<Account>,
        done: &mut Vec<(Job, Read)>,
    ) -> Result<Vec<Verdict>> {
        let mut counts = Counts::default();
        let (mut finished, mut verdicts) = (Vec::new(), Vec::with_capacity(done.len()));
        let (mut room, now) = (MOST_AT_ONCE, unit.now());
        hold_known(unit, account, done.iter().flat_map(|(_, read)| read.next(MOST_AT_ONCE)).take(MOST_AT_ONCE)).await?;
        for (job, read) in done.iter() {
            let elements = read.next(room);
            for one in elements {
                counts += match one {
                    Incoming::Message(message) => receive(unit, account, message).await?,
                    Incoming::Status(status) => progress::report(unit, account, status.clone()).await?,
                };
            }
            room -= elements.len();
            let now_taken = read.taken + elements.len();
            if now_taken >= read.elements.len() {
                finished.push(job.subject);
                verdicts.push(Verdict::Done);
            } else {
                channels::note_taken(unit, account.scope, job.subject, now_taken).await?;
                verdicts.push(Verdict::Retry(now));
            }
        }
        channels::forget(unit, account.scope, &finished).await?;
        // The meter last and once: all of a workspace share it.
        meter::count_arrivals(unit, account.scope, counts).await?;
        Ok(verdicts)
    }
}

/// Holds all contacts of a batch that are there, before it makes others.
async fn hold_known(unit: &mut Unit, account: &Account, elements: impl Iterator<Item = &Incoming>) -> Result<()> {
    let messages: Vec<&IncomingMessage> = elements.filter_map(Incoming::message).collect();
    // Whoever is alone holds one contact, or makes one.
    if messages.len() < 2 {
        return Ok(());
    }
    let addresses: Vec<&str> = messages.iter().map(|message| message.address.as_str()).collect();
    let phones: Vec<&Phone> = messages.iter().filter_map(|message| message.phone.as_ref()).collect();
    let known = store::contacts_of_addresses(&mut unit.tx, account.scope, account.id, &addresses).await?;
    contacts::hold(unit, account.scope, &known, channel_type(account)?, &phones).await
}

fn channel_type(account: &Account) -> Result<ChannelType> {
    let found = ChannelType::WORDS.iter().find(|(word, _)| *word == account.kind);
    found.map(|(_, channel_type)| *channel_type).ok_or_else(|| Error::internal("a channel has an unknown type"))
}

/// Takes in one message; a repetition changes nothing.
async fn receive(unit: &mut Unit, account: &Account, message: &IncomingMessage) -> Result<Counts> {
    let scope = account.scope;
    if store::has_message(&mut unit.tx, scope, account.id, &message.provider_id).await? {
        return Ok(Counts::default());
    }
    let (contact, created) = contact(unit, account, message).await?;
    let contacts_created = i64::from(created);
    let now = unit.now();
    let row = store::NewInbound {
        contact: contact.id,
        channel: account.id,
        kind: &message.kind,
        type_: &account.kind,
        content: &message.content,
        address: &message.address,
        provider_id: &message.provider_id,
        sent_at: message.sent_at,
        raw: message.raw.as_deref(),
        now,
    };
    // Two deliveries of one message may run on two nodes at once: the index lets one of them through.
    let Some(id) = store::insert_inbound(&mut unit.tx, scope, &row).await? else {
        return Ok(Counts { contacts_created, ..Counts::default() });
    };
    contacts::touch_last_message(unit, scope, contact.id, message.sent_at).await?;
    let window = account.provider.window().map(|window| message.sent_at.after(window));
    let touch = store::Touch {
        contact: contact.id,
        channel: account.id,
        kind: &account.kind,
        text: &message.content,
        at: message.sent_at,
        window,
        unread: 1,
    };
    store::touch_conversation(&mut unit.tx, scope, &touch).await?;
    let told = ToldMessage {
        id,
        direction: "inbound",
        channel: &account.kind,
        kind: &message.kind,
        content: &message.content,
        status: "received",
        sent_at: Some(message.sent_at),
        created_at: now,
    };
    let data = MessageEvent { message: told, contact: Correspondent::of(&contact) };
    events::record(unit, scope, "message.received", contact.id, &data).await?;
    Ok(Counts { contacts_created, messages_received: 1, ..Counts::default() })
}

/// Whoever wrote: known by their address on this channel, else by their number, else new (then true).
async fn contact(
    unit: &mut Unit,
    account: &Account,
    message: &IncomingMessage,
) -> Result<(contacts::ContactSummary, bool)> {
    let scope = account.scope;
    if let Some(id) = store::contact_of_address(&mut unit.tx, scope, account.id, &message.address).await? {
        return Ok((contacts::summary(&mut unit.tx, scope, id).await?, false));
    }
    let from =
        Inbound { channel_type: channel_type(account)?, phone: message.phone.clone(), name: message.name.clone() };
    let (contact, created) = contacts::find_or_create(unit, scope, from).await?;
    store::move_address(&mut unit.tx, scope, account.id, &message.address, contact.id).await?;
    Ok((contact, created))
}
