-- Lists and segments: named groups of contacts. They differ only in where they are shown, so they are one table.
CREATE TABLE contact_group (
    id             {{id}},
    workspace_id   BIGINT NOT NULL REFERENCES workspace (id),
    kind           TEXT   NOT NULL CHECK (kind IN ('list', 'segment')),
    name           TEXT   NOT NULL,
    status         BIGINT NOT NULL CHECK (status IN (0, 1)),
    contacts_count BIGINT NOT NULL DEFAULT 0,       -- kept with every change of its members
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    deleted_at     BIGINT                           -- gone for its users, its members are still being removed
);
CREATE UNIQUE INDEX contact_group_workspace ON contact_group (workspace_id, id);
CREATE UNIQUE INDEX contact_group_name      ON contact_group (workspace_id, kind, name) WHERE deleted_at IS NULL;

-- Nothing cascades to members: whoever removes a contact or a group has to count them first.
CREATE TABLE contact_group_member (
    workspace_id BIGINT NOT NULL,
    group_id     BIGINT NOT NULL,
    contact_id   BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, group_id, contact_id),
    FOREIGN KEY (workspace_id, group_id) REFERENCES contact_group (workspace_id, id),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id)
){{sqlite}} WITHOUT ROWID{{end}};
CREATE INDEX contact_group_member_contact ON contact_group_member (workspace_id, contact_id, group_id);

-- What a workspace writes down about a contact.
CREATE TABLE note (
    id           {{id}},
    workspace_id BIGINT NOT NULL,
    contact_id   BIGINT NOT NULL,
    content      TEXT   NOT NULL,
    author_type  TEXT   CHECK (author_type IN ('api_key', 'team_member')),
    author_id    BIGINT,                            -- of the author's own table; the author may be gone by now
    author_name  TEXT,                              -- as it was then
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX note_contact ON note (workspace_id, contact_id, id);
