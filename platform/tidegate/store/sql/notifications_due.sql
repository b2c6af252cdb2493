-- notifications_due.sql: the channels that have something to send now.
SELECT name FROM unnest(%(names)s::text[]) AS name
WHERE EXISTS (
    SELECT FROM tidegate.notifications WHERE state = 'pending' AND channel = name AND due_at <= clock_timestamp()
)
