-- Where other systems hear of events, and every delivery to them. A row belongs to a workspace, or to a partner.
CREATE TABLE webhook (
    id              {{id}},
    workspace_id    BIGINT REFERENCES workspace (id),
    partner_id      BIGINT REFERENCES partner (id),
    name            TEXT    NOT NULL,
    url             TEXT    NOT NULL,
    events          TEXT    NOT NULL,               -- JSON array; '*' is every event
    is_active       BOOLEAN NOT NULL,
    secret          TEXT    NOT NULL,               -- sealed
    previous_secret TEXT,                           -- sealed; signs beside the new one until then
    previous_until  BIGINT,
    disabled_reason TEXT,
    dropped_through BIGINT  NOT NULL DEFAULT 0,     -- what was queued up to then and is not delivered, never will be
    deliveries      BIGINT  NOT NULL DEFAULT 0,     -- rows of webhook_delivery, counted as they come and go
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    deleted_at      BIGINT,                         -- gone for everybody; its deliveries are being removed
    CHECK ((workspace_id IS NULL) <> (partner_id IS NULL))
);
CREATE UNIQUE INDEX webhook_workspace ON webhook (workspace_id, id);
CREATE INDEX        webhook_partner   ON webhook (partner_id, id);

-- The last attempt stands on the delivery itself, so that one that succeeds at once is two writes in all.
CREATE TABLE webhook_delivery (
    id              {{id}},
    workspace_id    BIGINT,
    partner_id      BIGINT,
    webhook_id      BIGINT NOT NULL,
    event_id        BIGINT NOT NULL REFERENCES event (id),
    delivery_id     TEXT   NOT NULL,                -- UUID: the same on every attempt
    event           TEXT   NOT NULL,
    status          TEXT   NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
    queued_at       BIGINT NOT NULL,
    attempts        BIGINT NOT NULL DEFAULT 0,
    attempted_at    BIGINT,
    duration_ms     BIGINT,
    response_status BIGINT,
    response_body   TEXT,
    error           TEXT,
    dropped         TEXT,                           -- why it was given up before its schedule ended
    next_retry_at   BIGINT,
    delivered_at    BIGINT,
    created_at      BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, webhook_id) REFERENCES webhook (workspace_id, id) ON DELETE CASCADE,
    CHECK ((workspace_id IS NULL) <> (partner_id IS NULL))
);
-- Fanning out twice is impossible.
CREATE UNIQUE INDEX webhook_delivery_once   ON webhook_delivery (event_id, webhook_id);
CREATE INDEX        webhook_delivery_newest ON webhook_delivery (workspace_id, webhook_id, id);

-- Attempts before the last one.
CREATE TABLE webhook_attempt (
    workspace_id    BIGINT,
    delivery_id     BIGINT NOT NULL REFERENCES webhook_delivery (id) ON DELETE CASCADE,
    number          BIGINT NOT NULL,
    attempted_at    BIGINT NOT NULL,
    duration_ms     BIGINT NOT NULL,
    response_status BIGINT,
    response_body   TEXT,
    error           TEXT,
    PRIMARY KEY (delivery_id, number)
);
CREATE INDEX webhook_attempt_workspace ON webhook_attempt (workspace_id, delivery_id);
