-- How many consumers each queue is to have, and why.

-- What the leader decided last; each node takes its share of it. A row that is not renewed is not followed for long.
CREATE TABLE tidegate.queue_targets (
    queue      text             PRIMARY KEY,
    want       integer          NOT NULL,                 -- consumers over all nodes
    reason     text             NOT NULL,
    need       double precision NOT NULL,
    shares     json             NOT NULL,                 -- node -> consumers
    ready      integer          NOT NULL,
    service    double precision NOT NULL,                 -- seconds of a job, as far as is known
    node       text             NOT NULL,                 -- the leader that decided
    decided_at timestamptz      NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- A row for each decision that changed something, and every some seconds for those that did not, with what happened in between.
CREATE TABLE tidegate.scaling_decisions (
    id             bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             timestamptz      NOT NULL DEFAULT statement_timestamp(),
    queue          text             NOT NULL,
    node           text             NOT NULL,
    acted          boolean          NOT NULL,             -- false: it was observed only
    from_size      integer          NOT NULL,
    to_size        integer          NOT NULL,
    need           double precision NOT NULL,
    reason         text             NOT NULL,
    ready          integer          NOT NULL,
    busy           integer          NOT NULL,
    alive          integer          NOT NULL,
    oldest_age     double precision NOT NULL,
    seconds        double precision NOT NULL,             -- that the sums below are over
    arrived        bigint           NOT NULL,
    completed      bigint           NOT NULL,
    service_sum    double precision NOT NULL,
    service_sum_sq double precision NOT NULL
);

CREATE INDEX scaling_decisions_queue ON tidegate.scaling_decisions (queue, id);
CREATE INDEX scaling_decisions_at ON tidegate.scaling_decisions (at);
