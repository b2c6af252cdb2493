-- pause.sql: pauses or resumes a queue, fleet-wide, and tells the nodes. Hints do not move while it is paused, so resuming needs no places.
WITH changed AS (
    INSERT INTO tidegate.queue_controls (queue, paused) VALUES (%(queue)s, %(paused)s)
    ON CONFLICT (queue) DO UPDATE SET paused = excluded.paused, changed_at = clock_timestamp()
    RETURNING queue, paused
)
SELECT queue, paused,
    pg_notify('tidegate', json_build_object('queue', queue, 'controls', true)::text)
FROM changed
