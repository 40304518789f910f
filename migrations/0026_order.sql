-- What waits for its number is looked for all the time. No other index has this order, so none is chosen for it: by statistics
-- that were taken while everything waited, the whole log would be read instead.
DROP INDEX event_unnumbered;
CREATE INDEX event_unnumbered ON event ((id + 0), workspace_id, partner_id) WHERE seq IS NULL;

-- The latest moment at which jobs were due at once: later ones stand behind them, whatever another node's clock says.
ALTER TABLE job_lane ADD COLUMN queued_to BIGINT NOT NULL DEFAULT 0;
