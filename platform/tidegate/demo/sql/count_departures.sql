-- Counts each departure once, however often it is told. Rows are taken in the order of their keys, so that two batches
-- that share some wait for each other and never deadlock.
WITH told AS (
    SELECT DISTINCT ON (scheduled, carrier, flight) *
    FROM unnest(
        %(scheduled)s::timestamptz[], %(carrier)s::text[], %(flight)s::integer[],
        %(origin)s::text[], %(dest)s::text[], %(delay)s::integer[]
    ) AS told (scheduled, carrier, flight, origin, dest, delay)
    ORDER BY scheduled, carrier, flight
),
fresh AS (
    INSERT INTO shop.departures (scheduled, carrier, flight, origin, dest, delay)
    SELECT scheduled, carrier, flight, origin, dest, delay FROM told ORDER BY scheduled, carrier, flight
    ON CONFLICT DO NOTHING
    RETURNING origin, dest, delay
)
INSERT INTO shop.routes AS r (origin, dest, departures, cancelled, late, delay_minutes)
SELECT origin, dest, count(*), count(*) FILTER (WHERE delay IS NULL), count(*) FILTER (WHERE delay > 15),
       coalesce(sum(delay) FILTER (WHERE delay > 0), 0)
FROM fresh
GROUP BY origin, dest
ORDER BY origin, dest
ON CONFLICT (origin, dest) DO UPDATE SET
    departures = r.departures + excluded.departures,
    cancelled = r.cancelled + excluded.cancelled,
    late = r.late + excluded.late,
    delay_minutes = r.delay_minutes + excluded.delay_minutes
