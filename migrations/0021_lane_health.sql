-- How a lane fares with whoever is at its other end: failures since somebody last answered well, and since when.
ALTER TABLE job_lane ADD COLUMN failures      BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job_lane ADD COLUMN failing_since BIGINT;
