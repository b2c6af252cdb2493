-- notifications_again.sql: given up ones are tried again, from the first try on.
UPDATE tidegate.notifications
SET state = 'pending', attempts = 0, due_at = clock_timestamp(), ended_at = NULL
WHERE state = 'failed' AND (%(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s::bigint[]))
RETURNING id
