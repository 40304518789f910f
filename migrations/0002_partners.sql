-- Resellers and agencies.
CREATE TABLE partner (
    id            {{id}},
    public_id     TEXT    NOT NULL,                 -- '…PA': the id of the second partner API
    company_name  TEXT    NOT NULL,
    slug          TEXT    NOT NULL,
    email         TEXT    NOT NULL,
    plan          TEXT    NOT NULL CHECK (plan IN ('agency', 'enterprise')),
    status        TEXT    NOT NULL CHECK (status IN ('active', 'suspended', 'pending')),
    seats_max     BIGINT  NOT NULL,
    seats_used    BIGINT  NOT NULL DEFAULT 0 CHECK (seats_used >= 0),
    logo_url      TEXT,
    primary_color TEXT,
    custom_domain TEXT,
    created_at    BIGINT  NOT NULL
);
CREATE UNIQUE INDEX partner_slug      ON partner (slug);
CREATE UNIQUE INDEX partner_public_id ON partner (public_id);

CREATE TABLE partner_key (
    id           {{id}},
    partner_id   BIGINT NOT NULL REFERENCES partner (id),
    name         TEXT   NOT NULL,
    hash         {{blob}} NOT NULL,                 -- SHA-256 of the whole key
    hint         TEXT   NOT NULL,                   -- prefix and last four characters
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE UNIQUE INDEX partner_key_hash    ON partner_key (hash);
CREATE INDEX        partner_key_partner ON partner_key (partner_id, id);
