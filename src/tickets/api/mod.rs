//! `/api/v1/tickets`: a workspace asks its partner's support.

pub mod desk;

use super::{Department, Filter, NewReply, NewTicket, Ticket, TicketAuthor, TicketReply, TicketWithReplies};
use crate::http::route::Shape;
use crate::http::{Answer, Id, Query, Reply, Route, Unread, Who, WorkspaceCaller};
use http::Method;
use serde_json::json;

const TAG: &str = "Tickets";
const ALL: &str = "/api/v1/tickets";
const ONE: &str = "/api/v1/tickets/{id}";
const DEPARTMENTS: &str = "/api/v1/tickets/departments";
const REPLIES: &str = "/api/v1/tickets/{id}/replies";
const CLOSE: &str = "/api/v1/tickets/{id}/close";

const CREATED: &str = "Ticket created successfully.";
const REPLIED: &str = "Reply added successfully.";
const CLOSED: &str = "Ticket closed successfully.";

pub fn routes() -> Vec<Route> {
    let own = [
        list_route(),
        Route::new(Method::POST, ALL, Who::Workspace, "create_ticket", create)
            .doc(TAG, "Open a ticket", "Asks the support of your provider. Emits `ticket.created`.")
            .takes::<NewTicket>(json!({
                "subject": "The invoice of March is missing",
                "body": "We cannot find it in our mail.",
                "priority": "high",
            }))
            .answers::<Ticket>(201, Shape::One)
            .saying(CREATED),
        Route::new(Method::GET, DEPARTMENTS, Who::Workspace, "list_ticket_departments", departments)
            .doc(TAG, "List departments", "Those that a ticket can be put into. The first one is the default.")
            .answers::<Department>(200, Shape::All),
        Route::new(Method::GET, ONE, Who::Workspace, "get_ticket", get)
            .doc(TAG, "Get a ticket", "With everything that was written, the first message included.")
            .answers::<TicketWithReplies>(200, Shape::One),
        Route::new(Method::POST, REPLIES, Who::Workspace, "reply_to_ticket", reply)
            .doc(
                TAG,
                "Reply to a ticket",
                "An answered ticket is open again. A closed one takes no reply: open a new one.",
            )
            .takes::<NewReply>(json!({"body": "It was in the other mailbox, thank you."}))
            .answers::<TicketReply>(201, Shape::One)
            .saying(REPLIED),
        Route::new(Method::POST, CLOSE, Who::Workspace, "close_ticket", close)
            .doc(TAG, "Close a ticket", "For good. Closing it twice is 409.")
            .answers::<Ticket>(200, Shape::One)
            .saying(CLOSED),
    ];
    own.into_iter().chain(desk::routes()).collect()
}

fn list_route() -> Route {
    Route::new(Method::GET, ALL, Who::Workspace, "list_tickets", list)
        .doc(TAG, "List tickets", "Newest first. Filters narrow each other.")
        .paged("Results per page (default 25, at most 100).")
        .query("status", "open|answered|closed", "Only tickets with this status.")
        .query("priority", "low|medium|high", "Only tickets with this priority.")
        .answers::<Ticket>(200, Shape::Page)
}

async fn list(caller: WorkspaceCaller, Query(filter): Query<Filter>) -> Answer {
    Reply::page(&super::list(&caller.app.db, caller.scope(), &filter).await?)
}

async fn create(caller: WorkspaceCaller, body: Unread) -> Answer {
    let new: NewTicket = match body.read() {
        Ok(new) => new,
        Err(fault) => {
            let named = body.glimpse(|fields| fields.at("department_id").id());
            return Err(fault.beside(super::check_department(&caller.app.db, caller.scope(), named)).await);
        }
    };
    let mut unit = caller.begin().await?;
    let ticket = super::open(&mut unit, caller.scope(), new).await?;
    let reply = Reply::created(&ticket, CREATED)?;
    caller.commit(unit, reply).await
}

async fn departments(caller: WorkspaceCaller) -> Answer {
    Reply::data(&super::departments(&caller.app.db, caller.scope()).await?)
}

async fn get(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&super::with_replies(&caller.app.db, caller.scope(), id).await?)
}

async fn reply(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let new: NewReply = body.read_about(super::ticket(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let written = super::reply(&mut unit, caller.scope(), id, TicketAuthor::Client, &new).await?;
    let reply = Reply::created(&written, REPLIED)?;
    caller.commit(unit, reply).await
}

async fn close(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let ticket = super::close(&mut unit, caller.scope(), id).await?;
    let reply = Reply::done(&ticket, CLOSED)?;
    caller.commit(unit, reply).await
}
