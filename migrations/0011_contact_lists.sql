-- Long lists of contacts: opened in the middle, counted and searched without looking at every row.

-- How many contacts stand in a range of 8,192 ids (block = id / 8192). Pages far down the list skip whole blocks, and
-- totals are sums of blocks. Kept by the triggers below, so that no path can forget it.
CREATE TABLE contact_block (
    workspace_id BIGINT  NOT NULL,
    block        BIGINT  NOT NULL,
    type         TEXT    NOT NULL,
    blacklisted  BOOLEAN NOT NULL,
    contacts     BIGINT  NOT NULL,
    PRIMARY KEY (workspace_id, block, type, blacklisted)
) {{sqlite}}WITHOUT ROWID{{end}};

-- Contacts whose text the search index does not know (yet): it is told after the answer, many at a time. A contact stands
-- here or in contact_gram, never in both.
CREATE TABLE contact_unindexed (
    workspace_id BIGINT NOT NULL,
    contact_id   BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, contact_id),
    FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id) ON DELETE CASCADE
) {{sqlite}}WITHOUT ROWID{{end}};

-- The search index: every three characters of a contact's search text, each with its workspace in front, so that nobody's
-- search walks through the contacts of others.
{{sqlite}}
CREATE VIRTUAL TABLE contact_gram USING fts5 (
    workspace_id UNINDEXED, grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
{{end}}
{{postgres}}
CREATE TABLE contact_gram (
    workspace_id BIGINT   NOT NULL,
    rowid        BIGINT   NOT NULL PRIMARY KEY,     -- the contact
    grams        tsvector NOT NULL,
    FOREIGN KEY (workspace_id, rowid) REFERENCES contact (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_gram_grams ON contact_gram USING gin (grams);
{{end}}

ALTER TABLE tag ADD COLUMN contacts_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tag ADD COLUMN deleted_at BIGINT;       -- gone for its users, it is still being taken from its contacts
DROP INDEX tag_title;
CREATE UNIQUE INDEX tag_title ON tag (workspace_id, title) WHERE deleted_at IS NULL;

CREATE INDEX contact_type        ON contact (workspace_id, type, id);
CREATE INDEX contact_blacklisted ON contact (workspace_id, id) WHERE blacklisted;

-- Conversations of one microsecond keep one order, by what the API shows of them.
DROP INDEX conversation_recent;
CREATE INDEX conversation_recent ON conversation (workspace_id, last_message_at, contact_id);

INSERT INTO contact_block (workspace_id, block, type, blacklisted, contacts)
    SELECT workspace_id, id / 8192, type, blacklisted, COUNT(*) FROM contact GROUP BY 1, 2, 3, 4;
INSERT INTO contact_unindexed (workspace_id, contact_id) SELECT workspace_id, id FROM contact;
UPDATE tag SET contacts_count = (
    SELECT COUNT(*) FROM contact_tag WHERE contact_tag.workspace_id = tag.workspace_id AND contact_tag.tag_id = tag.id
);

{{sqlite}}
CREATE TRIGGER contact_added AFTER INSERT ON contact BEGIN
    INSERT INTO contact_block (workspace_id, block, type, blacklisted, contacts)
        VALUES (new.workspace_id, new.id / 8192, new.type, new.blacklisted, 1)
        ON CONFLICT (workspace_id, block, type, blacklisted) DO UPDATE SET contacts = contacts + 1{{semicolon}}
    INSERT INTO contact_unindexed (workspace_id, contact_id) VALUES (new.workspace_id, new.id){{semicolon}}
END;

CREATE TRIGGER contact_removed AFTER DELETE ON contact BEGIN
    UPDATE contact_block SET contacts = contacts - 1
        WHERE workspace_id = old.workspace_id AND block = old.id / 8192 AND type = old.type
          AND blacklisted = old.blacklisted{{semicolon}}
    DELETE FROM contact_gram WHERE rowid = old.id{{semicolon}}
END;

CREATE TRIGGER contact_moved AFTER UPDATE OF blacklisted ON contact WHEN old.blacklisted <> new.blacklisted BEGIN
    UPDATE contact_block SET contacts = contacts - 1
        WHERE workspace_id = old.workspace_id AND block = old.id / 8192 AND type = old.type
          AND blacklisted = old.blacklisted{{semicolon}}
    INSERT INTO contact_block (workspace_id, block, type, blacklisted, contacts)
        VALUES (new.workspace_id, new.id / 8192, new.type, new.blacklisted, 1)
        ON CONFLICT (workspace_id, block, type, blacklisted) DO UPDATE SET contacts = contacts + 1{{semicolon}}
END;

CREATE TRIGGER contact_rewritten AFTER UPDATE OF search_text ON contact WHEN old.search_text <> new.search_text BEGIN
    INSERT INTO contact_unindexed (workspace_id, contact_id) VALUES (new.workspace_id, new.id) ON CONFLICT DO NOTHING{{semicolon}}
    DELETE FROM contact_gram WHERE rowid = new.id{{semicolon}}
END;

CREATE TRIGGER contact_tagged AFTER INSERT ON contact_tag BEGIN
    UPDATE tag SET contacts_count = contacts_count + 1 WHERE workspace_id = new.workspace_id AND id = new.tag_id{{semicolon}}
END;

CREATE TRIGGER contact_untagged AFTER DELETE ON contact_tag BEGIN
    UPDATE tag SET contacts_count = contacts_count - 1 WHERE workspace_id = old.workspace_id AND id = old.tag_id{{semicolon}}
END;
{{end}}

{{postgres}}
CREATE FUNCTION contact_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO contact_block (workspace_id, block, type, blacklisted, contacts)
        SELECT workspace_id, id / 8192, type, blacklisted, COUNT(*) FROM added GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (workspace_id, block, type, blacklisted)
        DO UPDATE SET contacts = contact_block.contacts + excluded.contacts{{semicolon}}
    INSERT INTO contact_unindexed (workspace_id, contact_id) SELECT workspace_id, id FROM added{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER contact_added AFTER INSERT ON contact REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION contact_added();

CREATE FUNCTION contact_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE contact_block SET contacts = contact_block.contacts - gone.contacts
        FROM (SELECT workspace_id, id / 8192 AS block, type, blacklisted, COUNT(*) AS contacts FROM removed
              GROUP BY 1, 2, 3, 4) AS gone
        WHERE contact_block.workspace_id = gone.workspace_id AND contact_block.block = gone.block
          AND contact_block.type = gone.type AND contact_block.blacklisted = gone.blacklisted{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER contact_removed AFTER DELETE ON contact REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION contact_removed();

-- Both rows in one order, whichever way a contact moves: nobody waits in a circle.
CREATE FUNCTION contact_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO contact_block (workspace_id, block, type, blacklisted, contacts)
        SELECT new.workspace_id, new.id / 8192, new.type, side.blacklisted,
               CASE WHEN side.blacklisted = new.blacklisted THEN 1 ELSE -1 END
        FROM (VALUES (FALSE), (TRUE)) AS side (blacklisted) ORDER BY side.blacklisted
        ON CONFLICT (workspace_id, block, type, blacklisted)
        DO UPDATE SET contacts = contact_block.contacts + excluded.contacts{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER contact_moved AFTER UPDATE OF blacklisted ON contact
    FOR EACH ROW WHEN (old.blacklisted <> new.blacklisted) EXECUTE FUNCTION contact_moved();

CREATE FUNCTION contact_rewritten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO contact_unindexed (workspace_id, contact_id) VALUES (new.workspace_id, new.id) ON CONFLICT DO NOTHING{{semicolon}}
    DELETE FROM contact_gram WHERE workspace_id = new.workspace_id AND rowid = new.id{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER contact_rewritten AFTER UPDATE OF search_text ON contact
    FOR EACH ROW WHEN (old.search_text <> new.search_text) EXECUTE FUNCTION contact_rewritten();

CREATE FUNCTION contact_tagged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tag SET contacts_count = contacts_count + given.contacts
        FROM (SELECT workspace_id, tag_id, COUNT(*) AS contacts FROM added GROUP BY 1, 2) AS given
        WHERE tag.workspace_id = given.workspace_id AND tag.id = given.tag_id{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER contact_tagged AFTER INSERT ON contact_tag REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION contact_tagged();

CREATE FUNCTION contact_untagged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tag SET contacts_count = contacts_count - taken.contacts
        FROM (SELECT workspace_id, tag_id, COUNT(*) AS contacts FROM removed GROUP BY 1, 2) AS taken
        WHERE tag.workspace_id = taken.workspace_id AND tag.id = taken.tag_id{{semicolon}}
    RETURN NULL{{semicolon}}
END $$;
CREATE TRIGGER contact_untagged AFTER DELETE ON contact_tag REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION contact_untagged();
{{end}}
