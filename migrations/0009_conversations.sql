-- One conversation per contact, and its messages.
CREATE TABLE conversation (
    id                {{id}},
    workspace_id      BIGINT NOT NULL,
    contact_id        BIGINT NOT NULL,
    channel_id        BIGINT NOT NULL,              -- the account it was last held on
    last_message      TEXT   NOT NULL,
    last_message_at   BIGINT NOT NULL,
    unread_count      BIGINT NOT NULL DEFAULT 0,
    window_expires_at BIGINT,                       -- end of the customer service window, where the channel has one
    FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, channel_id) REFERENCES channel (workspace_id, id)
);
CREATE UNIQUE INDEX conversation_contact ON conversation (workspace_id, contact_id);
CREATE INDEX        conversation_recent  ON conversation (workspace_id, last_message_at, id);
CREATE INDEX        conversation_channel ON conversation (workspace_id, channel_id);

CREATE TABLE message (
    id             {{id}},
    workspace_id   BIGINT NOT NULL,
    contact_id     BIGINT NOT NULL,
    channel_id     BIGINT NOT NULL,
    direction      TEXT   NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    channel        TEXT   NOT NULL,
    kind           TEXT   NOT NULL,                 -- 'text', 'image' …: what content stands for
    content        TEXT   NOT NULL,
    status         TEXT   NOT NULL CHECK (status IN ('received', 'pending', 'sent', 'delivered', 'read', 'failed')),
    -- How far sending came: queued → calling → settled; 'unknown' when a call's outcome is unclear (never sent again).
    send_state     TEXT   NOT NULL CHECK (send_state IN ('none', 'queued', 'calling', 'unknown', 'settled')),
    address        TEXT,
    provider_id    TEXT,                            -- the provider's id of the message
    error_class    TEXT,
    error_code     TEXT,
    error_message  TEXT,
    sent_at        BIGINT,
    delivered_at   BIGINT,
    read_at        BIGINT,
    failed_at      BIGINT,
    raw            TEXT,                            -- the provider's own JSON, where content is only a placeholder
    created_at     BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, channel_id) REFERENCES channel (workspace_id, id)
);
CREATE UNIQUE INDEX message_provider ON message (workspace_id, channel_id, provider_id) WHERE provider_id IS NOT NULL;
CREATE UNIQUE INDEX message_history  ON message (workspace_id, contact_id, id);
CREATE INDEX        message_workspace ON message (workspace_id, id);

-- Statuses that overtook the answer that tells us the message's provider id.
CREATE TABLE early_status (
    id            {{id}},
    workspace_id  BIGINT NOT NULL,
    channel_id    BIGINT NOT NULL,
    provider_id   TEXT   NOT NULL,
    status        TEXT   NOT NULL,
    error_class   TEXT,
    error_code    TEXT,
    error_message TEXT,
    happened_at   BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, channel_id) REFERENCES channel (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX early_status_message ON early_status (workspace_id, channel_id, provider_id);
