//! `/api/v1/conversations`, `/api/v1/contacts/{id}/messages`, `/api/v1/messages/send`.

use super::{Conversation, Filter, MarkRead, Message, Named, NewMessage, ReadState};
use super::{check_named, history, list, mark_read, send};
use crate::contacts;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Query, Reply, Route, Unread, UnreadQuery, Who, WorkspaceCaller};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Error, Page};
use http::Method;
use serde_json::json;

const TAG: &str = "Messages";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/conversations", Who::Workspace, "list_conversations", list_handler)
            .doc(TAG, "List conversations", "One row per contact, the most recent first.")
            .paged("Results per page (default 15, max 100).")
            .query("channel", "whatsapp|telegram|instagram", "Filter by channel type.")
            .query("contact_id", "integer", "Only this contact's.")
            .query(
                "unread",
                "boolean",
                "Only conversations with unread messages (`true`), or only the others (`false`).",
            )
            .answers::<Conversation>(200, Shape::Page),
        Route::new(Method::GET, "/api/v1/contacts/{id}/messages", Who::Workspace, "list_messages", history_handler)
            .doc(TAG, "List messages for a contact", "The newest first.")
            .paged("Results per page (default 15, max 100).")
            .query("direction", "inbound|outbound", "Filter by direction.")
            .answers::<Message>(200, Shape::Page)
            .showing(json!({"error": null, "read_at": null, "failed_at": null})),
        Route::new(
            Method::POST,
            "/api/v1/contacts/{id}/messages/read",
            Who::Workspace,
            "mark_messages_read",
            read_handler,
        )
        .doc(TAG, "Mark messages as read", READ)
        .takes::<MarkRead>(json!({}))
        .answers::<ReadState>(200, Shape::One)
        .saying(MARKED),
        Route::new(Method::POST, "/api/v1/messages/send", Who::Workspace, "send_message", send_handler)
            .doc(TAG, "Send a message", SEND)
            .takes::<NewMessage>(json!({"contact_id": 42, "content": "Your table is booked for 19:30."}))
            .answers::<Message>(201, Shape::One)
            .showing(json!({"status": "pending", "error": null, "sent_at": null, "delivered_at": null, "read_at": null, "failed_at": null}))
            .saying("Message sent successfully."),
    ]
}

const MARKED: &str = "Messages marked as read.";
const READ: &str = "Everything the contact wrote is read, or everything through the message `up_to`: name the newest one that \
was shown, so that what arrived since stays unread. What was read once does not become unread again, so the request may be \
repeated.";

const SEND: &str = "Answers at once; the message goes out in the background, once, in the order of its conversation. Its \
status follows what the provider reports. Send an `Idempotency-Key` so that a repetition after a lost answer is not a \
second message.";

/// The query of a contact's history.
#[derive(Debug)]
struct HistoryQuery {
    page: Page,
    direction: Option<&'static str>,
}

impl Input for HistoryQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let words = [("inbound", "inbound"), ("outbound", "outbound")];
        Some(Self { page: Page::read(fields, 15, 100), direction: fields.at("direction").one_of(&words) })
    }
}

async fn list_handler(caller: WorkspaceCaller, Query(filter): Query<Filter>) -> Answer {
    Reply::page(&list(&caller.app.db, caller.scope(), filter).await?)
}

async fn history_handler(caller: WorkspaceCaller, Id(id): Id, query: UnreadQuery) -> Answer {
    let contact = contacts::summary(&caller.app.db, caller.scope(), id);
    let query: HistoryQuery = query.read_about(contact).await?;
    Reply::page(&history(&caller.app.db, caller.scope(), id, query.direction, query.page).await?)
}

async fn read_handler(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let mark: MarkRead = body.read_about(contacts::summary(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let state = mark_read(&mut unit, caller.scope(), id, mark).await?;
    let reply = Reply::done(&state, MARKED)?;
    caller.commit(unit, reply).await
}

async fn send_handler(caller: WorkspaceCaller, body: Unread) -> Answer {
    let sent = async {
        let new: NewMessage = body.read()?;
        let mut unit = caller.begin().await?;
        let message = send(&mut unit, caller.scope(), new).await?;
        Ok((unit, message))
    };
    let (unit, message) = match sent.await {
        Ok(sent) => sent,
        Err(fault) => return Err(with_named(&caller, &body, fault).await),
    };
    let reply = Reply::created(&message, "Message sent successfully.")?;
    caller.commit(unit, reply).await
}

/// Beside the fault that was found first, whom the message names may be wrong, too.
async fn with_named(caller: &WorkspaceCaller, body: &Unread, fault: Error) -> Error {
    match body.glimpse(|fields| Named::read(fields)) {
        Some(named) => fault.beside(check_named(&caller.app.db, caller.scope(), named)).await,
        None => fault,
    }
}
