{{postgres}}
-- Only long rows are cut into pieces, whatever their target: a long word that nobody looks for makes them long, and compresses
-- to nothing.
ALTER TABLE contact_gram ALTER COLUMN grams SET STORAGE EXTENDED;
UPDATE contact_gram SET grams = grams || array_to_tsvector(ARRAY[repeat('~', 1900)]);
{{end}}
