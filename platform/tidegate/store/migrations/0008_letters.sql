-- Work on dead letters: discarding, redriving, moving them between databases; and who did what, when and why.
-- A letter is open while it was neither retried nor discarded.

ALTER TABLE tidegate.dead_letters
    ADD COLUMN discarded_at timestamptz,
    ADD COLUMN redacted     boolean NOT NULL DEFAULT false,   -- its arguments came without their secrets: it cannot run as it is
    ADD COLUMN origin       text;                             -- the letter that it was in another database

UPDATE tidegate.dead_letters SET fingerprint = left(encode(sha256(convert_to(coalesce(error_type, '') || E'\nof ' || kind, 'UTF8')), 'hex'), 16)
WHERE fingerprint IS NULL;
ALTER TABLE tidegate.dead_letters ALTER COLUMN fingerprint SET DEFAULT '', ALTER COLUMN fingerprint SET NOT NULL;
ALTER TABLE tidegate.dead_letters SET (
    autovacuum_vacuum_insert_scale_factor = 0.0, autovacuum_vacuum_insert_threshold = 5000,   -- counting in the index needs its visibility
    autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 2000
);

DROP INDEX tidegate.dead_letters_died;
CREATE INDEX dead_letters_open ON tidegate.dead_letters (id) WHERE retried_as IS NULL AND discarded_at IS NULL;
CREATE INDEX dead_letters_died ON tidegate.dead_letters (died_at);
CREATE INDEX dead_letters_groups ON tidegate.dead_letters (fingerprint, id) INCLUDE (kind, queue, reason, died_at)
    WHERE retried_as IS NULL AND discarded_at IS NULL;
CREATE INDEX dead_letters_retried ON tidegate.dead_letters (retried_as) WHERE retried_as IS NOT NULL;
CREATE UNIQUE INDEX dead_letters_origin ON tidegate.dead_letters (origin) WHERE origin IS NOT NULL;

-- A redrive brings back, batch by batch, the open letters up to `upto` that match. Whoever drives it may end at any moment: what was
-- brought back is linked to its letter in the same statement, so that another one goes on with the rest.
CREATE TABLE tidegate.redrives (
    id         bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state      text             NOT NULL DEFAULT 'running',
    wanted     json             NOT NULL,                     -- which letters: the filter as it was said
    upto       bigint           NOT NULL,
    queue      text,                                          -- another queue than their own
    rate       double precision,                              -- letters a second; NULL: as fast as it goes
    canary     integer,                                       -- so many first; the rest only if all of them complete
    canaries   bigint[]         NOT NULL DEFAULT '{}',        -- the jobs that these became
    total      bigint           NOT NULL,                     -- letters that matched when it began
    done       bigint           NOT NULL DEFAULT 0,
    at         bigint           NOT NULL DEFAULT 0,           -- the last letter that came back: the next ones are looked for behind it
    said       text,                                          -- why it stopped
    driver     text,                                          -- who brings its letters back now
    beat_at    timestamptz,                                   -- when that one was last heard of
    actor      text             NOT NULL,
    why        text,
    started_at timestamptz      NOT NULL DEFAULT statement_timestamp(),
    changed_at timestamptz      NOT NULL DEFAULT statement_timestamp(),
    CONSTRAINT redrives_state_known CHECK (state IN ('running', 'done', 'cancelled', 'stopped'))
);

CREATE TABLE tidegate.audit (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT statement_timestamp(),
    actor   text        NOT NULL,
    action  text        NOT NULL,
    subject json        NOT NULL,                             -- what it was done to; no arguments
    why     text
);

CREATE INDEX audit_at ON tidegate.audit (at);
