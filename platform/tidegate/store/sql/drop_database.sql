-- drop_database.sql: the end of it; what is still connected is cut off.
DROP DATABASE IF EXISTS {name} WITH (FORCE)
