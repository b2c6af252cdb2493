-- The shop's own tables. Safe to run again and by several at once: whoever calls takes the advisory lock first.
CREATE SCHEMA IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.departures (
    scheduled timestamptz NOT NULL,
    carrier   text        NOT NULL,
    flight    integer     NOT NULL,
    origin    text        NOT NULL,
    dest      text        NOT NULL,
    delay     integer,
    PRIMARY KEY (scheduled, carrier, flight)
);

CREATE TABLE IF NOT EXISTS shop.routes (
    origin        text   NOT NULL,
    dest          text   NOT NULL,
    departures    bigint NOT NULL,
    cancelled     bigint NOT NULL,
    late          bigint NOT NULL,
    delay_minutes bigint NOT NULL,
    PRIMARY KEY (origin, dest)
);

CREATE TABLE IF NOT EXISTS shop.models (
    depth      integer          NOT NULL,
    seed       integer          NOT NULL,
    score      double precision NOT NULL,
    file       text             NOT NULL,
    trained_at timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (depth, seed)
);
