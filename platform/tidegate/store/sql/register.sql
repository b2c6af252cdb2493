-- register.sql: a node begins its life, with a lease of `lease` seconds.
INSERT INTO tidegate.nodes (id, host, pid, version, queues, expires)
VALUES (%(node)s, %(host)s, %(pid)s, %(version)s, %(queues)s::text[], clock_timestamp() + %(lease)s * interval '1 second')
