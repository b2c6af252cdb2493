-- doctor_server.sql: whether the server is set up for a queue: dead rows are cleared away, commits last, there is a way to write;
-- how many connections are kept for superusers, or are held by others than Tidegate.
SELECT current_setting('autovacuum')::boolean AS autovacuum, current_setting('fsync')::boolean AS fsync,
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only,
    current_setting('superuser_reserved_connections')::integer AS reserved,
    (
        SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name IS DISTINCT FROM 'tidegate' AND pid <> pg_backend_pid()
    ) AS others
