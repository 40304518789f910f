-- Blacklisted contacts of one type, however few of the type are.
CREATE INDEX contact_type_blacklisted ON contact (workspace_id, type, id) WHERE blacklisted;
