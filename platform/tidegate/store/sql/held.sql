-- held.sql: what the table says that a node holds of a queue, claimed at least `age` seconds ago (protocol L6).
SELECT id, lease FROM tidegate.jobs
WHERE state = 'running' AND node = %(node)s AND queue = %(queue)s AND claimed_at < clock_timestamp() - %(age)s * interval '1 second'
