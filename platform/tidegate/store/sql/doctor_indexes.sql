-- doctor_indexes.sql: the indexes of our tables, and whether each can be used.
SELECT c.relname AS name, i.indisvalid AND i.indisready AS valid
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'tidegate'
ORDER BY c.relname
