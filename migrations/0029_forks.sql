-- The search index learns forks (src/contacts/grams.rs): all contacts are told to it anew.
{{sqlite}}INSERT INTO contact_gram (contact_gram) VALUES ('delete-all');{{end}}
{{postgres}}TRUNCATE contact_gram;{{end}}
DELETE FROM contact_unindexed;
INSERT INTO contact_unindexed (workspace_id, contact_id) SELECT workspace_id, id FROM contact;
