-- Blacklisted contacts of one type, however few of the type are. Said in another way than contact_blacklisted says it, so that
-- a list of a type is not cut out of that one: it would read all blacklisted contacts, and sort them.
CREATE INDEX contact_type_blacklisted ON contact (workspace_id, type, id) WHERE CAST(blacklisted AS INTEGER) = 1;
