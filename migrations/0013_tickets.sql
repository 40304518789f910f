-- When a key's secret was made anew: what was noted of its uses before then says nothing of it.
ALTER TABLE api_key ADD COLUMN regenerated_at BIGINT;

-- A conversation's channel is its contact's type, which never changes: lists are filtered by it without looking at contacts.
ALTER TABLE conversation ADD COLUMN channel TEXT NOT NULL DEFAULT '';
-- The message through which everything is read.
ALTER TABLE conversation ADD COLUMN read_through BIGINT;
UPDATE conversation SET channel = (
    SELECT contact.type FROM contact
    WHERE contact.workspace_id = conversation.workspace_id AND contact.id = conversation.contact_id);
CREATE INDEX conversation_of_type ON conversation (workspace_id, channel, last_message_at, contact_id);
CREATE INDEX conversation_unread  ON conversation (workspace_id, last_message_at, contact_id) WHERE unread_count > 0;

-- How many conversations there are, kept by the triggers below, so that no path can forget it: they go with their contacts.
CREATE TABLE conversation_count (
    workspace_id  BIGINT NOT NULL,
    channel       TEXT   NOT NULL,
    conversations BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, channel)
) {{sqlite}}WITHOUT ROWID{{end}};
INSERT INTO conversation_count (workspace_id, channel, conversations)
    SELECT workspace_id, channel, COUNT(*) FROM conversation GROUP BY 1, 2;

{{sqlite}}
CREATE TRIGGER conversation_added AFTER INSERT ON conversation BEGIN
    INSERT INTO conversation_count (workspace_id, channel, conversations) VALUES (new.workspace_id, new.channel, 1)
        ON CONFLICT (workspace_id, channel) DO UPDATE SET conversations = conversations + 1{{semicolon}}
END;

CREATE TRIGGER conversation_removed AFTER DELETE ON conversation BEGIN
    UPDATE conversation_count SET conversations = conversations - 1
        WHERE workspace_id = old.workspace_id AND channel = old.channel{{semicolon}}
END;

CREATE TRIGGER conversation_moved AFTER UPDATE OF channel ON conversation WHEN old.channel <> new.channel BEGIN
    UPDATE conversation_count SET conversations = conversations - 1
        WHERE workspace_id = old.workspace_id AND channel = old.channel{{semicolon}}
    INSERT INTO conversation_count (workspace_id, channel, conversations) VALUES (new.workspace_id, new.channel, 1)
        ON CONFLICT (workspace_id, channel) DO UPDATE SET conversations = conversations + 1{{semicolon}}
END;
{{end}}

{{postgres}}
CREATE FUNCTION conversation_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO conversation_count (workspace_id, channel, conversations) VALUES (new.workspace_id, new.channel, 1)
        ON CONFLICT (workspace_id, channel) DO UPDATE SET conversations = conversation_count.conversations + 1{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER conversation_added AFTER INSERT ON conversation FOR EACH ROW EXECUTE FUNCTION conversation_added();

CREATE FUNCTION conversation_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversation_count SET conversations = conversation_count.conversations - gone.conversations
        FROM (SELECT workspace_id, channel, COUNT(*) AS conversations FROM removed GROUP BY 1, 2) AS gone
        WHERE conversation_count.workspace_id = gone.workspace_id AND conversation_count.channel = gone.channel{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER conversation_removed AFTER DELETE ON conversation REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION conversation_removed();

CREATE FUNCTION conversation_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversation_count SET conversations = conversations - 1
        WHERE workspace_id = old.workspace_id AND channel = old.channel{{semicolon}}
    INSERT INTO conversation_count (workspace_id, channel, conversations) VALUES (new.workspace_id, new.channel, 1)
        ON CONFLICT (workspace_id, channel) DO UPDATE SET conversations = conversation_count.conversations + 1{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER conversation_moved AFTER UPDATE OF channel ON conversation
    FOR EACH ROW WHEN (old.channel <> new.channel) EXECUTE FUNCTION conversation_moved();
{{end}}

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
CREATE UNIQUE INDEX ticket_reference     ON ticket (reference);
CREATE UNIQUE INDEX ticket_workspace     ON ticket (workspace_id, id);
CREATE INDEX        ticket_status        ON ticket (status, workspace_id, id);
CREATE INDEX        ticket_priority      ON ticket (priority, workspace_id, id);
CREATE INDEX        ticket_desk          ON ticket (partner_id, id);
CREATE INDEX        ticket_desk_status   ON ticket (status, partner_id, id);
CREATE INDEX        ticket_desk_priority ON ticket (priority, partner_id, id);
CREATE INDEX        ticket_in_department ON ticket (partner_id, department_id);

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
