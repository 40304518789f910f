-- Who did what, in the transaction that did it. Written once: nothing is ever changed, and only the purge of a deleted
-- workspace removes what was its own.
CREATE TABLE audit_entry (
    id              {{id}},
    workspace_id    BIGINT,                         -- the client it concerns; no reference, because entries of its partner outlive it
    partner_id      BIGINT  NOT NULL REFERENCES partner (id),
    company_name    TEXT,                           -- the client's, as it was then
    of_partner      BOOLEAN NOT NULL,               -- stays with the partner when the client is deleted
    created_at      BIGINT  NOT NULL,
    actor_type      TEXT    NOT NULL,
    actor_id        BIGINT,
    actor_name      TEXT    NOT NULL,
    real_actor_type TEXT,                           -- who came in by partner access, in the name of the actor
    real_actor_id   BIGINT,
    real_actor_name TEXT,
    action          TEXT    NOT NULL,
    target_type     TEXT    NOT NULL,
    target_id       BIGINT  NOT NULL,
    request_id      TEXT,
    address         TEXT,
    result          TEXT    NOT NULL CHECK (result IN ('success', 'refused')),
    changes         TEXT    NOT NULL,               -- a JSON object; neither secrets nor bodies
    CHECK ((workspace_id IS NULL) = (company_name IS NULL)),
    CHECK (workspace_id IS NOT NULL OR of_partner)
);
CREATE INDEX audit_entry_workspace        ON audit_entry (workspace_id, created_at, id);
CREATE INDEX audit_entry_workspace_action ON audit_entry (workspace_id, action, created_at, id);
CREATE INDEX audit_entry_partner          ON audit_entry (partner_id, created_at, id);
CREATE INDEX audit_entry_partner_action   ON audit_entry (partner_id, action, created_at, id);

{{sqlite}}
CREATE TRIGGER audit_entry_unchanged BEFORE UPDATE ON audit_entry BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never changed'){{semicolon}}
END;

CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry
WHEN old.of_partner OR NOT EXISTS (SELECT 1 FROM workspace WHERE id = old.workspace_id AND status = 'deleted') BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never removed'){{semicolon}}
END;
{{end}}

{{postgres}}
CREATE FUNCTION audit_entry_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit log are never changed'{{semicolon}}
END $$;
CREATE TRIGGER audit_entry_unchanged BEFORE UPDATE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_unchanged();

CREATE FUNCTION audit_entry_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.of_partner OR NOT EXISTS (SELECT 1 FROM workspace WHERE id = old.workspace_id AND status = 'deleted') THEN
        RAISE EXCEPTION 'entries of the audit log are never removed'{{semicolon}}
    END IF{{semicolon}}
    RETURN old{{semicolon}}
END $$;
CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_kept();

CREATE FUNCTION audit_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit log are never removed'{{semicolon}}
END $$;
CREATE TRIGGER audit_entry_stays BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_stays();
{{end}}
