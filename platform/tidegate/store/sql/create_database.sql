-- create_database.sql: a database of its own for a benchmark, with nothing in it that the server's template may have.
CREATE DATABASE {name} TEMPLATE template0
