-- redrive_end.sql: a redrive that is running is over, and why; said by its `driver`, or by anybody (NULL).
UPDATE tidegate.redrives SET state = %(state)s, said = %(said)s, changed_at = statement_timestamp(), beat_at = NULL
WHERE id = %(redrive)s AND state = 'running' AND (%(driver)s::text IS NULL OR driver = %(driver)s)
RETURNING id
