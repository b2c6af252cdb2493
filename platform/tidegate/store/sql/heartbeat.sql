-- heartbeat.sql: renews a node's lease (protocol L1). No row: this identity is dead.
UPDATE tidegate.nodes
SET expires = clock_timestamp() + %(lease)s * interval '1 second', beat_at = clock_timestamp(), status = coalesce(%(status)s::json, status),
    said_at = CASE WHEN %(status)s::text IS DISTINCT FROM status::text THEN clock_timestamp() ELSE said_at END
WHERE id = %(node)s AND NOT dead
RETURNING id
