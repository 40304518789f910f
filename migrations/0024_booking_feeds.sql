-- Calendars of bookings that people subscribe to, each behind an address that nobody guesses.
CREATE TABLE booking_feed (
    id           {{id}},
    workspace_id BIGINT   NOT NULL REFERENCES workspace (id),
    resource_id  BIGINT,                            -- none: all of the workspace's
    name         TEXT,                              -- none: what it shows has a name
    hash         {{blob}} NOT NULL,
    created_at   BIGINT   NOT NULL,
    updated_at   BIGINT   NOT NULL,
    last_read_at BIGINT,                            -- to the hour
    FOREIGN KEY (workspace_id, resource_id) REFERENCES booking_resource (workspace_id, id)
);
CREATE UNIQUE INDEX booking_feed_hash      ON booking_feed (hash);
CREATE UNIQUE INDEX booking_feed_workspace ON booking_feed (workspace_id, id);
CREATE INDEX        booking_feed_resource  ON booking_feed (workspace_id, resource_id) WHERE resource_id IS NOT NULL;

-- How often its time, its resource or its status changed: calendars go by it.
ALTER TABLE booking ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
