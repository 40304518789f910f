-- People choose passwords; a workspace has exactly one primary user.
ALTER TABLE team_member ADD COLUMN password TEXT;       -- Argon2id, as a PHC string; none until one was chosen
CREATE UNIQUE INDEX team_member_primary ON team_member (workspace_id) WHERE is_primary;

-- Mails that are not sent yet. They may hold links that let people in, so they are sealed, and gone once they are sent.
CREATE TABLE mail (
    id           {{id}},
    workspace_id BIGINT NOT NULL REFERENCES workspace (id),
    reference    TEXT   NOT NULL,                   -- unguessable, of its Message-ID
    body         TEXT   NOT NULL,                   -- sealed JSON: to whom, in whose name, what
    created_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX mail_workspace ON mail (workspace_id, id);

-- Links that prove who opens them, once: invitations. A member has one open link of a purpose.
CREATE TABLE team_link (
    id           {{id}},
    workspace_id BIGINT   NOT NULL REFERENCES workspace (id),
    member_id    BIGINT   NOT NULL,
    purpose      TEXT     NOT NULL,
    hash         {{blob}} NOT NULL,                 -- SHA-256 of the whole token
    expires_at   BIGINT   NOT NULL,
    used_at      BIGINT,
    created_at   BIGINT   NOT NULL,
    FOREIGN KEY (workspace_id, member_id) REFERENCES team_member (workspace_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX team_link_workspace ON team_link (workspace_id, id);
CREATE UNIQUE INDEX team_link_hash      ON team_link (hash);
CREATE INDEX        team_link_member    ON team_link (workspace_id, member_id);
CREATE UNIQUE INDEX team_link_open      ON team_link (workspace_id, member_id, purpose) WHERE used_at IS NULL;
