-- What a workspace may use: four limits (-1 is unlimited) and seven features.
CREATE TABLE plan (
    id                 BIGINT  NOT NULL PRIMARY KEY,
    name               TEXT    NOT NULL,
    slug               TEXT    NOT NULL,
    contacts           BIGINT  NOT NULL,
    messages_per_month BIGINT  NOT NULL,
    team_members       BIGINT  NOT NULL,
    channels           BIGINT  NOT NULL,
    webhooks           BOOLEAN NOT NULL,
    api_access         BOOLEAN NOT NULL,
    booking            BOOLEAN NOT NULL,
    ai_agents          BOOLEAN NOT NULL,
    campaigns          BOOLEAN NOT NULL,
    omni_channel       BOOLEAN NOT NULL,
    advanced_analytics BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX plan_slug ON plan (slug);

INSERT INTO plan VALUES (2, 'Starter',  'starter',    500,  5000,  3, 1, FALSE, FALSE, TRUE, FALSE, FALSE, FALSE, FALSE);
INSERT INTO plan VALUES (3, 'Pro',      'pro',       5000, 25000, 10, 3, TRUE,  TRUE,  TRUE, TRUE,  TRUE,  TRUE,  TRUE);
INSERT INTO plan VALUES (4, 'Business', 'business', 10000, 50000, 20, 5, TRUE,  TRUE,  TRUE, TRUE,  TRUE,  TRUE,  TRUE);
