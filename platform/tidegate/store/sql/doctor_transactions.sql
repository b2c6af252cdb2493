-- doctor_transactions.sql: what keeps dead rows from being removed, the oldest first: transactions, prepared ones, replication slots.
SELECT what, id, age, detail
FROM (
    SELECT 'transaction' AS what, a.pid::text AS id, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age,
        format('%%s, by %%s: %%s', concat_ws(', ', a.state, nullif(a.application_name, '')), a.usename, left(regexp_replace(a.query, '\s+', ' ', 'g'), 120)) AS detail
    FROM pg_stat_activity AS a
    WHERE a.xact_start IS NOT NULL AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
        AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
    UNION ALL
    SELECT 'prepared transaction', p.gid, extract(epoch FROM clock_timestamp() - p.prepared)::float8, format('of %%s', p.owner)
    FROM pg_prepared_xacts AS p
    UNION ALL
    SELECT 'replication slot', s.slot_name, NULL, CASE WHEN s.active THEN 'active' ELSE 'inactive' END
    FROM pg_replication_slots AS s WHERE s.xmin IS NOT NULL AND NOT s.active
) AS holders
WHERE age IS NULL OR age > %(age)s
ORDER BY age DESC NULLS FIRST
LIMIT 5
