-- When a key's secret was made anew: what was noted of its uses before then says nothing of it.
ALTER TABLE api_key ADD COLUMN regenerated_at BIGINT;

-- A conversation's channel is its contact's type, which never changes: lists are filtered by it without looking at contacts.
ALTER TABLE conversation ADD COLUMN channel TEXT NOT NULL DEFAULT '';
-- The message through which everything is read.
ALTER TABLE conversation ADD COLUMN read_through BIGINT;
UPDATE conversation SET channel = (
    SELECT contact.type FROM contact
    WHERE contact.workspace_id = conversation.workspace_id AND contact.id = conversation.contact_id);
DROP INDEX conversation_recent;
CREATE INDEX conversation_recent  ON conversation (workspace_id, last_message_at, contact_id);
CREATE INDEX conversation_of_type ON conversation (workspace_id, channel, last_message_at, contact_id);
CREATE INDEX conversation_unread  ON conversation (workspace_id, last_message_at, contact_id) WHERE unread_count > 0;
