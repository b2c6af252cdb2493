-- notifications_discard.sql: given up ones are let go.
DELETE FROM tidegate.notifications WHERE state = 'failed' AND (%(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s::bigint[]))
RETURNING id
