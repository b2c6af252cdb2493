-- server_health.sql: what keeps dead rows of our tables from being cleared away, and how many connections the server has.
-- oldest_snapshot_age: how many transactions ago the oldest row version died that somebody may still see: a session of this database, a
-- standby, a replication slot, a prepared transaction. A role without pg_read_all_stats sees its own sessions only.
WITH sessions AS (
    SELECT * FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL)
)
SELECT
    coalesce((
        SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM sessions WHERE backend_type = 'client backend'
    ), 0)::float8 AS oldest_transaction_age,
    greatest(
        (SELECT coalesce(max(age(backend_xmin)), 0) FROM sessions),
        (SELECT coalesce(max(age(xmin)), 0) FROM pg_replication_slots),
        (SELECT coalesce(max(age(transaction)), 0) FROM pg_prepared_xacts WHERE database = current_database())
    )::bigint AS oldest_snapshot_age,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections')::integer AS max_connections
