-- Who is signed in. A session is dead when its row is gone: whatever ends it removes the row.

-- Partners' own people. Their logins are apart from those of their clients' people.
CREATE TABLE partner_user (
    id         {{id}},
    partner_id BIGINT NOT NULL REFERENCES partner (id),
    email      TEXT   NOT NULL,
    email_key  TEXT   NOT NULL,                     -- the e-mail without case
    password   TEXT,                                -- Argon2id, as a PHC string; none until one was chosen
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX partner_user_email   ON partner_user (email_key);
CREATE UNIQUE INDEX partner_user_partner ON partner_user (partner_id, id);

-- Links where partners' people choose a password. Everybody has one open link.
CREATE TABLE partner_link (
    id         {{id}},
    partner_id BIGINT   NOT NULL,
    user_id    BIGINT   NOT NULL,
    hash       {{blob}} NOT NULL,                   -- SHA-256 of the whole token
    expires_at BIGINT   NOT NULL,
    used_at    BIGINT,
    created_at BIGINT   NOT NULL,
    FOREIGN KEY (partner_id, user_id) REFERENCES partner_user (partner_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX partner_link_hash ON partner_link (hash);
CREATE UNIQUE INDEX partner_link_open ON partner_link (user_id) WHERE used_at IS NULL;
CREATE INDEX        partner_link_user ON partner_link (partner_id, user_id);

CREATE TABLE partner_session (
    id         {{id}},
    partner_id BIGINT   NOT NULL,
    user_id    BIGINT   NOT NULL,
    hash       {{blob}} NOT NULL,                   -- SHA-256 of the whole token
    created_at BIGINT   NOT NULL,
    seen_at    BIGINT   NOT NULL,
    expires_at BIGINT   NOT NULL,
    FOREIGN KEY (partner_id, user_id) REFERENCES partner_user (partner_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX partner_session_hash    ON partner_session (hash);
CREATE INDEX        partner_session_user    ON partner_session (partner_id, user_id);
CREATE INDEX        partner_session_expires ON partner_session (expires_at);

-- Links by which a partner visits a client. They die with the key that issued them.
CREATE TABLE visit_link (
    id             {{id}},
    workspace_id   BIGINT   NOT NULL REFERENCES workspace (id),
    partner_id     BIGINT   NOT NULL REFERENCES partner (id),
    partner_key_id BIGINT   NOT NULL REFERENCES partner_key (id) ON DELETE CASCADE,
    hash           {{blob}} NOT NULL,               -- SHA-256 of the whole token
    expires_at     BIGINT   NOT NULL,
    used_at        BIGINT,
    created_at     BIGINT   NOT NULL
);
CREATE UNIQUE INDEX visit_link_workspace ON visit_link (workspace_id, id);
CREATE UNIQUE INDEX visit_link_hash      ON visit_link (hash);
CREATE INDEX        visit_link_key       ON visit_link (partner_key_id);
CREATE INDEX        visit_link_partner   ON visit_link (partner_id);
CREATE INDEX        visit_link_expires   ON visit_link (expires_at);

-- In a workspace: one of its members, or its partner on a visit.
CREATE TABLE workspace_session (
    id             {{id}},
    workspace_id   BIGINT   NOT NULL REFERENCES workspace (id),
    member_id      BIGINT,
    partner_id     BIGINT REFERENCES partner (id),
    partner_key_id BIGINT REFERENCES partner_key (id) ON DELETE CASCADE,
    hash           {{blob}} NOT NULL,               -- SHA-256 of the whole token
    created_at     BIGINT   NOT NULL,
    seen_at        BIGINT   NOT NULL,
    expires_at     BIGINT   NOT NULL,
    CHECK ((member_id IS NULL) <> (partner_id IS NULL) AND (partner_id IS NULL) = (partner_key_id IS NULL)),
    FOREIGN KEY (workspace_id, member_id) REFERENCES team_member (workspace_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX workspace_session_workspace ON workspace_session (workspace_id, id);
CREATE UNIQUE INDEX workspace_session_hash      ON workspace_session (hash);
CREATE INDEX        workspace_session_member    ON workspace_session (workspace_id, member_id);
CREATE INDEX        workspace_session_key       ON workspace_session (partner_key_id) WHERE partner_key_id IS NOT NULL;
CREATE INDEX        workspace_session_partner   ON workspace_session (partner_id) WHERE partner_id IS NOT NULL;
CREATE INDEX        workspace_session_expires   ON workspace_session (expires_at);

-- Guesses at passwords: of an account from an address, of an account, from an address. Names are digests.
CREATE TABLE guess (
    subject       {{blob}} NOT NULL PRIMARY KEY,
    failures      BIGINT   NOT NULL,
    tried_at      BIGINT   NOT NULL,
    blocked_until BIGINT   NOT NULL
);
CREATE INDEX guess_tried ON guess (tried_at);
