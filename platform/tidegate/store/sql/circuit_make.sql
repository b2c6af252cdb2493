-- circuit_make.sql: circuits that are not there yet begin closed; the others are seen once more. Ordered, so that no two nodes deadlock.
INSERT INTO tidegate.circuits (name)
SELECT name FROM unnest(%(names)s::text[]) AS n (name) ORDER BY name
ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp()
RETURNING name
