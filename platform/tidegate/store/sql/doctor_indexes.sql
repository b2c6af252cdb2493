-- doctor_indexes.sql: the indexes of our tables, whether each can be used, its size, and how many rows it had when last counted.
SELECT c.relname AS name, i.indisvalid AND i.indisready AS valid, pg_relation_size(c.oid) AS bytes, greatest(c.reltuples, 0)::float8 AS rows
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'tidegate'
ORDER BY c.relname
