-- People a workspace talks to.
CREATE TABLE contact (
    id              {{id}},
    workspace_id    BIGINT  NOT NULL REFERENCES workspace (id),
    name            TEXT    NOT NULL,
    email           TEXT,
    phone           TEXT,                           -- E.164
    type            TEXT    NOT NULL CHECK (type IN ('whatsapp', 'telegram', 'instagram')),
    status          TEXT    NOT NULL CHECK (status IN ('active', 'inactive')),
    blacklisted     BOOLEAN NOT NULL,
    search_text     TEXT    NOT NULL,               -- name, e-mail and phone, folded
    last_message_at BIGINT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL
);
CREATE UNIQUE INDEX contact_workspace ON contact (workspace_id, id);
CREATE UNIQUE INDEX contact_phone     ON contact (workspace_id, type, phone) WHERE phone IS NOT NULL;

CREATE TABLE tag (
    id           {{id}},
    workspace_id BIGINT NOT NULL REFERENCES workspace (id),
    title        TEXT   NOT NULL,
    created_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX tag_workspace ON tag (workspace_id, id);
CREATE UNIQUE INDEX tag_title     ON tag (workspace_id, title);

CREATE TABLE contact_tag (
    workspace_id BIGINT NOT NULL,
    contact_id   BIGINT NOT NULL,
    tag_id       BIGINT NOT NULL,
    position     BIGINT NOT NULL,                   -- tags are shown in the order they were given
    PRIMARY KEY (workspace_id, contact_id, tag_id),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, tag_id) REFERENCES tag (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_tag_tag ON contact_tag (workspace_id, tag_id, contact_id);
