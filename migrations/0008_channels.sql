-- Accounts at messaging providers. A workspace is born with one unconnected setting per type.
CREATE TABLE channel (
    id             {{id}},
    workspace_id   BIGINT  NOT NULL REFERENCES workspace (id),
    type           TEXT    NOT NULL CHECK (type IN ('whatsapp', 'telegram', 'instagram')),
    provider       TEXT,                            -- 'cloud', 'bot', 'sandbox'; none before the first connection
    name           TEXT,
    username       TEXT,
    identity       TEXT,                            -- the provider's own id: phone_number_id, bot id
    is_connected   BOOLEAN NOT NULL,
    sync_status    TEXT    NOT NULL,
    sync_error     TEXT,
    credentials    TEXT,                            -- sealed JSON
    hook_token     TEXT,                            -- the unguessable part of its inbound address
    last_synced_at BIGINT,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL
);
CREATE UNIQUE INDEX channel_workspace ON channel (workspace_id, id);
CREATE UNIQUE INDEX channel_hook      ON channel (hook_token) WHERE hook_token IS NOT NULL;
-- Two consumers of one account steal each other's messages: an account is connected once in an installation.
CREATE UNIQUE INDEX channel_identity  ON channel (provider, identity) WHERE is_connected AND identity IS NOT NULL;

-- How a channel's provider knows a contact: wa_id, chat id.
CREATE TABLE contact_address (
    workspace_id BIGINT NOT NULL,
    channel_id   BIGINT NOT NULL,
    address      TEXT   NOT NULL,
    contact_id   BIGINT NOT NULL,
    phone        TEXT,                              -- the contact's number when this was learned; void once it differs
    PRIMARY KEY (workspace_id, channel_id, address),
    FOREIGN KEY (workspace_id, channel_id) REFERENCES channel (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_address_contact ON contact_address (workspace_id, contact_id);

-- What providers posted, verified, as they posted it; gone once it is worked in.
CREATE TABLE inbound (
    id           {{id}},
    workspace_id BIGINT   NOT NULL,
    channel_id   BIGINT   NOT NULL,
    body         {{blob}} NOT NULL,
    received_at  BIGINT   NOT NULL,
    taken        BIGINT   NOT NULL DEFAULT 0,      -- elements of a large body that are worked in already
    FOREIGN KEY (workspace_id, channel_id) REFERENCES channel (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX inbound_channel ON inbound (workspace_id, channel_id);
