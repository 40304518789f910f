//! Support tickets: a workspace asks, its partner's support answers. A ticket lies on the desk of the workspace's partner,
//! in one of that partner's departments.
//!
//! Every move of a ticket's state is one conditional statement, so that of a reply and a closing at the same moment one
//! comes first and the other knows.
//! Tables: `ticket`, `ticket_reply`, `ticket_department`.

pub mod api;
mod departments;
mod store;

pub use departments::{
    Department, DepartmentInput, DeskDepartment, add_department, change_department, department, departments,
    desk_departments, open_desk, remove_department,
};

use crate::app::Unit;
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::events;
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Cursor, Error, Instant, Listing, Page, Result};
use crate::{words, workspaces};
use serde::Serialize;
use skylight_db::{Db, Read};
use store::Whose;
use utoipa::ToSchema;

words! {
    /// How urgent a ticket is.
    pub enum TicketPriority { Low = "low", Medium = "medium", High = "high" }
}

words! {
    /// Whose turn it is: `open` waits for support, `answered` for the client, `closed` for nobody.
    pub enum TicketStatus { Open = "open", Answered = "answered", Closed = "closed" }
}

words! {
    /// Who wrote a reply.
    pub enum TicketAuthor { Client = "client", Support = "support" }
}

impl TicketAuthor {
    /// Whose turn it is after this one's reply.
    fn leaves(self) -> TicketStatus {
        match self {
            Self::Client => TicketStatus::Open,
            Self::Support => TicketStatus::Answered,
        }
    }
}

/// A support ticket.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Ticket {
    #[schema(example = 31)]
    pub id: i64,
    /// What people call it by.
    #[schema(example = "7KQ2M9XD")]
    pub ticket_id: String,
    #[schema(example = "The invoice of March is missing")]
    pub subject: String,
    pub priority: TicketPriority,
    pub status: TicketStatus,
    /// Null when the partner has no department for it.
    pub department: Option<Department>,
    /// When somebody last replied to the first message.
    pub last_reply_at: Option<Instant>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// A message of a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TicketReply {
    #[schema(example = 77)]
    pub id: i64,
    #[schema(example = "We cannot find it in our mail.")]
    pub body: String,
    pub author: TicketAuthor,
    pub created_at: Instant,
}

/// A ticket with everything that was written.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TicketWithReplies {
    #[serde(flatten)]
    pub ticket: Ticket,
    /// Oldest first; the first one is what the ticket was opened with.
    pub replies: Vec<TicketReply>,
}

/// A ticket as the partner's support sees it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeskTicket {
    #[serde(flatten)]
    pub ticket: Ticket,
    #[schema(example = 101)]
    pub client_id: i64,
    #[schema(example = "Al-Madar Retail")]
    pub company_name: String,
}

/// A ticket as the partner's support sees it, with everything that was written.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeskTicketWithReplies {
    #[serde(flatten)]
    pub ticket: Ticket,
    #[schema(example = 101)]
    pub client_id: i64,
    #[schema(example = "Al-Madar Retail")]
    pub company_name: String,
    /// Oldest first; the first one is what the ticket was opened with.
    pub replies: Vec<TicketReply>,
}

const LONGEST_SUBJECT: usize = 255;
const LONGEST_BODY: usize = 10_000;
/// Messages of one ticket: they are shown together.
const MOST_REPLIES: i64 = 500;

/// A ticket to be opened.
#[derive(Clone, Debug, ToSchema)]
pub struct NewTicket {
    #[schema(max_length = 255)]
    pub subject: String,
    /// The first message.
    #[schema(max_length = 10000)]
    pub body: String,
    /// Default: `medium`.
    pub priority: Option<TicketPriority>,
    /// Default: the first department there is.
    pub department_id: Option<i64>,
}

impl Input for NewTicket {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let subject = fields.at("subject").required().text(LONGEST_SUBJECT);
        let body = fields.at("body").required().text(LONGEST_BODY);
        let priority = fields.at("priority").one_of(TicketPriority::WORDS);
        let department_id = fields.at("department_id").id();
        Some(Self { subject: subject?, body: body?, priority, department_id })
    }
}

/// What is added to a ticket.
#[derive(Clone, Debug, ToSchema)]
pub struct NewReply {
    #[schema(max_length = 10000)]
    pub body: String,
}

impl Input for NewReply {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { body: fields.at("body").required().text(LONGEST_BODY)? })
    }
}

/// Which tickets are asked for.
#[derive(Clone, Debug)]
pub struct Filter {
    pub status: Option<TicketStatus>,
    pub priority: Option<TicketPriority>,
    pub page: Page,
}

impl Input for Filter {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let status = fields.at("status").one_of(TicketStatus::WORDS);
        let priority = fields.at("priority").one_of(TicketPriority::WORDS);
        Some(Self { status, priority, page: Page::read(fields, 25, 100) })
    }
}

/// Which tickets a partner asks for.
#[derive(Clone, Debug)]
pub struct DeskFilter {
    pub of: Filter,
    pub client_id: Option<i64>,
}

impl Input for DeskFilter {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let client_id = fields.at("client_id").id();
        Some(Self { of: Filter::read(fields)?, client_id })
    }
}

/// Whether a department, if one is named, is there.
pub async fn check_department(db: &Db, scope: WorkspaceScope, named: Option<i64>) -> Result<()> {
    let Some(id) = named else { return Ok(()) };
    let (partner, _) = workspaces::partner_of(db, scope).await?;
    departments::check(db, partner, id).await
}

