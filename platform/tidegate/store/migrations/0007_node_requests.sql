-- What somebody asks of one running node, and its answer: who asks inserts a row and tells the node, the node answers into the row,
-- who asked takes it away. Rows that nobody took go with the next request.
CREATE TABLE tidegate.node_requests (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node        text        NOT NULL,
    about       text        NOT NULL,
    params      json        NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    answered_at timestamptz,
    answer      json,
    error       text
);

CREATE INDEX node_requests_open ON tidegate.node_requests (node, id) WHERE answered_at IS NULL;

-- When the node said what stands in `status`: a heartbeat repeats it without having looked again.
ALTER TABLE tidegate.nodes ADD COLUMN said_at timestamptz;
