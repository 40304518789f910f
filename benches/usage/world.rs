//! The database's content, written past the API.

use crate::common::Result;
use crate::common::place::{Place, exec, new_client, new_partner};
use skylight::app::App;
use skylight::auth::{PartnerScope, WorkspaceScope};
use skylight::kernel::{Instant, Month};
use skylight::workspaces::PURGED_TABLES;
use skylight_db::{Read, Value, args};
use std::time::Duration;

/// Rows written by one statement: PostgreSQL gives up on it after five seconds.
const STEP: i64 = 20_000;

/// What a client is filled with, for each `n`: `$3` is the workspace, `$4` its first contact.
const CONTACTS: &str =
    "INSERT INTO contact (workspace_id, name, phone, type, status, blacklisted, search_text, created_at, updated_at)
     SELECT $3, 'Sara ' || CAST(n AS TEXT), '+9665' || CAST(10000000 + n AS TEXT), 'whatsapp', 'active', n % 50 = 0,
         'sara ' || CAST(n AS TEXT), $4, $4 FROM number";
const CONVERSATIONS: &str =
    "INSERT INTO conversation (workspace_id, contact_id, channel_id, last_message, last_message_at)
     SELECT $3, $4 + n - 1, $5, 'hello', n FROM number";
const MESSAGES: &str =
    "INSERT INTO message (workspace_id, contact_id, channel_id, direction, channel, kind, content, status, send_state,
         provider_id, created_at)
     SELECT $3, $4 + n % $5, $6, 'inbound', 'whatsapp', 'text', 'Is the table free tonight?', 'received', 'none',
         'wamid.' || CAST(n AS TEXT), n FROM number";
const TAGGED: &str = "INSERT INTO contact_tag (workspace_id, contact_id, tag_id, position)
     SELECT $3, $4 + n - 1, tag.id, 0 FROM number JOIN tag ON tag.workspace_id = $3";
const MEMBERS: &str = "INSERT INTO contact_group_member (workspace_id, group_id, contact_id)
     SELECT $3, contact_group.id, $4 + n - 1 FROM number JOIN contact_group ON contact_group.workspace_id = $3";
const NOTES: &str = "INSERT INTO note (workspace_id, contact_id, content, created_at, updated_at)
     SELECT $3, $4 + n - 1, 'Called today.', n, n FROM number";
const EVENTS: &str = "INSERT INTO event (workspace_id, kind, subject_id, data, created_at, seq)
     SELECT $3, 'message.received', $4 + n - 1, '{\"message\":{\"content\":\"Is the table free tonight?\"}}', n, n
     FROM number";
const TAG: &str = "INSERT INTO tag (workspace_id, title, created_at) VALUES ($1, 'vip', 1)";
const GROUP: &str = "INSERT INTO contact_group (workspace_id, kind, name, status, created_at, updated_at)
     VALUES ($1, 'list', 'All', 1, 1, 1)";

pub struct World {
    pub partner_key: String,
    partner: PartnerScope,
    pub place: Place,
    app: App,
}

pub struct Workspace {
    pub id: i64,
    pub key: String,
    scope: WorkspaceScope,
}

impl World {
    pub async fn make(postgres: bool) -> Result<Self> {
        let place = Place::make(postgres).await;
        let app = place.open().await?;
        let (partner, partner_key) = new_partner(&app).await?;
        exec(&app, "UPDATE plan SET contacts = -1", args![]).await?;
        Ok(Self { partner_key, partner, place, app })
    }

