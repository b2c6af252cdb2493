-- notifications_prune.sql: what was sent, or given up, longer ago than these ages; a batch at a time.
DELETE FROM tidegate.notifications WHERE id IN (
    SELECT id FROM tidegate.notifications
    WHERE ended_at < clock_timestamp() - CASE state WHEN 'failed' THEN %(failed)s ELSE %(sent)s END * interval '1 second'
    LIMIT %(n)s FOR UPDATE SKIP LOCKED
)
