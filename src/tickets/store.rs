//! All SQL of `ticket`, `ticket_reply` and `ticket_department`. A department is its partner's; a ticket is its
//! workspace's, and lies on its partner's desk.

use super::{
    Department, DeskDepartment, DeskTicket, Filter, Ticket, TicketAuthor, TicketPriority, TicketReply, TicketStatus,
};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::{Instant, Page};
use skylight_db::{Cells, Db, FromRow, Param, Read, Result, Row, Tx, Value, args, from_row};

/// A ticket `t` with its department `d`, as [`FromRow`] reads it.
const TICKET: &str =
    "t.id, t.reference, t.subject, t.priority, t.status, d.id, d.title, t.last_reply_at, t.created_at, t.updated_at";
const WITH_DEPARTMENT: &str =
    "LEFT JOIN ticket_department AS d ON d.partner_id = t.partner_id AND d.id = t.department_id";

fn read_ticket(cells: &mut Cells<'_>) -> Result<Ticket> {
    Ok(Ticket {
        id: cells.next()?,
        ticket_id: cells.next()?,
        subject: cells.next()?,
        priority: cells.next()?,
        status: cells.next()?,
        department: {
            let (id, title): (Option<i64>, Option<String>) = (cells.next()?, cells.next()?);
            id.zip(title).map(|(id, title)| Department { id, title })
        },
        last_reply_at: cells.next()?,
        created_at: cells.next()?,
        updated_at: cells.next()?,
    })
}

impl FromRow for Ticket {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        read_ticket(&mut row.cells())
    }
}

impl FromRow for DeskTicket {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let mut cells = row.cells();
        Ok(Self { ticket: read_ticket(&mut cells)?, client_id: cells.next()?, company_name: cells.next()? })
    }
}

from_row!(TicketReply { id, body, author, created_at });
from_row!(DeskDepartment { id, title, created_at, updated_at });

pub struct NewRow<'a> {
    pub reference: &'a str,
    pub subject: &'a str,
    pub priority: TicketPriority,
    pub department: Option<i64>,
    pub now: Instant,
}

/// None when the reference is taken.
pub async fn insert(
    tx: &mut Tx,
    scope: WorkspaceScope,
    partner: PartnerScope,
    new: &NewRow<'_>,
) -> Result<Option<i64>> {
    let NewRow { reference, subject, priority, department, now } = new;
    tx.opt(
        "INSERT INTO ticket (workspace_id, partner_id, department_id, reference, subject, priority, status, replies,
                             created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'open', 1, $7, $7)
         ON CONFLICT (reference) DO NOTHING RETURNING id",
        args![scope, partner, department, reference, subject, priority, now],
    )
    .await
}

pub async fn insert_reply(
    tx: &mut Tx,
    scope: WorkspaceScope,
    ticket: i64,
    author: TicketAuthor,
    body: &str,
    now: Instant,
) -> Result<TicketReply> {
    tx.one(
        "INSERT INTO ticket_reply (workspace_id, ticket_id, author, body, created_at) VALUES ($1, $2, $3, $4, $5)
         RETURNING id, body, author, created_at",
        args![scope, ticket, author, body, now],
    )
    .await
}

/// The workspace is named as a range because PostgreSQL would otherwise walk the primary key backwards, through the
/// tickets of everybody else.
pub async fn page(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<Vec<Ticket>> {
    let mut args = cut(scope.value(), filter.page);
    let conditions = conditions(filter, &mut args);
    let sql = format!(
        "SELECT {TICKET} FROM (
             SELECT id, partner_id, department_id, reference, subject, priority, status, last_reply_at, created_at, updated_at
             FROM ticket WHERE workspace_id BETWEEN $1 AND $1 AND id < $4{conditions}
             ORDER BY workspace_id DESC, id DESC LIMIT $2 OFFSET $3) AS t
         {WITH_DEPARTMENT} ORDER BY t.id DESC"
    );
    db.all(&sql, &args).await
}