    /// Runs a statement over the numbers from one on, some at a time: they are `n` of the table `number`, and `$1` and `$2`
    /// are the first and the last.
    async fn counted(&self, many: i64, sql: &str, more: &[Value<'_>]) -> Result<()> {
        for from in (1..=many).step_by(usize::try_from(STEP)?) {
            let until = many.min(from + STEP - 1);
            let values = [&[Value::Int(from), Value::Int(until)], more].concat();
            let numbers = "WITH RECURSIVE number (n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n + 1 FROM number \
                           WHERE n < CAST($2 AS BIGINT)) ";
            exec(&self.app, &format!("{numbers}{sql}"), &values).await?;
        }
        Ok(())
    }

    /// A month five years ago.
    pub fn past(&self) -> String {
        let now = self.app.now().month().to_string();
        let (year, month) = now.split_once('-').unwrap_or(("2026", "01"));
        format!("{}-{month}", year.parse::<i64>().unwrap_or_default() - 5)
    }

    /// Clients with a meter for each of their months.
    pub async fn settle(&self, clients: i64, months: i64) -> Result<()> {
        let (partner, born) = (self.partner.id(), self.app.now().before(Duration::from_secs(86_400 * 3_650)));
        self.counted(
            clients,
            "INSERT INTO workspace (id, partner_id, public_id, company_name, slug, plan_id, status, timezone, created_at)
             SELECT n, $3, 'CL' || CAST(n AS TEXT), 'Client ' || CAST(n AS TEXT), 'client-' || CAST(n AS TEXT), 4, 'active',
                 'UTC', $4 FROM number",
            &[Value::Int(partner), Value::Int(born.micros())],
        )
        .await?;
        exec(
            &self.app,
            "INSERT INTO meter (workspace_id, contacts) SELECT id, id % 5000 FROM workspace WHERE partner_id = $1",
            args![self.partner],
        )
        .await?;
        let mut month = month_of(born);
        for _ in 0..months {
            exec(&self.app,
                "INSERT INTO meter_month (workspace_id, month, contacts, contacts_created, messages_accepted, messages_sent)
                 SELECT id, $2, id % 5000, id % 50, id % 900, id % 900 FROM workspace WHERE partner_id = $1",
                args![self.partner, month],
            )
            .await?;
            month = month.next();
        }
        Ok(())
    }

    /// Messages of the first hundred clients, so many more.
    pub async fn add_messages(&self, many: i64) -> Result<()> {
        let now = self.app.now();
        let known: i64 = (&self.app.db).one("SELECT COUNT(*) FROM channel", args![]).await?;
        if known == 0 {
            for sql in [
                "INSERT INTO channel (workspace_id, type, is_connected, sync_status, created_at, updated_at)
                 SELECT id, 'whatsapp', FALSE, 'OK', $1, $1 FROM workspace WHERE id <= 100",
                "INSERT INTO contact (workspace_id, name, type, status, blacklisted, search_text, created_at, updated_at)
                 SELECT id, 'Sara', 'telegram', 'active', FALSE, 'sara', $1, $1 FROM workspace WHERE id <= 100",
            ] {
                exec(&self.app, sql, args![now]).await?;
            }
        }
        self.counted(
            many,
            "INSERT INTO message (workspace_id, contact_id, channel_id, direction, channel, kind, content, status, send_state,
                 sent_at, created_at)
             SELECT contact.workspace_id, contact.id, channel.id, 'outbound', 'whatsapp', 'text', 'Your table is booked.',
                 'sent', 'settled', $3, $3
             FROM number JOIN contact ON contact.workspace_id = n % 100 + 1
             JOIN channel ON channel.workspace_id = contact.workspace_id",
            &[Value::Int(now.micros())],
        )
        .await
    }

    pub async fn tidy_up(&self) -> Result<()> {
        self.place.tidy_up().await
    }

    pub async fn workspace(&self, name: &str) -> Result<Workspace> {
        let (scope, key) = new_client(&self.app, self.partner, name).await?;
        Ok(Workspace { id: scope.id(), key, scope })
    }

    /// So many rows of a client: contacts with conversations, messages, tags, group members and notes, and their events.
    pub async fn fill(&self, of: &Workspace, rows: i64) -> Result<String> {
        let now = Value::Int(self.app.now().micros());
        let contacts = rows / 5;
        self.counted(contacts, CONTACTS, &[Value::Int(of.id), now]).await?;
        let first = "SELECT MIN(id) FROM contact WHERE workspace_id = $1";
        let first: i64 = (&self.app.db).one(first, args![of.scope]).await?;
        let channel = "SELECT MIN(id) FROM channel WHERE workspace_id = $1";
        let channel: i64 = (&self.app.db).one(channel, args![of.scope]).await?;
        exec(&self.app, TAG, args![of.scope]).await?;
        exec(&self.app, GROUP, args![of.scope]).await?;
        let theirs = [Value::Int(of.id), Value::Int(first)];
        let [with_channel, with_both] = [vec![channel], vec![contacts, channel]]
            .map(|more| theirs.into_iter().chain(more.into_iter().map(Value::Int)).collect::<Vec<_>>());
        let parts: [(i64, &str, &[Value<'_>]); 6] = [
            (contacts, CONVERSATIONS, &with_channel),
            (rows * 3 / 10, MESSAGES, &with_both),
            (rows / 20, TAGGED, &theirs),
            (rows / 20, MEMBERS, &theirs),
            (rows / 20, NOTES, &theirs),
            (rows * 3 / 20, EVENTS, &theirs),
        ];
        for (many, sql, values) in parts {
            self.counted(many, sql, values).await?;
        }
        exec(&self.app, "UPDATE meter SET contacts = $2 WHERE workspace_id = $1", args![of.scope, contacts]).await?;
        self.left(of).await
    }

    /// Waits until the search index knows everybody.
    pub async fn until_indexed(&self) -> Result<()> {
        while (&self.app.db).one::<bool>("SELECT EXISTS (SELECT 1 FROM contact_unindexed)", args![]).await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    pub async fn has(&self, workspace: &Workspace) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM workspace WHERE id = $1)";
        Ok((&self.app.db).one(sql, args![workspace.scope]).await?)
    }

    /// The table that is being emptied.
    pub async fn at(&self, workspace: &Workspace) -> Result<&'static str> {
        for (table, _) in PURGED_TABLES {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE workspace_id = $1)");
            if (&self.app.db).one(&sql, args![workspace.scope]).await? {
                return Ok(table);
            }
        }
        Ok("workspace")
    }

    /// How many rows each table has of a workspace.
    pub async fn left(&self, of: &Workspace) -> Result<String> {
        let mut left = Vec::new();
        for (table, _) in PURGED_TABLES {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE workspace_id = $1");
            let count: i64 = self.app.db.long().one(&sql, args![of.scope]).await?;
            if count > 10 {
                left.push(format!("{count} {table}"));
            }
        }
        Ok(left.join(", "))
    }
}

fn month_of(instant: Instant) -> Month {
    instant.month().next()
}
