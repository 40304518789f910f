-- What an owner asks of its endpoint beyond the documentation.
ALTER TABLE webhook ADD COLUMN header_names         TEXT NOT NULL DEFAULT '[]';  -- JSON array: of `headers`, whose values are sealed
ALTER TABLE webhook ADD COLUMN rate_limit           BIGINT CHECK (rate_limit BETWEEN 1 AND 60000);  -- deliveries a minute
ALTER TABLE webhook ADD COLUMN payload_version      TEXT CHECK (payload_version IN ('2026-04'));    -- none: the documented form
ALTER TABLE webhook ADD COLUMN signing              TEXT NOT NULL DEFAULT 'hmac' CHECK (signing IN ('hmac', 'ed25519'));
ALTER TABLE webhook ADD COLUMN public_key           TEXT;
ALTER TABLE webhook ADD COLUMN private_key          TEXT;   -- sealed
ALTER TABLE webhook ADD COLUMN previous_private_key TEXT;   -- sealed; signs beside the new one until `previous_until`
ALTER TABLE webhook ADD COLUMN paused_at            BIGINT; -- deliveries wait

-- The form in which a delivery is told, for every attempt the same; and the attempts before somebody asked for it again:
-- the schedule begins anew behind them.
ALTER TABLE webhook_delivery ADD COLUMN payload_version TEXT;
ALTER TABLE webhook_delivery ADD COLUMN tried_before    BIGINT NOT NULL DEFAULT 0;

-- The log, newest first: all of it, of one event, of one status.
DROP INDEX webhook_delivery_newest;
CREATE INDEX webhook_delivery_time   ON webhook_delivery (workspace_id, webhook_id, created_at, id);
CREATE INDEX webhook_delivery_event  ON webhook_delivery (workspace_id, webhook_id, event, created_at, id);
CREATE INDEX webhook_delivery_status ON webhook_delivery (workspace_id, webhook_id, status, created_at, id);
DROP INDEX webhook_delivery_partner;
CREATE INDEX webhook_delivery_partner ON webhook_delivery (partner_id, webhook_id, created_at, id) WHERE partner_id IS NOT NULL;
CREATE INDEX webhook_delivery_partner_event  ON webhook_delivery (partner_id, webhook_id, event, created_at, id)
    WHERE partner_id IS NOT NULL;
CREATE INDEX webhook_delivery_partner_status ON webhook_delivery (partner_id, webhook_id, status, created_at, id)
    WHERE partner_id IS NOT NULL;

-- Long work on an endpoint's deliveries, done in steps: what failed is sent again, or a span of the event log is.
CREATE TABLE webhook_recovery (
    id             {{id}},
    workspace_id   BIGINT,
    partner_id     BIGINT,
    webhook_id     BIGINT NOT NULL,
    kind           TEXT   NOT NULL CHECK (kind IN ('recover', 'replay')),
    status         TEXT   NOT NULL CHECK (status IN ('running', 'completed', 'cancelled')),
    from_at        BIGINT,                          -- moments that were asked for: from then on, and before then
    to_at          BIGINT,
    after_seq      BIGINT,                          -- numbers that were asked for: behind this one, through that one
    through_seq    BIGINT,
    events         TEXT,                            -- JSON array; none: what the endpoint subscribes to
    place          BIGINT NOT NULL,                 -- how far it is: a moment (recover) or a number (replay)
    place_id       BIGINT NOT NULL DEFAULT 0,       -- and within one moment, the delivery
    examined      BIGINT NOT NULL DEFAULT 0,
    queued         BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    finished_at    BIGINT,
    FOREIGN KEY (workspace_id, webhook_id) REFERENCES webhook (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (partner_id, webhook_id) REFERENCES webhook (partner_id, id) ON DELETE CASCADE,
    CHECK ((workspace_id IS NULL) <> (partner_id IS NULL))
);
-- One at a time.
CREATE UNIQUE INDEX webhook_recovery_running   ON webhook_recovery (webhook_id) WHERE status = 'running';
CREATE INDEX        webhook_recovery_workspace ON webhook_recovery (workspace_id, webhook_id, id);
CREATE INDEX        webhook_recovery_partner   ON webhook_recovery (partner_id, webhook_id, id);
