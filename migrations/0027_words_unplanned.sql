{{postgres}}
-- How often a word occurs is nothing to plan by: each search is planned for the same few rows, and so once. Looking at the
-- words was most of the work of keeping statistics.
ALTER TABLE contact_gram ALTER COLUMN grams SET STATISTICS 0;
{{end}}
