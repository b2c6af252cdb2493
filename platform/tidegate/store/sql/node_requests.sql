-- node_requests.sql: what is asked of a node and waits for its answer.
SELECT id, about, params::text AS params FROM tidegate.node_requests
WHERE node = %(node)s AND answered_at IS NULL AND asked_at > clock_timestamp() - interval '1 minute'
ORDER BY id
