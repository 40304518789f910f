-- What the installation knows about itself.
CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Running processes. A lease is good while its holder's heartbeat is fresh, by the database's clock.
CREATE TABLE node (
    id      {{id}},
    seen_at BIGINT NOT NULL
);
