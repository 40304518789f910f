//! `/api/v1/partner/tickets` and `…/ticket-departments`: the desk on which the tickets of a partner's clients lie.

use super::{CLOSED, REPLIED};
use crate::http::route::Shape;
use crate::http::{Answer, Id, PartnerCaller, Query, Reply, Route, Unread, Valid, Who};
use crate::tickets::{
    self, DepartmentInput, DeskDepartment, DeskFilter, DeskTicket, DeskTicketWithReplies, NewReply, TicketAuthor,
    TicketReply,
};
use http::Method;
use serde_json::json;

const TAG: &str = "Partner tickets";
const ALL: &str = "/api/v1/partner/tickets";
const ONE: &str = "/api/v1/partner/tickets/{id}";
const REPLIES: &str = "/api/v1/partner/tickets/{id}/replies";
const CLOSE: &str = "/api/v1/partner/tickets/{id}/close";
const DEPARTMENTS: &str = "/api/v1/partner/ticket-departments";
const DEPARTMENT: &str = "/api/v1/partner/ticket-departments/{id}";

const MADE: &str = "Department created successfully.";
const CHANGED: &str = "Department updated successfully.";

pub fn routes() -> Vec<Route> {
    ticket_routes().into_iter().chain(department_routes()).collect()
}

fn ticket_routes() -> [Route; 4] {
    [
        Route::new(Method::GET, ALL, Who::Partner, "list_partner_tickets", list)
            .doc(TAG, "List your clients' tickets", "Newest first. Filters narrow each other.")
            .paged("Results per page (default 25, at most 100).")
            .query("status", "open|answered|closed", "Only tickets with this status: `open` ones wait for you.")
            .query("priority", "low|medium|high", "Only tickets with this priority.")
            .query("client_id", "integer", "Only tickets of this client.")
            .answers::<DeskTicket>(200, Shape::Page),
        Route::new(Method::GET, ONE, Who::Partner, "get_partner_ticket", get)
            .doc(TAG, "Get a client's ticket", "With everything that was written, the first message included.")
            .answers::<DeskTicketWithReplies>(200, Shape::One),
        Route::new(Method::POST, REPLIES, Who::Partner, "answer_partner_ticket", answer)
            .doc(TAG, "Answer a client's ticket", "The ticket is answered then. A closed one takes no reply.")
            .takes::<NewReply>(json!({"body": "We have sent it to you again."}))
            .answers::<TicketReply>(201, Shape::One)
            .saying(REPLIED),
        Route::new(Method::POST, CLOSE, Who::Partner, "close_partner_ticket", close)
            .doc(TAG, "Close a client's ticket", "For good. Closing it twice is 409.")
            .answers::<DeskTicket>(200, Shape::One)
            .saying(CLOSED),
    ]
}

fn department_routes() -> [Route; 4] {
    let example = || json!({"title": "Billing"});
    [
        Route::new(Method::GET, DEPARTMENTS, Who::Partner, "list_partner_departments", departments)
            .doc(
                TAG,
                "List your departments",
                "In the order they were made: the first one is the default of new tickets.",
            )
            .answers::<DeskDepartment>(200, Shape::All),
        Route::new(Method::POST, DEPARTMENTS, Who::Partner, "create_partner_department", add)
            .doc(TAG, "Add a department", "Titles are unique. At most 100 departments.")
            .takes::<DepartmentInput>(example())
            .answers::<DeskDepartment>(201, Shape::One)
            .saying(MADE),
        Route::new(Method::PUT, DEPARTMENT, Who::Partner, "update_partner_department", change)
            .doc(TAG, "Rename a department", "Its tickets stay in it.")
            .takes::<DepartmentInput>(example())
            .answers::<DeskDepartment>(200, Shape::One)
            .saying(CHANGED),
        Route::new(Method::DELETE, DEPARTMENT, Who::Partner, "delete_partner_department", remove)
            .doc(TAG, "Remove a department", "Its tickets stay, in no department.")
            .answers_nothing(),
    ]
}

async fn list(caller: PartnerCaller, Query(filter): Query<DeskFilter>) -> Answer {
    Reply::page(&tickets::desk(&caller.app.db, caller.scope(), &filter).await?)
}

async fn get(caller: PartnerCaller, Id(id): Id) -> Answer {
    Reply::data(&tickets::on_desk_with_replies(&caller.app.db, caller.scope(), id).await?)
}

async fn answer(caller: PartnerCaller, Id(id): Id, body: Unread) -> Answer {
    let new: NewReply = body.read_about(tickets::of_partner(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let scope = tickets::of_partner(&mut unit.tx, caller.scope(), id).await?;
    let written = tickets::reply(&mut unit, scope, id, TicketAuthor::Support, &new).await?;
    let reply = Reply::created(&written, REPLIED)?;
    caller.commit(unit, reply).await
}

async fn close(caller: PartnerCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let scope = tickets::of_partner(&mut unit.tx, caller.scope(), id).await?;
    tickets::close(&mut unit, scope, id).await?;
    let ticket = tickets::on_desk(&mut unit.tx, caller.scope(), id).await?;
    let reply = Reply::done(&ticket, CLOSED)?;
    caller.commit(unit, reply).await
}

async fn departments(caller: PartnerCaller) -> Answer {
    Reply::data(&tickets::desk_departments(&caller.app.db, caller.scope()).await?)
}

async fn add(caller: PartnerCaller, Valid(new): Valid<DepartmentInput>) -> Answer {
    let mut unit = caller.begin().await?;
    let department = tickets::add_department(&mut unit, caller.scope(), &new).await?;
    let reply = Reply::created(&department, MADE)?;
    caller.commit(unit, reply).await
}

async fn change(caller: PartnerCaller, Id(id): Id, body: Unread) -> Answer {
    let change: DepartmentInput = body.read_about(tickets::department(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let department = tickets::change_department(&mut unit, caller.scope(), id, &change).await?;
    let reply = Reply::done(&department, CHANGED)?;
    caller.commit(unit, reply).await
}

async fn remove(caller: PartnerCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    tickets::remove_department(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}
