-- Partners hear of their clients: endpoints of their own, and a second way of being told (the hub's).
ALTER TABLE partner ADD COLUMN data_key TEXT;       -- sealed by a master key; none until something is sealed for the partner

ALTER TABLE webhook ADD COLUMN dialect TEXT NOT NULL DEFAULT 'product' CHECK (dialect IN ('product', 'hub'));
ALTER TABLE webhook ADD COLUMN headers TEXT;        -- sealed JSON: headers that its owner wants to see on deliveries
ALTER TABLE webhook_attempt ADD COLUMN partner_id BIGINT;

-- A partner has one endpoint of each dialect.
CREATE UNIQUE INDEX webhook_of_partner ON webhook (partner_id, dialect) WHERE partner_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX webhook_delivery_partner ON webhook_delivery (partner_id, webhook_id, id) WHERE partner_id IS NOT NULL;

-- A delivery's endpoint is its own partner's. SQLite cannot add a key of two columns to a table that is there.
DROP INDEX webhook_partner;
CREATE UNIQUE INDEX webhook_partner ON webhook (partner_id, id);
{{postgres}}
ALTER TABLE webhook_delivery ADD CONSTRAINT webhook_delivery_of_partner
    FOREIGN KEY (partner_id, webhook_id) REFERENCES webhook (partner_id, id) ON DELETE CASCADE;
{{end}}
{{sqlite}}
CREATE TRIGGER webhook_delivery_of_partner BEFORE INSERT ON webhook_delivery
    WHEN new.partner_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM webhook WHERE partner_id = new.partner_id AND id = new.webhook_id)
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed'){{semicolon}}
END;
{{end}}

-- What only the second partner API knows of partners, clients and numbers.
ALTER TABLE partner ADD COLUMN redirect_url TEXT;
ALTER TABLE partner ADD COLUMN country      TEXT;   -- ISO 3166-1 alpha-2
ALTER TABLE partner ADD COLUMN allow_client_to_add_phone_no BOOLEAN NOT NULL DEFAULT TRUE;

ALTER TABLE partner ADD COLUMN client_plan_id BIGINT REFERENCES plan (id);  -- of clients made without a plan; none: the smallest

ALTER TABLE workspace ADD COLUMN partner_payload TEXT;
ALTER TABLE workspace ADD COLUMN max_channels    BIGINT;    -- below the plan's limit; none is the plan's
ALTER TABLE workspace ADD COLUMN modified_at     BIGINT;    -- none: not since it was made

CREATE INDEX workspace_created ON workspace (partner_id, created_at, id);

ALTER TABLE channel ADD COLUMN public_id TEXT;      -- '…CH'; given with the first connection
{{sqlite}}
UPDATE channel SET public_id = hex(randomblob(8)) || 'CH' WHERE provider IS NOT NULL;
{{end}}
{{postgres}}
UPDATE channel SET public_id = upper(replace(CAST(gen_random_uuid() AS TEXT), '-', '')) || 'CH' WHERE provider IS NOT NULL;
{{end}}
CREATE UNIQUE INDEX channel_public_id ON channel (public_id);

-- Bearer tokens of the second partner API: everybody has one at a time.
CREATE TABLE partner_token (
    id         {{id}},
    partner_id BIGINT   NOT NULL,
    user_id    BIGINT   NOT NULL,
    hash       {{blob}} NOT NULL,                   -- SHA-256 of the whole token
    created_at BIGINT   NOT NULL,
    expires_at BIGINT   NOT NULL,
    FOREIGN KEY (partner_id, user_id) REFERENCES partner_user (partner_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX partner_token_hash ON partner_token (hash);
CREATE UNIQUE INDEX partner_token_user ON partner_token (partner_id, user_id);
