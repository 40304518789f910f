-- A partner's logo, served from our own address under a name that follows from its content.
CREATE TABLE partner_logo (
    partner_id BIGINT   NOT NULL PRIMARY KEY REFERENCES partner (id),
    name       TEXT     NOT NULL,                   -- of its file: the digest of the bytes, and what kind it is
    media_type TEXT     NOT NULL CHECK (media_type IN ('image/png', 'image/jpeg', 'image/webp')),
    bytes      {{blob}} NOT NULL,
    created_at BIGINT   NOT NULL
);
CREATE INDEX partner_logo_name ON partner_logo (name);

-- Links of partners' people have a purpose, as those of members have: invitations, and new passwords.
ALTER TABLE partner_link ADD COLUMN purpose TEXT NOT NULL DEFAULT 'invite';
DROP INDEX partner_link_open;
CREATE UNIQUE INDEX partner_link_open ON partner_link (user_id, purpose) WHERE used_at IS NULL;

-- Mails to partners' people that are not sent yet, sealed with their partner's key.
CREATE TABLE partner_mail (
    id         {{id}},
    partner_id BIGINT NOT NULL REFERENCES partner (id),
    reference  TEXT   NOT NULL,                     -- unguessable, of its Message-ID
    body       TEXT   NOT NULL,                     -- sealed JSON: to whom, in whose name, what
    created_at BIGINT NOT NULL
);
CREATE INDEX partner_mail_partner ON partner_mail (partner_id, id);
