-- tables_health.sql: of each table of ours that is no partition: rows that died and were not yet cleared away, and its size with its
-- indexes. What the server has counted; nothing is read of the tables themselves.
SELECT s.relname AS name, s.n_dead_tup AS dead_tuples, s.n_live_tup AS live_tuples, pg_total_relation_size(s.relid) AS bytes
FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
WHERE s.schemaname = 'tidegate' AND c.relkind = 'r' AND NOT c.relispartition
ORDER BY s.relname
