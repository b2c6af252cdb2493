-- doctor_tables.sql: dead and live rows of our tables, and when each was last vacuumed.
SELECT relname AS name, n_live_tup AS live, n_dead_tup AS dead,
    extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum))::float8 AS vacuumed_ago
FROM pg_stat_user_tables WHERE schemaname = 'tidegate'
ORDER BY n_dead_tup DESC
