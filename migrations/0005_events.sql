-- The event log: one row per change, in the change's own transaction. Numbered after commit, without gaps, per stream.
CREATE TABLE event (
    id           {{id}},
    workspace_id BIGINT REFERENCES workspace (id),
    partner_id   BIGINT REFERENCES partner (id),
    kind         TEXT   NOT NULL,
    subject_id   BIGINT NOT NULL,                   -- the contact or booking it concerns: order is kept within it
    data         TEXT   NOT NULL,                   -- the payload's `data`, compact JSON
    created_at   BIGINT NOT NULL,
    seq          BIGINT,
    CHECK ((workspace_id IS NULL) <> (partner_id IS NULL))
);
CREATE INDEX        event_unnumbered    ON event (id, workspace_id, partner_id) WHERE seq IS NULL;
CREATE UNIQUE INDEX event_workspace_seq ON event (workspace_id, seq) WHERE seq IS NOT NULL AND workspace_id IS NOT NULL;
CREATE UNIQUE INDEX event_partner_seq   ON event (partner_id, seq) WHERE seq IS NOT NULL AND partner_id IS NOT NULL;
CREATE INDEX        event_workspace     ON event (workspace_id, id);

-- The last number of each stream. A workspace's stream has partner_id 0 and the reverse.
CREATE TABLE event_head (
    workspace_id BIGINT NOT NULL,
    partner_id   BIGINT NOT NULL,
    last_seq     BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, partner_id)
);

-- One answer per idempotency key, stored in the transaction of its effect.
CREATE TABLE idempotency (
    owner      TEXT   NOT NULL,                     -- 'w:<workspace>' or 'p:<partner>'
    key        TEXT   NOT NULL,
    digest     {{blob}} NOT NULL,                   -- of method, path and body
    status     BIGINT NOT NULL,
    body       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- Rate windows that several nodes share: nodes take small leases from the running window.
CREATE TABLE rate_window (
    bucket     TEXT   NOT NULL PRIMARY KEY,
    started_at BIGINT NOT NULL,
    taken      BIGINT NOT NULL,
    granted    BIGINT NOT NULL                      -- what the last statement got
);
