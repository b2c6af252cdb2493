-- doctor_server.sql: whether the server is set up for a queue: dead rows are cleared away, commits last, and there is a way to write.
SELECT current_setting('autovacuum')::boolean AS autovacuum, current_setting('fsync')::boolean AS fsync,
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only
