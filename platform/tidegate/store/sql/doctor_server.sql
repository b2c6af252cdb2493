-- doctor_server.sql: connections in use and allowed, whether autovacuum runs, and whether a commit is durable when it returns.
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS allowed,
    current_setting('autovacuum')::boolean AS autovacuum,
    current_setting('fsync')::boolean AS fsync,
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only
