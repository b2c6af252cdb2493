-- Groups of failures that look alike, and what tells a failed attempt from its like.

ALTER TABLE tidegate.attempts ADD COLUMN fingerprint text, ADD COLUMN locals json;

-- One row a group. The nodes' trackers write it in batches; no ack does.
CREATE TABLE tidegate.errors (
    fingerprint       text        PRIMARY KEY,
    type              text        NOT NULL,
    message           text        NOT NULL,               -- of the newest one, without secrets
    grounds           text        NOT NULL,               -- what the fingerprint was made of
    count             bigint      NOT NULL,
    deaths            bigint      NOT NULL,
    first_seen        timestamptz NOT NULL,
    last_seen         timestamptz NOT NULL,
    kinds             text[]      NOT NULL,
    queues            text[]      NOT NULL,
    nodes             text[]      NOT NULL,
    versions          text[]      NOT NULL,               -- of the application
    jobs              bigint[]    NOT NULL,               -- the newest few
    status            text        NOT NULL DEFAULT 'open',
    changed_at        timestamptz,                        -- of the status, by hand
    changed_by        text,
    changed_why       text,
    resolved_versions text[],                             -- versions that had shown it when it was resolved
    regressed_at      timestamptz,                        -- when it came back after that
    CONSTRAINT errors_status_known CHECK (status IN ('open', 'resolved', 'muted'))
) WITH (fillfactor = 70);

CREATE INDEX errors_seen ON tidegate.errors (last_seen);

CREATE TABLE tidegate.error_hours (
    fingerprint text        NOT NULL,
    hour        timestamptz NOT NULL,
    count       bigint      NOT NULL,
    PRIMARY KEY (fingerprint, hour)
) WITH (fillfactor = 70);

CREATE INDEX error_hours_hour ON tidegate.error_hours (hour);
