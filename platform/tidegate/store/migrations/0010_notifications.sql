-- Who is told what: what happened and nobody was told of yet, the channels, and what goes out through them.

-- A death costs its ack one narrow index entry, and nothing else. What is there already is nobody's news.
ALTER TABLE tidegate.dead_letters ADD COLUMN told boolean NOT NULL DEFAULT true;
ALTER TABLE tidegate.dead_letters ALTER COLUMN told SET DEFAULT false;
CREATE INDEX dead_letters_untold ON tidegate.dead_letters (died_at) WHERE NOT told;

-- Written by the statement that makes it happen, in its transaction; taken away by the leader in the one that decides who is told.
CREATE TABLE tidegate.happenings (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    event   text        NOT NULL,
    grp     text        NOT NULL,                         -- what is told once in a while only: a fingerprint, a circuit, a queue
    channel text,                                         -- for this channel only
    facts   json        NOT NULL
);

-- A rule of the settings, by its name. Nothing of where it leads to is here: that may be a secret.
CREATE TABLE tidegate.notification_channels (
    name    text        PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT clock_timestamp(),   -- what happened before is not told
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),   -- when a leader last had it in its settings
    memory  json                                              -- what was told when, and what is held back for the digest
) WITH (fillfactor = 50);

CREATE TABLE tidegate.notifications (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel     text        NOT NULL,
    event       text        NOT NULL,
    grp         text        NOT NULL,
    body        json        NOT NULL,
    state       text        NOT NULL DEFAULT 'pending',
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts    integer     NOT NULL DEFAULT 0,           -- counted when one begins: the fence of whoever began it
    ended_at    timestamptz,
    node        text,                                     -- that tried last
    error       text,
    CONSTRAINT notifications_state_known CHECK (state IN ('pending', 'sent', 'failed'))
);

CREATE INDEX notifications_due ON tidegate.notifications (channel, due_at) WHERE state = 'pending';
CREATE INDEX notifications_failed ON tidegate.notifications (id) WHERE state = 'failed';
CREATE INDEX notifications_ended ON tidegate.notifications (ended_at);