pub async fn count(db: &Db, scope: WorkspaceScope, filter: &Filter) -> Result<i64> {
    let mut args = vec![scope.value()];
    let conditions = conditions(filter, &mut args);
    db.one(&format!("SELECT COUNT(*) FROM ticket WHERE workspace_id = $1{conditions}"), &args).await
}

/// Tickets of a partner's clients; not of those that are being removed.
pub async fn all_workspaces_desk(db: &Db, whose: Whose, filter: &Filter) -> Result<Vec<DeskTicket>> {
    let lead = whose.column();
    let mut args = cut(whose.value(), filter.page);
    let conditions = conditions(filter, &mut args);
    let sql = format!(
        "SELECT {TICKET}, t.workspace_id, t.company_name FROM (
             SELECT ticket.id, ticket.partner_id, ticket.department_id, reference, subject, priority, ticket.status,
                    last_reply_at, ticket.created_at, updated_at, workspace_id, workspace.company_name
             FROM ticket JOIN workspace ON workspace.id = ticket.workspace_id AND workspace.status <> 'deleted'
             WHERE ticket.{lead} BETWEEN $1 AND $1 AND ticket.id < $4{conditions}
             ORDER BY ticket.{lead} DESC, ticket.id DESC LIMIT $2 OFFSET $3) AS t
         {WITH_DEPARTMENT} ORDER BY t.id DESC"
    );
    db.all(&sql, &args).await
}

pub async fn all_workspaces_desk_count(db: &Db, whose: Whose, filter: &Filter) -> Result<i64> {
    let lead = whose.column();
    let mut args = vec![whose.value()];
    let conditions = conditions(filter, &mut args);
    let sql = format!(
        "SELECT COUNT(*) FROM ticket JOIN workspace ON workspace.id = ticket.workspace_id AND workspace.status <> 'deleted'
         WHERE ticket.{lead} = $1{conditions}"
    );
    db.one(&sql, &args).await
}

/// The arguments that cut a part out of a list.
fn cut(scope: Value<'_>, page: Page) -> Vec<Value<'_>> {
    let numbers = [page.limit(), page.offset(), page.before().id].map(Value::Int);
    [scope].into_iter().chain(numbers).collect()
}

/// Whose tickets are shown on a desk: all clients', or one's. Each has its indexes.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    All(PartnerScope),
    Client(WorkspaceScope),
}

impl Whose {
    fn column(self) -> &'static str {
        match self {
            Self::All(_) => "partner_id",
            Self::Client(_) => "workspace_id",
        }
    }

    fn value(self) -> Value<'static> {
        Value::Int(match self {
            Self::All(partner) => partner.id(),
            Self::Client(client) => client.id(),
        })
    }
}

fn conditions<'a>(filter: &'a Filter, args: &mut Vec<Value<'a>>) -> String {
    let mut sql = String::new();
    let mut bind = |column: &str, value: Option<Value<'a>>| {
        if let Some(value) = value {
            args.push(value);
            sql.push_str(&format!(" AND ticket.{column} = ${}", args.len()));
        }
    };
    bind("status", filter.status.as_ref().map(Param::value));
    bind("priority", filter.priority.as_ref().map(Param::value));
    sql
}

