-- ask_node.sql: asks something of a node, and tells it; takes away what was asked ten minutes ago and nobody waits for any more.
WITH forgotten AS (
    DELETE FROM tidegate.node_requests WHERE asked_at < clock_timestamp() - interval '10 minutes'
), asked AS (
    INSERT INTO tidegate.node_requests (node, about, params) VALUES (%(node)s, %(about)s, %(params)s::json) RETURNING id, node
)
SELECT id, pg_notify('tidegate', json_build_object('node', node)::text) FROM asked
