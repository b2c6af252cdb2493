-- Circuits: one row each is the truth for the whole fleet, on the database's clock (protocol C1-C3).
-- `permits` is the claim statement's: handed out and not given back yet. Everything else is written by whoever ran the state
-- machine, under `version`; `memory` is what only the state machine reads.
CREATE TABLE tidegate.circuits (
    name          text        PRIMARY KEY,
    version       bigint      NOT NULL DEFAULT 0,
    gen           bigint      NOT NULL DEFAULT 0,         -- + 1 at each transition: a run's outcome counts in the one it began in
    state         text        NOT NULL DEFAULT 'closed',
    gates         boolean     NOT NULL DEFAULT false,     -- plain claims leave its kinds out: its jobs need a permit, or get none
    observe       boolean     NOT NULL DEFAULT false,
    reason        text        NOT NULL DEFAULT '',
    until         timestamptz,
    opened_at     timestamptz,
    permits       integer     NOT NULL DEFAULT 0,
    places        integer,                                -- how many permits may be out; NULL: any number
    ramp_from     timestamptz,                            -- after closing, `places` doubles every `ramp_step` seconds from here on
    ramp_step     double precision,
    carried       integer     NOT NULL DEFAULT 0,         -- probes that were still out when it closed
    trips         integer     NOT NULL DEFAULT 0,
    calls         integer     NOT NULL DEFAULT 0,         -- in the window, as of the last write
    failures      integer     NOT NULL DEFAULT 0,
    slow          integer     NOT NULL DEFAULT 0,
    probes_ok     integer     NOT NULL DEFAULT 0,
    probes_failed integer     NOT NULL DEFAULT 0,
    kinds         text[]      NOT NULL DEFAULT '{}',      -- as the node that spoke last has them, like the next one
    config        json,
    actor         text,                                   -- who did the last transition by hand, and why
    note          text,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    memory        json,
    CONSTRAINT circuits_state_known CHECK (state IN ('closed', 'open', 'half_open', 'forced_open', 'forced_closed')),
    CONSTRAINT circuits_counts_sane CHECK (permits >= 0 AND carried >= 0 AND trips >= 0)
) WITH (fillfactor = 50);

-- What every claim looks into: empty, as long as no circuit holds jobs back.
CREATE INDEX circuits_gating ON tidegate.circuits (name) WHERE gates;

-- A row for every transition, with what was known then.
CREATE TABLE tidegate.circuit_events (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    circuit        text        NOT NULL,
    gen            bigint      NOT NULL,
    from_state     text        NOT NULL,
    to_state       text        NOT NULL,
    reason         text        NOT NULL,
    n              integer     NOT NULL,                  -- outcomes in the window; of probes, where those decided
    failed         integer     NOT NULL,
    slow           integer     NOT NULL,
    until          timestamptz,
    top_errors     jsonb       NOT NULL DEFAULT '[]',
    sample_job_ids bigint[]    NOT NULL DEFAULT '{}',
    node           text,                                  -- whose outcome, or clock, it was
    actor          text,                                  -- who did it, where it was done by hand
    note           text,
    at             timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX circuit_events_circuit ON tidegate.circuit_events (circuit, id);
CREATE INDEX circuit_events_at ON tidegate.circuit_events (at);
