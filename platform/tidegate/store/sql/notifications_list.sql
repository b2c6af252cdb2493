-- notifications_list.sql: what went out, or should have, the newest first.
SELECT id, channel, event, grp AS "group", state, attempts, made_at, due_at, ended_at, error, body
FROM tidegate.notifications
WHERE (%(states)s::text[] IS NULL OR state = ANY (%(states)s::text[])) AND (%(channel)s::text IS NULL OR channel = %(channel)s)
ORDER BY id DESC LIMIT %(limit)s
