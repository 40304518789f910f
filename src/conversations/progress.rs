//! How far an outbound message came. Statuses arrive in any order, twice, or before we know the provider's id; they only
//! move forward (rule P4), and each consequence happens once.

use super::store::{self, EarlyStatus};
use super::told::{Correspondent, MessageEvent, ToldMessage};
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::channels::Account;
use crate::channels::provider::{Failure, FailureClass, IncomingStatus, Progress};
use crate::contacts;
use crate::events;
use crate::kernel::{Instant, Result};
use crate::plans::meter::Counts;

/// Takes in a provider's status; answers what it adds to the month's counters, which the caller counts at the end of its
/// batch.
pub async fn report(unit: &mut Unit, account: &Account, status: IncomingStatus) -> Result<Counts> {
    let (scope, channel) = (account.scope, account.id);
    let found = store::find_outbound(&mut unit.tx, scope, channel, status.message_id, &status.provider_id).await?;
    match found {
        Some((message, contact)) => apply(unit, scope, message, contact, &status).await,
        None => park(unit, scope, channel, &status).await.map(|()| Counts::default()),
    }
}

/// A status may overtake the answer that tells us the message's id: it waits for that answer.
async fn park(unit: &mut Unit, scope: WorkspaceScope, channel: i64, status: &IncomingStatus) -> Result<()> {
    let early = EarlyStatus {
        status: status.status.word().to_owned(),
        error_class: status.failure.as_ref().map(|failure| failure.class.word().to_owned()),
        error_code: status.failure.as_ref().map(|failure| failure.code.clone()),
        error_message: status.failure.as_ref().map(|failure| failure.message.clone()),
        happened_at: status.at,
    };
    Ok(store::park(&mut unit.tx, scope, channel, &status.provider_id, &early).await?)
}

/// Takes in what had come before the provider's answer.
pub async fn catch_up(
    unit: &mut Unit,
    scope: WorkspaceScope,
    channel: i64,
    message: i64,
    contact: i64,
    provider_id: &str,
) -> Result<Counts> {
    let mut counts = Counts::default();
    for early in store::unpark(&mut unit.tx, scope, channel, provider_id).await? {
        let Some((_, status)) = Progress::WORDS.iter().find(|(word, _)| *word == early.status) else { continue };
        let failure = early.error_code.map(|code| Failure {
            class: FailureClass::named(early.error_class.as_deref().unwrap_or_default()),
            code,
            message: early.error_message.unwrap_or_default(),
            retry_after: None,
        });
        let provider_id = provider_id.to_owned();
        let status = IncomingStatus { provider_id, message_id: None, status: *status, at: early.happened_at, failure };
        counts += apply(unit, scope, message, contact, &status).await?;
    }
    Ok(counts)
}

/// Moves one message to a status.
pub async fn apply(
    unit: &mut Unit,
    scope: WorkspaceScope,
    message: i64,
    contact: i64,
    status: &IncomingStatus,
) -> Result<Counts> {
    if status.status == Progress::Failed {
        return fail(unit, scope, message, status).await;
    }
    let first = store::set_sent(&mut unit.tx, scope, message, &status.provider_id, status.at).await?;
    let moved = store::advance(&mut unit.tx, scope, message, status.status, status.at).await?;
    if !moved && status.status == Progress::Delivered {
        store::note_delivered(&mut unit.tx, scope, message, status.at).await?;
    }
    if !first {
        return Ok(Counts::default());
    }
    sent(unit, scope, message, contact).await?;
    Ok(Counts { messages_sent: 1, ..Counts::default() })
}

async fn fail(unit: &mut Unit, scope: WorkspaceScope, message: i64, status: &IncomingStatus) -> Result<Counts> {
    if !store::advance(&mut unit.tx, scope, message, Progress::Failed, status.at).await? {
        return Ok(Counts::default());
    }
    if let Some(failure) = &status.failure {
        store::set_failure(&mut unit.tx, scope, message, failure).await?;
    }
    Ok(Counts { messages_failed: 1, ..Counts::default() })
}

/// The provider refused a message for good.
pub async fn refuse(
    unit: &mut Unit,
    scope: WorkspaceScope,
    message: i64,
    failure: Failure,
    at: Instant,
) -> Result<Counts> {
    let (provider_id, failure) = (String::new(), Some(failure));
    let status = IncomingStatus { provider_id, message_id: Some(message), status: Progress::Failed, at, failure };
    fail(unit, scope, message, &status).await
}

/// A message left: told once, as it was then. It may have been read by now, when statuses came all at once.
async fn sent(unit: &mut Unit, scope: WorkspaceScope, message: i64, contact: i64) -> Result<()> {
    let message = super::message(&mut unit.tx, scope, message).await?;
    let contact = contacts::summary(&mut unit.tx, scope, contact).await?;
    let told = ToldMessage {
        id: message.id,
        direction: &message.direction,
        channel: &message.channel,
        kind: &message.kind,
        content: &message.content,
        status: "sent",
        sent_at: message.sent_at,
        created_at: message.created_at,
    };
    let data = MessageEvent { message: told, contact: Correspondent::of(&contact) };
    events::record(unit, scope, "message.sent", contact.id, &data).await
}
