-- Client workspaces, their people and their keys.
CREATE TABLE workspace (
    id              {{id}},
    partner_id      BIGINT NOT NULL REFERENCES partner (id),
    public_id       TEXT   NOT NULL,                -- '…CL': the id of the second partner API
    company_name    TEXT   NOT NULL,
    slug            TEXT   NOT NULL,
    plan_id         BIGINT NOT NULL REFERENCES plan (id),
    pending_plan_id BIGINT REFERENCES plan (id),
    status          TEXT   NOT NULL CHECK (status IN ('active', 'suspended', 'pending_setup', 'deleted')),
    timezone        TEXT   NOT NULL,
    country_id      BIGINT,
    address         TEXT,
    data_key        TEXT,                           -- sealed by a master key; gone when the workspace is deleted
    suspended_at    BIGINT,
    suspend_reason  TEXT,
    created_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX workspace_slug      ON workspace (slug);
CREATE UNIQUE INDEX workspace_public_id ON workspace (public_id);
CREATE INDEX        workspace_partner   ON workspace (partner_id, id);

CREATE TABLE team_member (
    id           {{id}},
    workspace_id BIGINT  NOT NULL REFERENCES workspace (id),
    first_name   TEXT    NOT NULL,
    last_name    TEXT    NOT NULL,
    email        TEXT    NOT NULL,
    email_key    TEXT    NOT NULL,                  -- the e-mail without case: unique in the installation, it is the login
    phone        TEXT,
    role         TEXT    NOT NULL CHECK (role IN ('admin', 'agent')),
    status       TEXT    NOT NULL CHECK (status IN ('active', 'inactive')),
    is_primary   BOOLEAN NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL
);
CREATE UNIQUE INDEX team_member_email     ON team_member (email_key);
CREATE UNIQUE INDEX team_member_workspace ON team_member (workspace_id, id);

CREATE TABLE api_key (
    id              {{id}},
    workspace_id    BIGINT   NOT NULL REFERENCES workspace (id),
    name            TEXT     NOT NULL,
    hash            {{blob}} NOT NULL,
    hint            TEXT     NOT NULL,
    allowed_domains TEXT     NOT NULL,              -- JSON array; empty allows every origin
    created_at      BIGINT   NOT NULL,
    last_used_at    BIGINT
);
CREATE UNIQUE INDEX api_key_hash      ON api_key (hash);
CREATE UNIQUE INDEX api_key_workspace ON api_key (workspace_id, id);

-- Gauges: what a workspace has now. Plan limits are decided on this row by one conditional statement.
CREATE TABLE meter (
    workspace_id BIGINT NOT NULL PRIMARY KEY REFERENCES workspace (id),
    contacts     BIGINT NOT NULL DEFAULT 0 CHECK (contacts >= 0),
    blacklisted  BIGINT NOT NULL DEFAULT 0 CHECK (blacklisted >= 0),
    team_members BIGINT NOT NULL DEFAULT 0 CHECK (team_members >= 0),
    channels     BIGINT NOT NULL DEFAULT 0 CHECK (channels >= 0)
);

-- Counters of a calendar month (UTC), and the gauges as that month last saw them.
CREATE TABLE meter_month (
    workspace_id      BIGINT NOT NULL REFERENCES workspace (id),
    month             BIGINT NOT NULL,              -- YYYYMM
    contacts          BIGINT NOT NULL DEFAULT 0,
    blacklisted       BIGINT NOT NULL DEFAULT 0,
    contacts_created  BIGINT NOT NULL DEFAULT 0,
    messages_accepted BIGINT NOT NULL DEFAULT 0,    -- outbound messages taken from the plan's allowance
    messages_sent     BIGINT NOT NULL DEFAULT 0,
    messages_received BIGINT NOT NULL DEFAULT 0,
    messages_failed   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace_id, month)
);
