-- migrations_table.sql: which migrations a database has; its newest version is the schema's.
CREATE TABLE IF NOT EXISTS tidegate.migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
