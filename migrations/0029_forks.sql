{{postgres}}
-- Who writes contacts takes the tables in this order.
LOCK TABLE contact, contact_unindexed IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE contact_gram IN ACCESS EXCLUSIVE MODE;
{{end}}
-- Letters that case makes one: final sigma, sharp s.
UPDATE contact SET search_text = replace(replace(search_text, 'ς', 'σ'), 'ß', 'ss')
WHERE search_text LIKE '%ς%' OR search_text LIKE '%ß%';
-- The search index learns forks (src/contacts/grams.rs): all contacts are told to it anew.
-- Pieces of the index that are of one size are put together when nobody waits: a search reads in each of them.
{{sqlite}}
INSERT INTO contact_gram (contact_gram) VALUES ('delete-all');
INSERT INTO contact_gram (contact_gram, rank) VALUES ('usermerge', 2);
{{end}}
{{postgres}}TRUNCATE contact_gram;{{end}}
DELETE FROM contact_unindexed;
INSERT INTO contact_unindexed (workspace_id, contact_id) SELECT workspace_id, id FROM contact;
