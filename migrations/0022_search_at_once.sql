{{postgres}}
-- New words would be set aside and sorted in when there are many: whoever came last then waited for seconds, and until then
-- every search read through all that was set aside.
ALTER INDEX contact_gram_grams SET (fastupdate = off);
SELECT gin_clean_pending_list('contact_gram_grams');

-- The words themselves are read by nobody once they are indexed: out of the way, a search finds hundreds of rows on a page.
ALTER TABLE contact_gram SET (toast_tuple_target = 128);
ALTER TABLE contact_gram ALTER COLUMN grams SET STORAGE EXTERNAL;
{{end}}
