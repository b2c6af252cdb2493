-- scale.sql: fixes the fleet's sum of a queue's consumers (NULL: automatic), for `seconds` (NULL: until it is said otherwise), and tells.
WITH changed AS (
    INSERT INTO tidegate.queue_controls (queue, scale, scale_until)
    VALUES (%(queue)s, %(size)s, clock_timestamp() + %(seconds)s::float8 * interval '1 second')
    ON CONFLICT (queue) DO UPDATE SET scale = excluded.scale, scale_until = excluded.scale_until, changed_at = clock_timestamp()
    RETURNING queue, scale, scale_until
)
SELECT queue, scale, scale_until, pg_notify('tidegate', json_build_object('queue', queue, 'controls', true)::text) FROM changed