/// Opens a ticket on the desk of the workspace's partner.
pub async fn open(unit: &mut Unit, scope: WorkspaceScope, new: NewTicket) -> Result<Ticket> {
    let (partner, _) = workspaces::partner_of(&mut unit.tx, scope).await?;
    let department = departments::to_put_in(unit, partner, new.department_id).await?;
    let id = insert(unit, scope, partner, &new, department).await?;
    let now = unit.now();
    store::insert_reply(&mut unit.tx, scope, id, TicketAuthor::Client, &new.body, now).await?;
    let ticket = ticket(&mut unit.tx, scope, id).await?;
    events::record(unit, scope, "ticket.created", id, &TicketEvent { ticket: &ticket }).await?;
    Ok(ticket)
}

/// What `ticket.created` says.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketEvent<'a> {
    #[schema(value_type = Ticket)]
    pub ticket: &'a Ticket,
}

/// With a reference that no other ticket of the installation has.
async fn insert(
    unit: &mut Unit,
    scope: WorkspaceScope,
    partner: PartnerScope,
    new: &NewTicket,
    department: Option<i64>,
) -> Result<i64> {
    let priority = new.priority.unwrap_or(TicketPriority::Medium);
    for _ in 0..20 {
        let reference = unit.app().random.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 8);
        let now = unit.now();
        let row = store::NewRow { reference: &reference, subject: &new.subject, priority, department, now };
        if let Some(id) = store::insert(&mut unit.tx, scope, partner, &row).await? {
            return Ok(id);
        }
    }
    Err(Error::internal("no free ticket reference was found"))
}

/// The workspace's tickets, newest first.
pub async fn list(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<Listing<Ticket>> {
    let rows = store::page(db, scope, filter).await?;
    let total = async { Ok(store::count(db, scope, filter).await?) };
    Listing::of(filter.page, rows, |ticket| Cursor::id(ticket.id), total).await
}

/// The tickets of all of a partner's clients or of one, newest first. Who is not its client has none.
pub async fn desk(db: &Db, partner: PartnerScope, filter: &DeskFilter) -> Result<Listing<DeskTicket>> {
    let DeskFilter { of, client_id } = filter;
    let whose = match client_id {
        Some(id) => workspaces::of_partner(db, partner, *id).await.map(Whose::Client),
        None => Ok(Whose::All(partner)),
    };
    let whose = match whose {
        Err(error) if error.public().status == 404 => None,
        other => Some(other?),
    };
    let rows = match whose {
        Some(whose) => store::all_workspaces_desk(db, whose, of).await?,
        None => Vec::new(),
    };
    let total = async {
        match whose {
            Some(whose) => Ok(store::all_workspaces_desk_count(db, whose, of).await?),
            None => Ok(0),
        }
    };
    Listing::of(of.page, rows, |row| Cursor::id(row.ticket.id), total).await
}

pub async fn ticket(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Ticket> {
    store::find(read, scope, id).await?.ok_or_else(no_such)
}

pub async fn with_replies(db: &Db, scope: WorkspaceScope, id: i64) -> Result<TicketWithReplies> {
    let ticket = ticket(db, scope, id).await?;
    Ok(TicketWithReplies { ticket, replies: store::replies(db, scope, id).await? })
}

/// A ticket as its partner's support sees it.
pub async fn on_desk(read: impl Read, partner: PartnerScope, id: i64) -> Result<DeskTicket> {
    store::all_workspaces_on_desk(read, partner, id).await?.ok_or_else(no_such)
}

pub async fn on_desk_with_replies(db: &Db, partner: PartnerScope, id: i64) -> Result<DeskTicketWithReplies> {
    let found = on_desk(db, partner, id).await?;
    let replies = store::replies(db, found.scope(partner), id).await?;
    let DeskTicket { ticket, client_id, company_name } = found;
    Ok(DeskTicketWithReplies { ticket, client_id, company_name, replies })
}

impl DeskTicket {
    /// The workspace of a ticket that was found on this partner's desk (rule T2).
    fn scope(&self, partner: PartnerScope) -> WorkspaceScope {
        WorkspaceScope::owned_by(partner, self.client_id)
    }
}

/// Turns a ticket's id into its workspace, if it lies on this partner's desk (rule T2). Everybody else's is not found.
pub async fn of_partner(read: impl Read, partner: PartnerScope, id: i64) -> Result<WorkspaceScope> {
    Ok(on_desk(read, partner, id).await?.scope(partner))
}

/// Adds a reply; a client's opens the ticket again, support's answers it. A closed ticket takes none.
pub async fn reply(
    unit: &mut Unit,
    scope: WorkspaceScope,
    id: i64,
    author: TicketAuthor,
    new: &NewReply,
) -> Result<TicketReply> {
    let now = unit.now();
    if !store::take_reply(&mut unit.tx, scope, id, author.leaves(), MOST_REPLIES, now).await? {
        return Err(refusal(ticket(&mut unit.tx, scope, id).await?.status));
    }
    Ok(store::insert_reply(&mut unit.tx, scope, id, author, &new.body, now).await?)
}

/// Why a ticket takes no reply.
fn refusal(status: TicketStatus) -> Error {
    match status {
        TicketStatus::Closed => Error::ticket_closed(),
        _ => Error::conflict().saying(format!("A ticket has at most {MOST_REPLIES} messages. Please open a new one.")),
    }
}

/// Closes a ticket, once; answers what it is then.
pub async fn close(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<Ticket> {
    let now = unit.now();
    let closed = store::close(&mut unit.tx, scope, id, now).await?;
    let ticket = ticket(&mut unit.tx, scope, id).await?;
    if closed { Ok(ticket) } else { Err(Error::ticket_closed().saying("The ticket is already closed.")) }
}

fn no_such() -> Error {
    Error::no_such("Ticket")
}
