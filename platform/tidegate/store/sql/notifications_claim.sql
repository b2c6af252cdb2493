-- notifications_claim.sql: the oldest due notification of a channel, for one try. Nobody else has it before `patience` is over: whoever
-- was killed in the middle leaves it to be sent again. The try is counted here, so that one that kills its node is counted, too.
UPDATE tidegate.notifications AS n
SET attempts = n.attempts + 1, due_at = clock_timestamp() + %(patience)s * interval '1 second', node = %(node)s
WHERE n.id = (
    SELECT id FROM tidegate.notifications
    WHERE state = 'pending' AND channel = %(channel)s AND due_at <= clock_timestamp()
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING n.id, n.attempts, n.event, n.grp, n.body, extract(epoch FROM n.made_at)::float8 AS made_at
