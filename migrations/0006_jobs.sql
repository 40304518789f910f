-- Background work. Jobs stand in lanes (an endpoint, a channel); workers lease lanes, not jobs, so that a dead
-- endpoint with 100,000 waiting deliveries is one sleeping row, and lanes take turns.
CREATE TABLE job_lane (
    id           {{id}},
    workspace_id BIGINT,                            -- none: the installation's own work
    kind         TEXT   NOT NULL,
    key          BIGINT NOT NULL,
    due_at       BIGINT,                            -- when its first job is due; none: empty
    not_before   BIGINT NOT NULL DEFAULT 0,         -- a pause of the whole lane
    leased_by    BIGINT,                            -- node
    fence        BIGINT NOT NULL DEFAULT 0          -- grows with every lease; an old holder's acknowledgement is refused
);
CREATE UNIQUE INDEX job_lane_key       ON job_lane (kind, key);
CREATE INDEX        job_lane_due       ON job_lane (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX        job_lane_workspace ON job_lane (workspace_id);

CREATE TABLE job (
    id           {{id}},
    lane_id      BIGINT NOT NULL REFERENCES job_lane (id) ON DELETE CASCADE,
    workspace_id BIGINT,
    subject_id   BIGINT NOT NULL,                   -- what the job is about: a delivery, a message …
    group_id     BIGINT NOT NULL,                   -- jobs of one group keep their order
    run_at       BIGINT NOT NULL,
    attempt      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX job_due   ON job (lane_id, run_at, id);
CREATE INDEX job_group ON job (lane_id, group_id, id);
CREATE INDEX job_workspace ON job (workspace_id);
