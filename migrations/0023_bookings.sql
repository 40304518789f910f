-- Appointments: what can be booked, who or what serves it and when, and the bookings.
CREATE TABLE booking_type (
    id                    {{id}},
    workspace_id          BIGINT  NOT NULL REFERENCES workspace (id),
    name                  TEXT    NOT NULL,
    description           TEXT,
    duration_minutes      BIGINT  NOT NULL CHECK (duration_minutes > 0),
    buffer_before_minutes BIGINT  NOT NULL,
    buffer_after_minutes  BIGINT  NOT NULL,
    min_notice_minutes    BIGINT  NOT NULL,
    max_days_ahead        BIGINT  NOT NULL,
    slot_step_minutes     BIGINT  NOT NULL CHECK (slot_step_minutes > 0),
    auto_complete         BOOLEAN NOT NULL,         -- completed by itself when it is over
    reminders             TEXT    NOT NULL,         -- JSON: minutes before, text
    is_active             BOOLEAN NOT NULL,
    created_at            BIGINT  NOT NULL,
    updated_at            BIGINT  NOT NULL,
    deleted_at            BIGINT                    -- gone for everybody; its bookings stay
);
CREATE UNIQUE INDEX booking_type_workspace ON booking_type (workspace_id, id);

CREATE TABLE booking_resource (
    id           {{id}},
    workspace_id BIGINT  NOT NULL REFERENCES workspace (id),
    name         TEXT    NOT NULL,
    type         TEXT    NOT NULL CHECK (type IN ('staff', 'room', 'equipment')),
    timezone     TEXT    NOT NULL,
    capacity     BIGINT  NOT NULL CHECK (capacity > 0),
    serves_all   BOOLEAN NOT NULL,                  -- every type, or those of booking_resource_type
    hours        TEXT    NOT NULL,                  -- JSON: weekday, from, to
    is_active    BOOLEAN NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    deleted_at   BIGINT
);
CREATE UNIQUE INDEX booking_resource_workspace ON booking_resource (workspace_id, id);

CREATE TABLE booking_resource_type (
    workspace_id    BIGINT NOT NULL,
    resource_id     BIGINT NOT NULL,
    booking_type_id BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, resource_id, booking_type_id),
    FOREIGN KEY (workspace_id, resource_id) REFERENCES booking_resource (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, booking_type_id) REFERENCES booking_type (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX booking_resource_type_type ON booking_resource_type (workspace_id, booking_type_id);

-- A day that differs from the week.
CREATE TABLE booking_exception (
    id           {{id}},
    workspace_id BIGINT NOT NULL,
    resource_id  BIGINT NOT NULL,
    date         TEXT   NOT NULL,                   -- YYYY-MM-DD, in the resource's zone
    opens        BIGINT,                            -- minutes of that day; none: closed
    closes       BIGINT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, resource_id) REFERENCES booking_resource (workspace_id, id) ON DELETE CASCADE,
    CHECK ((opens IS NULL) = (closes IS NULL))
);
CREATE UNIQUE INDEX booking_exception_day ON booking_exception (workspace_id, resource_id, date);

CREATE TABLE booking (
    id              {{id}},
    workspace_id    BIGINT NOT NULL,
    contact_id      BIGINT NOT NULL,
    booking_type_id BIGINT NOT NULL,
    resource_id     BIGINT NOT NULL,
    title           TEXT   NOT NULL,
    starts_at       BIGINT NOT NULL,
    ends_at         BIGINT NOT NULL,
    timezone        TEXT   NOT NULL,                -- what was agreed on: the clock on the resource's wall
    local_starts_at TEXT   NOT NULL,
    status          TEXT   NOT NULL CHECK (status IN ('pending', 'confirmed', 'cancelled', 'completed', 'no_show')),
    notes           TEXT,
    cancel_reason   TEXT,
    held_until      BIGINT,                         -- of a pending one: when it lapses
    due_at          BIGINT,                         -- when its state changes by itself
    cancelled_at    BIGINT,
    completed_at    BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, contact_id) REFERENCES contact (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, booking_type_id) REFERENCES booking_type (workspace_id, id),
    FOREIGN KEY (workspace_id, resource_id) REFERENCES booking_resource (workspace_id, id),
    CHECK (starts_at < ends_at)
);
CREATE UNIQUE INDEX booking_workspace ON booking (workspace_id, id);
CREATE INDEX        booking_status    ON booking (workspace_id, status, id);
CREATE INDEX        booking_contact   ON booking (workspace_id, contact_id, id);
CREATE INDEX        booking_of_type   ON booking (workspace_id, booking_type_id, id);
CREATE INDEX        booking_resources ON booking (workspace_id, resource_id, starts_at, id);
CREATE INDEX        booking_start     ON booking (workspace_id, starts_at, id);
CREATE INDEX        booking_due       ON booking (workspace_id, due_at) WHERE due_at IS NOT NULL;

