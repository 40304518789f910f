-- When a key's secret was made anew: what was noted of its uses before then says nothing of it.
ALTER TABLE api_key ADD COLUMN regenerated_at BIGINT;
