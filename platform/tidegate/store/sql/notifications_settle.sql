-- notifications_settle.sql: what came of a try, if it is still the last one.
UPDATE tidegate.notifications
SET state = %(state)s, error = %(error)s,
    due_at = CASE WHEN %(state)s = 'pending' THEN clock_timestamp() + %(delay)s * interval '1 second' ELSE due_at END,
    ended_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE clock_timestamp() END
WHERE id = %(id)s AND attempts = %(attempt)s AND state = 'pending'
RETURNING id