-- How a booking came to be what it is.
CREATE TABLE booking_history (
    id              {{id}},
    workspace_id    BIGINT NOT NULL,
    booking_id      BIGINT NOT NULL,
    action          TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    resource_id     BIGINT NOT NULL,
    starts_at       BIGINT NOT NULL,
    ends_at         BIGINT NOT NULL,
    reason          TEXT,
    actor_kind      TEXT   NOT NULL,
    actor_id        BIGINT,
    actor_name      TEXT   NOT NULL,                -- as it was then
    created_at      BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, booking_id) REFERENCES booking (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX booking_history_booking ON booking_history (workspace_id, booking_id, id);

-- Messages to be sent before a booking begins.
CREATE TABLE booking_reminder (
    id           {{id}},
    workspace_id BIGINT NOT NULL,
    booking_id   BIGINT NOT NULL,
    text         TEXT   NOT NULL,
    due_at       BIGINT NOT NULL,
    FOREIGN KEY (workspace_id, booking_id) REFERENCES booking (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX booking_reminder_due     ON booking_reminder (workspace_id, due_at, id);
CREATE INDEX booking_reminder_booking ON booking_reminder (workspace_id, booking_id);

-- The place that an active booking takes, buffers included: one of as many seats as its resource has room for. That no two
-- overlap on a seat is the database's own business.
CREATE TABLE booking_seat (
    workspace_id BIGINT NOT NULL,
    booking_id   BIGINT NOT NULL,
    resource_id  BIGINT NOT NULL,
    seat         BIGINT NOT NULL CHECK (seat > 0),
    starts_at    BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,
    held_until   BIGINT,                            -- the booking's
    PRIMARY KEY (workspace_id, booking_id),
    FOREIGN KEY (workspace_id, resource_id) REFERENCES booking_resource (workspace_id, id),
    FOREIGN KEY (workspace_id, booking_id) REFERENCES booking (workspace_id, id) ON DELETE CASCADE,
    CHECK (starts_at < ends_at)
) {{sqlite}}WITHOUT ROWID{{end}};
CREATE INDEX booking_seat_resource ON booking_seat (workspace_id, resource_id, ends_at);
CREATE INDEX booking_seat_held     ON booking_seat (workspace_id, resource_id, held_until) WHERE held_until IS NOT NULL;

{{sqlite}}
CREATE TRIGGER booking_seat_free BEFORE INSERT ON booking_seat
WHEN EXISTS (SELECT 1 FROM booking_seat AS taken WHERE taken.workspace_id = new.workspace_id
             AND taken.resource_id = new.resource_id AND taken.seat = new.seat
             AND taken.ends_at > new.starts_at AND taken.starts_at < new.ends_at) BEGIN
    SELECT RAISE(ABORT, 'booking_seat_free'){{semicolon}}
END;
CREATE TRIGGER booking_seat_stays BEFORE UPDATE ON booking_seat
WHEN new.seat <> old.seat OR new.starts_at <> old.starts_at OR new.ends_at <> old.ends_at
     OR new.resource_id <> old.resource_id BEGIN
    SELECT RAISE(ABORT, 'booking_seat_stays'){{semicolon}}
END;
{{end}}

{{postgres}}
CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE booking_seat ADD CONSTRAINT booking_seat_free EXCLUDE USING gist
    (workspace_id WITH =, resource_id WITH =, seat WITH =, int8range(starts_at, ends_at) WITH &&);
{{end}}

-- Which data of time zones the moments of bookings were made with.
CREATE TABLE booking_zone_data (
    version TEXT NOT NULL PRIMARY KEY
);
INSERT INTO booking_zone_data (version) VALUES ('');

ALTER TABLE meter_month ADD COLUMN bookings_created   BIGINT NOT NULL DEFAULT 0;
ALTER TABLE meter_month ADD COLUMN bookings_completed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE meter_month ADD COLUMN bookings_cancelled BIGINT NOT NULL DEFAULT 0;
