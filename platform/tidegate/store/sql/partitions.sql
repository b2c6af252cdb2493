-- partitions.sql: the day partitions there are, attached or left over from a detach that was cut short; parent is NULL for those.
-- `own` tells whether this role may detach and drop them itself.
SELECT c.relname AS name, p.relname AS parent, coalesce(i.inhdetachpending, false) AS pending,
    (statement_timestamp() AT TIME ZONE 'UTC')::date AS today, pg_has_role(c.relowner, 'USAGE') AS own
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
LEFT JOIN pg_class AS p ON p.oid = i.inhparent
WHERE n.nspname = 'tidegate' AND c.relkind = 'r' AND c.relname ~ '_[0-9]{8}$'
ORDER BY c.relname
