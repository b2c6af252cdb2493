-- The spine: jobs and where they go, nodes and their leases, controls, leadership.
-- Sequences have CACHE 1: a claim's hint compares values that different sessions drew.

CREATE SEQUENCE tidegate.job_id AS bigint;
CREATE SEQUENCE tidegate.job_seq AS bigint;

-- Hot and narrow. Finished jobs leave it; output, tracebacks and results never enter it.
CREATE TABLE tidegate.jobs (
    id               bigint      NOT NULL DEFAULT nextval('tidegate.job_id') PRIMARY KEY,
    seq              bigint      NOT NULL DEFAULT 0,     -- place in the claim order; stamped when made ready, kept on release
    run_at           timestamptz NOT NULL,
    enqueued_at      timestamptz NOT NULL DEFAULT statement_timestamp(),
    claimed_at       timestamptz,
    attempt          integer     NOT NULL DEFAULT 0,     -- charged ones
    lease            integer     NOT NULL DEFAULT 0,     -- + 1 at each claim, never reset
    priority         smallint    NOT NULL DEFAULT 0,
    max_attempts     smallint,                           -- NULL: the enqueuer did not say, the node resolves it
    crashes          smallint    NOT NULL DEFAULT 0,     -- node and process losses that it took part in
    cancel_requested boolean     NOT NULL DEFAULT false,
    state            text        NOT NULL,
    queue            text        NOT NULL,
    kind             text        NOT NULL,
    node             text,
    args             json        NOT NULL,               -- as they came; json, not jsonb: "\u0000" and big numbers must survive
    meta             json,
    unique_key       text,                               -- reserved
    progress         json,                               -- reserved
    permit_circuit   text,                               -- reserved: the circuit and generation that this run counts for
    permit_gen       bigint,                             -- reserved
    CONSTRAINT jobs_state_known CHECK (state IN ('scheduled', 'ready', 'running')),
    CONSTRAINT jobs_running_has_node CHECK ((state = 'running') = (node IS NOT NULL)),
    CONSTRAINT jobs_running_was_claimed CHECK ((state = 'running') = (claimed_at IS NOT NULL)),
    CONSTRAINT jobs_place_stamped CHECK (state = 'scheduled' OR seq > 0),
    CONSTRAINT jobs_counts_sane CHECK (attempt >= 0 AND lease >= attempt AND crashes >= 0),
    CONSTRAINT jobs_priority_bounded CHECK (priority BETWEEN -100 AND 100),
    CONSTRAINT jobs_max_attempts_sane CHECK (max_attempts >= 1),
    CONSTRAINT jobs_permit_whole CHECK ((permit_circuit IS NULL) = (permit_gen IS NULL))
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_analyze_threshold = 5000
);

CREATE INDEX jobs_ready ON tidegate.jobs (queue, priority, seq) WHERE state = 'ready';
CREATE INDEX jobs_scheduled ON tidegate.jobs (queue, run_at) WHERE state = 'scheduled';
CREATE INDEX jobs_running ON tidegate.jobs (node) WHERE state = 'running';

-- One row for every attempt that was not a first try that went well without a word (that one is told by its history row).
-- (job_id, lease) is unique by the fence of the ack, not by an index: the partition key would have to be part of it.
CREATE TABLE tidegate.attempts (
    job_id        bigint      NOT NULL,
    lease         integer     NOT NULL,
    attempt       integer     NOT NULL,
    outcome       text        NOT NULL,
    node          text,
    started_at    timestamptz,
    finished_at   timestamptz NOT NULL,
    duration      double precision,
    error_type    text,
    error_message text,
    traceback     text,
    output        text
) PARTITION BY RANGE (finished_at);

CREATE INDEX attempts_job ON tidegate.attempts (job_id, lease);

-- LIST above RANGE, so that each state has a retention of its own and pruning is DROP.
CREATE TABLE tidegate.history (
    id            bigint      NOT NULL,
    queue         text        NOT NULL,
    kind          text        NOT NULL,
    state         text        NOT NULL,
    priority      smallint    NOT NULL,
    attempt       integer     NOT NULL,
    lease         integer     NOT NULL,
    max_attempts  smallint,
    enqueued_at   timestamptz NOT NULL,
    run_at        timestamptz NOT NULL,
    started_at    timestamptz,
    finished_at   timestamptz NOT NULL,
    duration      double precision,
    node          text,
    args          json        NOT NULL,
    meta          json,
    result        json,
    error_type    text,
    error_message text
) PARTITION BY LIST (state);

CREATE INDEX history_id ON tidegate.history (id);

CREATE TABLE tidegate.history_completed PARTITION OF tidegate.history FOR VALUES IN ('completed') PARTITION BY RANGE (finished_at);
CREATE TABLE tidegate.history_cancelled PARTITION OF tidegate.history FOR VALUES IN ('cancelled') PARTITION BY RANGE (finished_at);

CREATE TABLE tidegate.dead_letters (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id        bigint      NOT NULL,
    queue         text        NOT NULL,
    kind          text        NOT NULL,
    priority      smallint    NOT NULL,
    attempt       integer     NOT NULL,
    lease         integer     NOT NULL,
    max_attempts  smallint,
    crashes       smallint    NOT NULL,
    enqueued_at   timestamptz NOT NULL,
    run_at        timestamptz NOT NULL,
    died_at       timestamptz NOT NULL DEFAULT statement_timestamp(),
    reason        text        NOT NULL,
    node          text,
    args          json        NOT NULL,
    meta          json,
    unique_key    text,
    error_type    text,
    error_message text,
    fingerprint   text,                                   -- reserved
    attempts      json        NOT NULL,                   -- a copy: the attempts' own partitions are pruned sooner
    forensics     json,
    retried_as    bigint,
    CONSTRAINT dead_letters_reason_known CHECK (reason IN ('attempts_exhausted', 'discarded', 'invalid', 'poison'))
);

CREATE INDEX dead_letters_job ON tidegate.dead_letters (job_id);
CREATE INDEX dead_letters_died ON tidegate.dead_letters (died_at) WHERE retried_as IS NULL;

-- A node's lease is this one row (protocol L1). No foreign key from jobs: a node's row goes last of all.
CREATE TABLE tidegate.nodes (
    id         text        PRIMARY KEY,
    host       text        NOT NULL,
    pid        integer     NOT NULL,
    version    text        NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires    timestamptz NOT NULL,
    dead       boolean     NOT NULL DEFAULT false,
    queues     text[]      NOT NULL,
    status     json                                       -- what the node says of itself: pools, memory, lag
) WITH (fillfactor = 50);

-- When a live node last said that it knows a kind (protocol K1).
CREATE TABLE tidegate.kinds (
    kind    text        PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

CREATE TABLE tidegate.queue_controls (
    queue       text        PRIMARY KEY,
    paused      boolean     NOT NULL DEFAULT false,
    scale       integer,                                  -- the fleet's sum of consumers; NULL: automatic
    scale_until timestamptz,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT queue_controls_scale_sane CHECK (scale >= 0)
);

CREATE TABLE tidegate.leader (
    only_row boolean     PRIMARY KEY DEFAULT true,
    node     text        NOT NULL,
    expires  timestamptz NOT NULL,
    CONSTRAINT leader_one_row CHECK (only_row)
);
