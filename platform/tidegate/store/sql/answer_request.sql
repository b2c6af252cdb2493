-- answer_request.sql: a node's answer, or why it has none; whoever asked is told.
WITH answered AS (
    UPDATE tidegate.node_requests
    SET answer = %(answer)s::json, error = %(error)s, answered_at = clock_timestamp()
    WHERE id = %(id)s AND answered_at IS NULL
    RETURNING id
)
SELECT pg_notify('tidegate_answers', id::text) FROM answered