pub async fn find(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<Ticket>> {
    let sql = format!("SELECT {TICKET} FROM ticket AS t {WITH_DEPARTMENT} WHERE t.workspace_id = $1 AND t.id = $2");
    read.opt(&sql, args![scope, id]).await
}

pub async fn all_workspaces_on_desk(read: impl Read, partner: PartnerScope, id: i64) -> Result<Option<DeskTicket>> {
    let sql = format!(
        "SELECT {TICKET}, t.workspace_id, workspace.company_name FROM ticket AS t
         JOIN workspace ON workspace.id = t.workspace_id AND workspace.status <> 'deleted'
         {WITH_DEPARTMENT} WHERE t.partner_id = $1 AND t.id = $2"
    );
    read.opt(&sql, args![partner, id]).await
}

/// Oldest first.
pub async fn replies(read: impl Read, scope: WorkspaceScope, ticket: i64) -> Result<Vec<TicketReply>> {
    read.all(
        "SELECT id, body, author, created_at FROM ticket_reply WHERE workspace_id = $1 AND ticket_id = $2 ORDER BY id",
        args![scope, ticket],
    )
    .await
}

/// Makes room for a reply and moves the ticket to a status; false if it is closed, full or not there.
pub async fn take_reply(
    tx: &mut Tx,
    scope: WorkspaceScope,
    id: i64,
    to: TicketStatus,
    most: i64,
    now: Instant,
) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE ticket SET status = $3, replies = replies + 1, last_reply_at = $4, updated_at = $4
             WHERE workspace_id = $1 AND id = $2 AND status <> 'closed' AND replies < $5",
            args![scope, id, to, now, most],
        )
        .await?;
    Ok(changed == 1)
}

/// True for who closed it.
pub async fn close(tx: &mut Tx, scope: WorkspaceScope, id: i64, now: Instant) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE ticket SET status = 'closed', updated_at = $3
             WHERE workspace_id = $1 AND id = $2 AND status <> 'closed'",
            args![scope, id, now],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn departments(read: impl Read, partner: PartnerScope) -> Result<Vec<DeskDepartment>> {
    let sql = "SELECT id, title, created_at, updated_at FROM ticket_department WHERE partner_id = $1 ORDER BY id";
    read.all(sql, args![partner]).await
}

pub async fn department(read: impl Read, partner: PartnerScope, id: i64) -> Result<Option<DeskDepartment>> {
    let sql = "SELECT id, title, created_at, updated_at FROM ticket_department WHERE partner_id = $1 AND id = $2";
    read.opt(sql, args![partner, id]).await
}

pub async fn count_departments(read: impl Read, partner: PartnerScope) -> Result<i64> {
    read.one("SELECT COUNT(*) FROM ticket_department WHERE partner_id = $1", args![partner]).await
}

/// Holds a department's row until the end of the transaction: the named one, or else the first.
pub async fn hold_department(tx: &mut Tx, partner: PartnerScope, id: Option<i64>) -> Result<Option<i64>> {
    let sql = format!(
        "SELECT id FROM ticket_department WHERE partner_id = $1 AND (id = $2 OR $2 IS NULL) ORDER BY id LIMIT 1 {}",
        tx.for_update()
    );
    tx.opt(&sql, args![partner, id]).await
}

/// None when the title is taken.
pub async fn insert_department(
    tx: &mut Tx,
    partner: PartnerScope,
    title: &str,
    now: Instant,
) -> Result<Option<DeskDepartment>> {
    tx.opt(
        "INSERT INTO ticket_department (partner_id, title, created_at, updated_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (partner_id, title) DO NOTHING RETURNING id, title, created_at, updated_at",
        args![partner, title, now],
    )
    .await
}

pub async fn update_department(
    tx: &mut Tx,
    partner: PartnerScope,
    id: i64,
    title: &str,
    now: Instant,
) -> Result<Option<DeskDepartment>> {
    tx.opt(
        "UPDATE ticket_department SET title = $3, updated_at = $4 WHERE partner_id = $1 AND id = $2
         RETURNING id, title, created_at, updated_at",
        args![partner, id, title, now],
    )
    .await
}

pub async fn all_workspaces_clear_department(tx: &mut Tx, partner: PartnerScope, id: i64) -> Result<()> {
    let sql = "UPDATE ticket SET department_id = NULL WHERE partner_id = $1 AND department_id = $2";
    tx.exec(sql, args![partner, id]).await.map(|_| ())
}

pub async fn delete_department(tx: &mut Tx, partner: PartnerScope, id: i64) -> Result<()> {
    tx.exec("DELETE FROM ticket_department WHERE partner_id = $1 AND id = $2", args![partner, id]).await.map(|_| ())
}
