-- doctor_autovacuum.sql: of each of our tables: what died since a vacuum came, when one came last, for how long one may have come
-- (since the server's start, or the last migration: before that there was no table, or nobody to count), how many dead rows autovacuum waits
-- for (NULL: it is switched off for this table), and how many transactions old its oldest row is, with the age that cannot wait.
SELECT s.relname AS name, s.n_dead_tup AS dead_tuples,
    extract(epoch FROM clock_timestamp() - greatest(s.last_autovacuum, s.last_vacuum))::float8 AS vacuumed_ago,
    extract(epoch FROM clock_timestamp() - greatest(pg_postmaster_start_time(), m.applied_at))::float8 AS watched_for,
    CASE WHEN coalesce(own.enabled, true)
        THEN coalesce(own.threshold, current_setting('autovacuum_vacuum_threshold')::float8)
            + coalesce(own.scale, current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0)
    END AS awaited,
    age(c.relfrozenxid) AS age, current_setting('autovacuum_freeze_max_age')::bigint AS most_age
FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
CROSS JOIN LATERAL (
    SELECT max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_enabled')::boolean AS enabled,
        max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_vacuum_threshold')::float8 AS threshold,
        max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_vacuum_scale_factor')::float8 AS scale
    FROM pg_options_to_table(c.reloptions) AS o
) AS own
CROSS JOIN (SELECT max(applied_at) AS applied_at FROM tidegate.migrations) AS m
WHERE s.schemaname = 'tidegate' AND c.relkind = 'r'
ORDER BY s.relname
