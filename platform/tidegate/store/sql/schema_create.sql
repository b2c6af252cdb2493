-- schema_create.sql: the schema that everything of Tidegate's lies in.
CREATE SCHEMA IF NOT EXISTS tidegate
