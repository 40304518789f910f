-- When a key's secret was made anew: what was noted of its uses before then says nothing of it.
ALTER TABLE api_key ADD COLUMN regenerated_at BIGINT;

-- A conversation's channel is its contact's type, which never changes: lists are filtered by it without looking at contacts.
ALTER TABLE conversation ADD COLUMN channel TEXT NOT NULL DEFAULT '';
-- The message through which everything is read.
ALTER TABLE conversation ADD COLUMN read_through BIGINT;
UPDATE conversation SET channel = (
    SELECT contact.type FROM contact
    WHERE contact.workspace_id = conversation.workspace_id AND contact.id = conversation.contact_id);
DROP INDEX conversation_recent;
CREATE INDEX conversation_recent  ON conversation (workspace_id, last_message_at, contact_id);
CREATE INDEX conversation_of_type ON conversation (workspace_id, channel, last_message_at, contact_id);
CREATE INDEX conversation_unread  ON conversation (workspace_id, last_message_at, contact_id) WHERE unread_count > 0;

-- Support tickets: a workspace asks, its partner answers. Departments are the partner's.
CREATE TABLE ticket_department (
    id         {{id}},
    partner_id BIGINT NOT NULL REFERENCES partner (id),
    title      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX ticket_department_partner ON ticket_department (partner_id, id);
CREATE UNIQUE INDEX ticket_department_title   ON ticket_department (partner_id, title);
INSERT INTO ticket_department (partner_id, title, created_at, updated_at)
    SELECT id, 'Support', created_at, created_at FROM partner;

CREATE TABLE ticket (
    id            {{id}},
    workspace_id  BIGINT NOT NULL REFERENCES workspace (id),
    partner_id    BIGINT NOT NULL,                  -- the workspace's: whose desk it lies on
    department_id BIGINT,
    reference     TEXT   NOT NULL,                  -- what people call it by
    subject       TEXT   NOT NULL,
    priority      TEXT   NOT NULL CHECK (priority IN ('low', 'medium', 'high')),
    status        TEXT   NOT NULL CHECK (status IN ('open', 'answered', 'closed')),
    replies       BIGINT NOT NULL,                  -- the first message counts
    last_reply_at BIGINT,                           -- null until somebody replied to the first message
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    FOREIGN KEY (partner_id, department_id) REFERENCES ticket_department (partner_id, id)
);
CREATE UNIQUE INDEX ticket_reference  ON ticket (reference);
CREATE UNIQUE INDEX ticket_workspace  ON ticket (workspace_id, id);
CREATE INDEX        ticket_status     ON ticket (status, workspace_id, id);
CREATE INDEX        ticket_priority   ON ticket (priority, workspace_id, id);
CREATE INDEX        ticket_partner    ON ticket (partner_id, id);
CREATE INDEX        ticket_desk       ON ticket (status, partner_id, id);
CREATE INDEX        ticket_department_id ON ticket (partner_id, department_id);

CREATE TABLE ticket_reply (
    id           {{id}},
    workspace_id BIGINT NOT NULL,
    ticket_id    BIGINT NOT NULL,
    author       TEXT   NOT NULL CHECK (author IN ('client', 'support')),
    body         TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, ticket_id) REFERENCES ticket (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX ticket_reply_ticket ON ticket_reply (workspace_id, ticket_id, id);
